/*
 * metric_probability.c: the aggregates accuracy, log_loss, brier (means of a loss per row) and roc_auc,
 * average_precision (from all scores).
 *
 * A mean's state is (sum, sum of weights).  The rank metrics keep the scores themselves, 8 bytes a row, in one bytea:
 * those of positives from the front, those of negatives from the back, with room between that is doubled when full.
 * A plain type lets distributed servers push the aggregate down; it also bounds a group to some 130 million rows.
 */
#include "predict/metric_int.h"

#include "common/int.h"
#include "ml/eval_classify.h"
#include "ml/eval_rank.h"
#include "miscadmin.h"
#include "utils/float.h"
#include "utils/memutils.h"

Datum
mdl_add_to_mean(FunctionCallInfo fcinfo, double value, int weight_argument)
{
	Datum		result;
	double	   *state = mdl_state_doubles(fcinfo, 0, 2, &result);
	double		weight = 1;

	if (PG_NARGS() > weight_argument)
		weight = mdl_checked_weight(PG_GETARG_FLOAT8(weight_argument));
	state[0] += weight * value;
	state[1] += weight;
	return result;
}

static double
checked_probability(FunctionCallInfo fcinfo, const char *metric)
{
	double		probability = PG_GETARG_FLOAT8(2);

	if (!(probability >= 0 && probability <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%s needs a probability between 0 and 1, but got %s", metric, float8out_internal(probability)),
				 errhint("For scores that are not probabilities use medallion.roc_auc.")));
	return probability;
}

/* _accuracy_step(state, label, predicted [, weight]) */
MDL_SHIM_TARGET(mdl_metric_accuracy_step);
Datum
mdl_metric_accuracy_step_impl(PG_FUNCTION_ARGS)
{
	MdlLabels  *labels = mdl_labels(fcinfo, 2, "accuracy");

	return mdl_add_to_mean(fcinfo, mdl_labels_equal(labels, PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)) ? 1 : 0, 3);
}

/* _log_loss_step(state, label, probability [, weight]) */
MDL_SHIM_TARGET(mdl_metric_log_loss_step);
Datum
mdl_metric_log_loss_step_impl(PG_FUNCTION_ARGS)
{
	bool		label = mdl_label_positive(mdl_labels(fcinfo, 1, "log_loss"), PG_GETARG_DATUM(1));

	return mdl_add_to_mean(fcinfo, ml_classify_log_loss(label, checked_probability(fcinfo, "log_loss")), 3);
}

/* _brier_step(state, label, probability [, weight]) */
MDL_SHIM_TARGET(mdl_metric_brier_step);
Datum
mdl_metric_brier_step_impl(PG_FUNCTION_ARGS)
{
	bool		label = mdl_label_positive(mdl_labels(fcinfo, 1, "brier"), PG_GETARG_DATUM(1));
	double		error = checked_probability(fcinfo, "brier") - (label ? 1 : 0);

	return mdl_add_to_mean(fcinfo, error * error, 3);
}

/* ---- the share of a loss that is explained -------------------------------------------------------------------- */

enum
{
	SKILL_LOSS, SKILL_WEIGHT, SKILL_POSITIVE, SKILL_ROWS, SKILL_SLOTS
};

static Datum
add_to_skill(FunctionCallInfo fcinfo, const char *metric, bool is_squared)
{
	Datum		result;
	double	   *state = mdl_state_doubles(fcinfo, 0, SKILL_SLOTS, &result);
	bool		label = mdl_label_positive(mdl_labels(fcinfo, 1, metric), PG_GETARG_DATUM(1));
	double		probability = checked_probability(fcinfo, metric);
	double		weight = PG_NARGS() > 3 ? mdl_checked_weight(PG_GETARG_FLOAT8(3)) : 1;
	double		error = probability - (label ? 1 : 0);

	if (weight == 0)
		return result;
	state[SKILL_LOSS] += weight * (is_squared ? error * error : ml_classify_log_loss(label, probability));
	state[SKILL_WEIGHT] += weight;
	state[SKILL_POSITIVE] += label ? weight : 0;
	state[SKILL_ROWS]++;
	return result;
}

/* _d2_log_loss_step(state, label, probability [, weight]) */
MDL_SHIM_TARGET(mdl_metric_d2_log_loss_step);
Datum
mdl_metric_d2_log_loss_step_impl(PG_FUNCTION_ARGS)
{
	return add_to_skill(fcinfo, "d2_log_loss", false);
}

/* _d2_brier_step(state, label, probability [, weight]) */
MDL_SHIM_TARGET(mdl_metric_d2_brier_step);
Datum
mdl_metric_d2_brier_step_impl(PG_FUNCTION_ARGS)
{
	return add_to_skill(fcinfo, "d2_brier", true);
}

/* _skill_merge(state, state) */
MDL_SHIM_TARGET(mdl_metric_skill_merge);
Datum
mdl_metric_skill_merge_impl(PG_FUNCTION_ARGS)
{
	Datum		result;
	double	   *into = mdl_state_doubles(fcinfo, 0, SKILL_SLOTS, &result);
	double	   *other = mdl_state_doubles(fcinfo, 1, SKILL_SLOTS, NULL);

	for (int i = 0; i < SKILL_SLOTS; i++)
		into[i] += other[i];
	return result;
}

/* Against the loss of giving every row the share of positives; NULL for fewer than two rows and when a class is missing. */
static Datum
skill(FunctionCallInfo fcinfo, bool is_squared)
{
	double	   *state = mdl_state_doubles(fcinfo, 0, SKILL_SLOTS, NULL);
	double		all = state[SKILL_WEIGHT];
	double		positive = state[SKILL_POSITIVE];
	double		constant;

	if (state[SKILL_ROWS] < 2 || positive == 0 || positive == all)
		PG_RETURN_NULL();
	if (is_squared)
		constant = positive * (all - positive) / all;
	else
		constant = positive * ml_classify_log_loss(true, positive / all) +
			(all - positive) * ml_classify_log_loss(false, positive / all);
	PG_RETURN_FLOAT8(1 - state[SKILL_LOSS] / constant);
}

MDL_SHIM_TARGET(mdl_metric_d2_log_loss);
Datum
mdl_metric_d2_log_loss_impl(PG_FUNCTION_ARGS)
{
	return skill(fcinfo, false);
}

MDL_SHIM_TARGET(mdl_metric_d2_brier);
Datum
mdl_metric_d2_brier_impl(PG_FUNCTION_ARGS)
{
	return skill(fcinfo, true);
}

/* ---- means ---------------------------------------------------------------------------------------------------- */

/* _mean_merge(state, state) */
MDL_SHIM_TARGET(mdl_metric_mean_merge);
Datum
mdl_metric_mean_merge_impl(PG_FUNCTION_ARGS)
{
	Datum		result;
	double	   *into = mdl_state_doubles(fcinfo, 0, 2, &result);
	double	   *other = mdl_state_doubles(fcinfo, 1, 2, NULL);

	into[0] += other[0];
	into[1] += other[1];
	PG_RETURN_DATUM(result);
}

/* _mean_final(state) */
MDL_SHIM_TARGET(mdl_metric_mean_final);
Datum
mdl_metric_mean_final_impl(PG_FUNCTION_ARGS)
{
	double	   *state = mdl_state_doubles(fcinfo, 0, 2, NULL);

	if (state[1] == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(state[0] / state[1]);
}

/* ---- ranks -------------------------------------------------------------------------------------------------- */

typedef struct RankState
{
	int32		vl_len_;
	int32		capacity;		/* scores there is room for */
	int32		n_positives;	/* scores[0 … n_positives) */
	int32		n_negatives;	/* scores[capacity - n_negatives … capacity) */
	double		scores[FLEXIBLE_ARRAY_MEMBER];
} RankState;

#define RANK_SIZE(capacity) (offsetof(RankState, scores) + sizeof(double) * (Size) (capacity))
#define RANK_MAX ((int64) ((MaxAllocSize - offsetof(RankState, scores)) / sizeof(double)))

/* A state with room for at least `capacity` scores and those of `from` (may be NULL) in it, in the current context. */
static RankState *
rank_state(const RankState *from, int64 capacity)
{
	RankState  *state;

	if (capacity > RANK_MAX)
	{
		if (from != NULL && from->n_positives + from->n_negatives + (int64) 1 > RANK_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("roc_auc and average_precision take at most " INT64_FORMAT " rows", RANK_MAX),
					 errhint("Use a sample of the rows.")));
		capacity = RANK_MAX;
	}
	state = palloc(RANK_SIZE(capacity));
	SET_VARSIZE(state, RANK_SIZE(capacity));
	state->capacity = capacity;
	state->n_positives = state->n_negatives = 0;
	if (from != NULL)
	{
		state->n_positives = from->n_positives;
		state->n_negatives = from->n_negatives;
		memcpy(state->scores, from->scores, sizeof(double) * from->n_positives);
		memcpy(state->scores + capacity - from->n_negatives, from->scores + from->capacity - from->n_negatives,
			   sizeof(double) * from->n_negatives);
	}
	/* What lies between is sent to other processes too: let it be zeros. */
	memset(state->scores + state->n_positives, 0,
		   sizeof(double) * (capacity - state->n_positives - state->n_negatives));
	return state;
}

/* The argument as a state, checked; an empty bytea (the initial one) gives NULL. */
static RankState *
rank_argument(FunctionCallInfo fcinfo, int argument)
{
	RankState  *state;

	mdl_require_aggregate(fcinfo);
	state = (RankState *) PG_GETARG_BYTEA_P(argument);
	if (VARSIZE(state) == VARHDRSZ)
		return NULL;
	if (VARSIZE(state) < RANK_SIZE(0) || state->capacity < 0 || VARSIZE(state) != RANK_SIZE(state->capacity) ||
		state->n_positives < 0 || state->n_negatives < 0 ||
		(int64) state->n_positives + state->n_negatives > state->capacity)
		elog(ERROR, "state of a rank metric is damaged");
	return state;
}

/* _rank_step(state, label, score) */
MDL_SHIM_TARGET(mdl_metric_rank_step);
Datum
mdl_metric_rank_step_impl(PG_FUNCTION_ARGS)
{
	RankState  *state = rank_argument(fcinfo, 0);
	bool		positive = mdl_label_positive(mdl_labels(fcinfo, 1, "roc_auc"), PG_GETARG_DATUM(1));
	double		score = PG_GETARG_FLOAT8(2);

	if (isnan(score))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a score is NaN and cannot be ranked"),
				 errhint("Leave such rows out with a FILTER clause, or give NULL, which is left out.")));
	if (state == NULL)
		state = rank_state(NULL, 64);
	else if (state->n_positives + state->n_negatives == state->capacity)
		state = rank_state(state, (int64) state->capacity * 2);
	if (positive)
		state->scores[state->n_positives++] = score;
	else
		state->scores[state->capacity - ++state->n_negatives] = score;
	PG_RETURN_POINTER(state);
}

/* _rank_merge(state, state) */
MDL_SHIM_TARGET(mdl_metric_rank_merge);
Datum
mdl_metric_rank_merge_impl(PG_FUNCTION_ARGS)
{
	RankState  *into = rank_argument(fcinfo, 0);
	RankState  *other = rank_argument(fcinfo, 1);

	if (other == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (into == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	if ((int64) into->n_positives + into->n_negatives + other->n_positives + other->n_negatives > into->capacity)
	{
		int64		needed = (int64) into->n_positives + into->n_negatives + other->n_positives + other->n_negatives;

		if (needed > RANK_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("roc_auc and average_precision take at most " INT64_FORMAT " rows", RANK_MAX),
					 errhint("Use a sample of the rows.")));
		into = rank_state(into, Min(needed + needed / 2, RANK_MAX));
	}
	memcpy(into->scores + into->n_positives, other->scores, sizeof(double) * other->n_positives);
	memcpy(into->scores + into->capacity - into->n_negatives - other->n_negatives,
		   other->scores + other->capacity - other->n_negatives, sizeof(double) * other->n_negatives);
	into->n_positives += other->n_positives;
	into->n_negatives += other->n_negatives;
	PG_RETURN_POINTER(into);
}

typedef bool (*RankMetric) (const double *positives, size_t n_positives, const double *negatives, size_t n_negatives,
							double *value);

static Datum
rank_final(FunctionCallInfo fcinfo, RankMetric metric)
{
	RankState  *state = rank_argument(fcinfo, 0);
	double	   *positives,
			   *negatives,
			   *scratch;
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	double		value;
	bool		known;

	if (state == NULL)
		PG_RETURN_NULL();
	positives = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * ((Size) state->n_positives + 1));
	negatives = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * ((Size) state->n_negatives + 1));
	scratch = MemoryContextAllocHuge(CurrentMemoryContext,
									 sizeof(double) * ((Size) Max(state->n_positives, state->n_negatives) + 1));
	memcpy(positives, state->scores, sizeof(double) * state->n_positives);
	memcpy(negatives, state->scores + state->capacity - state->n_negatives, sizeof(double) * state->n_negatives);
	ml_rank_sort_ctx(&ctx, positives, scratch, state->n_positives);
	CHECK_FOR_INTERRUPTS();
	ml_rank_sort_ctx(&ctx, negatives, scratch, state->n_negatives);
	CHECK_FOR_INTERRUPTS();
	known = metric(positives, state->n_positives, negatives, state->n_negatives, &value);
	pfree(positives);
	pfree(negatives);
	pfree(scratch);
	if (!known)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

MDL_SHIM_TARGET(mdl_metric_roc_auc);
Datum
mdl_metric_roc_auc_impl(PG_FUNCTION_ARGS)
{
	return rank_final(fcinfo, ml_rank_roc_auc);
}

MDL_SHIM_TARGET(mdl_metric_average_precision);
Datum
mdl_metric_average_precision_impl(PG_FUNCTION_ARGS)
{
	return rank_final(fcinfo, ml_rank_average_precision);
}
