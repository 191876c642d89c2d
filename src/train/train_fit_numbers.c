/*
 * train_fit_numbers.c: preprocessing of numbers fitted on the rows that are trained on: what stands for missing values,
 * transformations, scales; in threads.
 *
 * A *strand* is what is fitted by itself: a column of numbers, an element of a vector, a part of a time.  Each thread does one
 * strand at a time, with arrays of its own (a *slot*), so the bits do not depend on their number.  What is wrong with a strand is
 * told after all are done, for threads must not call the server.
 */
#include "train/train_matrix.h"

#include <math.h>

#include "miscadmin.h"
#include "ml/eval_rank.h"
#include "ml/ml_parallel.h"
#include "utils/memutils.h"

#define LAMBDA_ROWS 200000		/* that the parameter of a power transformation is fitted on, evenly spaced */
#define PIECE 16384				/* rows of times that a thread takes apart at a time */
#define PIECES_AT_ONCE 256

typedef enum Outcome
{
	FITTED = 0,
	NO_VALUE,
	NOT_ABOVE_ZERO,				/* as Box and Cox need */
	NO_VARIATION
} Outcome;

typedef struct Strand
{
	const double *values;
	size_t		stride;
	const MdlColumnPrep *prep;
	ml_column_spec *column;
	bool		is_column;		/* it is filled and bent by all means, an element of a vector by the logarithm only */
	bool		has_missing;
	double	   *knots;			/* (prep->quantiles) or NULL */
	double	   *shift;			/* NULL: it is not scaled … */
	double	   *scale;
	Outcome		outcome;
} Strand;

typedef struct Fit
{
	const ml_ctx *ctx;
	const MdlMatrixData *data;
	const ml_row_list *rows;
	Strand	   *strands;		/* those at work */
	double	   *arrays;			/* (slots, n_arrays, data->rows) */
	int			n_arrays;
} Fit;

/* ---- a strand ------------------------------------------------------------------------------------------------------ */

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

static Outcome
fit_fill(const Fit *f, Strand *s, double *values, double *scratch)
{
	static const size_t half[1] = {1};
	double	   *fill = &s->column->fill_number;
	ml_column_facts facts;
	size_t		n;

	if (s->prep->impute == MDL_IMPUTE_CONSTANT)
	{
		*fill = s->prep->fill_number;
		return FITTED;
	}
	if (s->prep->impute == MDL_IMPUTE_MEAN)
	{
		ml_prep_facts(s->values, s->stride, f->rows, &facts);
		*fill = facts.mean;
		return facts.present == 0 ? NO_VALUE : FITTED;
	}
	n = ml_prep_present(s->values, s->stride, f->rows, 0, values);
	if (n == 0)
		return NO_VALUE;
	if (s->prep->impute == MDL_IMPUTE_MEDIAN)
		ml_prep_quantiles(values, scratch, n, 2, half, 1, fill);
	else
	{
		ml_rank_sort(values, scratch, n);
		*fill = most_frequent(values, n);
	}
	return FITTED;
}

static bool
is_power(int warp)
{
	return warp == ML_WARP_YEO_JOHNSON || warp == ML_WARP_BOX_COX;
}

static Outcome
fit_warp(const Fit *f, Strand *s, double *values, double *scratch)
{
	ml_column_spec *column = s->column;
	size_t		n;

	if (column->warp == ML_WARP_NONE || column->warp == ML_WARP_LOG1P)
		return FITTED;
	n = ml_prep_present(s->values, s->stride, f->rows, is_power(column->warp) ? LAMBDA_ROWS : 0, values);
	if (n == 0)
		return NO_VALUE;
	ml_rank_sort(values, scratch, n);
	if (column->warp == ML_WARP_BOX_COX && !(values[0] > 0))
		return NOT_ABOVE_ZERO;
	if (is_power(column->warp))
	{
		column->lambda = ml_prep_lambda(column->warp, values, n, scratch);
		return isnan(column->lambda) ? NO_VARIATION : FITTED;
	}
	column->n_knots = (int) Max(2, Min((size_t) s->prep->quantiles, n));
	for (int k = 0; k < column->n_knots; k++)
		s->knots[k] = ml_prep_quantile(values, n, k, column->n_knots - 1);
	column->knots = s->knots;
	return FITTED;
}

/* Whether numbers are filled or bent before they are scaled. */
static bool
is_bent(const Strand *s)
{
	return s->column->kind != ML_TIME && (s->column->warp != ML_WARP_NONE || (s->is_column && s->has_missing));
}

static inline double
bent_value(const Strand *s, size_t row)
{
	const ml_column_spec *column = s->column;
	double		value = s->values[row * s->stride];

	if (s->is_column && isnan(value) && column->has_fill)
		value = column->fill_number;
	return isnan(value) ? value : ml_warp_value(column->warp, column->lambda, column->knots, column->n_knots, value);
}

/* The numbers of the rows, bent, each in the place of its row. */
static void
bend(const Fit *f, const Strand *s, double *bent)
{
	for (int k = 0; k < f->rows->n; k++)
		for (size_t row = f->rows->stretches[k].first; row < f->rows->stretches[k].end; row++)
			bent[row] = bent_value(s, row);
}

static void
set_scale(double unit, double *factor)
{
	if (unit > 0 && isfinite(1 / unit))
		*factor = 1 / unit;
}

/* Shift and scale of numbers of which the median and the quartiles tell them; a constant keeps its unit. */
static void
fit_robust(const Fit *f, const Strand *s, double *values, double *scratch)
{
	static const size_t quarters[3] = {1, 2, 3};
	double		quartiles[3];
	size_t		n = 0;

	if (is_bent(s))
	{
		bend(f, s, scratch);
		n = ml_prep_present(scratch, 1, f->rows, 0, values);
	}
	else
		n = ml_prep_present(s->values, s->stride, f->rows, 0, values);
	if (n == 0)
		return;
	ml_prep_quantiles(values, scratch, n, 4, quarters, 3, quartiles);
	*s->shift = quartiles[1];
	set_scale(quartiles[2] - quartiles[0], s->scale);
}

/* The same by mean and spread, or by the range. */
static void
fit_by_facts(const Fit *f, const Strand *s, double *bent)
{
	MdlScale	scale = s->prep->scale;
	ml_column_facts facts;

	if (is_bent(s))
	{
		bend(f, s, bent);
		ml_prep_facts(bent, 1, f->rows, &facts);
	}
	else
		ml_prep_facts(s->values, s->stride, f->rows, &facts);
	if (facts.present == 0)
		return;
	if (scale == MDL_SCALE_STANDARD)
		*s->shift = facts.mean;
	else if (scale == MDL_SCALE_MINMAX)
		*s->shift = facts.least;
	set_scale(scale == MDL_SCALE_STANDARD ? facts.std : scale == MDL_SCALE_MINMAX ? facts.largest - facts.least :
			  fmax(fabs(facts.least), fabs(facts.largest)), s->scale);
}

/* How many arrays fitting a strand takes. */
static int
arrays_of(const Strand *s)
{
	int			impute = s->is_column && s->column->has_fill ? s->prep->impute : MDL_IMPUTE_ERROR;

	if (impute == MDL_IMPUTE_MEDIAN || impute == MDL_IMPUTE_MOST_FREQUENT || (s->is_column && s->prep->warp > ML_WARP_LOG1P) ||
		(s->shift != NULL && s->prep->scale == MDL_SCALE_ROBUST))
		return 2;
	return s->shift != NULL && is_bent(s) ? 1 : 0;
}

static void
fit_strand(void *arg, int index)
{
	const Fit  *f = arg;
	Strand	   *s = &f->strands[index];
	double	   *values = f->arrays + (size_t) index * f->n_arrays * f->data->rows;
	double	   *scratch = values + f->data->rows;

	if (s->is_column && s->column->has_fill)
		s->outcome = fit_fill(f, s, values, scratch);
	if (s->outcome == FITTED && s->is_column)
		s->outcome = fit_warp(f, s, values, scratch);
	if (s->outcome != FITTED || s->shift == NULL)
		return;
	*s->shift = 0;
	*s->scale = 1;
	if (s->prep->scale == MDL_SCALE_ROBUST)
		fit_robust(f, s, values, scratch);
	else
		fit_by_facts(f, s, values);
}

/* ---- strands ------------------------------------------------------------------------------------------------------- */

static void
check_outcome(const Strand *s)
{
	const char *name = s->column->name;

	switch (s->outcome)
	{
		case FITTED:
			break;
		case NO_VALUE:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("feature \"%s\" is NULL in every row", name),
					 errhint("Exclude the column.")));
			break;
		case NOT_ABOVE_ZERO:
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("feature \"%s\" has values that are not above 0, as the transformation box_cox needs", name),
					 errhint("Use yeo_johnson.")));
			break;
		case NO_VARIATION:
			mdl_training_constant_column(name);
	}
}

/*
 * As many strands at a time as there are threads, but for the memory: the arrays may take half of what the numbers themselves take,
 * which is less than the terms take that are made next; or that of one strand.
 */
static int
slots_of(const Fit *f, int n)
{
	size_t		numbers = 0;
	int			most = Min(f->ctx->nthreads, n);

	for (int i = 0; i < f->data->n_columns; i++)
		numbers += f->data->columns[i].numbers ? f->data->facts[i].length : 0;
	if (f->n_arrays > 0)
		most = (int) Min((size_t) most, numbers / 2 / f->n_arrays);
	return Max(most, 1);
}

/* Fits n strands, with a look for a cancel in between. */
static void
fit_strands(Fit *f, Strand *strands, int n)
{
	int			slots;

	f->n_arrays = 0;
	for (int i = 0; i < n; i++)
		f->n_arrays = Max(f->n_arrays, arrays_of(&strands[i]));
	slots = slots_of(f, n);
	f->arrays = f->n_arrays == 0 ? NULL :
		mdl_train_alloc_large(CurrentMemoryContext, sizeof(double) * (slots * f->n_arrays * f->data->rows + 1));
	for (int first = 0; first < n; first += slots)
	{
		CHECK_FOR_INTERRUPTS();
		f->strands = strands + first;
		ml_parallel(f->ctx, Min(slots, n - first), fit_strand, f);
	}
	if (f->arrays != NULL)
		pfree(f->arrays);
	for (int i = 0; i < n; i++)
		check_outcome(&strands[i]);
}

/* Scales of numbers that lie `count` to a row. */
static void
fit_scales(Fit *f, const double *values, int count, const MdlColumnPrep *prep, ml_column_spec *column)
{
	double	   *shifts = palloc(sizeof(double) * count);
	double	   *scales = palloc(sizeof(double) * count);
	Strand	   *strands = palloc(sizeof(Strand) * count);

	for (int k = 0; k < count; k++)
		strands[k] = (Strand) {
			.values = values + k, .stride = count, .prep = prep, .column = column, .shift = &shifts[k], .scale = &scales[k]
		};
	fit_strands(f, strands, count);
	pfree(strands);
	column->shifts = shifts;
	column->scales = scales;
}

/* ---- times --------------------------------------------------------------------------------------------------------- */

typedef struct Times
{
	const Fit  *f;
	const double *seconds;
	const ml_column_spec *column;
	int			n;				/* parts */
	double	   *terms;			/* (rows, n) */
	size_t		first_piece;
} Times;

/* The parts of some times; what is missing counts as its fill. */
static void
take_apart(void *arg, int index)
{
	const Times *t = arg;
	size_t		first = (t->first_piece + index) * PIECE;
	size_t		end = Min(first + PIECE, t->f->data->rows);

	for (size_t i = first; i < end; i++)
	{
		double		seconds = isnan(t->seconds[i]) && t->column->has_fill ? t->column->fill_number : t->seconds[i];

		if (isfinite(seconds) && fabs(seconds) < ML_LARGEST_TIME)
			ml_date_parts(t->column->parts, seconds, t->terms + i * t->n);
		else
			for (int k = 0; k < t->n; k++)
				t->terms[i * t->n + k] = NAN;
	}
}

static void
fit_time(Fit *f, const double *seconds, const MdlColumnPrep *prep, ml_column_spec *column)
{
	Times		t = {f, seconds, column, __builtin_popcount(prep->parts), NULL, 0};
	size_t		pieces = (f->data->rows + PIECE - 1) / PIECE;

	t.terms = mdl_train_alloc_large(CurrentMemoryContext, sizeof(double) * (f->data->rows * t.n + 1));
	for (; t.first_piece < pieces; t.first_piece += PIECES_AT_ONCE)
	{
		CHECK_FOR_INTERRUPTS();
		ml_parallel(f->ctx, (int) Min(PIECES_AT_ONCE, pieces - t.first_piece), take_apart, &t);
	}
	fit_scales(f, t.terms, t.n, prep, column);
	pfree(t.terms);
}

/* ---- all of it ------------------------------------------------------------------------------------------------------ */

void
mdl_fit_numbers(const ml_ctx *ctx, const MdlMatrixData *data, const ml_row_list *rows, const MdlColumnPrep *preps,
				ml_column_spec *columns)
{
	Fit			f = {ctx, data, rows, NULL, NULL, 0};
	Strand	   *strands = palloc(sizeof(Strand) * (data->n_columns + 1));
	int			n = 0;

	for (int i = 0; i < data->n_columns; i++)
	{
		ml_column_spec *column = &columns[i];
		const MdlColumnPrep *prep = &preps[i];
		bool		is_time = column->kind == ML_TIME;
		bool		is_scaled = prep->scale != MDL_SCALE_NONE && !is_time;

		if (column->kind == ML_CATEGORICAL || column->is_offset)
			continue;
		column->warp = is_time ? column->warp : prep->warp;
		if (column->kind == ML_VECTOR)
			continue;
		if (is_time)
		{
			column->encoding = ML_ENCODE_DATE_PARTS;
			column->parts = prep->parts;
		}
		strands[n++] = (Strand) {
			.values = data->columns[i].numbers, .stride = 1, .prep = prep, .column = column, .is_column = true,
			.has_missing = data->columns[i].nulls != NULL,
			.knots = is_time || prep->warp < ML_WARP_QUANTILE ? NULL : palloc(sizeof(double) * Max(2, prep->quantiles)),
			.shift = is_scaled ? &column->shift : NULL, .scale = is_scaled ? &column->scale : NULL
		};
	}
	fit_strands(&f, strands, n);
	pfree(strands);
	for (int i = 0; i < data->n_columns; i++)
	{
		if (columns[i].is_offset || preps[i].scale == MDL_SCALE_NONE)
			continue;
		if (columns[i].kind == ML_VECTOR)
			fit_scales(&f, data->columns[i].numbers, columns[i].length, &preps[i], &columns[i]);
		else if (columns[i].kind == ML_TIME)
			fit_time(&f, data->columns[i].numbers, &preps[i], &columns[i]);
	}
}
