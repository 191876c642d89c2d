/*
 * train_fit.c: preprocessing fitted on the rows that are trained on: what stands for missing values, scales,
 * transformations, encodings.
 */
#include "train/train_matrix.h"

#include <math.h>

#include "miscadmin.h"
#include "ml/ml_parallel.h"
#include "utils/memutils.h"

#define LAMBDA_ROWS 200000		/* that the parameter of a power transformation is fitted on, evenly spaced */
#define TARGET_PARTS 5			/* that rows are divided into for mean targets */

/* What a column is fitted with. */
typedef struct Fit
{
	const ml_ctx *ctx;
	const MdlMatrixData *data;
	const ml_row_list *rows;
	const ml_column_facts **facts;	/* (n_columns) of numbers that are scaled as they are; NULL: not found yet */
} Fit;

/* Facts of several arrays of numbers, one by each thread. */
typedef struct Facts
{
	const Fit  *f;
	const double **values;
	size_t		stride;
	ml_column_facts *facts;
} Facts;

static void
raise_if(ml_status status, const ml_error *err)
{
	if (status != ML_OK)
		mdl_ml_raise(status, err);
}

static void
no_value(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("feature \"%s\" is NULL in every row", name),
			 errhint("Exclude the column.")));
}

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

static double *
sorted_values(const Fit *f, const double *values, size_t stride, size_t most, size_t *n)
{
	double	   *sorted;
	ml_error	err;

	raise_if(ml_prep_sorted(f->ctx, values, stride, f->rows, most, &sorted, n, &err), &err);
	return sorted;
}

/* The value that comes most often, the least of several. */
static double
most_frequent(const double *sorted, size_t n)
{
	double		best = sorted[0];
	size_t		best_count = 0;
	size_t		count = 0;

	for (size_t i = 0; i < n; i++)
	{
		count = i > 0 && sorted[i] == sorted[i - 1] ? count + 1 : 1;
		if (count > best_count)
		{
			best_count = count;
			best = sorted[i];
		}
	}
	return best;
}

static double
fill_number(const Fit *f, const double *values, const MdlColumnPrep *prep, const char *name)
{
	ml_column_facts facts;
	double	   *sorted;
	size_t		n;
	double		fill;

	if (prep->impute == MDL_IMPUTE_CONSTANT)
		return prep->fill_number;
	if (prep->impute == MDL_IMPUTE_MEAN)
	{
		ml_prep_facts(values, 1, f->rows, &facts);
		if (facts.present == 0)
			no_value(name);
		return facts.mean;
	}
	sorted = sorted_values(f, values, 1, 0, &n);
	if (n == 0)
		no_value(name);
	fill = prep->impute == MDL_IMPUTE_MEDIAN ? ml_prep_quantile(sorted, n, 1, 2) : most_frequent(sorted, n);
	ml_free(f->ctx, sorted);
	return fill;
}

static void
facts_of_one(void *arg, int index)
{
	const Facts *j = arg;

	ml_prep_facts(j->values[index], j->stride, j->f->rows, &j->facts[index]);
}

/* The facts of n arrays, in threads; as many at a time as there are threads, with a look for a cancel in between. */
static ml_column_facts *
find_facts(const Fit *f, const double **values, size_t stride, int n)
{
	ml_column_facts *facts = palloc(sizeof(ml_column_facts) * (n + 1));

	for (int first = 0; first < n; first += f->ctx->nthreads)
	{
		Facts		job = {f, values + first, stride, facts + first};

		CHECK_FOR_INTERRUPTS();
		ml_parallel(f->ctx, Min(f->ctx->nthreads, n - first), facts_of_one, &job);
	}
	return facts;
}

static void
set_scale(double unit, double *factor)
{
	if (unit > 0 && isfinite(1 / unit))
		*factor = 1 / unit;
}

/* Shift and scale of numbers of which the median and the quartiles tell them; a constant keeps its unit. */
static void
fit_robust(const Fit *f, const double *values, size_t stride, double *shift, double *factor)
{
	size_t		n;
	double	   *sorted = sorted_values(f, values, stride, 0, &n);

	*shift = 0;
	*factor = 1;
	if (n > 0)
	{
		*shift = ml_prep_quantile(sorted, n, 1, 2);
		set_scale(ml_prep_quantile(sorted, n, 3, 4) - ml_prep_quantile(sorted, n, 1, 4), factor);
	}
	ml_free(f->ctx, sorted);
}

/* The same by mean and spread, or by the range. */
static void
fit_by_facts(const ml_column_facts *facts, MdlScale scale, double *shift, double *factor)
{
	*shift = 0;
	*factor = 1;
	if (facts->present == 0)
		return;
	if (scale == MDL_SCALE_STANDARD)
		*shift = facts->mean;
	else if (scale == MDL_SCALE_MINMAX)
		*shift = facts->least;
	set_scale(scale == MDL_SCALE_STANDARD ? facts->std : scale == MDL_SCALE_MINMAX ? facts->largest - facts->least :
			  fmax(fabs(facts->least), fabs(facts->largest)), factor);
}

/* The numbers of a column with what is missing filled, and bent; NaN where they still miss. */
static double *
bent_values(const Fit *f, const double *values, const ml_column_spec *column)
{
	double	   *bent = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * (f->data->rows + 1));

	for (size_t i = 0; i < f->data->rows; i++)
	{
		double		value = isnan(values[i]) && column->has_fill ? column->fill_number : values[i];

		bent[i] = isnan(value) ? value : ml_warp_value(column->warp, column->lambda, column->knots, column->n_knots, value);
	}
	return bent;
}

static void
fit_warp(const Fit *f, const double *values, const MdlColumnPrep *prep, ml_column_spec *column)
{
	size_t		n;
	double	   *sorted;

	column->warp = prep->warp;
	if (prep->warp == ML_WARP_NONE || prep->warp == ML_WARP_LOG1P)
		return;
	sorted = sorted_values(f, values, 1, prep->warp == ML_WARP_YEO_JOHNSON || prep->warp == ML_WARP_BOX_COX ? LAMBDA_ROWS : 0, &n);
	if (n == 0)
		no_value(column->name);
	if (prep->warp == ML_WARP_BOX_COX && !(sorted[0] > 0))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("feature \"%s\" has values that are not above 0, as the transformation box_cox needs", column->name),
				 errhint("Use yeo_johnson.")));
	if (prep->warp == ML_WARP_YEO_JOHNSON || prep->warp == ML_WARP_BOX_COX)
	{
		column->lambda = ml_prep_lambda(prep->warp, sorted, n);
		if (isnan(column->lambda))
			mdl_training_constant_column(column->name);
	}
	else
	{
		int			count = (int) Max(2, Min((size_t) prep->quantiles, n));
		double	   *knots = palloc(sizeof(double) * count);

		for (int k = 0; k < count; k++)
			knots[k] = ml_prep_quantile(sorted, n, k, count - 1);
		column->n_knots = count;
		column->knots = knots;
	}
	ml_free(f->ctx, sorted);
}

/* Scales of numbers that lie `count` to a row. */
static void
fit_scales(const Fit *f, const double *values, int count, MdlScale scale, ml_column_spec *column)
{
	double	   *shifts = palloc(sizeof(double) * count);
	double	   *scales = palloc(sizeof(double) * count);
	const double **all = palloc(sizeof(double *) * count);
	ml_column_facts *facts = NULL;

	for (int k = 0; k < count; k++)
		all[k] = values + k;
	if (scale != MDL_SCALE_ROBUST)
		facts = find_facts(f, all, count, count);
	for (int k = 0; k < count; k++)
	{
		CHECK_FOR_INTERRUPTS();
		if (facts != NULL)
			fit_by_facts(&facts[k], scale, &shifts[k], &scales[k]);
		else
			fit_robust(f, all[k], count, &shifts[k], &scales[k]);
	}
	pfree(all);
	column->shifts = shifts;
	column->scales = scales;
}

static void
fit_vector(const Fit *f, const double *values, const MdlColumnPrep *prep, ml_column_spec *column)
{
	double	   *bent = NULL;
	size_t		n = f->data->rows * column->length;

	column->warp = prep->warp;
	if (prep->scale == MDL_SCALE_NONE)
		return;
	if (prep->warp != ML_WARP_NONE)
	{
		bent = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * (n + 1));
		for (size_t i = 0; i < n; i++)
			bent[i] = ml_warp_value(prep->warp, 0, NULL, 0, values[i]);
	}
	fit_scales(f, bent ? bent : values, column->length, prep->scale, column);
	if (bent != NULL)
		pfree(bent);
}

/* The parts of a time; what is missing counts as its fill. */
static void
fit_time(const Fit *f, const double *values, const MdlColumnPrep *prep, ml_column_spec *column)
{
	int			n = __builtin_popcount(prep->parts);
	double	   *terms;

	column->encoding = ML_ENCODE_DATE_PARTS;
	column->parts = prep->parts;
	if (prep->scale == MDL_SCALE_NONE)
		return;
	terms = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * (f->data->rows * n + 1));
	for (size_t i = 0; i < f->data->rows; i++)
	{
		double		seconds = isnan(values[i]) && column->has_fill ? column->fill_number : values[i];

		if (isfinite(seconds) && fabs(seconds) < ML_LARGEST_TIME)
			ml_date_parts(prep->parts, seconds, terms + i * n);
		else
			for (int k = 0; k < n; k++)
				terms[i * n + k] = NAN;
	}
	fit_scales(f, terms, n, prep->scale, column);
	pfree(terms);
}

static void
fit_numbers(const Fit *f, int index, const MdlColumnPrep *prep, ml_column_spec *column)
{
	const double *values = f->data->columns[index].numbers;

	if (column->has_fill)
		column->fill_number = fill_number(f, values, prep, column->name);
	if (column->kind == ML_TIME)
		fit_time(f, values, prep, column);
	else
	{
		fit_warp(f, values, prep, column);
		if (f->facts[index] != NULL)
			fit_by_facts(f->facts[index], prep->scale, &column->shift, &column->scale);
		else if (prep->scale != MDL_SCALE_NONE)
		{
			const double *bent = bent_values(f, values, column);

			if (prep->scale == MDL_SCALE_ROBUST)
				fit_robust(f, bent, 1, &column->shift, &column->scale);
			else
				fit_by_facts(find_facts(f, &bent, 1, 1), prep->scale, &column->shift, &column->scale);
			pfree((void *) bent);
		}
	}
}

/* ---- categories --------------------------------------------------------------------------------------------------- */

/* The target as numbers: of two classes 0 and 1. */
static double *
target_numbers(const MdlMatrixData *data, const char *name)
{
	double	   *numbers;

	if (data->n_classes > 2 || (data->n_classes == 0 && data->target == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" cannot be encoded by its mean target", name),
				 errhint("That needs a target of numbers or of two classes.")));
	numbers = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * (data->rows + 1));
	for (size_t i = 0; i < data->rows; i++)
		numbers[i] = data->target ? data->target[i] : data->labels[i];
	return numbers;
}

/* The code that stands for a missing category in the arrays of fitting: its fill. */
static int32 *
filled_codes(const Fit *f, int index, const ml_column_spec *column)
{
	const int32 *codes = f->data->columns[index].codes;
	int32	   *filled = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int32) * (f->data->rows + 1));

	for (size_t i = 0; i < f->data->rows; i++)
		filled[i] = codes[i] < 0 && column->has_fill ? column->fill_code : codes[i];
	return filled;
}

static void
fit_table(const Fit *f, int index, const MdlColumnPrep *prep, ml_column_spec *column)
{
	int			n = column->n_categories;
	double	   *table = palloc0(sizeof(double) * (n + 1));
	int32	   *codes = filled_codes(f, index, column);

	column->encoding = ML_ENCODE_TABLE;
	if (prep->encode == MDL_ENCODE_TARGET)
	{
		double	   *target = target_numbers(f->data, column->name);

		column->unknown_value = ml_prep_target_means(codes, n, target, f->rows, palloc(sizeof(ml_category_sums) * (n + 1)), table);
		pfree(target);
	}
	else
	{
		double		total = 0;

		ml_prep_category_weights(codes, n, f->rows, table);
		for (int code = 0; code < n; code++)
			total += table[code];
		for (int code = 0; code < n; code++)
			table[code] /= total;
	}
	column->table = table;
	pfree(codes);
}

static void
fit_categories(const Fit *f, int index, const MdlColumnPrep *prep, bool reference, ml_column_spec *column)
{
	column->unknown_is_zero = prep->unknown_is_zero;
	if (prep->encode == MDL_ENCODE_HASHING)
	{
		column->encoding = ML_ENCODE_HASHING;
		column->buckets = prep->buckets;
		column->unknown_is_zero = true;
		return;
	}
	if (column->has_fill && prep->impute == MDL_IMPUTE_CONSTANT)
		column->fill_code = prep->fill_code;
	else if (column->has_fill)
	{
		double	   *weights = palloc(sizeof(double) * (column->n_categories + 1));

		ml_prep_category_weights(f->data->columns[index].codes, column->n_categories, f->rows, weights);
		for (int code = 1; code < column->n_categories; code++)
			if (weights[code] > weights[column->fill_code])
				column->fill_code = code;
		pfree(weights);
	}
	if (prep->encode == MDL_ENCODE_ORDINAL)
	{
		column->encoding = ML_ENCODE_ORDINAL;
		column->unknown_value = -1;
	}
	else if (prep->encode != MDL_ENCODE_ONE_HOT)
		fit_table(f, index, prep, column);
	else if (reference)
		column->reference = 0;
}

/* ---- offsets ------------------------------------------------------------------------------------------------------ */

void
mdl_training_check_exposure(const MdlTraining *t, const MdlMatrixData *data)
{
	for (int i = 0; i < data->n_columns; i++)
	{
		const double *values = data->columns[i].numbers;
		int64		wrong = 0;

		if (t->preps[i].offset != MDL_OFFSET_EXPOSURE)
			continue;
		for (size_t row = 0; row < data->rows; row++)
			wrong += !(values[row] > 0);
		if (wrong > 0)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg_plural("exposure \"%s\" is not above 0 in %lld row", "exposure \"%s\" is not above 0 in %lld rows", wrong,
								   t->source.columns[i].name, (long long) wrong),
					 errhint("Leave these rows out in the source query: what was not observed has no rate.")));
	}
}

/* ---- all of it ---------------------------------------------------------------------------------------------------- */

/* Facts of the columns of numbers that are neither filled nor bent before they are scaled. */
static void
find_plain_facts(Fit *f, const MdlColumnPrep *preps, const ml_column_spec *columns)
{
	int			n_columns = f->data->n_columns;
	const double **values = palloc(sizeof(double *) * (n_columns + 1));
	const ml_column_facts *facts;
	int			n = 0;

#define is_plain(i) ((columns[i].kind == ML_NUMERIC || columns[i].kind == ML_BOOLEAN) && preps[i].warp == ML_WARP_NONE && preps[i].scale != MDL_SCALE_NONE && \
	preps[i].scale != MDL_SCALE_ROBUST && f->data->columns[i].nulls == NULL)
	for (int i = 0; i < n_columns; i++)
		if (is_plain(i))
			values[n++] = f->data->columns[i].numbers;
	facts = find_facts(f, values, 1, n);
	f->facts = palloc0(sizeof(ml_column_facts *) * (n_columns + 1));
	for (int i = 0; i < n_columns; i++)
		if (is_plain(i))
			f->facts[i] = facts++;
	pfree(values);
}

void
mdl_design_fit(const ml_ctx *ctx, const MdlMatrixData *data, const ml_row_list *rows, const MdlColumnPrep *preps, bool reference,
			   bool keeps_missing, ml_column_spec *columns)
{
	Fit			f = {ctx, data, rows, NULL};

	find_plain_facts(&f, preps, columns);
	for (int i = 0; i < data->n_columns; i++)
	{
		ml_column_spec *column = &columns[i];

		CHECK_FOR_INTERRUPTS();
		if (preps[i].offset != MDL_OFFSET_NONE)
		{
			column->is_offset = true;
			column->warp = preps[i].offset == MDL_OFFSET_EXPOSURE ? ML_WARP_BOX_COX : ML_WARP_NONE;
			column->lambda = 0; /* with which Box and Cox take the logarithm */
			continue;
		}
		column->has_fill = preps[i].impute != MDL_IMPUTE_ERROR;
		column->keeps_missing = keeps_missing && !column->has_fill;
		column->indicator = preps[i].indicator;
		if (column->kind == ML_CATEGORICAL)
			fit_categories(&f, i, &preps[i], reference, column);
		else if (column->kind == ML_VECTOR)
			fit_vector(&f, data->columns[i].numbers, &preps[i], column);
		else
			fit_numbers(&f, i, &preps[i], column);
	}
}

/*
 * Mean targets of the rows trained on, each from the rows of the other parts, so that a row's own target is not in what
 * stands for its category.
 */
void
mdl_design_target_means(const MdlMatrixData *data, int index, int fill_code, const ml_row_list *rows, double *terms,
						size_t stride, bool by_place)
{
	int			n = data->facts[index].n_categories;
	double	   *target = target_numbers(data, "");
	double	   *means = palloc(sizeof(double) * (n + 1));
	ml_category_sums *sums = palloc(sizeof(ml_category_sums) * (n + 1));
	ml_stretch *others = palloc(sizeof(ml_stretch) * (rows->n + TARGET_PARTS));
	size_t		total = ml_row_list_rows(rows);
	int32	   *codes = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int32) * (data->rows + 1));

	for (size_t i = 0; i < data->rows; i++)
		codes[i] = data->columns[index].codes[i] < 0 ? fill_code : data->columns[index].codes[i];
	for (int part = 0; part < TARGET_PARTS; part++)
	{
		size_t		start = total * part / TARGET_PARTS;
		size_t		end = total * (part + 1) / TARGET_PARTS;
		ml_row_list list = {0, others, rows->weights};
		size_t		place = 0;
		double		mean;

		/* The rows in order, without those of the part. */
		for (int s = 0; s < rows->n; s++)
		{
			ml_stretch	whole = rows->stretches[s];
			size_t		length = whole.end - whole.first;
			size_t		cut = place < start ? Min(start - place, length) : 0;
			size_t		rest = place + length > end ? Min(place + length - end, length) : 0;

			if (cut > 0)
				others[list.n++] = (ml_stretch) {whole.first, whole.first + cut};
			if (rest > 0 && cut < length)
				others[list.n++] = (ml_stretch) {whole.end - rest, whole.end};
			place += length;
		}
		CHECK_FOR_INTERRUPTS();
		mean = ml_prep_target_means(codes, n, target, &list, sums, means);
		place = 0;
		for (int s = 0; s < rows->n; s++)
			for (size_t i = rows->stretches[s].first; i < rows->stretches[s].end; i++, place++)
				if (place >= start && place < end)
				{
					terms[(by_place ? place : i) * stride] = codes[i] >= 0 ? means[codes[i]] : mean;
				}
	}
	pfree(codes);
	pfree(target);
	pfree(means);
	pfree(sums);
	pfree(others);
}
