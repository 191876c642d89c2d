/*
 * train_image.c: from rows in shared memory to a matrix in canonical order.
 *
 * The parts' texts are put together into one dictionary per column; the rows are sorted by fold and then by a hash of
 * their content; then the columns are written, in threads.  Missing values stay missing: what stands for them is learnt
 * from the rows that are trained on (train_design.c).
 */
#include "train/train_matrix.h"

#include <math.h>

#include "miscadmin.h"
#include "ml/ml_catset.h"
#include "ml/ml_order.h"
#include "ml/ml_parallel.h"
#include "utils/memutils.h"

#define IMAGE_MAGIC 0x494d4731u
#define PIECE 8192				/* rows that a thread writes at a time */
#define PIECES_AT_ONCE 256

/* ---- categories ------------------------------------------------------------------------------------------------- */

typedef struct Build
{
	MdlTraining *t;
	const MdlMatrixLoad *load;
	int32	  **codes;			/* (n_parts) code by index of the part's set */
	int		   *n_categories;	/* (n_columns) */
	ml_order_entry *rows;		/* (load->rows) sorted */
	int			n_folds;
	size_t	   *fold_start;		/* (n_folds + 1) */
	MdlMatrixImage *image;
	int			first_piece;	/* of those being written */
} Build;

/* A row to sort: where it is and which part it is from, which its codes need. */
static const MdlMatrixPart *
part_of(const Build *b, int index)
{
	return b->load->parts[index];
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* All texts of a column, over the parts, sorted and without repetition. */
static char **
column_texts(const Build *b, int column, int *count)
{
	char	  **texts;
	int			n = 0;
	int			distinct = 0;
	uint32		room = 0;

	for (int p = 0; p < b->load->n_parts; p++)
		room += ((ml_catset *) dsa_get_address(b->load->area, part_of(b, p)->texts))->entries;
	texts = palloc(sizeof(char *) * (room + 1));
	for (int p = 0; p < b->load->n_parts; p++)
	{
		const ml_catset *set = dsa_get_address(b->load->area, part_of(b, p)->texts);
		const ml_catset_entry *entries = ml_catset_entries(set);

		for (uint32 i = 0; i < set->entries; i++)
			if (entries[i].column == (uint32) column)
				texts[n++] = pnstrdup(ml_catset_text(set, &entries[i]), entries[i].length);
	}
	qsort(texts, n, sizeof(char *), compare_texts);
	for (int i = 0; i < n; i++)
		if (i == 0 || strcmp(texts[i], texts[distinct - 1]) != 0)
			texts[distinct++] = texts[i];
	*count = distinct;
	return texts;
}

void
mdl_training_too_many(const MdlTraining *t, int column)
{
	const MdlSourceColumn *source = &t->source.columns[column];

	if (source->role == MDL_ROLE_TARGET)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the target \"%s\" has more than %d classes, or a label longer than 1000 bytes", source->name,
						t->max_categories),
				 errhint("Choose an algorithm for regression if the target is a quantity.")));
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("feature \"%s\" has more than %d categories, or one longer than 1000 bytes", source->name,
					t->max_categories),
			 errhint("Exclude the column, group its rare values in the source query, or raise \"max_categories\" in argument \"preprocess\".")));
}

/* The dictionaries of all categorical columns, and what each part's codes are in them. */
static void
merge_categories(Build *b)
{
	MdlTraining *t = b->t;
	ml_error	err;

	for (int p = 0; p < b->load->n_parts; p++)
		if (part_of(b, p)->overflow > 0)
			mdl_training_too_many(t, part_of(b, p)->overflow - 1);
	b->n_categories = palloc0(sizeof(int) * (t->plan.n_columns + 1));
	for (int i = 0; i < t->plan.n_columns; i++)
	{
		MdlRowColumn *column = &t->plan.columns[i];
		char	  **texts;

		if (column->cat < 0)
			continue;
		if (column->buckets > 0)
		{
			b->n_categories[i] = column->buckets;
			continue;
		}
		texts = column_texts(b, i, &b->n_categories[i]);
		if (b->n_categories[i] > t->max_categories)
			mdl_training_too_many(t, i);
		if (ml_dictionary_make(&t->ctx, &column->dictionary, b->n_categories[i], (const char *const *) texts, &err) != ML_OK)
			mdl_ml_raise(ML_NO_MEMORY, &err);
		column->has_dictionary = true;
	}
	b->codes = palloc(sizeof(int32 *) * (b->load->n_parts + 1));
	for (int p = 0; p < b->load->n_parts; p++)
	{
		const ml_catset *set = dsa_get_address(b->load->area, part_of(b, p)->texts);
		const ml_catset_entry *entries = ml_catset_entries(set);

		b->codes[p] = palloc(sizeof(int32) * (set->entries + 1));
		for (uint32 i = 0; i < set->entries; i++)
			b->codes[p][i] = ml_dictionary_find(&t->plan.columns[entries[i].column].dictionary,
												ml_catset_text(set, &entries[i]), entries[i].length);
	}
}

/* A chunk of rows and the part it is from. */
typedef struct Chunk
{
	char	   *rows;
	int32		count;
	int32		part;
} Chunk;

typedef struct Recoding
{
	const Build *b;
	Chunk	   *chunks;
	Size		record_size;
	bool	   *is_bucket;		/* (n_cats) hashed: the code is final */
} Recoding;

static void
recode_chunk(void *arg, int index)
{
	const Recoding *r = arg;
	const MdlRowPlan *plan = &r->b->t->plan;
	const int32 *dictionary = r->b->codes[r->chunks[index].part];
	char	   *row = r->chunks[index].rows;

	for (int i = 0; i < r->chunks[index].count; i++, row += r->record_size)
	{
		int32	   *codes = (int32 *) (((MdlSampleRecord *) row)->numbers + plan->n_numbers);

		for (int k = 0; k < plan->n_cats; k++)
			if (!r->is_bucket[k])
				codes[k] = codes[k] < 0 ? -1 : dictionary[codes[k]];
	}
}

/* The codes in the rows become those of the dictionaries. */
static void
recode(const Build *b)
{
	const MdlRowPlan *plan = &b->t->plan;
	Recoding	r = {b, NULL, mdl_sample_record_size(plan), palloc0(sizeof(bool) * (plan->n_cats + 1))};
	int			n = 0;

	for (int i = 0; i < plan->n_columns; i++)
		if (plan->columns[i].cat >= 0)
			r.is_bucket[plan->columns[i].cat] = plan->columns[i].buckets > 0;

	for (int p = 0; p < b->load->n_parts; p++)
		n += part_of(b, p)->n_chunks;
	r.chunks = palloc(sizeof(Chunk) * (n + 1));
	n = 0;
	/* Addresses are looked up here: threads must not call the server. */
	for (int p = 0; p < b->load->n_parts; p++)
	{
		const MdlMatrixChunk *chunks = dsa_get_address(b->load->area, part_of(b, p)->chunks);

		for (int c = 0; c < part_of(b, p)->n_chunks; c++)
			r.chunks[n++] = (Chunk) {dsa_get_address(b->load->area, chunks[c].rows), chunks[c].count, p};
	}
	ml_parallel(&b->t->ctx, n, recode_chunk, &r);
	pfree(r.chunks);
}

/* ---- order ------------------------------------------------------------------------------------------------------ */

static const int32 *
codes_of(const MdlRowPlan *plan, const void *row)
{
	return (const int32 *) (((const MdlSampleRecord *) row)->numbers + plan->n_numbers);
}

/* Folds of training rows first, then the holdout. */
static int
fold_of(const MdlRowPlan *plan, const MdlSampleRecord *record)
{
	if (mdl_row_holdout(plan, record->split))
		return plan->n_folds;
	return mdl_row_fold(plan, record->split);
}

/* Rows of one hash: by all they hold, so that only equal rows are equal. */
static int
compare_rows(const void *a, const void *b, void *arg)
{
	const MdlSampleRecord *left = a;
	const MdlSampleRecord *right = b;
	const Size *size = arg;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return memcmp(&left->weight, &right->weight, *size - offsetof(MdlSampleRecord, weight));
}

/* Puts all rows into b->rows, each with the key to sort it by, and counts the folds. */
static void
list_rows(Build *b)
{
	const MdlRowPlan *plan = &b->t->plan;
	Size		record_size = mdl_sample_record_size(plan);
	bool		stratify = b->t->split.stratify;
	Size		at = 0;

	for (int p = 0; p < b->load->n_parts; p++)
	{
		const MdlMatrixChunk *chunks = dsa_get_address(b->load->area, part_of(b, p)->chunks);

		for (int c = 0; c < part_of(b, p)->n_chunks; c++)
		{
			const char *row = dsa_get_address(b->load->area, chunks[c].rows);

			for (int i = 0; i < chunks[c].count; i++, row += record_size)
			{
				const MdlSampleRecord *record = (const MdlSampleRecord *) row;
				int			fold = stratify ? 0 : fold_of(plan, record);
				uint64		hash = stratify ? mdl_row_shuffle(plan, record->split) : record->hash;

				b->fold_start[fold + 1]++;
				b->rows[at].key = (uint64) fold << 54 | hash >> 10;
				b->rows[at++].row = row;
			}
		}
	}
}

/* The fold of the rank-th of `count` rows of a class, which are in random order. */
static int
stratum_fold(const Build *b, int64 rank, int64 count)
{
	int64		held_out = b->t->split.holdout ? (int64) rint(b->t->split.fraction * count) : 0;
	int			folds = b->t->plan.n_folds; /* of the training rows; the holdout comes after them */

	return rank < held_out ? folds : (int) ((rank - held_out) % folds);
}

/* Gives each fold the same share of every class; the rows are in random order, which they keep within a fold. */
static void
stratify_rows(Build *b, ml_order_entry *to)
{
	const MdlRowPlan *plan = &b->t->plan;
	int			n_classes = b->n_categories[plan->target];
	int64	   *counts = palloc0(sizeof(int64) * n_classes);
	int64	   *ranks = palloc0(sizeof(int64) * n_classes);
	size_t	   *place = palloc0(sizeof(size_t) * (b->n_folds + 1));
	int			cat = plan->columns[plan->target].cat;
	Size		n = b->load->rows;

	for (Size i = 0; i < n; i++)
		counts[codes_of(plan, b->rows[i].row)[cat]]++;
	memset(b->fold_start, 0, sizeof(size_t) * (b->n_folds + 1));
	for (Size i = 0; i < n; i++)
	{
		int			label = codes_of(plan, b->rows[i].row)[cat];

		b->rows[i].key = stratum_fold(b, ranks[label]++, counts[label]);
		b->fold_start[b->rows[i].key + 1]++;
	}
	for (int fold = 0; fold < b->n_folds; fold++)
		place[fold + 1] = b->fold_start[fold + 1] += b->fold_start[fold];
	for (Size i = 0; i < n; i++)
		to[place[b->rows[i].key]++] = b->rows[i];
}

static void
sort_rows(Build *b)
{
	Size		record_size = mdl_sample_record_size(&b->t->plan);
	Size		n = b->load->rows;
	ml_order_entry *scratch = mdl_train_alloc_large(b->t->memory, sizeof(ml_order_entry) * (n + 1));
	ml_order_entry *unsorted = mdl_train_alloc_large(b->t->memory, sizeof(ml_order_entry) * (n + 1));
	ml_order_entry *other;

	b->rows = unsorted;
	b->n_folds = b->t->plan.n_folds + (b->t->split.holdout ? 1 : 0);
	b->fold_start = palloc0(sizeof(size_t) * (b->n_folds + 1));
	list_rows(b);
	b->rows = ml_order_sort(b->rows, scratch, n, compare_rows, &record_size);
	other = b->rows == scratch ? unsorted : scratch;
	if (b->t->split.stratify)
	{
		stratify_rows(b, other);
		scratch = b->rows;
		b->rows = other;
		pfree(scratch);
		return;
	}
	for (int fold = 0; fold < b->n_folds; fold++)
		b->fold_start[fold + 1] += b->fold_start[fold];
	pfree(other);
}

/* ---- the image --------------------------------------------------------------------------------------------------- */

static Size
column_bytes(const MdlRowColumn *column, Size rows)
{
	return TYPEALIGN(64, rows * (column->cat >= 0 ? sizeof(int32) : sizeof(double) * column->length));
}

static void
lay_out(Build *b, MdlMatrixImage *head)
{
	const MdlTraining *t = b->t;
	Size		rows = b->load->rows;
	Size		at = TYPEALIGN(64, sizeof(MdlMatrixImage));

	memset(head, 0, sizeof(*head));
	head->magic = IMAGE_MAGIC;
	head->n_columns = t->source.n_features;
	head->n_classes = t->plan.target >= 0 && t->plan.columns[t->plan.target].cat >= 0 ? b->n_categories[t->plan.target] : 0;
	head->has_target = t->plan.target >= 0 && head->n_classes == 0;
	head->n_folds = b->n_folds;
	head->has_holdout = t->split.holdout;
	head->has_weights = t->plan.weight >= 0;
	head->rows = (int64) rows;
	head->folds_at = at;
	at += TYPEALIGN(64, sizeof(uint64) * (b->n_folds + 1));
	head->columns_at = at;
	at += TYPEALIGN(64, sizeof(MdlImageColumn) * (head->n_columns + 1));
	head->data_at = at;
	for (int i = 0; i < head->n_columns; i++)
		at += column_bytes(&t->plan.columns[i], rows);
	head->labels_at = at;
	at += head->n_classes > 0 ? TYPEALIGN(64, rows * sizeof(int32)) : 0;
	head->target_at = at;
	at += head->has_target ? TYPEALIGN(64, rows * sizeof(double)) : 0;
	head->weights_at = at;
	at += head->has_weights ? TYPEALIGN(64, rows * sizeof(double)) : 0;
	head->size = at;
}

/* Writes a piece of the rows into all columns: reading a row once is what costs. */
static void
write_piece(void *arg, int index)
{
	const Build *b = arg;
	const MdlRowPlan *plan = &b->t->plan;
	MdlMatrixImage *image = b->image;
	Size		first = (Size) (b->first_piece + index) * PIECE;
	Size		end = Min(first + PIECE, (Size) image->rows);
	int32	   *labels = (int32 *) ((char *) image + image->labels_at);
	double	   *target = (double *) ((char *) image + image->target_at);
	double	   *weights = (double *) ((char *) image + image->weights_at);
	int			label_cat = image->n_classes > 0 ? plan->columns[plan->target].cat : -1;
	Size		record_size = mdl_sample_record_size(plan);

	for (Size block = first; block < end; block += 64)
	{
		Size		stop = Min(block + 64, end);
		char	   *data = (char *) image + image->data_at;

		for (Size r = block; r < stop; r++)
			for (Size line = 0; line < record_size; line += 64)
				__builtin_prefetch((const char *) b->rows[Min(r + 64, (Size) image->rows - 1)].row + line);
		for (int i = 0; i < image->n_columns; i++)
		{
			const MdlRowColumn *column = &plan->columns[i];

			if (column->cat >= 0)
				for (Size r = block; r < stop; r++)
					((int32 *) data)[r] = codes_of(plan, b->rows[r].row)[column->cat];
			else if (column->length > 1)
				for (Size r = block; r < stop; r++)
					memcpy((double *) data + r * column->length, ((const MdlSampleRecord *) b->rows[r].row)->numbers + column->number,
						   sizeof(double) * column->length);
			else
				for (Size r = block; r < stop; r++)
					((double *) data)[r] = ((const MdlSampleRecord *) b->rows[r].row)->numbers[column->number];
			data += column_bytes(column, image->rows);
		}
		for (Size r = block; r < stop && label_cat >= 0; r++)
			labels[r] = codes_of(plan, b->rows[r].row)[label_cat];
		for (Size r = block; r < stop && image->has_target; r++)
			target[r] = ((const MdlSampleRecord *) b->rows[r].row)->numbers[plan->n_numbers - 1];
		if (image->has_weights)
			for (Size r = block; r < stop; r++)
				weights[r] = ((const MdlSampleRecord *) b->rows[r].row)->weight;
	}
}

/* All pieces, some at a time, so that a cancel need not wait for the end. */
static void
write_columns(Build *b)
{
	int			pieces = (int) ((b->image->rows + PIECE - 1) / PIECE);

	for (b->first_piece = 0; b->first_piece < pieces; b->first_piece += PIECES_AT_ONCE)
	{
		CHECK_FOR_INTERRUPTS();
		ml_parallel(&b->t->ctx, Min(PIECES_AT_ONCE, pieces - b->first_piece), write_piece, b);
	}
}

/* The classes of a classification: at least two, and two at most where the algorithm can tell no more apart. */
void
mdl_training_set_classes(MdlTraining *t)
{
	const ml_dictionary *labels;

	if (t->plan.target < 0 || t->plan.columns[t->plan.target].cat < 0)
		return;
	labels = &t->plan.columns[t->plan.target].dictionary;
	t->n_classes = labels->count;
	t->classes = (const char **) labels->texts;
	if (t->n_classes == 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("the target \"%s\" has only one class, \"%s\"", t->request->target, t->classes[0]),
				 errhint("A classification needs rows of at least two classes.")));
	t->task = t->n_classes > 2 ? ML_MULTICLASS : ML_BINARY;
	if ((t->estimator->tasks & ML_TASK_BIT(t->task)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the target \"%s\" has %d classes, but algorithm \"%s\" can tell only two apart", t->request->target,
						t->n_classes, t->estimator->name),
				 errhint("Choose a target with two values, or compare one class with the rest in the source query.")));
}

/* The codes of constants that stand for missing categories. */
static void
find_fill_codes(const Build *b)
{
	const MdlTraining *t = b->t;

	for (int i = 0; i < t->source.n_features; i++)
	{
		MdlColumnPrep *prep = &t->preps[i];

		if (t->plan.columns[i].cat < 0 || prep->impute != MDL_IMPUTE_CONSTANT)
			continue;
		if (t->plan.columns[i].buckets > 0)
		{
			ml_text		text = {prep->fill_text, strlen(prep->fill_text)};

			prep->fill_code = ml_hash_bucket(&text, t->plan.columns[i].buckets);
		}
		else
			prep->fill_code = mdl_training_fill_code(t, i);
	}
}

static void
check_categories(const Build *b)
{
	const MdlTraining *t = b->t;

	for (int i = 0; i < t->source.n_features; i++)
		if (t->plan.columns[i].cat >= 0 && b->n_categories[i] < 2)
			mdl_training_constant_column(t->source.columns[i].name);
}

/* `count` of the training rows, evenly spaced in the order, so that content which comes often has its share. */
static const MdlSampleRecord **
sample_rows(const Build *b, uint32 count)
{
	const MdlSampleRecord **records = palloc(sizeof(MdlSampleRecord *) * (count + 1));
	Size		training = b->fold_start[b->t->plan.n_folds];

	for (uint32 i = 0; i < count; i++)
		records[i] = b->rows[(Size) ((double) i * training / count)].row;
	return records;
}

MdlMatrixImage *
mdl_matrix_build(MdlTraining *t, const MdlMatrixLoad *load, uint32 *sample, const MdlSampleRecord ***records,
				 void *(*allocate) (Size size, void *arg), void *arg)
{
	Build		b = {.t = t, .load = load};
	MdlMatrixImage head;

	if (load->counts != NULL)
	{
		mdl_training_settle_nulls(t, load->counts);
		mdl_training_check_counts(t, load->counts);
	}
	mdl_training_too_few(t, load->rows);
	merge_categories(&b);
	mdl_training_set_classes(t);
	check_categories(&b);
	find_fill_codes(&b);
	if (t->plan.n_cats > 0)
		recode(&b);
	CHECK_FOR_INTERRUPTS();
	sort_rows(&b);
	lay_out(&b, &head);
	b.image = allocate(head.size, arg);
	*b.image = head;
	for (int fold = 0; fold <= b.n_folds; fold++)
		((uint64 *) ((char *) b.image + head.folds_at))[fold] = b.fold_start[fold];
	for (int i = 0; i < head.n_columns; i++)
		((MdlImageColumn *) ((char *) b.image + head.columns_at))[i] = (MdlImageColumn) {
			t->plan.columns[i].kind, t->plan.columns[i].cat >= 0 ? b.n_categories[i] : 0, t->plan.columns[i].length,
			load->counts[i].nulls
		};
	write_columns(&b);
	*sample = Min(*sample, b.fold_start[t->plan.n_folds]);
	*records = sample_rows(&b, *sample);
	pfree(b.rows);
	return b.image;
}
