/*
 * train_baseline.c: how each column, and the prediction, was distributed in training, for monitoring.
 *
 * The sample of the reading pass gives the distributions, the exact counts of that pass the null rates.  Values are what
 * they were before imputation.
 */
#include "train/train_int.h"

#include <math.h>

#include "ml/drift.h"

#define MOST_OPERATIONS 3e9		/* on dear predictions, about a second … */
#define LEAST_PREDICTED 500		/* … and rows that are predicted all the same */

void
mdl_sample_values(const MdlTraining *t, const MdlSampleRecord *const *records, uint32 count, int index,
				  ml_baseline_column *column)
{
	const MdlRowColumn *row_column = &t->plan.columns[index];
	unsigned char *nulls = palloc0(count + 1);
	int			length = row_column->length;
	double	   *numbers = palloc(sizeof(double) * ((Size) count * length + 1));
	int32	   *codes = palloc(sizeof(int32) * (count + 1));

	for (uint32 i = 0; i < count; i++)
	{
		const MdlSampleRecord *record = records[i];
		const int32 *record_codes = (const int32 *) (record->numbers + t->plan.n_numbers);

		if (row_column->cat >= 0)
		{
			codes[i] = record_codes[row_column->cat];
			nulls[i] = codes[i] < 0;
		}
		else
		{
			memcpy(numbers + (Size) i * length, record->numbers + row_column->number, sizeof(double) * length);
			nulls[i] = isnan(numbers[(Size) i * length]);
		}
	}
	column->name = t->source.columns[index].name;
	column->kind = t->source.columns[index].kind;
	column->values.nulls = nulls;
	if (row_column->cat >= 0)
	{
		column->values.codes = codes;
		column->n_categories = row_column->dictionary.count;
		column->categories = (const char *const *) row_column->dictionary.texts;
	}
	else
		column->values.numbers = numbers;
}

/*
 * What the model predicts for the sample: the value, or the probability of the last class.  Where predictions are dear the
 * first rows, which are as good as any, stand for the others too.
 */
static double *
sample_predictions(const MdlTraining *t, const ml_baseline_column *columns, uint32 count)
{
	int			n_columns = ml_model_n_columns(t->model);
	int			width = ml_model_width(t->model);
	ml_values  *values = palloc(sizeof(ml_values) * n_columns);
	ml_row_state *rows = palloc(sizeof(ml_row_state) * (count + 1));
	double	   *out = palloc(sizeof(double) * ((Size) count * width + 1));
	double	   *predictions = palloc(sizeof(double) * (count + 1));
	double		affordable = fmax(LEAST_PREDICTED, MOST_OPERATIONS / fmax(1, ml_model_effort(t->model)));
	uint32		predicted = (uint32) fmin(count, affordable);
	ml_error	err;
	ml_status	status;

	for (int i = 0; i < n_columns; i++)
		values[i] = columns[i].values;
	status = ml_model_predict(t->model, values, predicted, out, rows, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	for (uint32 i = 0; i < count; i++)
		predictions[i] = out[(Size) (i % predicted) * width + width - 1];
	return predictions;
}

void
mdl_training_make_baseline(MdlTraining *t, const MdlSampleRecord *const *records, uint32 count,
						   const MdlRowCounts *counts)
{
	int			n = t->source.n_features;
	ml_baseline_column *columns = palloc0(sizeof(ml_baseline_column) * (n + 1));
	ml_baseline *baseline;
	ml_error	err;
	ml_status	status;
	int			compared = 0;

	for (int i = 0; i < n; i++)
	{
		mdl_sample_values(t, records, count, i, &columns[i]);
		columns[i].n_nulls = counts[i].nulls;
	}
	if (ml_model_width(t->model) > 0)
	{
		columns[n].name = ML_DRIFT_PREDICTION;
		columns[n].kind = ML_NUMERIC;
		columns[n++].values.numbers = sample_predictions(t, columns, count);
	}
	/* Times only go on, vectors have no distribution of their own, of hashed texts nobody kept the texts. */
	for (int i = 0; i < n; i++)
		if (columns[i].kind <= ML_CATEGORICAL && (i >= t->source.n_features || t->plan.columns[i].buckets == 0))
			columns[compared++] = columns[i];
	status = ml_baseline_make(&t->ctx, compared, columns, count, (uint64) t->rows, &baseline, &err);
	if (status == ML_OK)
		status = ml_baseline_save(&t->ctx, baseline, &t->baseline, &t->baseline_size, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
}
