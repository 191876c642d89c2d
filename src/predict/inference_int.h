/*
 * inference_int.h: what a fit tells about its coefficients, for inference.c and summary.c.
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
} MdlInferenceRequest;

extern void mdl_inference_request(FunctionCallInfo fcinfo, MdlInferenceRequest *request);

/* Needs an open SPI connection; everything lives in the current context. */
extern void mdl_inference_make(const char *reference, const MdlInferenceRequest *request, MdlInference *result);

/* A metric of the version; NaN if it has none of that name. */
extern double mdl_inference_metric(const MdlInference *inference, const char *name);

#endif							/* MDL_INFERENCE_INT_H */
