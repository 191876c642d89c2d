/*
 * predict_int.h: what the files of prediction share.
 *
 * A *call* is one place in a query that predicts: it knows its model version and where each input column of the model is
 * in the rows it gets.  It lives in fn_extra and is renewed when the model reference, the statement or the rows' type
 * change.
 */
#ifndef MDL_PREDICT_INT_H
#define MDL_PREDICT_INT_H

#include "base/base.h"
#include "access/htup.h"
#include "access/tupdesc.h"
#include "ml/ml_model.h"
#include "ml/ml_model_parts.h"
#include "registry/registry.h"

/* ---- model_cache.c: decoded models of this backend ---- */

typedef struct MdlCachedModel
{
	int64		version_id;		/* key */
	const ml_model *model;
	MemoryContext context;
	Size		size;			/* bytes */
	int			pins;			/* users; 0: may be evicted */
	uint64		last_used;
} MdlCachedModel;

/* Decodes the version unless it is cached, and pins it.  `name` is for messages. */
extern MdlCachedModel *mdl_model_cache_get(int64 version_id, const char *name);
extern void mdl_model_cache_unpin(MdlCachedModel *cached);

/* Raises the error that a numeric function reported about a model. */
extern void mdl_raise_ml(ml_status status, const ml_error *err, const char *model) pg_attribute_noreturn();

/* Raises an error if the model is made of parts, which have what was asked for each of their own. */
extern void mdl_refuse_parts(const ml_model *model, const char *name);

/* ---- predict_input.c: from a row to the model's columns ---- */

typedef struct MdlInputMap
{
	TupleDesc	desc;			/* own copy */
	int			n_columns;
	int		   *attributes;		/* (n_columns) index into the row */
	int		   *conversions;	/* (n_columns) */
	FmgrInfo   *outputs;		/* (n_columns) for types read by their text */
	Datum	   *datums;			/* (desc->natts) */
	bool	   *isnull;
	ml_values  *values;			/* (n_columns) one row each */
	double	   *numbers;
	ml_text    *texts;
	unsigned char *nulls;
	double	  **vectors;		/* (n_columns) of arrays, else NULL */
	int		   *lengths;		/* (n_columns) of these */
	char	  **names;			/* (n_columns) for messages */
} MdlInputMap;

/* Finds each column of the model in rows of that shape, by name; an error names a missing one or a type that does not fit. */
extern MdlInputMap *mdl_input_map(const ml_model *model, const char *name, TupleDesc desc, MemoryContext context);
extern void mdl_input_read(MdlInputMap *map, HeapTupleHeader row);

/* ---- predict_call.c ---- */

typedef struct MdlPredictCall
{
	MemoryContext context;		/* of this struct; long-lived */
	char	   *reference;
	Size		reference_length;
	Oid			user;
	TransactionId xmin,
				xmax;			/* identity of the statement's snapshot */
	uint32		xcnt;
	int32		subxcnt;
	CommandId	command;
	char	   *name;			/* model's */
	int			version;
	MdlCachedModel *cached;
	Oid			row_type;
	int32		row_typmod;
	MemoryContext map_context;
	MdlInputMap *map;
	double	   *out;			/* room for what the model predicts or transforms a row to */
} MdlPredictCall;

/* Makes the call ready for argument 0 (the model); NULL is an error. */
extern MdlPredictCall *mdl_predict_call(FunctionCallInfo fcinfo);

/* Predicts argument 1; false when the prediction is NULL, else call->out holds it. */
extern bool mdl_predict_input(FunctionCallInfo fcinfo, MdlPredictCall *call);

/* The same for ml_model_transform, and for the design row. */
extern bool mdl_transform_input(FunctionCallInfo fcinfo, MdlPredictCall *call);
extern bool mdl_design_input_row(FunctionCallInfo fcinfo, MdlPredictCall *call);

/* Counts rows for a batch, and reports its progress; NULL outside one. */
typedef struct MdlPredictCount
{
	int64		rows;
	int64		nulls;
} MdlPredictCount;

extern MdlPredictCount *mdl_predict_count;

/* ---- predict_source.c ---- */

/* A source described: what to write behind FROM, and its columns. */
typedef struct MdlPredictSource
{
	char	   *from;
	Oid			relid;			/* InvalidOid for a query */
	TupleDesc	desc;
} MdlPredictSource;

/* Needs an open SPI connection; the result lives in the current context. */
extern void mdl_predict_source(const char *source, MdlPredictSource *result);

/* The index of a column, -1 if there is none. */
extern int	mdl_source_column(const MdlPredictSource *source, const char *name);

/* The model behind a reference, pinned until the current memory context is reset or deleted. */
typedef struct MdlUsedModel
{
	MdlModelVersion version;
	const ml_model *model;
	char	   *exact;			/* name/version */
} MdlUsedModel;

extern void mdl_use_model(const char *reference, MdlUsedModel *used);

/* ---- evaluate.c ---- */

/*
 * A subquery of the source with columns l (label), p (prediction or probabilities), c (class), t (label is positive),
 * classes, known (the label is a class of the model); rows as they come.  OFFSET '0' keeps the planner from predicting once
 * per mention of p; written so, and not as a number, it lets workers share the rows.  Needs an open SPI connection.
 */
extern char *mdl_predicted_rows(const MdlUsedModel *used, const char *source);

#endif							/* MDL_PREDICT_INT_H */
