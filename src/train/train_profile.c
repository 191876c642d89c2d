/*
 * train_profile.c: medallion._profile_state: what must be known of the columns before the pass that learns.
 *
 * Per column: counts of NULL and of what is not finite, least and largest value, mean, and the categories with their
 * counts.  Needed for one-hot encoding, imputation and the grid of exact moments.  Means are rounded from exact sums,
 * so they do not depend on the order of rows.
 */
#include "train/train_states.h"

#include <math.h>

#include "ml/ml_catset.h"
#include "ml/ml_sum.h"
#include "utils/memutils.h"

#define PROFILE_MAGIC 0x50524f46u

typedef struct ColumnState
{
	double		least;
	double		largest;
	ml_sum		sum;			/* weight times value */
	ml_sum		weight;			/* of the values present */
	int32		n_categories;
	int32		too_many;
} ColumnState;

typedef struct Profile
{
	int32		vl_len_;
	uint32		magic;
	int32		n_columns;
	int32		max_categories; /* per column; beyond, categories are no longer collected */
	int64		rows;
	double		largest_weight;
	/* MdlRowCounts (n_columns), ColumnState (n_columns), ml_catset */
} Profile;

static MdlRowCounts *
counts_of(const Profile *p)
{
	return (MdlRowCounts *) (p + 1);
}

static ColumnState *
columns_of(const Profile *p)
{
	return (ColumnState *) (counts_of(p) + p->n_columns);
}

static ml_catset *
catset_of(const Profile *p)
{
	return (ml_catset *) (columns_of(p) + p->n_columns);
}

static Size
size_without_catset(int n_columns)
{
	return sizeof(Profile) + n_columns * (sizeof(MdlRowCounts) + sizeof(ColumnState));
}

static void
damaged_profile(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the state of the column profile is damaged")));
}

static Profile *
make_profile(const MdlRowPlan *plan)
{
	uint32		room = plan->n_cats > 0 ? 64 : 0;
	Size		size = size_without_catset(plan->n_columns) + ml_catset_size(room, room * 16);
	Profile    *p = palloc0(size);

	SET_VARSIZE(p, size);
	p->magic = PROFILE_MAGIC;
	p->n_columns = plan->n_columns;
	p->max_categories = (int32) plan->sample;	/* the profile takes no sample: the field carries the limit */
	for (int i = 0; i < plan->n_columns; i++)
	{
		columns_of(p)[i].least = INFINITY;
		columns_of(p)[i].largest = -INFINITY;
	}
	ml_catset_init(catset_of(p), room, room * 16);
	return p;
}

/* The state with twice the room for categories: a copy. */
static Profile *
grow_catset(const Profile *p)
{
	const ml_catset *set = catset_of(p);
	uint32		entries = set->entry_room * 2 + 64;
	uint32		heap = set->heap_room * 2 + 2 * MAXALIGN(ML_CATSET_LONGEST);
	Size		fixed = size_without_catset(p->n_columns);
	Size		size = fixed + ml_catset_size(entries, heap);
	Profile    *grown;

	if (size > MaxAllocSize || heap < set->heap_room)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the categories of the text columns take more than 1 GB")));
	grown = palloc(size);
	memcpy(grown, p, fixed);
	SET_VARSIZE(grown, size);
	ml_catset_init(catset_of(grown), entries, heap);
	ml_catset_copy(catset_of(grown), set);
	return grown;
}

static void
check_profile(const Profile *p)
{
	Size		size = VARSIZE(p);

	if (size < sizeof(Profile) || p->magic != PROFILE_MAGIC || p->n_columns < 0 ||
		p->n_columns > size / sizeof(ColumnState) || size < size_without_catset(p->n_columns) ||
		!ml_catset_valid(catset_of(p), size - size_without_catset(p->n_columns)))
		damaged_profile();
}

static Profile *
profile_argument(Datum value)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(value);

	if (!VARATT_IS_4B_U(bytes) || (uintptr_t) bytes % MAXIMUM_ALIGNOF != 0)
		bytes = PG_DETOAST_DATUM_COPY(value);
	return (Profile *) bytes;
}

/* Counts a category; returns the profile, which may have moved. */
static Profile *
add_category(Profile *p, int index, const char *text, size_t length, int64 count)
{
	ColumnState *column = &columns_of(p)[index];
	bool		is_new;

	if (column->too_many)
		return p;
	if (length > ML_CATSET_LONGEST)
	{
		column->too_many = true;
		return p;
	}
	while (!ml_catset_add(catset_of(p), index, text, length, count, &is_new))
		p = grow_catset(p);
	column = &columns_of(p)[index];
	if (is_new && ++column->n_categories > p->max_categories)
		column->too_many = true;
	return p;
}

/* Takes account of the values of a row; a training row's also count for means and for how often categories occur. */
static Profile *
add_row(Profile *p, const MdlRowPlan *plan, const MdlRow *row)
{
	bool		training = !mdl_row_holdout(plan, row->split);

	for (int i = 0; i < plan->n_columns; i++)
	{
		const MdlRowColumn *shape = &plan->columns[i];
		ColumnState *column = &columns_of(p)[i];

		if (shape->cat >= 0)
		{
			if (row->texts[shape->cat].data != NULL)
				p = add_category(p, i, row->texts[shape->cat].data, row->texts[shape->cat].length, training);
		}
		else if (shape->number >= 0 && !(row->any_null && row->number_nulls[shape->number]))
		{
			double		value = row->numbers[shape->number];

			column->least = fmin(column->least, value);
			column->largest = fmax(column->largest, value);
			if (training && plan->columns[i].has_fill)
			{
				ml_sum_add(&column->sum, value * row->weight);
				ml_sum_add(&column->weight, row->weight);
			}
		}
	}
	p->rows++;
	p->largest_weight = fmax(p->largest_weight, row->weight);
	return p;
}

MDL_SHIM_TARGET(mdl_profile_accum);
Datum
mdl_profile_accum_impl(PG_FUNCTION_ARGS)
{
	MdlRowReader *reader = mdl_row_reader(fcinfo, 1);
	Profile    *p;

	if (PG_ARGISNULL(0))
	{
		mdl_only_in_aggregate(fcinfo);
		p = make_profile(reader->plan);
		reader->state_checked = true;
	}
	else
	{
		p = (Profile *) DatumGetPointer(PG_GETARG_DATUM(0));
		if (unlikely(!reader->state_checked))
		{
			mdl_only_in_aggregate(fcinfo);
			p = profile_argument(PG_GETARG_DATUM(0));
			check_profile(p);
			if (p->n_columns != reader->plan->n_columns)
				damaged_profile();
			reader->state_checked = true;
		}
	}
	if (mdl_row_read(reader, fcinfo, 2, counts_of(p)))
		p = add_row(p, reader->plan, &reader->row);
	PG_RETURN_POINTER(p);
}

/* Adds the columns and categories of `from`; returns the profile, which may have moved. */
static Profile *
merge_profiles(Profile *p, const Profile *from)
{
	const ml_catset *set = catset_of(from);
	const ml_catset_entry *entries = ml_catset_entries(set);

	for (int i = 0; i < p->n_columns; i++)
	{
		ColumnState *column = &columns_of(p)[i];
		const ColumnState *other = &columns_of(from)[i];

		counts_of(p)[i].nulls += counts_of(from)[i].nulls;
		counts_of(p)[i].not_finite += counts_of(from)[i].not_finite;
		counts_of(p)[i].unknown += counts_of(from)[i].unknown;
		column->least = fmin(column->least, other->least);
		column->largest = fmax(column->largest, other->largest);
		ml_sum_merge(&column->sum, &other->sum);
		ml_sum_merge(&column->weight, &other->weight);
		column->too_many |= other->too_many;
	}
	p->rows += from->rows;
	p->largest_weight = fmax(p->largest_weight, from->largest_weight);
	for (uint32 i = 0; i < set->entries; i++)
	{
		if (entries[i].column >= (uint32) p->n_columns)
			damaged_profile();
		p = add_category(p, entries[i].column, ml_catset_text(set, &entries[i]), entries[i].length, entries[i].count);
	}
	return p;
}

MDL_SHIM_TARGET(mdl_profile_combine);
Datum
mdl_profile_combine_impl(PG_FUNCTION_ARGS)
{
	Profile    *p;
	Profile    *from;

	mdl_only_in_aggregate(fcinfo);
	p = profile_argument(PG_GETARG_DATUM(0));
	from = (Profile *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(1));
	check_profile(p);
	check_profile(from);
	if (p->n_columns != from->n_columns)
		damaged_profile();
	p = merge_profiles(p, from);
	pfree(from);
	PG_RETURN_POINTER(p);
}

/* ---- what the leader makes of it ------------------------------------------------------------------------------ */

typedef struct Category
{
	char	   *text;
	int64		count;
} Category;

static int
compare_categories(const void *a, const void *b)
{
	return strcmp(((const Category *) a)->text, ((const Category *) b)->text);
}

/* The categories of one column in the order of their bytes. */
static void
collect_categories(const Profile *p, int index, MdlColumnProfile *column)
{
	const ml_catset *set = catset_of(p);
	const ml_catset_entry *entries = ml_catset_entries(set);
	Category   *found = palloc(sizeof(Category) * (set->entries + 1));
	int			count = 0;

	for (uint32 i = 0; i < set->entries; i++)
		if (entries[i].column == (uint32) index)
		{
			found[count].text = pnstrdup(ml_catset_text(set, &entries[i]), entries[i].length);
			found[count++].count = entries[i].count;
		}
	qsort(found, count, sizeof(Category), compare_categories);
	column->n_categories = count;
	column->categories = palloc(sizeof(char *) * (count + 1));
	column->category_rows = palloc(sizeof(int64) * (count + 1));
	for (int i = 0; i < count; i++)
	{
		column->categories[i] = found[i].text;
		column->category_rows[i] = found[i].count;
	}
	pfree(found);
}

void
mdl_profile_open(bytea *bytes, const MdlRowPlan *plan, MdlProfile *profile)
{
	Profile    *p = profile_argument(PointerGetDatum(bytes));

	check_profile(p);
	if (p->n_columns != plan->n_columns)
		damaged_profile();
	profile->rows = p->rows;
	profile->largest_weight = p->largest_weight;
	profile->counts = counts_of(p);
	profile->columns = palloc0(sizeof(MdlColumnProfile) * (p->n_columns + 1));
	for (int i = 0; i < p->n_columns; i++)
	{
		const ColumnState *state = &columns_of(p)[i];
		MdlColumnProfile *column = &profile->columns[i];
		double		weight = ml_sum_value(&state->weight);

		column->least = state->least;
		column->largest = state->largest;
		column->mean = weight > 0 ? ml_sum_value(&state->sum) / weight : 0;
		column->too_many = state->too_many != 0;
		if (plan->columns[i].cat >= 0)
			collect_categories(p, i, column);
	}
}
