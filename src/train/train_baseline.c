/*
 * train_baseline.c: how each column, and the prediction, was distributed in training, for monitoring.
 *
 * The sample of the reading pass gives the distributions, the exact counts of that pass the null rates, unless it also
 * counted rows that nothing was learnt from.  Values are what they were before imputation.
 */
#include "train/train_int.h"

#include <math.h>

#include "miscadmin.h"
#include "ml/drift.h"
#include "ml/ml_parallel.h"
#include "utils/memutils.h"

#define MOST_OPERATIONS 3e9		/* on dear predictions, about a second … */
#define LEAST_PREDICTED 500		/* … and rows that are predicted all the same */
#define BLOCK 256				/* rows whose values are gathered at once at most, so that they stay in the cache … */
#define BLOCK_BYTES (1024 * 1024)	/* … or fewer, but not below … */
#define LEAST_BLOCK 16			/* … so many: all that lie in a cache line are taken from it at once */
#define THREAD_VALUES 50000		/* values worth a thread */

/* ---- rows of the sample as columns --------------------------------------------------------------------------------- */

/* Room for the values of one feature in some rows. */
typedef struct SampleRoom
{
	double	   *numbers;		/* NULL: it has codes */
	int32	   *codes;
	unsigned char *nulls;
} SampleRoom;

static void
make_room(const MdlRowColumn *column, uint32 count, SampleRoom *room)
{
	memset(room, 0, sizeof(*room));
	if (column->cat >= 0)
		room->codes = palloc(sizeof(int32) * (count + 1));
	else
		room->numbers = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * ((Size) count * column->length + 1));
	room->nulls = palloc(count + 1);
}

/* Called in threads too: takes no memory. */
static void
fill_room(const MdlTraining *t, const MdlSampleRecord *const *records, uint32 count, int index, const SampleRoom *room)
{
	const MdlRowColumn *column = &t->plan.columns[index];
	int			length = column->length;

	if (column->cat >= 0)
		for (uint32 i = 0; i < count; i++)
		{
			room->codes[i] = ((const int32 *) (records[i]->numbers + t->plan.n_numbers))[column->cat];
			room->nulls[i] = room->codes[i] < 0;
		}
	else if (length == 1)
		for (uint32 i = 0; i < count; i++)
		{
			room->numbers[i] = records[i]->numbers[column->number];
			room->nulls[i] = isnan(room->numbers[i]);
		}
	else
		for (uint32 i = 0; i < count; i++)
		{
			memcpy(room->numbers + (Size) i * length, records[i]->numbers + column->number, sizeof(double) * length);
			room->nulls[i] = isnan(room->numbers[(Size) i * length]);
		}
}

static ml_values
values_of(const SampleRoom *room)
{
	return (ml_values) {.numbers = room->numbers, .codes = room->codes, .nulls = room->nulls};
}

/* ---- predictions for the sample ------------------------------------------------------------------------------------- */

/* What a thread needs, who cannot ask for memory. */
typedef struct SampleSlot
{
	SampleRoom *rooms;			/* (model columns) */
	ml_values  *values;
	char	   *workspace;
	ml_row_state rows[BLOCK];
	ml_status	status;
	ml_error	err;
} SampleSlot;

typedef struct SampleWork
{
	const MdlTraining *t;
	const MdlSampleRecord *const *records;
	uint32		count;			/* rows to predict */
	uint32		block;			/* rows gathered at once */
	uint32		first;			/* row of this round */
	uint32		share;			/* rows of a slot in a round */
	int			n_columns;
	int			width;
	double	   *out;			/* (count, width) */
	SampleSlot *slots;
} SampleWork;

static void
predict_share(void *arg, int index)
{
	SampleWork *w = arg;
	SampleSlot *slot = &w->slots[index];
	uint32		first = w->first + index * w->share;
	uint32		end = Min(first + w->share, w->count);

	for (; first < end && slot->status == ML_OK; first += w->block)
	{
		uint32		here = Min(w->block, end - first);

		for (int i = 0; i < w->n_columns; i++)
			fill_room(w->t, w->records + first, here, i, &slot->rooms[i]);
		slot->status = ml_model_predict_in(w->t->model, slot->values, 0, here, w->out + (Size) first * w->width, slot->rows,
										   slot->workspace, &slot->err);
	}
}

static void
make_slot(const SampleWork *w, SampleSlot *slot)
{
	slot->rooms = palloc(sizeof(SampleRoom) * (w->n_columns + 1));
	slot->values = palloc(sizeof(ml_values) * (w->n_columns + 1));
	slot->workspace = MemoryContextAllocHuge(CurrentMemoryContext, ml_model_workspace(w->t->model) + 64);
	slot->workspace = (char *) TYPEALIGN(64, slot->workspace);
	slot->status = ML_OK;
	for (int i = 0; i < w->n_columns; i++)
	{
		make_room(&w->t->plan.columns[i], w->block, &slot->rooms[i]);
		slot->values[i] = values_of(&slot->rooms[i]);
	}
}

/* Rows to gather at once: more make better use of a processor's caches, up to their size. */
static uint32
block_rows(const MdlTraining *t, int n_columns)
{
	Size		bytes = 1;

	for (int i = 0; i < n_columns; i++)
		bytes += sizeof(double) * t->plan.columns[i].length;
	return Max(LEAST_BLOCK, Min(BLOCK, BLOCK_BYTES / bytes));
}

double *
mdl_training_predict_sample(const MdlTraining *t, const MdlSampleRecord *const *records, uint32 count)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "predictions for the sample", ALLOCSET_DEFAULT_SIZES);
	SampleWork	w = {.t = t, .records = records, .count = count};
	MemoryContext caller;
	ml_ctx		ctx = t->ctx;
	int			n_slots = mdl_training_threads();

	w.n_columns = ml_model_n_columns(t->model);
	w.width = ml_model_width(t->model);
	w.out = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * ((Size) count * w.width + 1));
	caller = MemoryContextSwitchTo(memory);
	w.block = block_rows(t, w.n_columns);
	if (ml_model_effort(t->model) == 0)
		n_slots = Min(n_slots, (Size) count * (w.n_columns + 1) / THREAD_VALUES + 1);
	w.share = Min(ml_model_rows_at_once(t->model), count / n_slots + 1);
	w.slots = palloc(sizeof(SampleSlot) * n_slots);
	for (int i = 0; i < n_slots; i++)
		make_slot(&w, &w.slots[i]);
	ctx.nthreads = n_slots;
	for (; w.first < count; w.first += w.share * n_slots)
	{
		CHECK_FOR_INTERRUPTS();
		ml_parallel(&ctx, n_slots, predict_share, &w);
		for (int i = 0; i < n_slots; i++)
			if (w.slots[i].status != ML_OK)
				mdl_ml_raise(w.slots[i].status, &w.slots[i].err);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
	return w.out;
}

/*
 * What the model predicts for the sample: the value, or the probability of the last class.  Where predictions are dear the
 * first rows, which are as good as any, stand for the others too.
 */
static double *
sample_predictions(const MdlTraining *t, const MdlSampleRecord *const *records, uint32 count, const double *known)
{
	int			width = ml_model_width(t->model);
	double	   *predictions = palloc(sizeof(double) * (count + 1));
	double		affordable = fmax(LEAST_PREDICTED, MOST_OPERATIONS / fmax(1, ml_model_effort(t->model)));
	uint32		predicted = known ? count : (uint32) fmin(count, affordable);
	const double *all = known ? known : mdl_training_predict_sample(t, records, predicted);

	for (uint32 i = 0; i < count; i++)
		predictions[i] = all[(Size) (i % predicted) * width + width - 1];
	return predictions;
}

/* ---- the baseline --------------------------------------------------------------------------------------------------- */

/* One feature as the baseline wants it. */
static void
describe_feature(const MdlTraining *t, const MdlSampleRecord *const *records, uint32 count, int index, ml_baseline_column *column)
{
	const MdlRowColumn *row_column = &t->plan.columns[index];

	column->name = t->source.columns[index].name;
	column->kind = t->source.columns[index].kind;
	if (row_column->cat >= 0)
	{
		SampleRoom	room;

		make_room(row_column, count, &room);
		fill_room(t, records, count, index, &room);
		column->values = values_of(&room);
		column->n_categories = row_column->dictionary.count;
		column->categories = (const char *const *) row_column->dictionary.texts;
	}
	else
	{
		column->records = (const void *const *) records;
		column->offset = offsetof(MdlSampleRecord, numbers) + sizeof(double) * row_column->number;
	}
}

/*
 * In how many rows a feature was NULL.  The pass counted all rows, also those held out and those of weight 0: where there may
 * be such, the sample, which has none of them, tells the share; exactly, if it is all rows.
 */
static uint64
count_nulls(const MdlTraining *t, const MdlSampleRecord *const *records, uint32 count, int index, const MdlRowCounts *counts)
{
	const MdlRowColumn *column = &t->plan.columns[index];
	uint64		nulls = 0;

	if ((!t->split.holdout && t->plan.weight < 0) || counts[index].nulls == 0 || count == 0)
		return counts[index].nulls;
	for (uint32 i = 0; i < count; i++)
		nulls += column->cat >= 0 ? ((const int32 *) (records[i]->numbers + t->plan.n_numbers))[column->cat] < 0
			: isnan(records[i]->numbers[column->number]);
	return nulls == 0 ? 0 : (uint64) ((double) nulls / count * t->rows + 0.5);
}

void
mdl_training_make_baseline(MdlTraining *t, const MdlSampleRecord *const *records, uint32 count,
						   const MdlRowCounts *counts, const double *predictions)
{
	ml_baseline_column *columns = palloc0(sizeof(ml_baseline_column) * (t->source.n_features + 1));
	ml_ctx		ctx = t->ctx;
	ml_baseline *baseline;
	ml_error	err;
	ml_status	status;
	int			compared = 0;

	/* Times only go on, vectors have no distribution of their own, of hashed texts nobody kept the texts. */
	for (int i = 0; i < t->source.n_features; i++)
	{
		if (t->source.columns[i].kind > ML_CATEGORICAL || t->plan.columns[i].buckets > 0)
			continue;
		describe_feature(t, records, count, i, &columns[compared]);
		columns[compared++].n_nulls = count_nulls(t, records, count, i, counts);
	}
	if (ml_model_width(t->model) > 0)
	{
		columns[compared].name = ML_DRIFT_PREDICTION;
		columns[compared].kind = ML_NUMERIC;
		columns[compared++].values.numbers = sample_predictions(t, records, count, predictions);
	}
	ctx.nthreads = mdl_training_threads();
	status = ml_baseline_make(&ctx, compared, columns, count, (uint64) t->rows, &baseline, &err);
	if (status == ML_OK)
		status = ml_baseline_save(&ctx, baseline, &t->baseline, &t->baseline_size, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
}
