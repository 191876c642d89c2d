/*
 * train_states.h: what the public state aggregates (linear_state, pca_state, glm_state, kmeans_state, naive_bayes_state) have
 * in common: arguments of any type as numbers or texts, arguments that are the same in every row, and models of states.
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
	MdlWording	wording;
	FmgrInfo	output;			/* of texts that are not text */
} MdlArgument;

/* The features of a call site: arguments first … first + count - 1. */
typedef struct MdlArguments
{
	int			first;
	int			count;
	MdlArgument *arguments;		/* (count) */
	int		   *lengths;		/* (count) numbers of each in the row read last */
	bool		plain;			/* all are of type double precision */
	bool		vectors;		/* some are arrays */
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

/* A target as a number; raises for NULL and what is not finite. */
extern void mdl_target_open(FunctionCallInfo fcinfo, int arg, MdlArgument *argument);	/* raises unless it is a number or boolean */
extern double mdl_target_argument(const MdlArgument *argument, FunctionCallInfo fcinfo, int arg);

/* Weight of a row; raises if it is NULL, negative or not finite. */
extern double mdl_weight_argument(FunctionCallInfo fcinfo, int arg);

/* The doubles of an array without NULLs, all finite; the error names the argument. */
extern const double *mdl_doubles_argument(Datum value, const char *name, int dimensions, int *rows, int *columns);

/* An array of doubles, rows x columns, or of one dimension if rows is 0; NaN stays, or with nulls becomes NULL. */
extern Datum mdl_doubles_datum(const double *values, int rows, int columns);
extern Datum mdl_doubles_datum_nulls(const double *values, int rows, int columns);

extern void mdl_wrong_feature(int index, const char *what) pg_attribute_noreturn();

/* ---- states as users have them -------------------------------------------------------------------------------------- */

/* What every state begins with. */
typedef struct MdlStateHead
{
	int32		vl_len_;
	uint32		magic;			/* MDL_STATE_… */
	int32		version;
	uint32		checksum;		/* of all that follows; means nothing while rows come in */
} MdlStateHead;

#define MDL_STATE_MOMENTS 0x4d4d5345u
#define MDL_STATE_CLASSES 0x4d434c53u
#define MDL_STATE_KMEANS 0x4d4b4d53u
#define MDL_STATE_GLM 0x4d474c4du

/* A state as plain aligned memory: the argument itself if it is that already and no copy is wanted. */
extern struct varlena *mdl_state_bytes(Datum value, bool copy);
extern void mdl_damaged_state(const char *of) pg_attribute_noreturn();

/* Puts the checksum in. */
extern void mdl_seal_state(void *state);

/*
 * The state in an argument of an SQL function; raises unless it is one of that aggregate and version, at least smallest
 * bytes long, whose checksum is right.  Who knows how to make a checksum may still give any content: callers check lengths.
 */
extern void *mdl_sealed_state(Datum value, uint32 magic, int32 version, Size smallest, const char *aggregate, bool copy);

/* The one row that a final function returns. */
extern Datum mdl_state_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

/* ---- train_moments_state.c: states of linear_state and pca_state --------------------------------------------------- */

typedef enum MdlMomentsKind
{
	MDL_MOMENTS_LINEAR = 1,
	MDL_MOMENTS_PCA
} MdlMomentsKind;

/* What an argument was: beside these the number of elements of an array. */
#define MDL_LENGTH_NUMBER 0
#define MDL_LENGTH_BOOLEAN (-1)

/* A state as users have it. */
typedef struct MdlMomentsState
{
	MdlStateHead head;
	int32		kind;			/* MdlMomentsKind */
	int32		n;				/* numbers of a row; of linear_state the last is the target */
	int32		n_features;		/* as they were given */
	int32		unused;
	int64		rows;
	double		weight;
	double		log_weight;		/* sum of the logarithms of the weights */
	double		packed[FLEXIBLE_ARRAY_MEMBER];	/* ml_packed_gram.h; then int32 lengths (n_features) */
} MdlMomentsState;

/* The state in the argument, checked; kind 0: either. */
extern MdlMomentsState *mdl_moments_state(Datum value, int kind);
extern const int32 *mdl_moments_lengths(const MdlMomentsState *s);

/* Its Gram, in the current context. */
extern void mdl_moments_gram(const MdlMomentsState *s, ml_gram *gram);

#endif							/* MDL_TRAIN_STATES_H */
