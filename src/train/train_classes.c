/*
 * train_classes.c: medallion._class_state: sums over the rows of each class, in one parallel pass.
 *
 * Within one aggregation the state is changed in place; it is copied when there is no room for another class, category
 * or row of the sample.  States merge, in parallel workers and across servers; they may come from users' hands, so every
 * call checks the head against the plan or the bytes.
 */
#include "train/train_classes.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "ml/ml_hash.h"
#include "train/train_scan.h"
#include "utils/array.h"
#include "utils/memutils.h"

#define STATE_LIMIT ((Size) 512 * 1024 * 1024)
#define FIRST_CLASSES 4
#define FIRST_LEVELS 16
#define FIRST_SAMPLE 64			/* records there is room for at first */

/* ---- where things lie ---------------------------------------------------------------------------------------------- */

MdlClassColumn *
mdl_class_columns(const MdlClassHead *head)
{
	return (MdlClassColumn *) (head + 1);
}

MdlRowCounts *
mdl_class_counts(const MdlClassHead *head)
{
	return (MdlRowCounts *) (mdl_class_columns(head) + head->n_columns);
}

double *
mdl_class_base(const MdlClassHead *head)
{
	return (double *) (mdl_class_counts(head) + head->n_columns);
}

unsigned char *
mdl_class_seen(const MdlClassHead *head)
{
	return (unsigned char *) (mdl_class_base(head) + head->n_numbers);
}

static double *
first_class(const MdlClassHead *head)
{
	return (double *) (mdl_class_seen(head) + MAXALIGN(head->n_numbers));
}

/* Numbers that the sums of a class take. */
static Size
class_width(const MdlClassHead *head)
{
	return 2 + (Size) head->n_numbers * (head->type == ML_CLASS_GAUSSIAN ? 2 : 1) + head->level_room;
}

double *
mdl_class_sums(const MdlClassHead *head, int class)
{
	return first_class(head) + class * class_width(head);
}

int32 *
mdl_class_codes(const MdlClassHead *head)
{
	return (int32 *) mdl_class_sums(head, head->class_room);
}

/* Sets the places of texts and sample for so much room; returns the size of all. */
static Size
lay_out(MdlClassHead *head, uint32 entries, uint32 heap, uint32 records)
{
	double		bytes = (double) head->class_room * class_width(head) * sizeof(double);

	if (bytes > STATE_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the sums of %d classes with %d numbers and %d categories would take %.0f MB, more than %d MB", head->n_classes,
						head->n_numbers, head->n_levels, bytes / 1048576, (int) (STATE_LIMIT / 1048576)),
				 errhint("Exclude columns, or those with many categories.")));
	head->texts_at = (char *) mdl_class_codes(head) - (char *) head + MAXALIGN(entries * sizeof(int32));
	head->sample_at = head->texts_at + MAXALIGN(ml_catset_size(entries, heap));
	return head->sample_at + (head->head.version == MDL_CLASS_SHARED ? sizeof(MdlSharedSample) : ml_sample_size(records, head->record_size));
}

static void
damaged_state(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the state of the sums of classes is damaged")));
}

/* ---- making and growing -------------------------------------------------------------------------------------------- */

MdlClassHead *
mdl_class_state_new(const MdlRowPlan *plan, const MdlClassOptions *options)
{
	uint32		records = Min(FIRST_SAMPLE, plan->sample * 2);
	MdlClassHead *head;
	MdlClassHead shape = {0};
	MdlSharedSample shared;
	Size		size;

	shape.head.magic = MDL_STATE_CLASSES;
	shape.head.version = mdl_sample_share(plan, &shared) ? MDL_CLASS_SHARED : MDL_CLASS_VERSION;
	shape.type = options->type;
	shape.threshold = options->threshold;
	shape.n_columns = plan->n_columns;
	shape.n_numbers = plan->n_numbers;
	shape.n_cats = plan->n_cats;
	shape.target = plan->target;
	shape.max_categories = options->max_categories;
	shape.class_room = FIRST_CLASSES;
	shape.level_room = plan->n_cats > 1 ? FIRST_LEVELS : 0;
	shape.sample_wanted = plan->sample;
	shape.record_size = mdl_sample_record_size(plan);
	size = lay_out(&shape, FIRST_LEVELS, FIRST_LEVELS * 16, records);
	head = palloc0(size);
	*head = shape;
	SET_VARSIZE(head, size);
	for (int i = 0; i < plan->n_columns; i++)
	{
		const MdlRowColumn *column = &plan->columns[i];

		mdl_class_columns(head)[i] = (MdlClassColumn) {column->role, column->wire, column->kind, 0, column->length, column->number, 0};
	}
	ml_catset_init(mdl_class_texts(head), FIRST_LEVELS, FIRST_LEVELS * 16);
	if (mdl_class_shared(head) != NULL)
		*mdl_class_shared(head) = shared;
	else
		ml_sample_init(mdl_class_sample(head), plan->sample, records, head->record_size);
	return head;
}

/* The state with at least so much room: a copy. */
static MdlClassHead *
grow(const MdlClassHead *from, int classes, int levels, uint32 entries, uint32 heap, uint32 records)
{
	MdlClassHead shape = *from;
	MdlClassHead *to;
	Size		size;
	Size		fixed = (char *) first_class(from) - (char *) from;

	shape.class_room = classes;
	shape.level_room = levels;
	size = lay_out(&shape, entries, heap, records);
	if (size > MaxAllocSize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the sums of the classes take more than 1 GB")));
	to = palloc0(size);
	memcpy(to, from, fixed);
	*to = shape;
	SET_VARSIZE(to, size);
	for (int k = 0; k < from->n_classes; k++)
		memcpy(mdl_class_sums(to, k), mdl_class_sums(from, k), sizeof(double) * class_width(from));
	memcpy(mdl_class_codes(to), mdl_class_codes(from), sizeof(int32) * mdl_class_texts(from)->entries);
	ml_catset_init(mdl_class_texts(to), entries, heap);
	ml_catset_copy(mdl_class_texts(to), mdl_class_texts(from));
	if (mdl_class_shared(to) != NULL)
		*mdl_class_shared(to) = *mdl_class_shared(from);
	else
		ml_sample_move(mdl_class_sample(to), records, mdl_class_sample(from));
	return to;
}

static MdlClassHead *
grow_texts(const MdlClassHead *head)
{
	const ml_catset *texts = mdl_class_texts(head);

	return grow(head, head->class_room, head->level_room, texts->entry_room * 2,
				texts->heap_room * 2 + 2 * MAXALIGN(ML_CATSET_LONGEST), mdl_class_sample(head)->capacity);
}

static MdlClassHead *
grow_sums(const MdlClassHead *head, int classes, int levels)
{
	const ml_catset *texts = mdl_class_texts(head);

	return grow(head, classes, levels, texts->entry_room, texts->heap_room, mdl_class_sample(head)->capacity);
}

static MdlClassHead *
grow_sample(const MdlClassHead *head, uint32 records)
{
	const ml_catset *texts = mdl_class_texts(head);

	return grow(head, head->class_room, head->level_room, texts->entry_room, texts->heap_room, records);
}

/* ---- checking ------------------------------------------------------------------------------------------------------ */

/* Whether the columns make sense together, and with the numbers of the head. */
static bool
columns_fit(const MdlClassHead *head)
{
	int64		numbers = 0;
	int			cats = 0;

	for (int i = 0; i < head->n_columns; i++)
	{
		const MdlClassColumn *column = &mdl_class_columns(head)[i];
		bool		text = column->wire == MDL_WIRE_TEXT;

		if (column->role >= MDL_ROLE_WEIGHT)
			continue;
		if ((column->role == MDL_ROLE_TARGET) != (i == head->target) || column->length < 1 || column->length > ML_MAX_CATEGORIES ||
			text != (column->kind == ML_CATEGORICAL) || column->categories < 0 || (text ? -1 : numbers) != column->number ||
			(i == head->target && !text) || column->wire > MDL_WIRE_VECTOR)
			return false;
		numbers += text ? 0 : column->length;
		cats += text;
	}
	return numbers == head->n_numbers && cats == head->n_cats;
}

/* Whether every text has a code of its own, of a column with texts. */
static bool
codes_fit(const MdlClassHead *head)
{
	const ml_catset *texts = mdl_class_texts(head);
	const ml_catset_entry *entries = ml_catset_entries(texts);

	for (uint32 i = 0; i < texts->entries; i++)
	{
		int32		code = mdl_class_codes(head)[i];

		if (entries[i].column >= (uint32) head->n_columns || mdl_class_columns(head)[entries[i].column].kind != ML_CATEGORICAL || code < -1 ||
			code >= (entries[i].column == (uint32) head->target ? head->n_classes : head->n_levels))
			return false;
	}
	return true;
}

void
mdl_class_state_check(const MdlClassHead *head)
{
	Size		size = VARSIZE(head);
	MdlClassHead shape;
	const ml_sample *sample;

	if (size < sizeof(*head) || head->head.magic != MDL_STATE_CLASSES || (head->head.version != MDL_CLASS_VERSION && head->head.version != MDL_CLASS_SHARED))
		damaged_state();
	if (head->type < ML_CLASS_GAUSSIAN || head->type > ML_CLASS_CATEGORICAL || head->n_columns < 1 || head->n_numbers < 0 ||
		head->n_columns > size / sizeof(MdlClassColumn) || head->n_numbers > size / sizeof(double) || head->target < 0 ||
		head->target >= head->n_columns || head->n_classes < 0 || head->n_classes > head->class_room || head->class_room < 1 || head->n_levels < 0 ||
		head->n_levels > head->level_room || head->class_room > size / sizeof(double) || head->level_room > size / sizeof(double) ||
		head->max_categories < 1 || head->overflow < 0 || head->overflow > head->n_columns || head->rows < 0 ||
		head->record_size % 8 != 0 || head->record_size < offsetof(MdlSampleRecord, numbers) + head->n_numbers * sizeof(double) + head->n_cats * sizeof(int32))
		damaged_state();
	shape = *head;
	if (head->texts_at > size || size - head->texts_at < sizeof(ml_catset) ||
		(char *) mdl_class_codes(head) - (char *) head > head->texts_at || head->texts_at % MAXIMUM_ALIGNOF != 0 ||
		head->sample_at > size || size - head->sample_at < Min(sizeof(ml_sample), sizeof(MdlSharedSample)) || head->sample_at % MAXIMUM_ALIGNOF != 0 ||
		head->sample_at < head->texts_at)
		damaged_state();
	sample = mdl_class_shared(head) != NULL || size - head->sample_at >= sizeof(ml_sample) ? mdl_class_sample(head) : NULL;
	if (sample == NULL)
		damaged_state();
	if (mdl_class_texts(head)->entry_room < 1 || mdl_class_texts(head)->entry_room > size || (mdl_class_shared(head) == NULL && sample->capacity > size) ||
		lay_out(&shape, mdl_class_texts(head)->entry_room, mdl_class_texts(head)->heap_room, sample->capacity) != size ||
		shape.texts_at != head->texts_at || shape.sample_at != head->sample_at || !columns_fit(head) ||
		!ml_catset_valid(mdl_class_texts(head), ml_catset_size(mdl_class_texts(head)->entry_room, mdl_class_texts(head)->heap_room)) ||
		(mdl_class_shared(head) == NULL && !ml_sample_valid(sample, size - head->sample_at)) || sample->record_size != head->record_size ||
		sample->wanted != head->sample_wanted || !codes_fit(head))
		damaged_state();
}

MdlClassHead *
mdl_class_state_argument(Datum value)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(value);

	if (!VARATT_IS_4B_U(bytes) || (uintptr_t) bytes % MAXIMUM_ALIGNOF != 0)
		bytes = PG_DETOAST_DATUM_COPY(value);
	mdl_class_state_check((MdlClassHead *) bytes);
	return (MdlClassHead *) bytes;
}

/* Whether two states were gathered from the same columns in the same way. */
static bool
same_layout(const MdlClassHead *a, const MdlClassHead *b)
{
	if (a->type != b->type || a->threshold != b->threshold || a->n_columns != b->n_columns || a->n_numbers != b->n_numbers ||
		a->n_cats != b->n_cats || a->target != b->target || a->max_categories != b->max_categories ||
		a->sample_wanted != b->sample_wanted || a->record_size != b->record_size)
		return false;
	for (int i = 0; i < a->n_columns; i++)
		if (memcmp(&mdl_class_columns(a)[i], &mdl_class_columns(b)[i], offsetof(MdlClassColumn, categories)) != 0)
			return false;
	return true;
}

void
mdl_class_state_match(const MdlClassHead *head, const MdlRowPlan *plan, const MdlClassOptions *options)
{
	if (!same_layout(head, mdl_class_state_new(plan, options)))
		damaged_state();
}

/* ---- adding a row -------------------------------------------------------------------------------------------------- */

/* The code of a text of a column, a new one if need be; -1: there are too many.  *head may move. */
static int
code_of(MdlClassHead **head, int column, const char *text, size_t length)
{
	bool		is_class = column == (*head)->target;
	MdlClassColumn *facts;
	int			index;
	bool		is_new;

	if (length > ML_CATSET_LONGEST)
	{
		(*head)->overflow = column + 1;
		return -1;
	}
	while ((index = ml_catset_find_or_add(mdl_class_texts(*head), column, text, length, &is_new)) < 0)
		*head = grow_texts(*head);
	if (likely(!is_new))
		return mdl_class_codes(*head)[index];
	mdl_class_codes(*head)[index] = -1;
	facts = &mdl_class_columns(*head)[column];
	if (facts->categories >= (*head)->max_categories)
	{
		(*head)->overflow = column + 1;
		return -1;
	}
	facts->categories++;
	if (is_class && (*head)->n_classes == (*head)->class_room)
		*head = grow_sums(*head, (*head)->class_room * 2, (*head)->level_room);
	if (!is_class && (*head)->n_levels == (*head)->level_room)
		*head = grow_sums(*head, (*head)->class_room, (*head)->level_room * 2 + FIRST_LEVELS);
	return mdl_class_codes(*head)[index] = is_class ? (*head)->n_classes++ : (*head)->n_levels++;
}

/* Keeps a row in the sample; returns the state, which may have moved. */
static MdlClassHead *
keep_in_sample(MdlClassHead *head, MdlRowReader *reader)
{
	uint64		priority = mdl_row_priority(reader, reader->row.hash);
	const MdlSharedSample *shared = mdl_class_shared(head);
	ml_sample  *sample = shared ? mdl_reader_sample(reader, shared) : mdl_class_sample(head);
	MdlSampleRecord *record;

	sample->seen++;
	if (!ml_sample_wants(sample, priority))
		return head;
	record = ml_sample_put(sample, priority);
	if (record == NULL)
	{
		head = grow_sample(head, ml_sample_next_capacity(sample));
		record = ml_sample_put(mdl_class_sample(head), priority);
	}
	mdl_sample_fill(reader, record, head->record_size);
	return head;
}

MdlClassHead *
mdl_class_state_add(MdlClassHead *head, MdlRowReader *reader)
{
	const MdlRowPlan *plan = reader->plan;
	MdlRow	   *row = &reader->row;
	const ml_text *label = &row->texts[plan->columns[plan->target].cat];
	int			class;
	double	   *sums;

	if (unlikely(head->overflow > 0))
		return head;
	for (int i = 0; i < plan->n_columns && plan->n_cats > 1; i++)
		if (plan->columns[i].cat >= 0 && i != plan->target)
		{
			const ml_text *text = &row->texts[plan->columns[i].cat];

			row->codes[plan->columns[i].cat] = code_of(&head, i, text->data, text->length);
		}
	row->codes[plan->n_cats - 1] = class = code_of(&head, plan->target, label->data, label->length);
	if (unlikely(head->overflow > 0))
		return head;
	if (unlikely(head->rows == 0))
		memcpy(mdl_class_base(head), row->numbers, sizeof(double) * plan->n_numbers);
	head->rows++;
	sums = mdl_class_sums(head, class);
	sums[0] += row->weight;
	sums[1]++;
	if (head->type == ML_CLASS_GAUSSIAN)
		ml_class_add_moments(sums + 2, mdl_class_squares(head, class), row->numbers, mdl_class_base(head), row->weight, sums[0],
							 plan->n_numbers);
	else
		ml_class_add_sums(head->type, head->threshold, sums + 2, mdl_class_seen(head), row->numbers, mdl_class_base(head), row->weight,
						  plan->n_numbers);
	for (int cat = 0; cat < plan->n_cats - 1; cat++)
		mdl_class_levels(head, class)[row->codes[cat]] += row->weight;
	return plan->sample > 0 ? keep_in_sample(head, reader) : head;
}

/* ---- merging ------------------------------------------------------------------------------------------------------- */

/* The codes that those of another state become: classes first, then levels; *head may move. */
static int32 *
map_codes(MdlClassHead **head, const MdlClassHead *from)
{
	const ml_catset *texts = mdl_class_texts(from);
	const ml_catset_entry *entries = ml_catset_entries(texts);
	int32	   *map = palloc(sizeof(int32) * (from->n_classes + from->n_levels + 1));

	for (int i = 0; i < from->n_classes + from->n_levels; i++)
		map[i] = -1;
	for (uint32 i = 0; i < texts->entries; i++)
	{
		int			code = mdl_class_codes(from)[i];
		bool		is_class = entries[i].column == (uint32) from->target;

		if (code >= 0)
			map[is_class ? code : from->n_classes + code] = code_of(head, entries[i].column, ml_catset_text(texts, &entries[i]), entries[i].length);
	}
	if ((*head)->overflow == 0)
		for (int i = 0; i < from->n_classes + from->n_levels; i++)
			if (map[i] < 0)
				damaged_state();
	return map;
}

/* Adds the sums of a class of another state, whose base is farther by shift. */
static void
merge_class(MdlClassHead *head, int class, const MdlClassHead *from, int other, const int32 *level_map, const double *shift)
{
	double	   *sums = mdl_class_sums(head, class);
	const double *added = mdl_class_sums(from, other);

	if (head->type == ML_CLASS_GAUSSIAN)
		ml_class_merge_moments(sums + 2, mdl_class_squares(head, class), sums[0], added + 2, mdl_class_squares(from, other), added[0], shift,
							   head->n_numbers);
	else
		for (int j = 0; j < head->n_numbers; j++)
			sums[2 + j] += added[2 + j];
	sums[0] += added[0];
	sums[1] += added[1];
	for (int level = 0; level < from->n_levels; level++)
		mdl_class_levels(head, class)[level_map[level]] += mdl_class_levels(from, other)[level];
}

/* Adds the sample, whose codes become ours; returns the state, which may have moved. */
static MdlClassHead *
merge_samples(MdlClassHead *head, MdlClassHead *from, const int32 *map)
{
	ml_sample  *other = mdl_class_sample(from);

	if (mdl_class_sample(head) == other)
		damaged_state();
	for (uint32 i = 0; i < other->count; i++)
	{
		MdlSampleRecord *record = (MdlSampleRecord *) ml_sample_record(other, i);
		int32	   *codes = (int32 *) (record->numbers + from->n_numbers);

		for (int cat = 0; cat < from->n_cats; cat++)
		{
			bool		is_class = cat == from->n_cats - 1;
			int32		mapped;

			if (codes[cat] < 0 || codes[cat] >= (is_class ? from->n_classes : from->n_levels))
				damaged_state();
			mapped = map[is_class ? codes[cat] : from->n_classes + codes[cat]];
			/* Mostly it is the same, and the page, which is another process's, need not be written. */
			if (codes[cat] != mapped)
				codes[cat] = mapped;
		}
	}
	if (!ml_sample_merge(mdl_class_sample(head), other))
	{
		head = grow_sample(head, mdl_class_sample(head)->count + other->count);
		ml_sample_merge(mdl_class_sample(head), other);
	}
	return head;
}

/* What differs between two states, in words. */
static const char *
difference(const MdlClassHead *a, const MdlClassHead *b)
{
	static const char *const types[] = {"gaussian", "multinomial", "bernoulli", "categorical"};
	static const char *const kinds[] = {[ML_NUMERIC] = "a number", [ML_BOOLEAN] = "a boolean", [ML_CATEGORICAL] = "a text", [ML_VECTOR] = "an array"};

	if (a->type != b->type)
		return psprintf("One is of type %s, the other of type %s.", types[a->type], types[b->type]);
	if (a->target != b->target)
		return psprintf("One is of %d features, the other of %d.", a->target, b->target);
	for (int i = 0; i < a->target; i++)
	{
		const MdlClassColumn *one = &mdl_class_columns(a)[i];
		const MdlClassColumn *other = &mdl_class_columns(b)[i];

		if (one->kind != other->kind && one->kind < lengthof(kinds) && other->kind < lengthof(kinds) && kinds[one->kind] && kinds[other->kind])
			return psprintf("Feature %d is %s in one, and %s in the other.", i + 1, kinds[one->kind], kinds[other->kind]);
		if (one->length != other->length)
			return psprintf("Feature %d has %d elements in one, and %d in the other.", i + 1, one->length, other->length);
	}
	return "They were not gathered in the same way.";
}

MdlClassHead *
mdl_class_state_merge(MdlClassHead *head, MdlClassHead *from)
{
	double	   *shift = palloc(sizeof(double) * (head->n_numbers + 1));
	int32	   *map;

	if (!same_layout(head, from))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sums of classes of different columns or types cannot be merged"),
				 errdetail("%s", difference(head, from))));
	for (int i = 0; i < head->n_columns; i++)
	{
		mdl_class_counts(head)[i].nulls += mdl_class_counts(from)[i].nulls;
		mdl_class_counts(head)[i].not_finite += mdl_class_counts(from)[i].not_finite;
		mdl_class_counts(head)[i].unknown += mdl_class_counts(from)[i].unknown;
	}
	head->overflow = head->overflow > 0 ? head->overflow : from->overflow;
	if (head->overflow > 0 || from->rows == 0)
		return head;
	map = map_codes(&head, from);
	if (head->overflow > 0)
		return head;
	if (head->rows == 0)
		memcpy(mdl_class_base(head), mdl_class_base(from), sizeof(double) * head->n_numbers);
	for (int j = 0; j < head->n_numbers; j++)
	{
		shift[j] = mdl_class_base(from)[j] - mdl_class_base(head)[j];
		mdl_class_seen(head)[j] |= mdl_class_seen(from)[j] | (shift[j] != 0 ? ML_SEEN_ANOTHER : 0);
	}
	for (int k = 0; k < from->n_classes; k++)
		merge_class(head, map[k], from, k, map + from->n_classes, shift);
	head->rows += from->rows;
	head = merge_samples(head, from, map);
	pfree(map);
	pfree(shift);
	return head;
}

/* ---- the aggregate ------------------------------------------------------------------------------------------------- */

/* {type, threshold, max_categories} */
static MdlClassOptions
options_argument(FunctionCallInfo fcinfo, int arg)
{
	MdlClassOptions options;
	ArrayType  *array;
	const double *values;

	if (PG_ARGISNULL(arg))
		damaged_state();
	array = PG_GETARG_ARRAYTYPE_P(arg);
	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != 3 || ARR_HASNULL(array) || ARR_ELEMTYPE(array) != FLOAT8OID)
		damaged_state();
	values = (const double *) ARR_DATA_PTR(array);
	if (!(values[0] >= ML_CLASS_GAUSSIAN && values[0] <= ML_CLASS_CATEGORICAL) || !isfinite(values[1]) || !(values[2] >= 1 && values[2] <= ML_MAX_CATEGORIES))
		damaged_state();
	options.type = (ml_class_sum_type) values[0];
	options.threshold = values[1];
	options.max_categories = (int) values[2];
	return options;
}

/* Whether the arguments are float8 numbers and a label and nothing else, as read_plain takes them. */
static inline bool
is_plain(const MdlRowPlan *plan)
{
	return plan->n_runs == 2 && plan->runs[0].count == plan->target && plan->n_columns == plan->target + 1 && plan->pack == 0;
}

#define SPREAD 0x9E3779B97F4A7C15ULL	/* odd: 2^64 over the golden ratio */

/* A number into a chain of the hash of its row, of which there are four beside each other; -0 counts as 0. */
static inline uint64
hash_number(uint64 chain, double number)
{
	uint64		bits = (uint64) Float8GetDatum(number + 0.0);

	return (chain ^ bits ^ bits >> 32) * SPREAD;
}

static inline uint64
hash_row(const uint64 *chains, const ml_text *label)
{
	return ml_hash_bytes(ml_hash_word(ml_hash_word(chains[0], chains[1]), ml_hash_word(chains[2], chains[3])), label->data, label->length);
}

/* The hash that read_plain gives, of a row that was read otherwise: the sample must not depend on that. */
static uint64
hash_plain(const MdlRow *row, int n)
{
	uint64		chains[4] = {1, 2, 3, 4};

	for (int i = 0; i < n; i++)
		chains[i & 3] = hash_number(chains[i & 3], row->numbers[i]);
	return hash_row(chains, &row->texts[0]);
}

/* Takes one number; true if it is not finite. */
static inline bool
take_number(double value, double *number, uint64 *chain)
{
	*number = value;
	*chain = hash_number(*chain, value);
	return ((uint64) Float8GetDatum(value) >> 52 & 0x7FF) == 0x7FF;
}

/* The number of a column, which lies in a tuple or, if there is none, among the values; sets *nulls if it is NULL. */
static inline double
number_at(const double *tuple, const NullableDatum *values, int i, bool *nulls)
{
	if (tuple != NULL)
		return tuple[i];
	*nulls |= values[i].isnull;
	return DatumGetFloat8(values[i].value);
}

/*
 * Reads a row of numbers and a label in half the time of mdl_row_read, whose hash also divides rows; false: something is
 * NULL or not finite, which mdl_row_read tells apart.  The label is the last of the values; inlined for both sorts of rows.
 */
static pg_attribute_always_inline bool
read_plain(MdlRowReader *reader, const double *tuple, const NullableDatum *values)
{
	MdlRow	   *row = &reader->row;
	double	   *numbers = row->numbers;
	int			n = reader->plan->target;
	uint64		a = 1,
				b = 2,
				c = 3,
				d = 4;
	bool		nulls = values[n].isnull;
	bool		odd = false;
	int			i = 0;
	text	   *label;

	for (; i + 4 <= n; i += 4)
	{
		odd |= take_number(number_at(tuple, values, i, &nulls), &numbers[i], &a);
		odd |= take_number(number_at(tuple, values, i + 1, &nulls), &numbers[i + 1], &b);
		odd |= take_number(number_at(tuple, values, i + 2, &nulls), &numbers[i + 2], &c);
		odd |= take_number(number_at(tuple, values, i + 3, &nulls), &numbers[i + 3], &d);
	}
	if (i < n)
		odd |= take_number(number_at(tuple, values, i, &nulls), &numbers[i], &a);
	if (i + 1 < n)
		odd |= take_number(number_at(tuple, values, i + 1, &nulls), &numbers[i + 1], &b);
	if (i + 2 < n)
		odd |= take_number(number_at(tuple, values, i + 2, &nulls), &numbers[i + 2], &c);
	if (unlikely(odd | nulls))
		return false;
	label = DatumGetTextPP(values[n].value);
	row->texts[0].data = VARDATA_ANY(label);
	row->texts[0].length = VARSIZE_ANY_EXHDR(label);
	row->any_null = false;
	row->weight = 1;
	row->hash = row->split = hash_row((uint64[]) {a, b, c, d}, &row->texts[0]);
	return true;
}

/* The same of the scan's row, if its numbers lie side by side; false: mdl_row_read is to read it. */
static inline bool
read_plain_scan(MdlRowReader *reader)
{
	MdlScan    *scan = reader->scan;
	const char *data;

	mdl_scan_follow(scan);
	if (scan->n_runs != 2 || scan->runs[0].offset < 0)
		return false;
	data = mdl_scan_row(scan);
	return data != NULL && read_plain(reader, (const double *) (data + scan->runs[0].offset), scan->values);
}

static inline bool
read_row(MdlRowReader *reader, FunctionCallInfo fcinfo, int first_arg, MdlRowCounts *counts)
{
	bool		plain = is_plain(reader->plan);

	if (plain && (reader->scan ? read_plain_scan(reader) : reader->checked && read_plain(reader, NULL, fcinfo->args + first_arg)))
		return true;
	if (!mdl_row_read(reader, fcinfo, first_arg, counts))
		return false;
	if (plain)
		reader->row.hash = hash_plain(&reader->row, reader->plan->n_numbers);
	return true;
}

MDL_SHIM_TARGET(mdl_class_accum);
Datum
mdl_class_accum_impl(PG_FUNCTION_ARGS)
{
	MdlRowReader *reader = mdl_row_reader(fcinfo, 1);
	const MdlRowPlan *plan = reader->plan;
	MdlClassHead *head;

	if (unlikely(PG_ARGISNULL(0) || !reader->state_checked))
	{
		MdlClassOptions options = options_argument(fcinfo, 2);

		mdl_only_in_aggregate(fcinfo);
		if (plan->target < 0 || plan->columns[plan->target].cat < 0)
			damaged_state();
		if (PG_ARGISNULL(0))
			head = mdl_class_state_new(plan, &options);
		else
		{
			head = mdl_class_state_argument(PG_GETARG_DATUM(0));
			mdl_class_state_match(head, plan, &options);
		}
		reader->state_checked = true;
	}
	else
		head = (MdlClassHead *) DatumGetPointer(PG_GETARG_DATUM(0));
	if (read_row(reader, fcinfo, 3, mdl_class_counts(head)))
		head = mdl_class_state_add(head, reader);
	PG_RETURN_POINTER(head);
}

MDL_SHIM_TARGET(mdl_class_combine);
Datum
mdl_class_combine_impl(PG_FUNCTION_ARGS)
{
	MdlClassHead *head;
	MdlClassHead *from;

	mdl_only_in_aggregate(fcinfo);
	head = mdl_class_state_argument(PG_GETARG_DATUM(0));
	from = (MdlClassHead *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(1));
	mdl_class_state_check(from);
	head = mdl_class_state_merge(head, from);
	pfree(from);
	PG_RETURN_POINTER(head);
}

/* ---- reading it ---------------------------------------------------------------------------------------------------- */

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(((const MdlClassText *) a)->text, ((const MdlClassText *) b)->text);
}

MdlClassText *
mdl_class_column_texts(const MdlClassHead *head, int column, int *count)
{
	const ml_catset *texts = mdl_class_texts(head);
	const ml_catset_entry *entries = ml_catset_entries(texts);
	MdlClassText *found = palloc(sizeof(MdlClassText) * (texts->entries + 1));

	*count = 0;
	for (uint32 i = 0; i < texts->entries; i++)
		if (entries[i].column == (uint32) column && mdl_class_codes(head)[i] >= 0)
			found[(*count)++] = (MdlClassText) {pnstrdup(ml_catset_text(texts, &entries[i]), entries[i].length), mdl_class_codes(head)[i]};
	qsort(found, *count, sizeof(MdlClassText), compare_texts);
	return found;
}
