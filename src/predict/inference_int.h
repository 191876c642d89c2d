/*
 * inference_int.h: what a fit tells about its coefficients, for inference.c and summary.c, and its rows, also for partial_fit.c.
 */
#ifndef MDL_INFERENCE_INT_H
#define MDL_INFERENCE_INT_H

#include "predict/predict_int.h"

typedef struct MdlInferenceRow
{
	char	   *class;			/* NULL: none */
	char	   *feature;
	double		estimate;		/* NaN, as what follows, where there is none */
	double		std_error;
	double		statistic;
	double		p_value;
} MdlInferenceRow;

typedef struct MdlInference
{
	MdlUsedModel used;
	Jsonb	   *params;
	Jsonb	   *metrics;
	char	   *source;			/* it was trained on; NULL: not known */
	int64		rows;
	int			n_rows;			/* coefficients */
	MdlInferenceRow *coefficients;
	double		df;				/* of the statistics; infinite: they are z */
	const char *errors;			/* model, HC0 … HC3 or cluster */
	char	   *cluster;		/* column, or NULL */
} MdlInference;

/* What the caller asks for; read from arguments 1 … 4 of the SQL functions: source, errors, cluster, weight. */
typedef struct MdlInferenceRequest
{
	char	   *source;			/* NULL: that of the training */
	char	   *errors;
	char	   *cluster;
	char	   *weight;
	bool		parts;			/* a model of parts is welcome, of which nothing is asked */
} MdlInferenceRequest;

extern void mdl_inference_request(FunctionCallInfo fcinfo, MdlInferenceRequest *request);

/* Needs an open SPI connection; everything lives in the current context. */
extern void mdl_inference_make(const char *reference, const MdlInferenceRequest *request, MdlInference *result);

/* A metric of the version; NaN if it has none of that name. */
extern double mdl_inference_metric(const MdlInference *inference, const char *name);

/* ---- fit_rows.c: rows for a model that exists, with targets, as it prepares them ------------------------------------ */

typedef struct MdlFitRows
{
	MemoryContext context;
	size_t		n;
	size_t		capacity;
	int			n_terms;
	int			n_offsets;		/* terms after them whose coefficient is 1 */
	double	   *x;				/* (n, n_terms) */
	double	   *offset;			/* (n) their sum */
	double	   *target;			/* (n) of a regression */
	int32	   *labels;			/* (n) class codes */
	double	   *weights;		/* (n) */
	int32	   *clusters;		/* (n) from 0, if asked for */
	struct HTAB *cluster_table;
	int			n_clusters;
} MdlFitRows;

/* Reads all rows of a source as the caller; weight and cluster name columns or are NULL.  Needs an open SPI connection. */
extern void mdl_fit_rows_read(const MdlUsedModel *used, const char *source, const char *weight, const char *cluster, MdlFitRows *rows);

#endif							/* MDL_INFERENCE_INT_H */
