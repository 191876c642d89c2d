/*
 * ml_estimator.c: the table, and what holds for all its rows.
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <string.h>

const ml_estimator *const ml_estimators[] = {
	&ml_estimator_dbscan,
	&ml_estimator_elastic_net,
	&ml_estimator_gamma,
	&ml_estimator_gaussian_mixture,
	&ml_estimator_hierarchical,
	&ml_estimator_huber,
	&ml_estimator_isotonic,
	&ml_estimator_kmeans,
	&ml_estimator_lasso,
	&ml_estimator_lda,
	&ml_estimator_linear,
	&ml_estimator_linear_svm,
	&ml_estimator_logistic,
	&ml_estimator_naive_bayes,
	&ml_estimator_neighbors,
	&ml_estimator_nmf,
	&ml_estimator_pca,
	&ml_estimator_poisson,
	&ml_estimator_qda,
	&ml_estimator_quantile_regression,
	&ml_estimator_ridge,
	&ml_estimator_sgd,
	&ml_estimator_svm,
	&ml_estimator_truncated_svd,
	&ml_estimator_tweedie,
	NULL
};

const ml_estimator *
ml_estimator_find(const char *name)
{
	for (int i = 0; ml_estimators[i] != NULL; i++)
		if (strcmp(ml_estimators[i]->name, name) == 0)
			return ml_estimators[i];
	return NULL;
}

int
ml_estimator_param(const ml_estimator *estimator, const char *name)
{
	for (int i = 0; i < estimator->n_params; i++)
		if (strcmp(estimator->params[i].name, name) == 0)
			return i;
	return -1;
}

void
ml_estimator_defaults(const ml_estimator *estimator, double *params)
{
	for (int i = 0; i < estimator->n_params; i++)
		params[i] = estimator->params[i].default_value;
}

const char *
ml_param_word(const ml_param_spec *spec, double value)
{
	int			count = 0;

	while (spec->choices != NULL && spec->choices[count] != NULL)
		count++;
	if (spec->type == ML_PARAM_CHOICE)
		return spec->choices[(int) value];
	return spec->type == ML_PARAM_NUMBER && value < 0 && value >= -count ? spec->choices[(int) -value - 1] : NULL;
}

ml_status
ml_param_check(const ml_param_spec *spec, double value, ml_error *err)
{
	bool		low = spec->above_minimum ? !(value > spec->minimum) : !(value >= spec->minimum);

	if (spec->type == ML_PARAM_BOOLEAN || spec->type == ML_PARAM_CHOICE || spec->type == ML_PARAM_COLUMN ||
		ml_param_word(spec, value) != NULL)
		return ML_OK;
	if (!isfinite(value) || low || value > spec->maximum)
	{
		const char *least = spec->above_minimum ? "above" : "at least";

		if (isinf(spec->maximum))
			return ml_fail(err, ML_BAD_PARAM, NULL, "parameter \"%s\" must be %s %g, but is %.15g", spec->name, least,
						   spec->minimum, value);
		return ml_fail(err, ML_BAD_PARAM, NULL, "parameter \"%s\" must be %s %g and at most %g, but is %.15g", spec->name,
					   least, spec->minimum, spec->maximum, value);
	}
	return ML_OK;
}

ml_status
ml_report_init(const ml_ctx *ctx, ml_report *report, size_t n_coefficients, ml_error *err)
{
	memset(report, 0, sizeof(*report));
	report->converged = true;
	report->coefficients = ml_alloc_zero(ctx, n_coefficients, sizeof(ml_coefficient));
	if (report->coefficients == NULL)
		return ml_no_memory(err);
	report->n_coefficients = n_coefficients;
	return ML_OK;
}

void
ml_report_free(const ml_ctx *ctx, ml_report *report)
{
	ml_free(ctx, report->coefficients);
	for (int i = 0; i < report->n_arrays; i++)
		ml_free(ctx, report->arrays[i].values);
	ml_free(ctx, report->arrays);
	memset(report, 0, sizeof(*report));
}

void
ml_report_fact(ml_report *report, const char *name, double value)
{
	if (!isfinite(value) || report->n_facts >= ML_MAX_FACTS)
		return;
	report->facts[report->n_facts].name = name;
	report->facts[report->n_facts++].value = value;
}

ml_status
ml_report_array(const ml_ctx *ctx, ml_report *report, const char *name, const double *values, int n_rows, int n_columns,
				ml_report_matrix **added, ml_error *err)
{
	size_t		count = (size_t) n_rows * n_columns;
	double	   *copy = ml_alloc(ctx, count, sizeof(double));
	ml_report_matrix *arrays = ml_alloc(ctx, report->n_arrays + 1, sizeof(ml_report_matrix));

	if (copy == NULL || arrays == NULL)
	{
		ml_free(ctx, copy);
		ml_free(ctx, arrays);
		return ml_no_memory(err);
	}
	if (count > 0)
		memcpy(copy, values, count * sizeof(double));
	if (report->n_arrays > 0)
		memcpy(arrays, report->arrays, report->n_arrays * sizeof(ml_report_matrix));
	ml_free(ctx, report->arrays);
	report->arrays = arrays;
	arrays[report->n_arrays] = (ml_report_matrix) {name, n_rows, n_columns, copy, false, false};
	if (added != NULL)
		*added = &arrays[report->n_arrays];
	report->n_arrays++;
	return ML_OK;
}
