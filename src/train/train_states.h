/*
 * train_states.h: what the public state aggregates (naive_bayes_state, kmeans_state, glm_state) have in common: arguments
 * of any type as numbers or texts, and arguments that are the same in every row.
 */
#ifndef MDL_TRAIN_STATES_H
#define MDL_TRAIN_STATES_H

#include "train/train_int.h"

extern void mdl_only_in_aggregate(FunctionCallInfo fcinfo);

/* An argument that is the same in every row; starts as zeros. */
typedef struct MdlConstant
{
	char	   *bytes;			/* of the datum; NULL: none yet, or SQL NULL */
	Size		size;
	bool		known;
} MdlConstant;

/* Whether the varlena argument is the one seen last; takes it, in the context given, if it is not. */
extern bool mdl_constant_same(MdlConstant *constant, FunctionCallInfo fcinfo, int arg, MemoryContext memory);

/* How a feature arrives. */
typedef enum MdlArgumentForm
{
	MDL_ARGUMENT_NUMBER = 1,
	MDL_ARGUMENT_TEXT,
	MDL_ARGUMENT_VECTOR
} MdlArgumentForm;

typedef struct MdlArgument
{
	Oid			type;			/* base type */
	MdlArgumentForm form;
	FmgrInfo	output;			/* of texts that are not text */
} MdlArgument;

/* The features of a call site: arguments first … first + count - 1. */
typedef struct MdlArguments
{
	int			first;
	int			count;
	MdlArgument *arguments;		/* (count) */
	double	   *numbers;		/* (room + 1) of a row */
	int			n_numbers;
	int			room;
} MdlArguments;

/* In fn_mcxt; raises for a type that is neither number nor text nor vector. */
extern MdlArguments *mdl_arguments_open(FunctionCallInfo fcinfo, int first);
extern void mdl_argument_open(FunctionCallInfo fcinfo, int arg, const char *what, MdlArgument *argument);

/* A value as a number; as a text. */
extern double mdl_argument_number(const MdlArgument *argument, Datum value);
extern text *mdl_argument_text(MdlArgument *argument, Datum value);
extern ArrayType *mdl_argument_vector(const MdlArgument *argument, Datum value);	/* of float8, one dimension, no NULL; else NULL */

/* Reads the numbers of a row into a->numbers; raises for texts, NULL and what is not finite, telling which feature. */
extern void mdl_arguments_numbers(MdlArguments *a, FunctionCallInfo fcinfo);

/* Weight of a row; raises if it is NULL, negative or not finite. */
extern double mdl_weight_argument(FunctionCallInfo fcinfo, int arg);

/* The doubles of an array without NULLs, all finite; the error names the argument. */
extern const double *mdl_doubles_argument(Datum value, const char *name, int dimensions, int *rows, int *columns);

/* An array of doubles, rows x columns, or of one dimension if rows is 0. */
extern Datum mdl_doubles_datum(const double *values, int rows, int columns);

extern void mdl_wrong_feature(int index, const char *what) pg_attribute_noreturn();

#endif							/* MDL_TRAIN_STATES_H */
