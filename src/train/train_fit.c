/*
 * train_fit.c: preprocessing fitted on the rows that are trained on: the encodings of categories, and what a model gets of it all.
 * Numbers are in train_fit_numbers.c.
 */
#include "train/train_matrix.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#define TARGET_PARTS 5			/* that rows are divided into for mean targets */

/* What a column is fitted with. */
typedef struct Fit
{
	const MdlMatrixData *data;
	const ml_row_list *rows;
} Fit;

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

void
mdl_design_fit(const ml_ctx *ctx, const MdlMatrixData *data, const ml_row_list *rows, const MdlColumnPrep *preps, bool reference,
			   bool keeps_missing, ml_column_spec *columns)
{
	Fit			f = {data, rows};

	for (int i = 0; i < data->n_columns; i++)
	{
		ml_column_spec *column = &columns[i];

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
	}
	mdl_fit_numbers(ctx, data, rows, preps, columns);
	for (int i = 0; i < data->n_columns; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (columns[i].kind == ML_CATEGORICAL && preps[i].offset == MDL_OFFSET_NONE)
			fit_categories(&f, i, &preps[i], reference, &columns[i]);
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
