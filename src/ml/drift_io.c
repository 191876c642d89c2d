/*
 * drift_io.c: a baseline as bytes, and safely back.
 *
 * Layout, all integers little-endian, texts as length (u32) and bytes without NUL:
 *   "MDLBASES", u32 format version, u64 length of the whole, u32 CRC-32C of what follows,
 *   u64 rows, u64 sampled rows, u32 columns, then per column
 *     name, u8 kind, u64 nulls, u64 present and u64 missing in the sample, u32 bins, the counts of the bins (u64),
 *     numeric:     u32 edges, the edges, u32 points of the sketch, the points, f64 mean, f64 std
 *     categorical: f64 expected share of new ones, u32 categories, per category text and u32 bin
 */
#include "ml/drift_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_bytes.h"

#define FORMAT_VERSION	1
#define LEAST_COLUMN	41		/* bytes that a column takes at least */

static const char magic[ML_MAGIC_SIZE] = {'M', 'D', 'L', 'B', 'A', 'S', 'E', 'S'};

/* ---- writing ------------------------------------------------------------------------------------------------- */

static void
put_column(ml_writer *w, const drift_column *column)
{
	ml_put_text(w, column->name);
	ml_put_u8(w, (uint8_t) column->kind);
	ml_put_u64(w, column->n_nulls);
	ml_put_u64(w, column->n_present);
	ml_put_u64(w, column->n_missing);
	ml_put_u32(w, (uint32_t) column->n_bins);
	for (int i = 0; i < column->n_bins; i++)
		ml_put_u64(w, column->counts[i]);
	if (drift_is_numeric(column))
	{
		ml_put_u32(w, (uint32_t) column->n_edges);
		ml_put_doubles(w, column->edges, column->n_edges);
		ml_put_u32(w, (uint32_t) column->n_sketch);
		ml_put_doubles(w, column->sketch, column->n_sketch);
		ml_put_double(w, column->mean);
		ml_put_double(w, column->std);
		return;
	}
	ml_put_double(w, column->expected_new);
	ml_put_u32(w, (uint32_t) column->categories.count);
	for (int i = 0; i < column->categories.count; i++)
	{
		ml_put_text(w, column->categories.texts[i]);
		ml_put_u32(w, (uint32_t) column->bins[i]);
	}
}

ml_status
ml_baseline_save(const ml_ctx *ctx, const ml_baseline *baseline, unsigned char **bytes, size_t *length, ml_error *err)
{
	ml_writer	w = {ctx, NULL, 0, 0, false};
	size_t		room = ML_HEADER_SIZE;

	for (int i = 0; i < baseline->n_columns; i++)
		room += 128 + (baseline->columns[i].n_bins * 2 + baseline->columns[i].n_sketch) * sizeof(double);
	ml_writer_reserve(&w, room);
	ml_put_header(&w, magic, FORMAT_VERSION);
	ml_put_u64(&w, baseline->n_rows);
	ml_put_u64(&w, baseline->n_sample);
	ml_put_u32(&w, (uint32_t) baseline->n_columns);
	for (int i = 0; i < baseline->n_columns; i++)
		put_column(&w, &baseline->columns[i]);
	return ml_writer_finish(&w, bytes, length, err);
}

/* ---- reading: each function returns ML_OK, ML_NO_MEMORY, or ML_BAD_MODEL for damage ---------------------------- */

#define DAMAGED_UNLESS(condition) \
	do { if (!(condition)) return ML_BAD_MODEL; } while (0)

static ml_status
get_doubles(const ml_ctx *ctx, ml_reader *r, int count, double **values)
{
	*values = ml_alloc(ctx, count, sizeof(double));
	if (*values == NULL)
		return ML_NO_MEMORY;
	ml_get_doubles(r, *values, count);
	return r->failed ? ML_BAD_MODEL : ML_OK;
}

static ml_status
get_counts(const ml_ctx *ctx, ml_reader *r, drift_column *column, uint64_t n_sample)
{
	uint64_t	sum = 0;

	column->n_bins = (int) ml_get_count(r, 8);
	DAMAGED_UNLESS(!r->failed && column->n_bins >= 2 && column->n_bins <= DRIFT_MAX_BINS);
	column->counts = ml_alloc(ctx, column->n_bins, sizeof(uint64_t));
	if (column->counts == NULL)
		return ML_NO_MEMORY;
	for (int i = 0; i < column->n_bins; i++)
	{
		column->counts[i] = ml_get_u64(r);
		DAMAGED_UNLESS(!r->failed && column->counts[i] <= n_sample - sum);
		sum += column->counts[i];
	}
	DAMAGED_UNLESS(sum == n_sample && column->counts[column->n_bins - 1] == column->n_missing);
	return ML_OK;
}

static ml_status
get_numeric(const ml_ctx *ctx, ml_reader *r, drift_column *column)
{
	ml_status	status;

	column->n_edges = (int) ml_get_count(r, 8);
	DAMAGED_UNLESS(!r->failed && column->n_edges == column->n_bins - 2);
	status = get_doubles(ctx, r, column->n_edges, &column->edges);
	if (status != ML_OK)
		return status;
	for (int i = 0; i < column->n_edges; i++)
		DAMAGED_UNLESS(!isnan(column->edges[i]) && (i == 0 || column->edges[i] > column->edges[i - 1]));
	column->n_sketch = (int) ml_get_count(r, 8);
	DAMAGED_UNLESS(!r->failed && column->n_sketch <= ML_DRIFT_SKETCH && (uint64_t) column->n_sketch <= column->n_present);
	status = get_doubles(ctx, r, column->n_sketch, &column->sketch);
	if (status != ML_OK)
		return status;
	for (int i = 0; i < column->n_sketch; i++)
		DAMAGED_UNLESS(!isnan(column->sketch[i]) && (i == 0 || column->sketch[i] >= column->sketch[i - 1]));
	column->mean = ml_get_double(r);
	column->std = ml_get_double(r);
	DAMAGED_UNLESS(!r->failed && !isinf(column->mean) && !(column->std < 0));
	return ML_OK;
}

static ml_status
get_categorical(const ml_ctx *ctx, ml_reader *r, drift_column *column)
{
	ml_status	status = ML_OK;
	bool		no_memory = false;
	char	  **texts;
	int			count;

	column->expected_new = ml_get_double(r);
	count = (int) ml_get_count(r, 8);
	DAMAGED_UNLESS(!r->failed && column->expected_new >= 0 && column->expected_new <= 1 &&
				   count <= ML_DRIFT_CATEGORIES && column->n_bins >= 3 &&
				   column->n_bins == (count < ML_DRIFT_CATEGORY_BINS ? count : ML_DRIFT_CATEGORY_BINS) + 3);
	texts = ml_alloc_zero(ctx, count, sizeof(char *));
	column->bins = ml_alloc_zero(ctx, count, sizeof(int32_t));
	if (texts == NULL || column->bins == NULL)
		status = ML_NO_MEMORY;
	for (int i = 0; i < count && status == ML_OK; i++)
	{
		texts[i] = ml_get_text(r, ctx, &no_memory);
		column->bins[i] = (int32_t) ml_get_u32(r);
		if (no_memory)
			status = ML_NO_MEMORY;
		else if (r->failed || column->bins[i] < 0 || column->bins[i] > column->n_bins - 3)
			status = ML_BAD_MODEL;
	}
	if (status == ML_OK)
		status = ml_dictionary_make(ctx, &column->categories, count, (const char *const *) texts, NULL);
	for (int i = 0; texts != NULL && i < count; i++)
		ml_free(ctx, texts[i]);
	ml_free(ctx, texts);
	return status == ML_BAD_PARAM ? ML_BAD_MODEL : status;	/* not in order */
}

static ml_status
get_column(const ml_ctx *ctx, ml_reader *r, drift_column *column, const ml_baseline *baseline)
{
	bool		no_memory = false;
	ml_status	status;

	column->name = ml_get_text(r, ctx, &no_memory);
	if (no_memory)
		return ML_NO_MEMORY;
	column->kind = ml_get_u8(r);
	column->n_nulls = ml_get_u64(r);
	column->n_present = ml_get_u64(r);
	column->n_missing = ml_get_u64(r);
	DAMAGED_UNLESS(!r->failed && column->kind >= ML_NUMERIC && column->kind <= ML_CATEGORICAL &&
				   column->n_nulls <= baseline->n_rows && column->n_present <= baseline->n_sample &&
				   column->n_missing == baseline->n_sample - column->n_present);
	status = get_counts(ctx, r, column, baseline->n_sample);
	if (status != ML_OK)
		return status;
	return drift_is_numeric(column) ? get_numeric(ctx, r, column) : get_categorical(ctx, r, column);
}

static ml_status
get_baseline(const ml_ctx *ctx, ml_reader *r, ml_baseline **baseline)
{
	uint64_t	n_rows = ml_get_u64(r);
	uint64_t	n_sample = ml_get_u64(r);
	uint32_t	n_columns = ml_get_count(r, LEAST_COLUMN);
	ml_status	status = ML_OK;

	DAMAGED_UNLESS(!r->failed && n_columns <= ML_MAX_COLUMNS && n_sample <= n_rows);
	*baseline = drift_baseline_new(ctx, (int) n_columns);
	if (*baseline == NULL)
		return ML_NO_MEMORY;
	(*baseline)->n_rows = n_rows;
	(*baseline)->n_sample = n_sample;
	for (uint32_t i = 0; i < n_columns && status == ML_OK; i++)
		status = get_column(ctx, r, &(*baseline)->columns[i], *baseline);
	if (status == ML_OK && r->at != r->length)
		status = ML_BAD_MODEL;
	return status;
}

ml_status
ml_baseline_load(const ml_ctx *ctx, const unsigned char *bytes, size_t length, ml_baseline **baseline, ml_error *err)
{
	ml_reader	r = {bytes, length, 0, false};
	const unsigned char *found = ml_get_bytes(&r, sizeof(magic));
	uint32_t	version = ml_get_u32(&r);
	uint64_t	stated = ml_get_u64(&r);
	uint32_t	crc = ml_get_u32(&r);
	ml_status	status;

	*baseline = NULL;
	if (found == NULL || memcmp(found, magic, sizeof(magic)) != 0)
		return ml_fail(err, ML_BAD_MODEL, NULL, "the bytes are not a drift baseline");
	if (!r.failed && version != FORMAT_VERSION)
		return ml_fail(err, ML_BAD_MODEL, "Train the model again with this version of medallion.",
					   "drift baseline has format version %u, expected %d", (unsigned) version, FORMAT_VERSION);
	if (r.failed || stated != length || crc != ml_crc32c(bytes + ML_HEADER_SIZE, length - ML_HEADER_SIZE))
		return ml_fail(err, ML_BAD_MODEL, NULL, "drift baseline is damaged");
	status = get_baseline(ctx, &r, baseline);
	if (status == ML_OK)
		return ML_OK;
	ml_baseline_free(*baseline);
	*baseline = NULL;
	return ml_fail(err, status, NULL, status == ML_NO_MEMORY ? "out of memory" : "drift baseline is damaged");
}
