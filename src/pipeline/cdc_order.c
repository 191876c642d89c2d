/*
 * cdc_order.c: the order of the events of one key, which decides what the target shows.
 *
 * By sequence; at the same sequence a snapshot read comes before what the log tells, and a delete after an upsert.  Events
 * that agree in all this should not be: to give the same result whatever comes first, they are ordered by what they hold.
 */
#include "pipeline/cdc_int.h"

#include "fmgr.h"
#include "utils/datum.h"

int
mdl_compare_sequences(const FlowShape *shape, Datum a, Datum b)
{
	FlowShape  *lookup = (FlowShape *) shape;

	return DatumGetInt32(FunctionCall2Coll(&lookup->compare, shape->sequence.collation, a, b));
}

bool
mdl_same_value(const FlowColumn *column, Datum a, bool a_null, Datum b, bool b_null)
{
	if (a_null || b_null)
		return a_null == b_null;
	return a == b || datum_image_eq(a, b, column->by_value, column->length);
}

/* Some order of the images of two values, which have no NULLs. */
static int
compare_images(const FlowColumn *column, Datum a, Datum b)
{
	const char *left,
			   *right;
	Size		left_size,
				right_size;
	int			order;

	if (column->by_value)
		return a < b ? -1 : a > b ? 1 : 0;
	if (column->length == -1)
	{
		struct varlena *x = PG_DETOAST_DATUM_PACKED(a);
		struct varlena *y = PG_DETOAST_DATUM_PACKED(b);

		left = VARDATA_ANY(x);
		right = VARDATA_ANY(y);
		left_size = VARSIZE_ANY_EXHDR(x);
		right_size = VARSIZE_ANY_EXHDR(y);
	}
	else
	{
		left = DatumGetPointer(a);
		right = DatumGetPointer(b);
		left_size = datumGetSize(a, false, column->length);
		right_size = datumGetSize(b, false, column->length);
	}
	order = memcmp(left, right, Min(left_size, right_size));
	return order != 0 ? order : left_size < right_size ? -1 : left_size > right_size ? 1 : 0;
}

static int
compare_contents(const FlowShape *shape, const MergeRow *a, const MergeRow *b)
{
	int			count = a->kind == EVENT_DELETE ? 0 : shape->flow->column_count;

	for (int i = shape->flow->key_count; i < count; i++)
		if (a->told[i] != b->told[i])
			return a->told[i] ? 1 : -1;
	for (int i = shape->flow->key_count; i < count; i++)
	{
		int			order;

		if (!a->told[i])
			continue;
		if (a->nulls[i] != b->nulls[i])
			return a->nulls[i] ? -1 : 1;
		order = a->nulls[i] ? 0 : compare_images(&shape->columns[i], a->values[i], b->values[i]);
		if (order != 0)
			return order;
	}
	return 0;
}

/* By when they are. */
static int
compare_moments(const FlowShape *shape, const MergeRow *a, const MergeRow *b)
{
	int			order;

	if (a->oldest || b->oldest)
		return a->oldest && b->oldest ? 0 : a->oldest ? -1 : 1;
	order = mdl_compare_sequences(shape, a->sequence, b->sequence);
	if (order == 0)
		order = a->rank - b->rank;
	if (order == 0 && a->kind != b->kind)
		order = a->kind == EVENT_DELETE ? 1 : -1;
	return order;
}

int
mdl_compare_events(const FlowShape *shape, const MergeRow *a, const MergeRow *b)
{
	int			order = compare_moments(shape, a, b);

	if (order == 0 && !a->oldest)
		order = compare_contents(shape, a, b);
	return order != 0 ? order : (int) a->origin - (int) b->origin;
}

bool
mdl_same_event(const FlowShape *shape, const MergeRow *a, const MergeRow *b)
{
	return compare_moments(shape, a, b) == 0 && (a->oldest || compare_contents(shape, a, b) == 0);
}

static int
compare_for_sort(const void *a, const void *b, void *shape)
{
	return mdl_compare_events(shape, a, b);
}

void
mdl_sort_events(const FlowShape *shape, MergeRow *rows, int count)
{
	qsort_arg(rows, count, sizeof(MergeRow), compare_for_sort, (void *) shape);
}
