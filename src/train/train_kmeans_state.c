/*
 * train_kmeans_state.c: medallion.kmeans_state: one round of k-means (Lloyd 1982) as a plain state that merges.
 *
 * Per centre: the weight and number of the rows that are nearest to it, and the weighted sums of their differences from
 * it; so nothing is lost where the features are far from 0.
 */
#include "train/train_states.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "ml/ml_kernels.h"
#include "utils/memutils.h"

#define KMEANS_VERSION 2
#define NAME "kmeans_state"

typedef struct KmeansState
{
	MdlStateHead head;
	int32		k;
	int32		d;
	int64		rows;
	double		inertia;
	double		numbers[FLEXIBLE_ARRAY_MEMBER]; /* centres (k, d), sums (k, d), weights (k), rows (k) */
} KmeansState;

#define state_size(k, d) (offsetof(KmeansState, numbers) + sizeof(double) * ((Size) (k) * (2 * (Size) (d) + 2)))

/* What a call site keeps. */
typedef struct KmeansCall
{
	MdlArguments *features;
	MdlConstant centres;
} KmeansCall;

static double *
sums_of(KmeansState *s)
{
	return s->numbers + (Size) s->k * s->d;
}

static double *
weights_of(KmeansState *s)
{
	return s->numbers + 2 * (Size) s->k * s->d;
}

static double *
rows_of(KmeansState *s)
{
	return weights_of(s) + s->k;
}

/* Whether the arrays are as long as the head says. */
static bool
is_whole(const KmeansState *s)
{
	Size		most = VARSIZE(s) / sizeof(double);

	return VARSIZE(s) >= sizeof(KmeansState) && s->head.magic == MDL_STATE_KMEANS && s->k >= 1 && s->d >= 1 && s->k <= most && s->d <= most &&
		VARSIZE(s) == state_size(s->k, s->d) && s->rows >= 0;
}

/* A state that rows are still put in. */
static KmeansState *
open_state(Datum value)
{
	KmeansState *s = (KmeansState *) mdl_state_bytes(value, false);

	if (!is_whole(s))
		mdl_damaged_state(NAME);
	return s;
}

/* A state as users have it. */
static KmeansState *
state_argument(Datum value, bool copy)
{
	KmeansState *s = mdl_sealed_state(value, MDL_STATE_KMEANS, KMEANS_VERSION, sizeof(KmeansState), NAME, copy);

	if (!is_whole(s))
		mdl_damaged_state(NAME);
	for (int c = 0; c < s->k; c++)
		if (!(weights_of(s)[c] >= 0) || !(rows_of(s)[c] >= 0) || !(rows_of(s)[c] <= (double) s->rows))
			mdl_damaged_state(NAME);
	return s;
}

static KmeansState *
make_state(Datum centres)
{
	int			k;
	int			d;
	const double *values = mdl_doubles_argument(centres, "centres", 2, &k, &d);
	KmeansState *s = palloc0(state_size(k, d));

	SET_VARSIZE(s, state_size(k, d));
	s->head.magic = MDL_STATE_KMEANS;
	s->head.version = KMEANS_VERSION;
	s->k = k;
	s->d = d;
	memcpy(s->numbers, values, sizeof(double) * k * d);
	return s;
}

/* Raises unless the state is about these centres. */
static void
same_centres(const KmeansState *s, const KmeansState *other)
{
	Size		i = 0;

	if (s->k == other->k && s->d == other->d)
		while (i < (Size) s->k * s->d && s->numbers[i] == other->numbers[i])
			i++;
	if (i == (Size) s->k * s->d)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the centres must be the same for all rows and states of a round"),
			 s->k != other->k || s->d != other->d ?
			 errdetail("Some have %d centres of %d features, others %d of %d.", s->k, s->d, other->k, other->d) :
			 errdetail("Feature %d of centre %d is %.15g for some, and %.15g for others.", (int) (i % s->d) + 1, (int) (i / s->d) + 1,
					   s->numbers[i], other->numbers[i])));
}

static void
add_row(KmeansState *s, const double *x, double weight)
{
	int			nearest = 0;
	double		least = INFINITY;
	const double *centre;
	double	   *sum;

	for (int c = 0; c < s->k; c++)
	{
		double		distance = ml_squared_distance(x, s->numbers + (Size) c * s->d, s->d);

		if (distance < least)
		{
			least = distance;
			nearest = c;
		}
	}
	centre = s->numbers + (Size) nearest * s->d;
	sum = sums_of(s) + (Size) nearest * s->d;
	for (int j = 0; j < s->d; j++)
		sum[j] += weight * (x[j] - centre[j]);
	weights_of(s)[nearest] += weight;
	rows_of(s)[nearest]++;
	s->inertia += weight * least;
	s->rows++;
}

MDL_SHIM_TARGET(mdl_kmeans_accum);
Datum
mdl_kmeans_accum_impl(PG_FUNCTION_ARGS)
{
	KmeansCall *call = fcinfo->flinfo->fn_extra;
	KmeansState *s;
	double		weight;

	if (unlikely(call == NULL))
	{
		mdl_only_in_aggregate(fcinfo);
		call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(KmeansCall));
		call->features = mdl_arguments_open(fcinfo, 3);
		fcinfo->flinfo->fn_extra = call;
	}
	if (PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("argument \"centres\" must not be NULL")));
	if (PG_ARGISNULL(0))
	{
		mdl_constant_same(&call->centres, fcinfo, 1, fcinfo->flinfo->fn_mcxt);
		s = make_state(PG_GETARG_DATUM(1));
	}
	else
	{
		s = open_state(PG_GETARG_DATUM(0));
		if (!mdl_constant_same(&call->centres, fcinfo, 1, fcinfo->flinfo->fn_mcxt))
			same_centres(s, make_state(PG_GETARG_DATUM(1)));
	}
	weight = mdl_weight_argument(fcinfo, 2);
	mdl_arguments_numbers(call->features, fcinfo);
	if (call->features->n_numbers != s->d)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a row has %d features, but the centres have %d", call->features->n_numbers, s->d)));
	if (weight > 0)
		add_row(s, call->features->numbers, weight);
	PG_RETURN_POINTER(s);
}

/* The first state becomes that of the rows of both. */
static void
add_state(KmeansState *s, const KmeansState *from)
{
	same_centres(s, from);
	for (Size i = (Size) s->k * s->d; i < (Size) s->k * (2 * (Size) s->d + 2); i++)
		s->numbers[i] += from->numbers[i];
	s->rows += from->rows;
	s->inertia += from->inertia;
}

/* What workers have gathered. */
MDL_SHIM_TARGET(mdl_kmeans_combine);
Datum
mdl_kmeans_combine_impl(PG_FUNCTION_ARGS)
{
	KmeansState *s;

	mdl_only_in_aggregate(fcinfo);
	s = open_state(PG_GETARG_DATUM(0));
	add_state(s, open_state(PG_GETARG_DATUM(1)));
	PG_RETURN_POINTER(s);
}

MDL_SHIM_TARGET(mdl_kmeans_join);
Datum
mdl_kmeans_join_impl(PG_FUNCTION_ARGS)
{
	KmeansState *s;

	mdl_only_in_aggregate(fcinfo);
	s = state_argument(PG_GETARG_DATUM(0), false);
	add_state(s, state_argument(PG_GETARG_DATUM(1), false));
	mdl_seal_state(s);
	PG_RETURN_POINTER(s);
}

/* The centres that the rows have now; a centre without rows stays where it is. */
MDL_SHIM_TARGET(mdl_kmeans_final);
Datum
mdl_kmeans_final_impl(PG_FUNCTION_ARGS)
{
	KmeansState *s = state_argument(PG_GETARG_DATUM(0), true);
	double		moved = 0;
	Datum		values[6];
	bool		nulls[6] = {false};

	for (int c = 0; c < s->k; c++)
	{
		double		weight = weights_of(s)[c];
		double		distance = 0;

		for (int j = 0; j < s->d && weight > 0; j++)
		{
			double		step = sums_of(s)[(Size) c * s->d + j] / weight;

			s->numbers[(Size) c * s->d + j] += step;
			distance += step * step;
			if (!isfinite(s->numbers[(Size) c * s->d + j]))
				ereport(ERROR,
						(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						 errmsg("the sums of feature %d overflow", j + 1),
						 errhint("Scale the features.")));
		}
		moved = fmax(moved, sqrt(distance));
	}
	values[0] = mdl_doubles_datum(s->numbers, s->k, s->d);
	values[1] = mdl_doubles_datum(weights_of(s), 0, s->k);
	values[2] = mdl_doubles_datum(rows_of(s), 0, s->k);
	values[3] = Int64GetDatum(s->rows);
	values[4] = Float8GetDatum(s->inertia);
	values[5] = Float8GetDatum(moved);
	PG_RETURN_DATUM(mdl_state_row(fcinfo, values, nulls));
}
