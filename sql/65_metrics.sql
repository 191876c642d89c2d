/*
 * Evaluation metrics as aggregates.  Definitions are scikit-learn's functions of the same names; pairs with a NULL are
 * left out.  States are plain types with combine functions, so parallel workers and distributed servers share the work.
 * Aggregates take their arguments by position, as all aggregates do.  The functions behind them trust their state and
 * are closed to users; the aggregates are not.
 */

/* ---- regression --------------------------------------------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._regression_step(double precision[], double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_regression_step';
REVOKE ALL ON FUNCTION medallion._regression_step(double precision[], double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._regression_step(double precision[], double precision, double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_regression_step';
REVOKE ALL ON FUNCTION medallion._regression_step(double precision[], double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._regression_merge(double precision[], double precision[]) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_regression_merge';
REVOKE ALL ON FUNCTION medallion._regression_merge(double precision[], double precision[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._mse_final(double precision[]) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_mse';
REVOKE ALL ON FUNCTION medallion._mse_final(double precision[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.mse(y double precision, predicted double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._mse_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.mse(double precision, double precision) IS
'Mean squared error.';

CREATE OR REPLACE AGGREGATE medallion.mse(y double precision, predicted double precision, weight double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._mse_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.mse(double precision, double precision, double precision) IS
'Mean squared error, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._rmse_final(double precision[]) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_rmse';
REVOKE ALL ON FUNCTION medallion._rmse_final(double precision[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.rmse(y double precision, predicted double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._rmse_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.rmse(double precision, double precision) IS
'Root of the mean squared error.';

CREATE OR REPLACE AGGREGATE medallion.rmse(y double precision, predicted double precision, weight double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._rmse_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.rmse(double precision, double precision, double precision) IS
'Root of the mean squared error, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._mae_final(double precision[]) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_mae';
REVOKE ALL ON FUNCTION medallion._mae_final(double precision[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.mae(y double precision, predicted double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._mae_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.mae(double precision, double precision) IS
'Mean absolute error.';

CREATE OR REPLACE AGGREGATE medallion.mae(y double precision, predicted double precision, weight double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._mae_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.mae(double precision, double precision, double precision) IS
'Mean absolute error, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._mape_final(double precision[]) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_mape';
REVOKE ALL ON FUNCTION medallion._mape_final(double precision[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.mape(y double precision, predicted double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._mape_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.mape(double precision, double precision) IS
'Mean absolute error relative to the size of y, as a fraction; huge where y is 0.';

CREATE OR REPLACE AGGREGATE medallion.mape(y double precision, predicted double precision, weight double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._mape_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.mape(double precision, double precision, double precision) IS
'Mean absolute error relative to the size of y, as a fraction; huge where y is 0, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._max_error_final(double precision[]) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_max_error';
REVOKE ALL ON FUNCTION medallion._max_error_final(double precision[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.max_error(y double precision, predicted double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._max_error_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.max_error(double precision, double precision) IS
'Largest absolute error.';

CREATE OR REPLACE FUNCTION medallion._r2_final(double precision[]) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_r2';
REVOKE ALL ON FUNCTION medallion._r2_final(double precision[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.r2(y double precision, predicted double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._r2_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.r2(double precision, double precision) IS
'Share of the variance of y that is explained (coefficient of determination); NULL for fewer than two rows.';

CREATE OR REPLACE AGGREGATE medallion.r2(y double precision, predicted double precision, weight double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._r2_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.r2(double precision, double precision, double precision) IS
'Share of the variance of y that is explained (coefficient of determination); NULL for fewer than two rows, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._explained_variance_final(double precision[]) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_explained_variance';
REVOKE ALL ON FUNCTION medallion._explained_variance_final(double precision[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.explained_variance(y double precision, predicted double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._explained_variance_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.explained_variance(double precision, double precision) IS
'Share of the variance explained when a constant error is forgiven; NULL for fewer than two rows.';

CREATE OR REPLACE AGGREGATE medallion.explained_variance(y double precision, predicted double precision, weight double precision) (
	SFUNC = medallion._regression_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._explained_variance_final,
	COMBINEFUNC = medallion._regression_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.explained_variance(double precision, double precision, double precision) IS
'Share of the variance explained when a constant error is forgiven; NULL for fewer than two rows, rows weighted.';

/* ---- right or wrong, probabilities: means of a loss ---------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._mean_merge(double precision[], double precision[]) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_mean_merge';
REVOKE ALL ON FUNCTION medallion._mean_merge(double precision[], double precision[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._mean_final(double precision[]) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_mean_final';
REVOKE ALL ON FUNCTION medallion._mean_final(double precision[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._accuracy_step(double precision[], "any", "any") RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_accuracy_step';
REVOKE ALL ON FUNCTION medallion._accuracy_step(double precision[], "any", "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._accuracy_step(double precision[], "any", "any", double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_accuracy_step';
REVOKE ALL ON FUNCTION medallion._accuracy_step(double precision[], "any", "any", double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.accuracy(label "any", predicted "any") (
	SFUNC = medallion._accuracy_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.accuracy("any", "any") IS
'Share of rows whose predicted class is the label; any types.';

CREATE OR REPLACE AGGREGATE medallion.accuracy(label "any", predicted "any", weight double precision) (
	SFUNC = medallion._accuracy_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.accuracy("any", "any", double precision) IS
'Share of rows whose predicted class is the label; any types, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._log_loss_step(double precision[], "any", double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_log_loss_step';
REVOKE ALL ON FUNCTION medallion._log_loss_step(double precision[], "any", double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._log_loss_step(double precision[], "any", double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_log_loss_step';
REVOKE ALL ON FUNCTION medallion._log_loss_step(double precision[], "any", double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.log_loss(label "any", probability double precision) (
	SFUNC = medallion._log_loss_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.log_loss("any", double precision) IS
'Mean of -log of the probability given to what happened (clipped to 2^-52); label boolean or 0/1.';

CREATE OR REPLACE AGGREGATE medallion.log_loss(label "any", probability double precision, weight double precision) (
	SFUNC = medallion._log_loss_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.log_loss("any", double precision, double precision) IS
'Mean of -log of the probability given to what happened (clipped to 2^-52); label boolean or 0/1, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._brier_step(double precision[], "any", double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_brier_step';
REVOKE ALL ON FUNCTION medallion._brier_step(double precision[], "any", double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._brier_step(double precision[], "any", double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_brier_step';
REVOKE ALL ON FUNCTION medallion._brier_step(double precision[], "any", double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.brier(label "any", probability double precision) (
	SFUNC = medallion._brier_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.brier("any", double precision) IS
'Mean squared difference between the probability and what happened (1 or 0); label boolean or 0/1.';

CREATE OR REPLACE AGGREGATE medallion.brier(label "any", probability double precision, weight double precision) (
	SFUNC = medallion._brier_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.brier("any", double precision, double precision) IS
'Mean squared difference between the probability and what happened (1 or 0); label boolean or 0/1, rows weighted.';

/* ---- ranking of scores --------------------------------------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._rank_step(bytea, "any", double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_rank_step';
REVOKE ALL ON FUNCTION medallion._rank_step(bytea, "any", double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._rank_merge(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_rank_merge';
REVOKE ALL ON FUNCTION medallion._rank_merge(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._roc_auc_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_roc_auc';
REVOKE ALL ON FUNCTION medallion._roc_auc_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.roc_auc(label "any", score double precision) (
	SFUNC = medallion._rank_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._roc_auc_final,
	COMBINEFUNC = medallion._rank_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.roc_auc("any", double precision) IS
'Area under the ROC curve: the chance that a positive row scores higher than a negative one, ties counting a half; NULL when a class is missing; label boolean or 0/1.';

CREATE OR REPLACE FUNCTION medallion._average_precision_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_average_precision';
REVOKE ALL ON FUNCTION medallion._average_precision_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.average_precision(label "any", score double precision) (
	SFUNC = medallion._rank_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._average_precision_final,
	COMBINEFUNC = medallion._rank_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.average_precision("any", double precision) IS
'Average precision: mean precision over the positives, from the highest score down; NULL without positives; label boolean or 0/1.';

/* ---- from the confusion matrix ------------------------------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._confusion_step(bytea, "any", "any") RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_confusion_step';
REVOKE ALL ON FUNCTION medallion._confusion_step(bytea, "any", "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._confusion_step(bytea, "any", "any", text) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_confusion_step';
REVOKE ALL ON FUNCTION medallion._confusion_step(bytea, "any", "any", text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._confusion_step(bytea, "any", "any", text, text) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_confusion_step';
REVOKE ALL ON FUNCTION medallion._confusion_step(bytea, "any", "any", text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._fbeta_step(bytea, "any", "any", double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_fbeta_step';
REVOKE ALL ON FUNCTION medallion._fbeta_step(bytea, "any", "any", double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._fbeta_step(bytea, "any", "any", double precision, text) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_fbeta_step';
REVOKE ALL ON FUNCTION medallion._fbeta_step(bytea, "any", "any", double precision, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._fbeta_step(bytea, "any", "any", double precision, text, text) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_fbeta_step';
REVOKE ALL ON FUNCTION medallion._fbeta_step(bytea, "any", "any", double precision, text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._confusion_merge(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_confusion_merge';
REVOKE ALL ON FUNCTION medallion._confusion_merge(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._precision_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_precision';
REVOKE ALL ON FUNCTION medallion._precision_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.precision(label "any", predicted "any") (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._precision_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.precision("any", "any") IS
'Share of the rows predicted as a class that are of it, for the positive class (true, 1, or the greater of two); any types.';

CREATE OR REPLACE AGGREGATE medallion.precision(label "any", predicted "any", average text) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._precision_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.precision("any", "any", text) IS
'Share of the rows predicted as a class that are of it; average is binary, macro, micro or weighted.';

CREATE OR REPLACE AGGREGATE medallion.precision(label "any", predicted "any", average text, positive text) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._precision_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.precision("any", "any", text, text) IS
'Share of the rows predicted as a class that are of it; positive is the class that average binary looks at.';

CREATE OR REPLACE FUNCTION medallion._recall_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_recall';
REVOKE ALL ON FUNCTION medallion._recall_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.recall(label "any", predicted "any") (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._recall_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.recall("any", "any") IS
'Share of the rows of a class that are predicted as it, for the positive class (true, 1, or the greater of two); any types.';

CREATE OR REPLACE AGGREGATE medallion.recall(label "any", predicted "any", average text) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._recall_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.recall("any", "any", text) IS
'Share of the rows of a class that are predicted as it; average is binary, macro, micro or weighted.';

CREATE OR REPLACE AGGREGATE medallion.recall(label "any", predicted "any", average text, positive text) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._recall_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.recall("any", "any", text, text) IS
'Share of the rows of a class that are predicted as it; positive is the class that average binary looks at.';

CREATE OR REPLACE FUNCTION medallion._fbeta_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_fbeta';
REVOKE ALL ON FUNCTION medallion._fbeta_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.f1(label "any", predicted "any") (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._fbeta_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.f1("any", "any") IS
'Harmonic mean of precision and recall, for the positive class (true, 1, or the greater of two); any types.';

CREATE OR REPLACE AGGREGATE medallion.f1(label "any", predicted "any", average text) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._fbeta_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.f1("any", "any", text) IS
'Harmonic mean of precision and recall; average is binary, macro, micro or weighted.';

CREATE OR REPLACE AGGREGATE medallion.f1(label "any", predicted "any", average text, positive text) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._fbeta_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.f1("any", "any", text, text) IS
'Harmonic mean of precision and recall; positive is the class that average binary looks at.';

CREATE OR REPLACE AGGREGATE medallion.fbeta(label "any", predicted "any", beta double precision) (
	SFUNC = medallion._fbeta_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._fbeta_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.fbeta("any", "any", double precision) IS
'Weighted harmonic mean of precision and recall, recall counting beta times as much.';

CREATE OR REPLACE AGGREGATE medallion.fbeta(label "any", predicted "any", beta double precision, average text) (
	SFUNC = medallion._fbeta_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._fbeta_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.fbeta("any", "any", double precision, text) IS
'Weighted harmonic mean of precision and recall, recall counting beta times as much; average is binary, macro, micro or weighted.';

CREATE OR REPLACE AGGREGATE medallion.fbeta(label "any", predicted "any", beta double precision, average text, positive text) (
	SFUNC = medallion._fbeta_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._fbeta_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.fbeta("any", "any", double precision, text, text) IS
'Weighted harmonic mean of precision and recall, recall counting beta times as much; positive is the class that average binary looks at.';

CREATE OR REPLACE FUNCTION medallion._balanced_accuracy_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_balanced_accuracy';
REVOKE ALL ON FUNCTION medallion._balanced_accuracy_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.balanced_accuracy(label "any", predicted "any") (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._balanced_accuracy_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.balanced_accuracy("any", "any") IS
'Mean recall over the classes that occur; any types.';

CREATE OR REPLACE FUNCTION medallion._mcc_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_mcc';
REVOKE ALL ON FUNCTION medallion._mcc_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.mcc(label "any", predicted "any") (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._mcc_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.mcc("any", "any") IS
'Matthews correlation coefficient between labels and predictions, for any number of classes; any types.';

/* ---- weighted, and with another value than 0 for a division by 0 ---------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._confusion_step(bytea, "any", "any", text, text, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_confusion_step';
REVOKE ALL ON FUNCTION medallion._confusion_step(bytea, "any", "any", text, text, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.precision(label "any", predicted "any", average text, positive text, weight double precision) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._precision_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.precision("any", "any", text, text, double precision) IS
'Share of the rows predicted as a class that are of it, rows weighted; average and positive may be NULL: not given.';

CREATE OR REPLACE FUNCTION medallion._confusion_step(bytea, "any", "any", text, text, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_confusion_step';
REVOKE ALL ON FUNCTION medallion._confusion_step(bytea, "any", "any", text, text, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.precision(label "any", predicted "any", average text, positive text, weight double precision, zero_division double precision) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._precision_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.precision("any", "any", text, text, double precision, double precision) IS
'Share of the rows predicted as a class that are of it, rows weighted; zero_division is the value of a division by 0; average and positive may be NULL: not given.';

CREATE OR REPLACE AGGREGATE medallion.recall(label "any", predicted "any", average text, positive text, weight double precision) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._recall_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.recall("any", "any", text, text, double precision) IS
'Share of the rows of a class that are predicted as it, rows weighted; average and positive may be NULL: not given.';

CREATE OR REPLACE AGGREGATE medallion.recall(label "any", predicted "any", average text, positive text, weight double precision, zero_division double precision) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._recall_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.recall("any", "any", text, text, double precision, double precision) IS
'Share of the rows of a class that are predicted as it, rows weighted; zero_division is the value of a division by 0; average and positive may be NULL: not given.';

CREATE OR REPLACE AGGREGATE medallion.f1(label "any", predicted "any", average text, positive text, weight double precision) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._fbeta_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.f1("any", "any", text, text, double precision) IS
'Harmonic mean of precision and recall, rows weighted; average and positive may be NULL: not given.';

CREATE OR REPLACE AGGREGATE medallion.f1(label "any", predicted "any", average text, positive text, weight double precision, zero_division double precision) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._fbeta_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.f1("any", "any", text, text, double precision, double precision) IS
'Harmonic mean of precision and recall, rows weighted; zero_division is the value of a division by 0; average and positive may be NULL: not given.';

CREATE OR REPLACE FUNCTION medallion._fbeta_step(bytea, "any", "any", double precision, text, text, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_fbeta_step';
REVOKE ALL ON FUNCTION medallion._fbeta_step(bytea, "any", "any", double precision, text, text, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.fbeta(label "any", predicted "any", beta double precision, average text, positive text, weight double precision) (
	SFUNC = medallion._fbeta_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._fbeta_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.fbeta("any", "any", double precision, text, text, double precision) IS
'Weighted harmonic mean of precision and recall, recall counting beta times as much, rows weighted; average and positive may be NULL: not given.';

CREATE OR REPLACE FUNCTION medallion._fbeta_step(bytea, "any", "any", double precision, text, text, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_fbeta_step';
REVOKE ALL ON FUNCTION medallion._fbeta_step(bytea, "any", "any", double precision, text, text, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.fbeta(label "any", predicted "any", beta double precision, average text, positive text, weight double precision, zero_division double precision) (
	SFUNC = medallion._fbeta_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._fbeta_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.fbeta("any", "any", double precision, text, text, double precision, double precision) IS
'Weighted harmonic mean of precision and recall, recall counting beta times as much, rows weighted; zero_division is the value of a division by 0; average and positive may be NULL: not given.';

CREATE OR REPLACE FUNCTION medallion._jaccard_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_jaccard';
REVOKE ALL ON FUNCTION medallion._jaccard_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.jaccard(label "any", predicted "any") (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._jaccard_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.jaccard("any", "any") IS
'Rows of a class predicted as it, as a share of the rows that are either, for the positive class (true, 1, or the greater of two); any types.';

CREATE OR REPLACE AGGREGATE medallion.jaccard(label "any", predicted "any", average text) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._jaccard_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.jaccard("any", "any", text) IS
'Rows of a class predicted as it, as a share of the rows that are either; average is binary, macro, micro or weighted.';

CREATE OR REPLACE AGGREGATE medallion.jaccard(label "any", predicted "any", average text, positive text) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._jaccard_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.jaccard("any", "any", text, text) IS
'Rows of a class predicted as it, as a share of the rows that are either; positive is the class that average binary looks at.';

CREATE OR REPLACE AGGREGATE medallion.jaccard(label "any", predicted "any", average text, positive text, weight double precision) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._jaccard_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.jaccard("any", "any", text, text, double precision) IS
'Rows of a class predicted as it, as a share of the rows that are either, rows weighted; average and positive may be NULL: not given.';

CREATE OR REPLACE AGGREGATE medallion.jaccard(label "any", predicted "any", average text, positive text, weight double precision, zero_division double precision) (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._jaccard_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.jaccard("any", "any", text, text, double precision, double precision) IS
'Rows of a class predicted as it, as a share of the rows that are either, rows weighted; zero_division is the value of a division by 0; average and positive may be NULL: not given.';

CREATE OR REPLACE FUNCTION medallion._weighted_confusion_step(bytea, "any", "any", double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_weighted_confusion_step';
REVOKE ALL ON FUNCTION medallion._weighted_confusion_step(bytea, "any", "any", double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.balanced_accuracy(label "any", predicted "any", weight double precision) (
	SFUNC = medallion._weighted_confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._balanced_accuracy_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.balanced_accuracy("any", "any", double precision) IS
'Mean recall over the classes that occur; any types, rows weighted.';

CREATE OR REPLACE AGGREGATE medallion.mcc(label "any", predicted "any", weight double precision) (
	SFUNC = medallion._weighted_confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._mcc_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.mcc("any", "any", double precision) IS
'Matthews correlation coefficient between labels and predictions, for any number of classes; any types, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._kappa_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_kappa';
REVOKE ALL ON FUNCTION medallion._kappa_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.kappa(label "any", predicted "any") (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._kappa_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.kappa("any", "any") IS
'Cohen''s kappa: agreement of labels and predictions beyond chance; any types.';

CREATE OR REPLACE FUNCTION medallion._kappa_step(bytea, "any", "any", text) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_kappa_step';
REVOKE ALL ON FUNCTION medallion._kappa_step(bytea, "any", "any", text) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.kappa(label "any", predicted "any", weights text) (
	SFUNC = medallion._kappa_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._kappa_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.kappa("any", "any", text) IS
'Cohen''s kappa: agreement of labels and predictions beyond chance; any types; weights is none, linear or quadratic (by the distance of classes in their order).';

CREATE OR REPLACE FUNCTION medallion._kappa_step(bytea, "any", "any", text, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_kappa_step';
REVOKE ALL ON FUNCTION medallion._kappa_step(bytea, "any", "any", text, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.kappa(label "any", predicted "any", weights text, weight double precision) (
	SFUNC = medallion._kappa_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._kappa_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.kappa("any", "any", text, double precision) IS
'Cohen''s kappa: agreement of labels and predictions beyond chance; any types; weights is none, linear or quadratic, rows weighted.';

/* ---- by class ------------------------------------------------------------------------------------------------------- */

CREATE TYPE medallion.confusion_cell AS (label text, predicted text, rows double precision);
COMMENT ON TYPE medallion.confusion_cell IS 'How many rows of a label were predicted as a class; the sum of their weights.';

CREATE TYPE medallion.class_score AS (class text, "precision" double precision, recall double precision, f1 double precision,
	support double precision);
COMMENT ON TYPE medallion.class_score IS 'How well one class is told apart; support is how often it is the label.';

CREATE OR REPLACE FUNCTION medallion._confusion_cells_final(bytea) RETURNS medallion.confusion_cell[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_confusion_cells';
REVOKE ALL ON FUNCTION medallion._confusion_cells_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.confusion(label "any", predicted "any") (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._confusion_cells_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.confusion("any", "any") IS
'How often each class was predicted for each label, pairs that do not occur included; read with unnest; any types.';

CREATE OR REPLACE AGGREGATE medallion.confusion(label "any", predicted "any", weight double precision) (
	SFUNC = medallion._weighted_confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._confusion_cells_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.confusion("any", "any", double precision) IS
'How often each class was predicted for each label, pairs that do not occur included; read with unnest; any types, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._class_scores_final(bytea) RETURNS medallion.class_score[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_class_scores';
REVOKE ALL ON FUNCTION medallion._class_scores_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.classification_report(label "any", predicted "any") (
	SFUNC = medallion._confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._class_scores_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.classification_report("any", "any") IS
'Precision, recall, f1 and number of rows of each class; read with unnest; any types.';

CREATE OR REPLACE AGGREGATE medallion.classification_report(label "any", predicted "any", weight double precision) (
	SFUNC = medallion._weighted_confusion_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._class_scores_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.classification_report("any", "any", double precision) IS
'Precision, recall, f1 and number of rows of each class; read with unnest; any types, rows weighted.';
