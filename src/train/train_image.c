/*
 * train_image.c: from rows in shared memory to a matrix in canonical order.
 *
 * The parts' texts are put together into one dictionary per column; the rows are sorted by fold and then by a hash of
 * their content; then the columns are written, in threads, a group of the chunks' arrays after the other.  When a group is
 * written its pages in shared memory are given back, so that there are never two copies of the rows.  Missing values stay
 * missing: what stands for them is learnt from the rows that are trained on (train_design.c).
 *
 * A *place* tells where a row is: the number of its chunk, and in the low bits which of the chunk it is.
 */
#include "train/train_matrix.h"

#include <math.h>
#include <sys/mman.h>

#include "miscadmin.h"
#include "ml/ml_catset.h"
#include "ml/ml_order.h"
#include "ml/ml_parallel.h"
#include "utils/memutils.h"

#define IMAGE_MAGIC 0x494d4731u
#define PIECE 16384				/* rows that a thread writes at a time */
#define PIECES_AT_ONCE 256
#define AHEAD 16				/* rows whose memory is asked for before their turn */
#define GROUP_AT_MOST 64		/* numbers of a group */
#define PAGE 4096
#define DEAD_NONE (-2)
#define DEAD_HASHES (-1)
#define SAMPLE_PIECE 512		/* records that a thread fills at a time */
#define FOLD_BITS 10			/* of a key to sort by */
#define WORTH_GIVING_BACK (4 * 1024 * 1024)	/* bytes of a group */

/* ---- categories ------------------------------------------------------------------------------------------------- */

/* A chunk of rows and the part it is from. */
typedef struct Chunk
{
	char	   *data;
	int32		count;
	int32		room;
	int32		part;
} Chunk;

typedef struct Build
{
	MdlTraining *t;
	const MdlMatrixLoad *load;
	MdlChunkLayout layout;
	Chunk	   *chunks;			/* (n_chunks) of all parts */
	int			n_chunks;
	int32	  **codes;			/* (n_parts) code by index of the part's set */
	int		   *n_categories;	/* (n_columns) */
	uint32	   *order;			/* (load->rows) places in the order */
	int			n_folds;
	size_t	   *fold_start;		/* (n_folds + 1) */
	MdlMatrixImage *image;
	Size		image_size;
	const char **arrays;		/* (n_chunks) of the group at work */
	int			group;
	int			first_piece;	/* of those being written */
	void		(*write) (void *arg, int index);	/* a piece */
	int			dead;			/* group that is written already, or one of … */
	int			first_dead;		/* chunk whose array of that group is given back meanwhile … */
	int			end_dead;		/* … and the last such, + 1 */
	MdlSampleRecord **sample;	/* (sampled) */
	Size		sampled;
} Build;

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

/* Lists the chunks.  Addresses are looked up here: threads must not call the server. */
static void
list_chunks(Build *b)
{
	int			n = 0;

	mdl_chunk_lay_out(&b->t->plan, &b->layout);
	for (int p = 0; p < b->load->n_parts; p++)
		n += part_of(b, p)->n_chunks;
	if ((Size) n > (Size) PG_UINT32_MAX >> MDL_CHUNK_BITS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there are more rows to train on than a training in memory can tell apart"),
				 errhint("Train on a sample of the rows.")));
	b->chunks = palloc(sizeof(Chunk) * (n + 1));
	b->arrays = palloc(sizeof(char *) * (n + 1));
	for (int p = 0; p < b->load->n_parts; p++)
	{
		const MdlMatrixChunk *chunks = dsa_get_address(b->load->area, part_of(b, p)->chunks);

		for (int c = 0; c < part_of(b, p)->n_chunks; c++)
			b->chunks[b->n_chunks++] = (Chunk) {dsa_get_address(b->load->area, chunks[c].data), chunks[c].count, chunks[c].room, p};
	}
}

static int32 *
codes_of_chunk(const Build *b, const Chunk *chunk, int cat)
{
	return mdl_chunk_codes(chunk->data, chunk->room, &b->layout, cat);
}

static void
recode_chunk(void *arg, int index)
{
	const Build *b = arg;
	const MdlRowPlan *plan = &b->t->plan;
	const Chunk *chunk = &b->chunks[index];
	const int32 *dictionary = b->codes[chunk->part];

	/* What is hashed has its final code. */
	for (int i = 0; i < plan->n_columns; i++)
		if (plan->columns[i].cat >= 0 && plan->columns[i].buckets == 0)
		{
			int32	   *codes = codes_of_chunk(b, chunk, plan->columns[i].cat);

			for (int row = 0; row < chunk->count; row++)
				codes[row] = codes[row] < 0 ? -1 : dictionary[codes[row]];
		}
}

/* ---- order ------------------------------------------------------------------------------------------------------ */

#define chunk_of(b, place)	(&(b)->chunks[(place) >> MDL_CHUNK_BITS])
#define row_of(place)		((place) & (MDL_CHUNK_ROWS - 1))

static uint64
split_of(const Build *b, const Chunk *chunk, int row)
{
	Size		at = b->layout.split_at;

	return ((const uint64 *) mdl_chunk_array(chunk->data, chunk->room, at))[row];
}

/* Folds of training rows first, then the holdout. */
static int
fold_of(const MdlRowPlan *plan, uint64 split)
{
	if (mdl_row_holdout(plan, split))
		return plan->n_folds;
	return mdl_row_fold(plan, split);
}

static int
compare_bytes(const void *left, const void *right, Size row_left, Size row_right, Size size)
{
	return memcmp((const char *) left + row_left * size, (const char *) right + row_right * size, size);
}

/* Rows of one hash: by all they hold, so that only equal rows are equal. */
static int
compare_rows(uint32 a, uint32 b, void *arg)
{
	const Build *build = arg;
	const MdlChunkLayout *layout = &build->layout;
	const Chunk *left = chunk_of(build, a);
	const Chunk *right = chunk_of(build, b);
	int			i = row_of(a);
	int			j = row_of(b);
	uint64		left_hash = ((const uint64 *) left->data)[i];
	uint64		right_hash = ((const uint64 *) right->data)[j];
	int			result = 0;

	if (left_hash != right_hash)
		return left_hash < right_hash ? -1 : 1;
	if (layout->weight_at > 0)
		result = compare_bytes(mdl_chunk_array(left->data, left->room, layout->weight_at),
							   mdl_chunk_array(right->data, right->room, layout->weight_at), i, j, sizeof(double));
	for (int g = 0; g < layout->n_groups && result == 0; g++)
		result = compare_bytes(mdl_chunk_group(left->data, left->room, layout, g), mdl_chunk_group(right->data, right->room, layout, g),
							   i, j, layout->groups[g].width * sizeof(double));
	for (int cat = 0; cat < build->t->plan.n_cats && result == 0; cat++)
		result = compare_bytes(codes_of_chunk(build, left, cat), codes_of_chunk(build, right, cat), i, j, sizeof(int32));
	return result;
}

/* What some rows of a chunk are sorted by first: the fold, then the hash; all one fold if that is settled afterwards. */
static void
keys_of_rows(void *arg, int index, uint32 first, uint32 end, uint64 *keys)
{
	const Build *b = arg;
	const MdlRowPlan *plan = &b->t->plan;
	const Chunk *chunk = &b->chunks[index];
	const uint64 *hashes = (const uint64 *) chunk->data;

	if (b->t->split.stratify)
		for (uint32 i = first; i < end; i++)
			keys[i - first] = mdl_row_shuffle(plan, split_of(b, chunk, i)) >> FOLD_BITS;
	else
		for (uint32 i = first; i < end; i++)
			keys[i - first] = (uint64) fold_of(plan, split_of(b, chunk, i)) << (64 - FOLD_BITS) | hashes[i] >> FOLD_BITS;
}

/* Where the folds start in the order. */
static void
find_folds(Build *b)
{
	const MdlRowPlan *plan = &b->t->plan;

	for (int fold = 1; fold <= b->n_folds; fold++)
	{
		Size		first = b->fold_start[fold - 1];
		Size		end = b->load->rows;

		while (first < end)
		{
			Size		middle = first + (end - first) / 2;
			uint32		place = b->order[middle];

			if (fold_of(plan, split_of(b, chunk_of(b, place), row_of(place))) < fold)
				first = middle + 1;
			else
				end = middle;
		}
		b->fold_start[fold] = first;
	}
}

static int32
code_at(const Build *b, uint32 place, int cat)
{
	return codes_of_chunk(b, chunk_of(b, place), cat)[row_of(place)];
}

/* How the rows of a class are divided. */
typedef struct Stratum
{
	int64		rows;
	int64		held_out;		/* the first of them; the others are dealt to the folds, … */
	int			first;			/* … from this one on */
	int64		rank;			/* rows seen */
} Stratum;

/*
 * Shares of each class so that their sum is the share of all rows, by largest remainders; at least one row of a class stays.
 */
static void
hold_out_of_strata(Stratum *strata, int n, double fraction, int64 rows)
{
	int64		left = (int64) rint(fraction * (double) rows);

	for (int c = 0; c < n; c++)
	{
		strata[c].held_out = Min((int64) floor(fraction * (double) strata[c].rows), Max(strata[c].rows - 1, 0));
		left -= strata[c].held_out;
	}
	for (; left > 0; left--)
	{
		int			best = -1;
		double		best_lack = 0;

		for (int c = 0; c < n; c++)
		{
			double		lack = fraction * (double) strata[c].rows - (double) strata[c].held_out;

			if (strata[c].held_out < strata[c].rows - 1 && (best < 0 || lack > best_lack))
			{
				best = c;
				best_lack = lack;
			}
		}
		if (best < 0)
			break;
		strata[best].held_out++;
	}
}

/*
 * Counts the rows of each class and decides how they are divided.  Rows are dealt to the folds in turn, each class going on
 * where the one before it stopped, so that the folds are of one size too, as in scikit-learn's StratifiedKFold.
 */
static Stratum *
make_strata(const Build *b, int cat, int n_classes)
{
	Stratum    *strata = palloc0(sizeof(Stratum) * (n_classes + 1));
	int64		dealt = 0;

	for (int c = 0; c < b->n_chunks; c++)
	{
		const int32 *labels = codes_of_chunk(b, &b->chunks[c], cat);

		for (int row = 0; row < b->chunks[c].count; row++)
			strata[labels[row]].rows++;
	}
	if (b->t->split.holdout)
		hold_out_of_strata(strata, n_classes, b->t->split.fraction, (int64) b->load->rows);
	for (int c = 0; c < n_classes; c++)
	{
		strata[c].first = (int) (dealt % b->t->plan.n_folds);
		dealt += strata[c].rows - strata[c].held_out;
	}
	return strata;
}

/* The fold of the next row of a class, which are in random order; the holdout comes after the folds. */
static int
next_fold(const Build *b, Stratum *stratum)
{
	int64		rank = stratum->rank++;
	int			folds = b->t->plan.n_folds;

	return rank < stratum->held_out ? folds : (int) ((rank - stratum->held_out + stratum->first) % folds);
}

/* Gives each fold the same share of every class; the rows are in random order, which they keep within a fold. */
static void
stratify_rows(Build *b)
{
	const MdlRowPlan *plan = &b->t->plan;
	int			cat = plan->columns[plan->target].cat;
	Size		n = b->load->rows;
	Stratum    *strata = make_strata(b, cat, b->n_categories[plan->target]);
	size_t	   *place = palloc0(sizeof(size_t) * (b->n_folds + 1));
	int16	   *folds = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int16) * (n + 1));
	uint32	   *to = mdl_train_alloc_large(b->t->memory, sizeof(uint32) * (n + 1));

	for (Size i = 0; i < n; i++)
	{
		if (i % PIECE == 0)
			CHECK_FOR_INTERRUPTS();
		folds[i] = (int16) next_fold(b, &strata[code_at(b, b->order[i], cat)]);
		b->fold_start[folds[i] + 1]++;
	}
	for (int fold = 0; fold < b->n_folds; fold++)
		place[fold + 1] = b->fold_start[fold + 1] += b->fold_start[fold];
	for (Size i = 0; i < n; i++)
		to[place[folds[i]]++] = b->order[i];
	pfree(folds);
	pfree(strata);
	pfree(b->order);
	b->order = to;
}

/* Puts the rows into their order, by fold and then by content.  What that takes fits into the image, which is still empty. */
static void
sort_rows(Build *b)
{
	Size		n = b->load->rows;
	Size		size = TYPEALIGN(64, sizeof(ml_order_entry) * n);
	char	   *memory = b->image_size >= 2 * size ? (char *) b->image : mdl_train_alloc_large(b->t->memory, 2 * size);
	uint32	   *counts = palloc(sizeof(uint32) * (b->n_chunks + 1));
	ml_order_rows rows = {b->n_chunks, counts, MDL_CHUNK_BITS, 0, keys_of_rows, compare_rows, b};
	ml_error	err = {0};
	ml_status	status;

	for (int c = 0; c < b->n_chunks; c++)
		counts[c] = b->chunks[c].count;
	rows.last_key = ((uint64) b->n_folds << (64 - FOLD_BITS)) - 1;
	if (b->t->split.stratify)
		rows.last_key = PG_UINT64_MAX >> FOLD_BITS;
	b->fold_start = palloc0(sizeof(size_t) * (b->n_folds + 1));
	b->order = mdl_train_alloc_large(b->t->memory, sizeof(uint32) * (n + 1));
	status = ml_order(&b->t->ctx, &rows, n, (ml_order_entry *) memory, (ml_order_entry *) (memory + size), b->order);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	if (memory != (char *) b->image)
		pfree(memory);
	if (b->t->split.stratify)
		stratify_rows(b);
	else
		find_folds(b);
	pfree(counts);
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

/* Where column i of the features has its values in the image. */
static char *
column_data(const Build *b, int column)
{
	char	   *data = (char *) b->image + b->image->data_at;

	for (int i = 0; i < column; i++)
		data += column_bytes(&b->t->plan.columns[i], b->image->rows);
	return data;
}

/* Where number `number` goes: the first of it in the image, and how far apart they lie. */
static double *
number_place(const Build *b, int number, Size *stride)
{
	const MdlRowPlan *plan = &b->t->plan;

	*stride = 1;
	for (int i = 0; i < b->image->n_columns; i++)
	{
		const MdlRowColumn *column = &plan->columns[i];

		if (column->number < 0 || number < column->number || number >= column->number + column->length)
			continue;
		*stride = column->length;
		return (double *) column_data(b, i) + (number - column->number);
	}
	return (double *) ((char *) b->image + b->image->target_at);
}

#define piece_of(b, index, first, end) \
	Size		first = (Size) ((b)->first_piece + (index)) * PIECE; \
	Size		end = Min(first + PIECE, (Size) (b)->image->rows)

/* A row of the group at work. */
static inline const double *
fetch(const Build *b, Size place, int width)
{
	return (const double *) b->arrays[place >> MDL_CHUNK_BITS] + row_of(place) * width;
}

/* Has the pages of a part of the image made: one call of the kernel instead of a fault for each; where it cannot, there are faults. */
static void
populate(void *start, void *end)
{
#ifdef MADV_POPULATE_WRITE
	char	   *first = (char *) TYPEALIGN_DOWN(PAGE, (uintptr_t) start);

	(void) madvise(first, (char *) end - first, MADV_POPULATE_WRITE);
#endif
}

/* Writes a piece of the rows of a group: fetching a row is what costs. */
static void
write_group_piece(void *arg, int index)
{
	const Build *b = arg;
	const MdlChunkGroup *group = &b->layout.groups[b->group];
	const uint32 *order = b->order;
	int			width = group->width;

	piece_of(b, index, first, end);
	Size		last = end - 1;
	double	   *to[GROUP_AT_MOST];
	Size		stride = 1;

	for (int k = 0; k < width; k++)
		to[k] = number_place(b, group->first + k, &stride);
	if (stride > 1)
		populate(to[0] + first * stride, to[0] + end * stride);
	else
		for (int k = 0; k < width; k++)
			populate(to[k] + first, to[k] + end);
	for (Size r = first; r < end; r++)
	{
		const double *from = fetch(b, order[r], width);

		__builtin_prefetch(fetch(b, order[Min(r + AHEAD, last)], width));
		if (stride > 1)
			memcpy(to[0] + r * stride, from, width * sizeof(double));
		else
			for (int k = 0; k < width; k++)
				to[k][r] = from[k];
	}
}

/* Likewise the codes of a categorical column, whose index is the group. */
static void
write_codes_piece(void *arg, int index)
{
	const Build *b = arg;
	int32	   *to = b->group < b->image->n_columns ? (int32 *) column_data(b, b->group) :
		(int32 *) ((char *) b->image + b->image->labels_at);

	piece_of(b, index, first, end);
	for (Size r = first; r < end; r++)
		to[r] = ((const int32 *) b->arrays[b->order[r] >> MDL_CHUNK_BITS])[row_of(b->order[r])];
}

static void
write_weights_piece(void *arg, int index)
{
	const Build *b = arg;
	double	   *to = (double *) ((char *) b->image + b->image->weights_at);

	piece_of(b, index, first, end);
	for (Size r = first; r < end; r++)
		to[r] = *fetch(b, b->order[r], 1);
}

/*
 * Gives the pages of an array of a chunk back to the system; they read as zeros from then on.  Where it cannot be done,
 * nothing is lost but memory for a while.
 */
static void
give_back(const Build *b, const Chunk *chunk)
{
#ifdef MADV_REMOVE
	const char *array = b->dead == DEAD_HASHES ? chunk->data : (const char *) mdl_chunk_group(chunk->data, chunk->room, &b->layout, b->dead);
	Size		bytes = sizeof(double) * (b->dead == DEAD_HASHES ? 1 : b->layout.groups[b->dead].width);
	uintptr_t	start = TYPEALIGN(PAGE, (uintptr_t) array);
	uintptr_t	end = TYPEALIGN_DOWN(PAGE, (uintptr_t) array + chunk->room * bytes);

	if (end > start && b->load->rows * bytes >= WORTH_GIVING_BACK)
		(void) madvise((void *) start, end - start, MADV_REMOVE);
#endif
}

/* One thread gives back while the others write: several would only wait for each other in the kernel. */
static void
write_or_give_back(void *arg, int index)
{
	Build	   *b = arg;

	if (index > 0)
		b->write(b, index - 1);
	else if (b->dead != DEAD_NONE)
		for (int c = b->first_dead; c < b->end_dead; c++)
			give_back(b, &b->chunks[c]);
}

/* All pieces, some at a time, so that a cancel need not wait for the end. */
static void
write_pieces(Build *b, void (*write) (void *arg, int index))
{
	int			pieces = (int) ((b->image->rows + PIECE - 1) / PIECE);

	b->write = write;
	for (b->first_piece = 0; b->first_piece < pieces; b->first_piece += PIECES_AT_ONCE)
	{
		int			n = Min(PIECES_AT_ONCE, pieces - b->first_piece);

		CHECK_FOR_INTERRUPTS();
		b->first_dead = (int) ((int64) b->n_chunks * b->first_piece / pieces);
		b->end_dead = (int) ((int64) b->n_chunks * (b->first_piece + n) / pieces);
		ml_parallel(&b->t->ctx, n + 1, write_or_give_back, b);
	}
	b->dead = DEAD_NONE;
}

static void
write_columns(Build *b)
{
	const MdlRowPlan *plan = &b->t->plan;

	/* Nobody needs the hashes any more, nor a group when the next is written; what is left at the end goes with the load. */
	b->dead = DEAD_HASHES;
	for (b->group = 0; b->group < b->layout.n_groups; b->group++)
	{
		for (int c = 0; c < b->n_chunks; c++)
			b->arrays[c] = (const char *) mdl_chunk_group(b->chunks[c].data, b->chunks[c].room, &b->layout, b->group);
		write_pieces(b, write_group_piece);
		b->dead = b->group;
	}
	b->dead = DEAD_NONE;
	for (b->group = 0; b->group < plan->n_columns; b->group++)
	{
		int			cat = plan->columns[b->group].cat;

		if (cat < 0)
			continue;
		for (int c = 0; c < b->n_chunks; c++)
			b->arrays[c] = (const char *) codes_of_chunk(b, &b->chunks[c], cat);
		write_pieces(b, write_codes_piece);
	}
	if (!b->image->has_weights)
		return;
	for (int c = 0; c < b->n_chunks; c++)
		b->arrays[c] = mdl_chunk_array(b->chunks[c].data, b->chunks[c].room, b->layout.weight_at);
	write_pieces(b, write_weights_piece);
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
			mdl_training_constant_feature(t, t->source.columns[i].name, b->n_categories[i]);
}

/* Which row of the image the i-th record of the sample is. */
static Size
sampled_row(const Build *b, Size i)
{
	return (Size) ((double) i * b->fold_start[b->t->plan.n_folds] / b->sampled);
}

static void
sample_piece(void *arg, int index)
{
	const Build *b = arg;
	const MdlRowPlan *plan = &b->t->plan;
	const double *weights = (const double *) ((const char *) b->image + b->image->weights_at);
	Size		first = (Size) index * SAMPLE_PIECE;
	Size		end = Min(first + SAMPLE_PIECE, b->sampled);

	for (Size i = first; i < end; i++)
		b->sample[i]->weight = b->image->has_weights ? weights[sampled_row(b, i)] : 1;
	for (int number = 0; number < plan->n_numbers; number++)
	{
		Size		stride;
		const double *values = number_place(b, number, &stride);

		for (Size i = first; i < end; i++)
			b->sample[i]->numbers[number] = values[sampled_row(b, i) * stride];
	}
	for (int c = 0; c < plan->n_columns; c++)
		if (plan->columns[c].cat >= 0)
		{
			const int32 *codes = c < b->image->n_columns ? (const int32 *) column_data(b, c) :
				(const int32 *) ((const char *) b->image + b->image->labels_at);

			for (Size i = first; i < end; i++)
				((int32 *) (b->sample[i]->numbers + plan->n_numbers))[plan->columns[c].cat] = codes[sampled_row(b, i)];
		}
}

/* `count` of the training rows, evenly spaced in the order, so that content which comes often has its share. */
static MdlSampleRecord **
sample_rows(Build *b, uint32 count)
{
	Size		size = mdl_sample_record_size(&b->t->plan);
	char	   *memory = MemoryContextAllocExtended(CurrentMemoryContext, size * (count + 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	b->sample = palloc(sizeof(MdlSampleRecord *) * (count + 1));
	b->sampled = count;
	for (uint32 i = 0; i < count; i++)
		b->sample[i] = (MdlSampleRecord *) (memory + size * i);
	ml_parallel(&b->t->ctx, (int) ((count + SAMPLE_PIECE - 1) / SAMPLE_PIECE), sample_piece, b);
	return b->sample;
}

MdlMatrixImage *
mdl_matrix_build(MdlTraining *t, const MdlMatrixLoad *load, uint32 *sample, MdlSampleRecord ***records,
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
	list_chunks(&b);
	merge_categories(&b);
	mdl_training_set_classes(t);
	check_categories(&b);
	find_fill_codes(&b);
	if (t->plan.n_cats > 0)
		ml_parallel(&t->ctx, b.n_chunks, recode_chunk, &b);
	CHECK_FOR_INTERRUPTS();
	b.n_folds = t->plan.n_folds + (t->split.holdout ? 1 : 0);
	lay_out(&b, &head);
	b.image = allocate(head.size, arg);
	b.image_size = head.size;
	sort_rows(&b);
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
	pfree(b.order);
	return b.image;
}
