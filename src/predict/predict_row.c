/*
 * predict_row.c: the SQL functions predict, predict_class, predict_proba, transform, design_row, terms and classes.
 *
 * In a batch predict and predict_proba count the rows; predict_class, which a batch calls beside predict_proba, does not.
 *
 * A row in which a feature is NULL and the model has nothing to put there has the prediction NULL.
 */
#include "predict/predict_int.h"

#include "base/progress.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

static bool
predict_and_count(FunctionCallInfo fcinfo, MdlPredictCall *call)
{
	bool		known = mdl_predict_input(fcinfo, call);

	if (mdl_predict_count != NULL)
	{
		mdl_predict_count->nulls += known ? 0 : 1;
		if ((++mdl_predict_count->rows & 1023) == 0)
			mdl_progress_update(mdl_predict_count->rows);
	}
	return known;
}

/* predict(model, input): the value, the probability of the positive class, the cluster or the outlier's score. */
MDL_SHIM_TARGET(mdl_predict);
Datum
mdl_predict_impl(PG_FUNCTION_ARGS)
{
	MdlPredictCall *call = mdl_predict_call(fcinfo);
	int			n_classes = ml_model_n_classes(call->cached->model);

	if (ml_model_width(call->cached->model) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" transforms rows and predicts nothing", call->name),
				 errhint("Use medallion.transform.")));
	if (n_classes > 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" tells %d classes apart, so one number cannot be its prediction", call->name, n_classes),
				 errhint("Use medallion.predict_class, or medallion.predict_proba for a probability per class.")));
	if (!predict_and_count(fcinfo, call))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(n_classes == 0 ? call->out[0] : call->out[n_classes - 1]);
}

static void
require_classes(const MdlPredictCall *call)
{
	if (ml_model_n_classes(call->cached->model) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" predicts a number and has no classes", call->name),
				 errhint("Use medallion.predict.")));
}

/* predict_class(model, input): the class with the greatest probability, as text; the first of equal ones. */
MDL_SHIM_TARGET(mdl_predict_class);
Datum
mdl_predict_class_impl(PG_FUNCTION_ARGS)
{
	MdlPredictCall *call = mdl_predict_call(fcinfo);
	int			best = 0;

	require_classes(call);
	if (!mdl_predict_input(fcinfo, call))
		PG_RETURN_NULL();
	for (int k = 1; k < ml_model_n_classes(call->cached->model); k++)
		if (call->out[k] > call->out[best])
			best = k;
	PG_RETURN_TEXT_P(cstring_to_text(ml_model_class(call->cached->model, best)));
}

static ArrayType *
number_array(const double *numbers, int n)
{
	Datum	   *elements = palloc(sizeof(Datum) * (n + 1));

	for (int k = 0; k < n; k++)
		elements[k] = Float8GetDatum(numbers[k]);
	return construct_array(elements, n, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* predict_proba(model, input): a probability per class, in the order of classes(model). */
MDL_SHIM_TARGET(mdl_predict_proba);
Datum
mdl_predict_proba_impl(PG_FUNCTION_ARGS)
{
	MdlPredictCall *call = mdl_predict_call(fcinfo);
	int			n = ml_model_n_classes(call->cached->model);

	require_classes(call);
	if (!predict_and_count(fcinfo, call))
		PG_RETURN_NULL();
	PG_RETURN_ARRAYTYPE_P(number_array(call->out, n));
}

/* transform(model, input): components of a decomposition, distances to centres …. */
MDL_SHIM_TARGET(mdl_transform);
Datum
mdl_transform_impl(PG_FUNCTION_ARGS)
{
	MdlPredictCall *call = mdl_predict_call(fcinfo);
	int			n = ml_model_n_components(call->cached->model);

	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" of algorithm %s does not transform rows", call->name,
						ml_model_algorithm(call->cached->model)),
				 errhint("Use medallion.predict.")));
	if (!mdl_transform_input(fcinfo, call))
		PG_RETURN_NULL();
	PG_RETURN_ARRAYTYPE_P(number_array(call->out, n));
}

/* design_row(model, input): the numbers that the learner sees, prepared from the columns. */
MDL_SHIM_TARGET(mdl_design_row);
Datum
mdl_design_row_impl(PG_FUNCTION_ARGS)
{
	MdlPredictCall *call = mdl_predict_call(fcinfo);

	mdl_refuse_parts(call->cached->model, call->name);
	if (!mdl_design_input_row(fcinfo, call))
		PG_RETURN_NULL();
	PG_RETURN_ARRAYTYPE_P(number_array(call->out, ml_model_n_terms(call->cached->model)));
}

/* terms(model): their names. */
MDL_SHIM_TARGET(mdl_terms);
Datum
mdl_terms_impl(PG_FUNCTION_ARGS)
{
	MdlPredictCall *call = mdl_predict_call(fcinfo);
	const ml_model *model = call->cached->model;
	int			n = ml_model_n_terms(model);
	Datum	   *elements = palloc(sizeof(Datum) * (n + 1));

	mdl_refuse_parts(model, call->name);
	for (int term = 0; term < n; term++)
	{
		int			length = ml_model_term_name(model, term, NULL, 0);
		char	   *name = palloc(length + 1);

		ml_model_term_name(model, term, name, length + 1);
		elements[term] = CStringGetTextDatum(name);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* classes(model): the labels as text, the positive one last. */
MDL_SHIM_TARGET(mdl_classes);
Datum
mdl_classes_impl(PG_FUNCTION_ARGS)
{
	MdlPredictCall *call = mdl_predict_call(fcinfo);
	int			n = ml_model_n_classes(call->cached->model);
	Datum	   *elements;

	require_classes(call);
	elements = palloc(sizeof(Datum) * n);
	for (int k = 0; k < n; k++)
		elements[k] = CStringGetTextDatum(ml_model_class(call->cached->model, k));
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}
