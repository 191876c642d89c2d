/*
 * metric_rows.c: the state of metrics that need every row, and answers that are arrays of rows.
 *
 * The state is one bytea of doubles, so that workers and distributed servers can send it; it bounds a group to some
 * 134 million numbers.  It doubles when full.
 */
#include "predict/metric_int.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#define ROWS_SIZE(width, capacity) (offsetof(MetricRows, numbers) + sizeof(double) * (Size) (width) * (Size) (capacity))
#define ROWS_MAX(width) ((int64) ((MaxAllocSize - offsetof(MetricRows, numbers)) / (sizeof(double) * (width))))

double
mdl_checked_weight(double weight)
{
	if (!(weight >= 0) || isinf(weight))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weight must be a number not below 0, but is %g", weight)));
	return weight;
}

MetricRows *
mdl_metric_rows(FunctionCallInfo fcinfo, int argument)
{
	MetricRows *state;

	mdl_require_aggregate(fcinfo);
	state = (MetricRows *) PG_GETARG_BYTEA_P(argument);
	if (VARSIZE(state) == VARHDRSZ)
		return NULL;
	if (VARSIZE(state) < ROWS_SIZE(1, 0) || state->width < 1 || state->n < 0 || state->capacity < state->n ||
		state->capacity > ROWS_MAX(state->width) || VARSIZE(state) != ROWS_SIZE(state->width, state->capacity))
		elog(ERROR, "state of a metric is damaged");
	return state;
}

/* A state with room for that many rows and those of `from` (may be NULL) in it, in the current context. */
static MetricRows *
make_rows(const MetricRows *from, int width, int64 capacity)
{
	MetricRows *state;
	int64		used = from == NULL ? 0 : from->n;

	if (capacity > ROWS_MAX(width))
	{
		if (used >= ROWS_MAX(width))
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("a metric that keeps its rows takes at most " INT64_FORMAT " of %d numbers", ROWS_MAX(width), width),
					 errhint("Use a sample of the rows.")));
		capacity = ROWS_MAX(width);
	}
	state = palloc(ROWS_SIZE(width, capacity));
	memset(state, 0, offsetof(MetricRows, numbers));
	if (from != NULL)
		memcpy(state, from, ROWS_SIZE(width, used));
	SET_VARSIZE(state, ROWS_SIZE(width, capacity));
	state->width = width;
	state->capacity = capacity;
	/* What is not used yet is sent to other processes too: let it be zeros. */
	memset(state->numbers + used * width, 0, sizeof(double) * (Size) width * (capacity - used));
	return state;
}

double *
mdl_metric_rows_add(MetricRows **state, int width)
{
	if (*state == NULL)
		*state = make_rows(NULL, width, width > 8 ? 4 : 32);
	else if ((*state)->n == (*state)->capacity)
		*state = make_rows(*state, width, (*state)->capacity * 2);
	return (*state)->numbers + (*state)->n++ * width;
}

/* _rows_merge(state, state) */
MDL_SHIM_TARGET(mdl_metric_rows_merge);
Datum
mdl_metric_rows_merge_impl(PG_FUNCTION_ARGS)
{
	MetricRows *into = mdl_metric_rows(fcinfo, 0);
	MetricRows *other = mdl_metric_rows(fcinfo, 1);
	int64		needed;

	if (other == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (into == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	if (into->width != other->width)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("arrays of a metric have %d and %d numbers", into->width - 1, other->width - 1)));
	needed = into->n + other->n;
	if (needed > into->capacity)
	{
		if (needed > ROWS_MAX(into->width))
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("a metric that keeps its rows takes at most " INT64_FORMAT " of %d numbers",
							ROWS_MAX(into->width), into->width),
					 errhint("Use a sample of the rows.")));
		into = make_rows(into, into->width, Min(needed + needed / 2, ROWS_MAX(into->width)));
	}
	memcpy(into->numbers + into->n * into->width, other->numbers, sizeof(double) * (Size) other->n * other->width);
	into->n = needed;
	PG_RETURN_POINTER(into);
}

double *
mdl_metric_numbers(ArrayType *array, const char *what, int *n)
{
	int			dimensions = ARR_NDIM(array);

	if (dimensions > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s must be an array of one dimension, but has %d", what, dimensions)));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not contain NULL", what)));
	*n = dimensions == 0 ? 0 : ARR_DIMS(array)[0];
	return (double *) ARR_DATA_PTR(array);
}

/* ---- arrays of rows ------------------------------------------------------------------------------------------ */

void
mdl_row_array_begin(FunctionCallInfo fcinfo, MdlRowArray *rows, size_t count)
{
	Oid			array_type = get_fn_expr_rettype(fcinfo->flinfo);

	rows->type = get_element_type(array_type);
	if (!OidIsValid(rows->type))
		elog(ERROR, "could not determine the row type of a metric");
	rows->desc = lookup_rowtype_tupdesc_copy(rows->type, -1);
	BlessTupleDesc(rows->desc);
	if (count > MaxAllocSize / sizeof(Datum))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a curve of %zu points is too long", count),
				 errhint("Round the scores.")));
	rows->values = palloc(sizeof(Datum) * (count + 1));
	rows->count = 0;
	rows->room = count;
}

void
mdl_row_array_add(MdlRowArray *rows, Datum *values, bool *nulls)
{
	bool		none[16] = {false};

	Assert(rows->count < rows->room && rows->desc->natts <= lengthof(none));
	if (rows->count % 4096 == 0)
		CHECK_FOR_INTERRUPTS();
	rows->values[rows->count++] = HeapTupleGetDatum(heap_form_tuple(rows->desc, values, nulls == NULL ? none : nulls));
}

void
mdl_row_array_numbers(MdlRowArray *rows, const double *numbers)
{
	Datum		values[16];

	for (int k = 0; k < rows->desc->natts; k++)
		values[k] = Float8GetDatum(numbers[k]);
	mdl_row_array_add(rows, values, NULL);
}

Datum
mdl_row_array_end(MdlRowArray *rows)
{
	return PointerGetDatum(construct_array(rows->values, rows->count, rows->type, -1, false, TYPALIGN_DOUBLE));
}
