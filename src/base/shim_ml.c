/*
 * shim_ml.c: the SQL-callable functions whose code is in medallion_ml.so, one line each, in alphabetical order.
 */
#include "base/base.h"

MDL_SHIM(MDL_LIBRARY_ML, mdl_class_log_loss);
MDL_SHIM(MDL_LIBRARY_ML, mdl_classes);
MDL_SHIM(MDL_LIBRARY_ML, mdl_confusion_matrix);
MDL_SHIM(MDL_LIBRARY_ML, mdl_evaluate);
MDL_SHIM(MDL_LIBRARY_ML, mdl_is_class);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_accuracy_step);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_average_precision);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_balanced_accuracy);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_brier_step);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_confusion_merge);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_confusion_step);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_explained_variance);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_fbeta);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_fbeta_step);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_log_loss_step);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_mae);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_mape);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_max_error);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_mcc);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_mean_final);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_mean_merge);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_mse);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_precision);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_r2);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_rank_merge);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_rank_step);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_recall);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_regression_merge);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_regression_step);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_rmse);
MDL_SHIM(MDL_LIBRARY_ML, mdl_metric_roc_auc);
MDL_SHIM(MDL_LIBRARY_ML, mdl_ml_library);
MDL_SHIM(MDL_LIBRARY_ML, mdl_predict);
MDL_SHIM(MDL_LIBRARY_ML, mdl_predict_batch);
MDL_SHIM(MDL_LIBRARY_ML, mdl_predict_class);
MDL_SHIM(MDL_LIBRARY_ML, mdl_predict_proba);
