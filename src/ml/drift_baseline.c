/*
 * drift_baseline.c: a baseline from a sample of the training rows.
 */
#include "ml/drift_int.h"

#include <stdlib.h>
#include <string.h>

ml_baseline *
drift_baseline_new(const ml_ctx *ctx, int n_columns)
{
	ml_baseline *baseline = ml_alloc_zero(ctx, 1, sizeof(ml_baseline));

	if (baseline == NULL)
		return NULL;
	baseline->ctx = *ctx;
	baseline->columns = ml_alloc_zero(ctx, n_columns, sizeof(drift_column));
	if (baseline->columns == NULL)
	{
		ml_free(ctx, baseline);
		return NULL;
	}
	baseline->n_columns = n_columns;
	return baseline;
}

void
ml_baseline_free(ml_baseline *baseline)
{
	ml_ctx		ctx;

	if (baseline == NULL)
		return;
	ctx = baseline->ctx;
	for (int i = 0; i < baseline->n_columns; i++)
	{
		drift_column *column = &baseline->columns[i];

		ml_free(&ctx, column->name);
		ml_free(&ctx, column->counts);
		ml_free(&ctx, column->edges);
		ml_free(&ctx, column->sketch);
		ml_free(&ctx, column->bins);
		ml_dictionary_clear(&ctx, &column->categories);
	}
	ml_free(&ctx, baseline->columns);
	ml_free(&ctx, baseline);
}

uint64_t
ml_baseline_n_rows(const ml_baseline *baseline)
{
	return baseline->n_rows;
}

int
ml_baseline_n_columns(const ml_baseline *baseline)
{
	return baseline->n_columns;
}

const char *
ml_baseline_column_name(const ml_baseline *baseline, int column)
{
	return baseline->columns[column].name;
}

ml_kind
ml_baseline_column_kind(const ml_baseline *baseline, int column)
{
	return baseline->columns[column].kind;
}

int
ml_baseline_find_column(const ml_baseline *baseline, const char *name)
{
	for (int i = 0; i < baseline->n_columns; i++)
		if (strcmp(baseline->columns[i].name, name) == 0)
			return i;
	return -1;
}

/* ---- categorical columns ------------------------------------------------------------------------------------- */

static int
compare_texts(const void *a, const void *b)
{
	const ml_text *x = a;
	const ml_text *y = b;
	size_t		common = x->length < y->length ? x->length : y->length;
	int			order = memcmp(x->data, y->data, common);

	return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

static bool
is_missing(const ml_baseline_column *from, size_t row)
{
	return from->values.nulls != NULL && from->values.nulls[row];
}

/* A dictionary of the categories in the sample, and the share of the values that are alone of their category. */
static ml_status
dictionary_of_sample(const ml_ctx *ctx, const ml_baseline_column *from, size_t n, ml_dictionary *dictionary,
					 double *alone, ml_error *err)
{
	ml_text    *texts = ml_alloc(ctx, n, sizeof(ml_text));
	char	  **distinct = ml_alloc_zero(ctx, n, sizeof(char *));
	ml_status	status = texts && distinct ? ML_OK : ml_no_memory(err);
	size_t		present = 0,
				singles = 0;
	int			count = 0;

	for (size_t i = 0; status == ML_OK && i < n; i++)
		if (!is_missing(from, i))
			texts[present++] = from->values.texts[i];
	if (status == ML_OK)
		qsort(texts, present, sizeof(ml_text), compare_texts);
	for (size_t i = 0; status == ML_OK && i < present;)
	{
		size_t		end = i + 1;

		while (end < present && compare_texts(&texts[i], &texts[end]) == 0)
			end++;
		distinct[count] = ml_alloc(ctx, texts[i].length + 1, 1);
		if (distinct[count] == NULL)
			status = ml_no_memory(err);
		else
		{
			memcpy(distinct[count], texts[i].data, texts[i].length);
			distinct[count++][texts[i].length] = '\0';
		}
		singles += end - i == 1;
		i = end;
	}
	if (status == ML_OK)
		status = ml_dictionary_make(ctx, dictionary, count, (const char *const *) distinct, err);
	/* Good and Turing: the share of categories never seen is about the share of those seen once. */
	*alone = present ? (double) singles / (double) present : 0;
	for (int i = 0; i < count; i++)
		ml_free(ctx, distinct[i]);
	ml_free(ctx, distinct);
	ml_free(ctx, texts);
	return status;
}

typedef struct frequency
{
	uint64_t	count;
	int			code;
} frequency;

static int
compare_frequencies(const void *a, const void *b)
{
	const frequency *x = a;
	const frequency *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return (x->code > y->code) - (x->code < y->code);
}

static int
compare_codes(const void *a, const void *b)
{
	return ((const frequency *) a)->code - ((const frequency *) b)->code;
}

/* Keeps the most frequent categories of `all`; order (all->count) is sorted by falling frequency. */
static ml_status
keep_frequent(const ml_ctx *ctx, drift_column *column, const ml_dictionary *all, frequency *order, ml_error *err)
{
	int			kept = all->count < ML_DRIFT_CATEGORIES ? all->count : ML_DRIFT_CATEGORIES;
	int			own = all->count < ML_DRIFT_CATEGORY_BINS ? all->count : ML_DRIFT_CATEGORY_BINS;
	const char **texts = ml_alloc(ctx, kept, sizeof(char *));
	int32_t    *rank = ml_alloc(ctx, all->count, sizeof(int32_t));
	ml_status	status = texts && rank ? ML_OK : ml_no_memory(err);

	column->n_bins = own + 3;
	column->bins = ml_alloc(ctx, kept, sizeof(int32_t));
	column->counts = ml_alloc_zero(ctx, column->n_bins, sizeof(uint64_t));
	if (status == ML_OK && (column->bins == NULL || column->counts == NULL))
		status = ml_no_memory(err);
	if (status == ML_OK)
	{
		for (int i = 0; i < all->count; i++)
		{
			rank[order[i].code] = i < own ? i : own;
			column->counts[i < own ? i : i < kept ? own : own + 1] += order[i].count;
		}
		column->counts[column->n_bins - 1] = column->n_missing;
		if (column->n_present > 0 && column->counts[own + 1] > 0)
			column->expected_new += (double) column->counts[own + 1] / (double) column->n_present;
		qsort(order, kept, sizeof(frequency), compare_codes);
		for (int i = 0; i < kept; i++)
		{
			texts[i] = all->texts[order[i].code];
			column->bins[i] = rank[order[i].code];
		}
		status = ml_dictionary_make(ctx, &column->categories, kept, texts, err);
	}
	ml_free(ctx, texts);
	ml_free(ctx, rank);
	return status;
}

/* Counts the categories of the sample.  Fails for a code outside the dictionary, or a text outside it. */
static ml_status
count_categories(const ml_dictionary *all, drift_column *column, const ml_baseline_column *from, size_t n,
				 frequency *order, ml_error *err)
{
	for (int i = 0; i < all->count; i++)
		order[i] = (frequency) {0, i};
	for (size_t i = 0; i < n; i++)
	{
		int			code;

		if (is_missing(from, i))
		{
			column->n_missing++;
			continue;
		}
		column->n_present++;
		code = from->values.codes ? from->values.codes[i] :
			ml_dictionary_find(all, from->values.texts[i].data, from->values.texts[i].length);
		if (code < 0 || code >= all->count)
			return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" has a category that its dictionary lacks", from->name);
		order[code].count++;
	}
	return ML_OK;
}

static ml_status
make_categorical(const ml_ctx *ctx, drift_column *column, const ml_baseline_column *from, size_t n, ml_error *err)
{
	ml_dictionary all = {0};
	frequency  *order = NULL;
	ml_status	status;

	if (from->categories != NULL || from->values.codes != NULL)
		status = ml_dictionary_make(ctx, &all, from->n_categories, from->categories, err);
	else
		status = dictionary_of_sample(ctx, from, n, &all, &column->expected_new, err);
	if (status == ML_OK && (order = ml_alloc(ctx, all.count, sizeof(frequency))) == NULL)
		status = ml_no_memory(err);
	if (status == ML_OK)
		status = count_categories(&all, column, from, n, order, err);
	if (status == ML_OK)
	{
		qsort(order, all.count, sizeof(frequency), compare_frequencies);
		status = keep_frequent(ctx, column, &all, order, err);
	}
	ml_free(ctx, order);
	ml_dictionary_clear(ctx, &all);
	return status;
}

/* ---- all columns --------------------------------------------------------------------------------------------- */

/* All but the values of numeric columns. */
static ml_status
make_column(const ml_ctx *ctx, drift_column *column, const ml_baseline_column *from, size_t n, ml_error *err)
{
	column->kind = from->kind;
	column->n_nulls = from->n_nulls;
	column->name = ml_strdup(ctx, from->name);
	if (column->name == NULL)
		return ml_no_memory(err);
	return from->kind == ML_CATEGORICAL ? make_categorical(ctx, column, from, n, err) : ML_OK;
}

ml_status
ml_baseline_make(const ml_ctx *ctx, int n_columns, const ml_baseline_column *columns, size_t n_sample,
				 uint64_t n_rows, ml_baseline **baseline, ml_error *err)
{
	ml_baseline *made;
	ml_status	status = ML_OK;

	*baseline = NULL;
	if (n_columns < 0 || n_columns > ML_MAX_COLUMNS || n_rows < n_sample)
		return ml_fail(err, ML_BAD_PARAM, NULL, "a baseline cannot have %d columns and %zu of %llu rows",
					   n_columns, n_sample, (unsigned long long) n_rows);
	made = drift_baseline_new(ctx, n_columns);
	if (made == NULL)
		return ml_no_memory(err);
	made->n_rows = n_rows;
	made->n_sample = n_sample;
	for (int i = 0; i < n_columns && status == ML_OK; i++)
		status = make_column(ctx, &made->columns[i], &columns[i], n_sample, err);
	if (status == ML_OK)
		status = drift_make_numeric(ctx, made, columns, n_sample, err);
	if (status == ML_OK)
		*baseline = made;
	else
		ml_baseline_free(made);
	return status;
}
