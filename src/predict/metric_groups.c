/*
 * metric_groups.c: metrics of rows in groups: silhouette, davies_bouldin, calinski_harabasz, inertia (points in
 * clusters); dcg, ndcg, map, mrr (rows of queries).
 *
 * Clusters and queries may be of any type.  A group is told by 64 bits hashed from its text, kept in the place of a
 * double: two of a million groups meet with a probability of 3e-8.
 */
#include "predict/metric_int.h"

#include <math.h>

#include "miscadmin.h"
#include "ml/eval_cluster.h"
#include "ml/eval_ranking.h"
#include "ml/ml_hash.h"
#include "ml/ml_sort.h"
#include "utils/memutils.h"

/* The group in argument `argument`, as the bits of a double. */
static double
group_of(FunctionCallInfo fcinfo, int argument, MdlLabels **labels)
{
	const char *text;
	int			length;
	uint64		hash;
	double		bits;

	if (*labels == NULL)
	{
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, argument);

		*labels = mdl_labels_make(type, type, "a metric", fcinfo->flinfo->fn_mcxt);
	}
	text = mdl_label_text(*labels, 0, PG_GETARG_DATUM(argument), &length);
	hash = ml_hash_bytes(0x67726f7570, text, length);
	memcpy(&bits, &hash, sizeof(bits));
	return bits;
}

/* ---- points in clusters -------------------------------------------------------------------------------------- */

/* _points_step(state, features, cluster) */
MDL_SHIM_TARGET(mdl_metric_points_step);
Datum
mdl_metric_points_step_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	int			n;
	double	   *features = mdl_metric_numbers(PG_GETARG_ARRAYTYPE_P(1), "the features of a clustering metric", &n);
	double	   *row;

	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("the features of a clustering metric must not be empty")));
	if (state != NULL && state->width != n + 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("rows of a clustering metric have %d and %d features", state->width - 1, n),
				 errhint("All rows must have as many.")));
	for (int k = 0; k < n; k++)
		if (!isfinite(features[k]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("feature %d of a clustering metric is %g", k + 1, features[k]),
					 errhint("Leave such rows out with a FILTER clause.")));
	row = mdl_metric_rows_add(&state, n + 1);
	row[0] = group_of(fcinfo, 2, (MdlLabels **) &fcinfo->flinfo->fn_extra);
	memcpy(row + 1, features, sizeof(double) * n);
	PG_RETURN_POINTER(state);
}

static int
compare_bits(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(double));
}

/* Numbers the clusters from 0. */
static int *
number_clusters(const ml_ctx *ctx, const MetricRows *state, int *n_clusters)
{
	double	   *bits = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * (Size) state->n);
	double	   *scratch = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * (Size) state->n);
	int		   *clusters = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * (Size) state->n);
	size_t		distinct = 0;

	for (int64 i = 0; i < state->n; i++)
		memcpy(bits + i, state->numbers + i * state->width, sizeof(double));
	ml_sort(ctx, bits, scratch, state->n, sizeof(double), compare_bits);
	CHECK_FOR_INTERRUPTS();
	for (int64 i = 0; i < state->n; i++)
		if (i == 0 || compare_bits(bits + i, bits + distinct - 1) != 0)
			memmove(bits + distinct++, bits + i, sizeof(double));
	for (int64 i = 0; i < state->n; i++)
	{
		double	   *found = bsearch(state->numbers + i * state->width, bits, distinct, sizeof(double), compare_bits);

		clusters[i] = found - bits;
	}
	*n_clusters = distinct;
	pfree(bits);
	pfree(scratch);
	return clusters;
}

static Datum
points_final(FunctionCallInfo fcinfo, ml_status (*metric) (const ml_ctx *ctx, const ml_points *points, double *value,
														   ml_error *err))
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	ml_points	points = {0};
	ml_error	error;
	ml_status	status;
	double		value;

	if (state == NULL)
		PG_RETURN_NULL();
	points.x = state->numbers + 1;
	points.stride = state->width;
	points.n = state->n;
	points.width = state->width - 1;
	points.clusters = number_clusters(&ctx, state, &points.n_clusters);
	ctx.nthreads = mdl_training_threads();
	status = metric(&ctx, &points, &value, &error);
	if (status != ML_OK)
		mdl_ml_raise(status, &error);
	if (isnan(value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

MDL_SHIM_TARGET(mdl_metric_silhouette);
Datum
mdl_metric_silhouette_impl(PG_FUNCTION_ARGS)
{
	return points_final(fcinfo, ml_silhouette);
}

MDL_SHIM_TARGET(mdl_metric_davies_bouldin);
Datum
mdl_metric_davies_bouldin_impl(PG_FUNCTION_ARGS)
{
	return points_final(fcinfo, ml_davies_bouldin);
}

MDL_SHIM_TARGET(mdl_metric_calinski_harabasz);
Datum
mdl_metric_calinski_harabasz_impl(PG_FUNCTION_ARGS)
{
	return points_final(fcinfo, ml_calinski_harabasz);
}

MDL_SHIM_TARGET(mdl_metric_inertia);
Datum
mdl_metric_inertia_impl(PG_FUNCTION_ARGS)
{
	return points_final(fcinfo, ml_inertia);
}

/* ---- rows of queries ----------------------------------------------------------------------------------------- */

static double *
add_ranked(MetricRows **state, double query, double relevance, double score)
{
	double	   *row;

	if (isnan(score) || isnan(relevance))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a %s is NaN and cannot be ranked", isnan(score) ? "score" : "relevance"),
				 errhint("Leave such rows out with a FILTER clause, or give NULL, which is left out.")));
	row = mdl_metric_rows_add(state, 3);
	row[0] = query;
	row[1] = relevance;
	row[2] = score + 0.0;
	return row;
}

/* _gain_step(state, relevance, score [, k [, query]]); not strict, k NULL is no limit; parameter: k */
MDL_SHIM_TARGET(mdl_metric_gain_step);
Datum
mdl_metric_gain_step_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	double		query = 0;
	int			k = 0;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || (PG_NARGS() > 4 && PG_ARGISNULL(4)))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
	{
		k = PG_GETARG_INT32(3);
		if (k < 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("k must be at least 1, but is %d", k),
					 errhint("It is the number of ranks that count; NULL for all.")));
	}
	if (PG_NARGS() > 4)
		query = group_of(fcinfo, 4, (MdlLabels **) &fcinfo->flinfo->fn_extra);
	add_ranked(&state, query, PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2));
	state->parameters[0] = k;
	PG_RETURN_POINTER(state);
}

/* Labels of the first argument, groups of the third. */
typedef struct RelevantLabels
{
	MdlLabels  *relevant;
	MdlLabels  *query;
} RelevantLabels;

/* _relevant_step(state, relevant, score [, query]) */
MDL_SHIM_TARGET(mdl_metric_relevant_step);
Datum
mdl_metric_relevant_step_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	RelevantLabels *labels = fcinfo->flinfo->fn_extra;
	double		query;

	if (labels == NULL)
	{
		labels = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(RelevantLabels));
		labels->relevant = mdl_labels(fcinfo, 1, "map");
		fcinfo->flinfo->fn_extra = labels;
	}
	query = PG_NARGS() > 3 ? group_of(fcinfo, 3, &labels->query) : 0;
	add_ranked(&state, query, mdl_label_positive(labels->relevant, PG_GETARG_DATUM(1)) ? 1 : 0, PG_GETARG_FLOAT8(2));
	PG_RETURN_POINTER(state);
}

/* The mean over queries of a value of each. */
static Datum
mean_over_queries(FunctionCallInfo fcinfo, double (*of_query) (const ml_ctx *ctx, ml_ranked *rows, ml_ranked *scratch, size_t n,
															   size_t k))
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	ml_ranked  *rows,
			   *scratch;
	double		sum = 0;
	int64		queries = 0;

	if (state == NULL)
		PG_RETURN_NULL();
	rows = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ml_ranked) * (Size) state->n);
	scratch = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ml_ranked) * (Size) state->n);
	memcpy(rows, state->numbers, sizeof(ml_ranked) * (Size) state->n);
	ml_ranked_sort(&ctx, rows, scratch, state->n);
	CHECK_FOR_INTERRUPTS();
	for (int64 i = 0; i < state->n;)
	{
		int64		end = i;

		while (end < state->n && memcmp(&rows[end].query, &rows[i].query, sizeof(double)) == 0)
			end++;
		sum += of_query(&ctx, rows + i, scratch, end - i, (size_t) state->parameters[0]);
		queries++;
		i = end;
		CHECK_FOR_INTERRUPTS();
	}
	pfree(rows);
	pfree(scratch);
	PG_RETURN_FLOAT8(sum / queries);
}

static double
dcg_of(const ml_ctx *ctx, ml_ranked *rows, ml_ranked *scratch, size_t n, size_t k)
{
	return ml_dcg(rows, n, k);
}

static double
ndcg_of(const ml_ctx *ctx, ml_ranked *rows, ml_ranked *scratch, size_t n, size_t k)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].relevance < 0)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("ndcg needs a relevance not below 0, but got %g", rows[i].relevance)));
	return ml_ndcg(ctx, rows, scratch, n, k);
}

static double
precision_of(const ml_ctx *ctx, ml_ranked *rows, ml_ranked *scratch, size_t n, size_t k)
{
	return ml_ranked_precision(rows, n);
}

static double
reciprocal_of(const ml_ctx *ctx, ml_ranked *rows, ml_ranked *scratch, size_t n, size_t k)
{
	return ml_reciprocal_rank(rows, n);
}

MDL_SHIM_TARGET(mdl_metric_dcg);
Datum
mdl_metric_dcg_impl(PG_FUNCTION_ARGS)
{
	return mean_over_queries(fcinfo, dcg_of);
}

MDL_SHIM_TARGET(mdl_metric_ndcg);
Datum
mdl_metric_ndcg_impl(PG_FUNCTION_ARGS)
{
	return mean_over_queries(fcinfo, ndcg_of);
}

MDL_SHIM_TARGET(mdl_metric_map);
Datum
mdl_metric_map_impl(PG_FUNCTION_ARGS)
{
	return mean_over_queries(fcinfo, precision_of);
}

MDL_SHIM_TARGET(mdl_metric_mrr);
Datum
mdl_metric_mrr_impl(PG_FUNCTION_ARGS)
{
	return mean_over_queries(fcinfo, reciprocal_of);
}
