/*
 * train_calibrate.c: calibrated probabilities of classes.
 *
 * For each of some folds a model learns from the other folds and predicts this one, so that every row is predicted by a model
 * that did not see it.  Maps fitted to these predictions become a part of the model of all rows: scikit-learn's
 * CalibratedClassifierCV with ensemble=False.
 */
#include "train/train_matrix.h"

#include "miscadmin.h"
#include "ml/ml_calibrator.h"
#include "utils/memutils.h"

/* Whether the rows of all folds but one have every class. */
static void
check_classes(const MdlTraining *t, const MdlMatrixData *data, int left_out)
{
	bool	   *seen = palloc0(sizeof(bool) * (data->n_classes + 1));

	for (int fold = 0; fold < t->plan.n_folds; fold++)
		for (size_t i = data->fold_start[fold]; fold != left_out && i < data->fold_start[fold + 1]; i++)
			seen[data->labels[i]] = true;
	for (int k = 0; k < data->n_classes; k++)
		if (!seen[k])
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("a fold of the calibration has all rows of class \"%s\"", t->classes[k]),
					 errhint("Raise \"calibration_folds\", leave rare classes out, or train without \"calibration\".")));
	pfree(seen);
}

/* Learns from all folds but one and writes what that model predicts for this one to predictions (rows, n_classes). */
static void
predict_fold(MdlTraining *t, const MdlMatrixData *data, int fold, double *predictions)
{
	MemoryContext work = AllocSetContextCreate(t->memory, "medallion fold", ALLOCSET_DEFAULT_SIZES);
	MemoryContext saved = MemoryContextSwitchTo(work);
	ml_ctx		saved_ctx = t->ctx;
	ml_column_spec *columns = t->columns;
	ml_model   *model = t->model;
	bool	   *use_fold = palloc0(sizeof(bool) * (data->n_folds + 1));
	size_t		first = data->fold_start[fold];
	size_t		n = data->fold_start[fold + 1] - first;
	ml_train_input input = {0};
	double	   *here;

	t->ctx.state = work;
	for (int other = 0; other < t->plan.n_folds; other++)
		use_fold[other] = other != fold;
	check_classes(t, data, fold);
	mdl_training_describe_columns(t, false);
	mdl_design_fit(&t->ctx, data, mdl_matrix_rows(data, use_fold), t->preps, mdl_training_needs_reference(t),
				   t->estimator->keeps_missing, t->columns);
	mdl_training_make_model(t);
	mdl_design_input(&t->ctx, t->estimator, t->model, data, t->preps, use_fold, false, &input);
	mdl_training_run_estimator(&t->ctx, t->estimator, t->params, &input, t->model, NULL);
	here = mdl_design_predict(&t->ctx, t->model, data, first, n);
	memcpy(predictions + first * data->n_classes, here, sizeof(double) * n * data->n_classes);
	t->columns = columns;
	t->model = model;
	t->ctx = saved_ctx;
	MemoryContextSwitchTo(saved);
	MemoryContextDelete(work);
}

void
mdl_training_calibrate(MdlTraining *t, const MdlMatrixData *data)
{
	int			folds;
	ml_calibration method = mdl_params_calibration(t->estimator, t->params, &folds);
	size_t		rows = data->fold_start[t->plan.n_folds];
	ml_calibrator *calibrator;
	double	   *predictions;
	ml_error	err;
	ml_status	status;

	if (method == ML_CALIBRATE_NONE)
		return;
	predictions = mdl_train_alloc_large(t->memory, sizeof(double) * (rows * data->n_classes + 1));
	for (int fold = 0; fold < t->plan.n_folds; fold++)
	{
		mdl_training_phase(t, "calibrating", 100);
		if (data->fold_start[fold + 1] > data->fold_start[fold])
			predict_fold(t, data, fold, predictions);
	}
	status = ml_calibrator_fit(&t->ctx, method, ml_model_decides(t->model), predictions, data->labels, data->weights, rows,
							   data->n_classes, &calibrator, &err);
	if (status == ML_OK)
		status = ml_model_set_calibrator(t->model, calibrator, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	pfree(predictions);
}
