/*
 * More metrics as aggregates: losses of numbers, probabilities of several classes, curves over the thresholds on a score.
 * As in 65_metrics.sql: scikit-learn's definitions, states of plain types, the functions behind closed to users.
 */

/* ---- losses of numbers ---------------------------------------------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._msle_step(double precision[], double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_msle_step';
REVOKE ALL ON FUNCTION medallion._msle_step(double precision[], double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.msle(y double precision, predicted double precision) (
	SFUNC = medallion._msle_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.msle(double precision, double precision) IS
'Mean squared difference of log(1 + y) and log(1 + predicted), both above -1.';

CREATE OR REPLACE FUNCTION medallion._msle_step(double precision[], double precision, double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_msle_step';
REVOKE ALL ON FUNCTION medallion._msle_step(double precision[], double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.msle(y double precision, predicted double precision, weight double precision) (
	SFUNC = medallion._msle_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.msle(double precision, double precision, double precision) IS
'Mean squared difference of log(1 + y) and log(1 + predicted), both above -1, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._root_mean_final(double precision[]) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_root_mean_final';
REVOKE ALL ON FUNCTION medallion._root_mean_final(double precision[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.rmsle(y double precision, predicted double precision) (
	SFUNC = medallion._msle_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._root_mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.rmsle(double precision, double precision) IS
'Root of the mean squared difference of log(1 + y) and log(1 + predicted), both above -1.';

CREATE OR REPLACE AGGREGATE medallion.rmsle(y double precision, predicted double precision, weight double precision) (
	SFUNC = medallion._msle_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._root_mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.rmsle(double precision, double precision, double precision) IS
'Root of the mean squared difference of log(1 + y) and log(1 + predicted), both above -1, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._pinball_step(double precision[], double precision, double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_pinball_step';
REVOKE ALL ON FUNCTION medallion._pinball_step(double precision[], double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.pinball(y double precision, predicted double precision, alpha double precision) (
	SFUNC = medallion._pinball_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.pinball(double precision, double precision, double precision) IS
'Mean pinball loss of predicting the quantile alpha.';

CREATE OR REPLACE FUNCTION medallion._pinball_step(double precision[], double precision, double precision, double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_pinball_step';
REVOKE ALL ON FUNCTION medallion._pinball_step(double precision[], double precision, double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.pinball(y double precision, predicted double precision, alpha double precision, weight double precision) (
	SFUNC = medallion._pinball_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.pinball(double precision, double precision, double precision, double precision) IS
'Mean pinball loss of predicting the quantile alpha, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._poisson_step(double precision[], double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_poisson_step';
REVOKE ALL ON FUNCTION medallion._poisson_step(double precision[], double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.poisson_deviance(y double precision, predicted double precision) (
	SFUNC = medallion._poisson_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.poisson_deviance(double precision, double precision) IS
'Mean Poisson deviance; y not below 0, predictions above 0.';

CREATE OR REPLACE FUNCTION medallion._poisson_step(double precision[], double precision, double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_poisson_step';
REVOKE ALL ON FUNCTION medallion._poisson_step(double precision[], double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.poisson_deviance(y double precision, predicted double precision, weight double precision) (
	SFUNC = medallion._poisson_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.poisson_deviance(double precision, double precision, double precision) IS
'Mean Poisson deviance; y not below 0, predictions above 0, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._gamma_step(double precision[], double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_gamma_step';
REVOKE ALL ON FUNCTION medallion._gamma_step(double precision[], double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.gamma_deviance(y double precision, predicted double precision) (
	SFUNC = medallion._gamma_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.gamma_deviance(double precision, double precision) IS
'Mean gamma deviance; y and predictions above 0.';

CREATE OR REPLACE FUNCTION medallion._gamma_step(double precision[], double precision, double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_gamma_step';
REVOKE ALL ON FUNCTION medallion._gamma_step(double precision[], double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.gamma_deviance(y double precision, predicted double precision, weight double precision) (
	SFUNC = medallion._gamma_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.gamma_deviance(double precision, double precision, double precision) IS
'Mean gamma deviance; y and predictions above 0, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._tweedie_step(double precision[], double precision, double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_tweedie_step';
REVOKE ALL ON FUNCTION medallion._tweedie_step(double precision[], double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.tweedie_deviance(y double precision, predicted double precision, power double precision) (
	SFUNC = medallion._tweedie_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.tweedie_deviance(double precision, double precision, double precision) IS
'Mean Tweedie deviance of a power: 0 normal, 1 Poisson, 2 gamma, 3 inverse Gaussian.';

CREATE OR REPLACE FUNCTION medallion._tweedie_step(double precision[], double precision, double precision, double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_tweedie_step';
REVOKE ALL ON FUNCTION medallion._tweedie_step(double precision[], double precision, double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.tweedie_deviance(y double precision, predicted double precision, power double precision, weight double precision) (
	SFUNC = medallion._tweedie_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.tweedie_deviance(double precision, double precision, double precision, double precision) IS
'Mean Tweedie deviance of a power: 0 normal, 1 Poisson, 2 gamma, 3 inverse Gaussian, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._d2_tweedie_step(double precision[], double precision, double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_tweedie_step';
REVOKE ALL ON FUNCTION medallion._d2_tweedie_step(double precision[], double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._d2_tweedie_merge(double precision[], double precision[]) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_tweedie_merge';
REVOKE ALL ON FUNCTION medallion._d2_tweedie_merge(double precision[], double precision[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._d2_tweedie_final(double precision[]) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_tweedie';
REVOKE ALL ON FUNCTION medallion._d2_tweedie_final(double precision[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.d2_tweedie(y double precision, predicted double precision, power double precision) (
	SFUNC = medallion._d2_tweedie_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._d2_tweedie_final,
	COMBINEFUNC = medallion._d2_tweedie_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.d2_tweedie(double precision, double precision, double precision) IS
'Share of the Tweedie deviance that is explained, as r2 is of the squared error.';

CREATE OR REPLACE FUNCTION medallion._d2_tweedie_step(double precision[], double precision, double precision, double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_tweedie_step';
REVOKE ALL ON FUNCTION medallion._d2_tweedie_step(double precision[], double precision, double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.d2_tweedie(y double precision, predicted double precision, power double precision, weight double precision) (
	SFUNC = medallion._d2_tweedie_step, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0,0,0,0}', FINALFUNC = medallion._d2_tweedie_final,
	COMBINEFUNC = medallion._d2_tweedie_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.d2_tweedie(double precision, double precision, double precision, double precision) IS
'Share of the Tweedie deviance that is explained, as r2 is of the squared error, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._medae_step(bytea, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_medae_step';
REVOKE ALL ON FUNCTION medallion._medae_step(bytea, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._rows_merge(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_rows_merge';
REVOKE ALL ON FUNCTION medallion._rows_merge(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._medae_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_medae';
REVOKE ALL ON FUNCTION medallion._medae_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.medae(y double precision, predicted double precision) (
	SFUNC = medallion._medae_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._medae_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.medae(double precision, double precision) IS
'Median of the absolute errors.';

CREATE OR REPLACE FUNCTION medallion._medae_step(bytea, double precision, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_medae_step';
REVOKE ALL ON FUNCTION medallion._medae_step(bytea, double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.medae(y double precision, predicted double precision, weight double precision) (
	SFUNC = medallion._medae_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._medae_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.medae(double precision, double precision, double precision) IS
'Median of the absolute errors, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._d2_absolute_step(bytea, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_absolute_step';
REVOKE ALL ON FUNCTION medallion._d2_absolute_step(bytea, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._d2_pinball_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_pinball';
REVOKE ALL ON FUNCTION medallion._d2_pinball_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.d2_absolute_error(y double precision, predicted double precision) (
	SFUNC = medallion._d2_absolute_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._d2_pinball_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.d2_absolute_error(double precision, double precision) IS
'Share of the absolute error of the median that is explained.';

CREATE OR REPLACE FUNCTION medallion._d2_absolute_step(bytea, double precision, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_absolute_step';
REVOKE ALL ON FUNCTION medallion._d2_absolute_step(bytea, double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.d2_absolute_error(y double precision, predicted double precision, weight double precision) (
	SFUNC = medallion._d2_absolute_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._d2_pinball_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.d2_absolute_error(double precision, double precision, double precision) IS
'Share of the absolute error of the median that is explained, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._d2_pinball_step(bytea, double precision, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_pinball_step';
REVOKE ALL ON FUNCTION medallion._d2_pinball_step(bytea, double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.d2_pinball(y double precision, predicted double precision, alpha double precision) (
	SFUNC = medallion._d2_pinball_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._d2_pinball_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.d2_pinball(double precision, double precision, double precision) IS
'Share of the pinball loss of the quantile alpha of y that is explained.';

CREATE OR REPLACE FUNCTION medallion._d2_pinball_step(bytea, double precision, double precision, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_pinball_step';
REVOKE ALL ON FUNCTION medallion._d2_pinball_step(bytea, double precision, double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.d2_pinball(y double precision, predicted double precision, alpha double precision, weight double precision) (
	SFUNC = medallion._d2_pinball_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._d2_pinball_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.d2_pinball(double precision, double precision, double precision, double precision) IS
'Share of the pinball loss of the quantile alpha of y that is explained, rows weighted.';

/* ---- probabilities of two classes, against the share of positives ------------------------------------------------------ */

CREATE OR REPLACE FUNCTION medallion._skill_merge(double precision[], double precision[]) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_skill_merge';
REVOKE ALL ON FUNCTION medallion._skill_merge(double precision[], double precision[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._d2_log_loss_step(double precision[], "any", double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_log_loss_step';
REVOKE ALL ON FUNCTION medallion._d2_log_loss_step(double precision[], "any", double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._d2_log_loss_step(double precision[], "any", double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_log_loss_step';
REVOKE ALL ON FUNCTION medallion._d2_log_loss_step(double precision[], "any", double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._d2_log_loss_final(double precision[]) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_log_loss';
REVOKE ALL ON FUNCTION medallion._d2_log_loss_final(double precision[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.d2_log_loss(label "any", probability double precision) (
	SFUNC = medallion._d2_log_loss_step, STYPE = double precision[], INITCOND = '{0,0,0,0}', FINALFUNC = medallion._d2_log_loss_final,
	COMBINEFUNC = medallion._skill_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.d2_log_loss("any", double precision) IS
'Share of the log-loss that is explained: 1 less its ratio to that of giving every row the share of positives; NULL when a class is missing; label boolean or 0/1.';

CREATE OR REPLACE AGGREGATE medallion.d2_log_loss(label "any", probability double precision, weight double precision) (
	SFUNC = medallion._d2_log_loss_step, STYPE = double precision[], INITCOND = '{0,0,0,0}', FINALFUNC = medallion._d2_log_loss_final,
	COMBINEFUNC = medallion._skill_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.d2_log_loss("any", double precision, double precision) IS
'Share of the log-loss that is explained: 1 less its ratio to that of giving every row the share of positives; NULL when a class is missing; label boolean or 0/1, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._d2_brier_step(double precision[], "any", double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_brier_step';
REVOKE ALL ON FUNCTION medallion._d2_brier_step(double precision[], "any", double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._d2_brier_step(double precision[], "any", double precision, double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_brier_step';
REVOKE ALL ON FUNCTION medallion._d2_brier_step(double precision[], "any", double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._d2_brier_final(double precision[]) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_d2_brier';
REVOKE ALL ON FUNCTION medallion._d2_brier_final(double precision[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.d2_brier(label "any", probability double precision) (
	SFUNC = medallion._d2_brier_step, STYPE = double precision[], INITCOND = '{0,0,0,0}', FINALFUNC = medallion._d2_brier_final,
	COMBINEFUNC = medallion._skill_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.d2_brier("any", double precision) IS
'Share of the Brier score that is explained: 1 less its ratio to that of giving every row the share of positives; NULL when a class is missing; label boolean or 0/1.';

CREATE OR REPLACE AGGREGATE medallion.d2_brier(label "any", probability double precision, weight double precision) (
	SFUNC = medallion._d2_brier_step, STYPE = double precision[], INITCOND = '{0,0,0,0}', FINALFUNC = medallion._d2_brier_final,
	COMBINEFUNC = medallion._skill_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.d2_brier("any", double precision, double precision) IS
'Share of the Brier score that is explained: 1 less its ratio to that of giving every row the share of positives; NULL when a class is missing; label boolean or 0/1, rows weighted.';

/* ---- probabilities of several classes ------------------------------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._log_loss_multiclass_step(double precision[], "any", double precision[], text[]) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_log_loss_multiclass_step';
REVOKE ALL ON FUNCTION medallion._log_loss_multiclass_step(double precision[], "any", double precision[], text[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.log_loss_multiclass(label "any", probabilities double precision[], classes text[]) (
	SFUNC = medallion._log_loss_multiclass_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.log_loss_multiclass("any", double precision[], text[]) IS
'Mean of -log of the probability given to the label (clipped to 2^-52), probabilities in the order of classes.';

CREATE OR REPLACE FUNCTION medallion._log_loss_multiclass_step(double precision[], "any", double precision[], text[], double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_log_loss_multiclass_step';
REVOKE ALL ON FUNCTION medallion._log_loss_multiclass_step(double precision[], "any", double precision[], text[], double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.log_loss_multiclass(label "any", probabilities double precision[], classes text[], weight double precision) (
	SFUNC = medallion._log_loss_multiclass_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.log_loss_multiclass("any", double precision[], text[], double precision) IS
'Mean of -log of the probability given to the label (clipped to 2^-52), probabilities in the order of classes, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._brier_multiclass_step(double precision[], "any", double precision[], text[]) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_brier_multiclass_step';
REVOKE ALL ON FUNCTION medallion._brier_multiclass_step(double precision[], "any", double precision[], text[]) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.brier_multiclass(label "any", probabilities double precision[], classes text[]) (
	SFUNC = medallion._brier_multiclass_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.brier_multiclass("any", double precision[], text[]) IS
'Mean over rows of the squared differences, summed over classes, between probabilities and what happened; halved for two classes.';

CREATE OR REPLACE FUNCTION medallion._brier_multiclass_step(double precision[], "any", double precision[], text[], double precision) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_brier_multiclass_step';
REVOKE ALL ON FUNCTION medallion._brier_multiclass_step(double precision[], "any", double precision[], text[], double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.brier_multiclass(label "any", probabilities double precision[], classes text[], weight double precision) (
	SFUNC = medallion._brier_multiclass_step, STYPE = double precision[], INITCOND = '{0,0}', FINALFUNC = medallion._mean_final,
	COMBINEFUNC = medallion._mean_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.brier_multiclass("any", double precision[], text[], double precision) IS
'Mean over rows of the squared differences, summed over classes, between probabilities and what happened; halved for two classes, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._probabilities_step(bytea, "any", double precision[], text[]) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_probabilities_step';
REVOKE ALL ON FUNCTION medallion._probabilities_step(bytea, "any", double precision[], text[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._roc_auc_ovr_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_roc_auc_ovr';
REVOKE ALL ON FUNCTION medallion._roc_auc_ovr_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.roc_auc_ovr(label "any", probabilities double precision[], classes text[]) (
	SFUNC = medallion._probabilities_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._roc_auc_ovr_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.roc_auc_ovr("any", double precision[], text[]) IS
'Area under the ROC curve of each class against the rest; NULL when a class does not occur, the mean over classes.';

CREATE OR REPLACE FUNCTION medallion._probabilities_step(bytea, "any", double precision[], text[], text) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_probabilities_step';
REVOKE ALL ON FUNCTION medallion._probabilities_step(bytea, "any", double precision[], text[], text) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.roc_auc_ovr(label "any", probabilities double precision[], classes text[], average text) (
	SFUNC = medallion._probabilities_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._roc_auc_ovr_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.roc_auc_ovr("any", double precision[], text[], text) IS
'Area under the ROC curve of each class against the rest; NULL when a class does not occur; average is macro, weighted (by how often a class is the label) or micro.';

CREATE OR REPLACE FUNCTION medallion._probabilities_step(bytea, "any", double precision[], text[], text, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_probabilities_step';
REVOKE ALL ON FUNCTION medallion._probabilities_step(bytea, "any", double precision[], text[], text, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.roc_auc_ovr(label "any", probabilities double precision[], classes text[], average text, weight double precision) (
	SFUNC = medallion._probabilities_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._roc_auc_ovr_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.roc_auc_ovr("any", double precision[], text[], text, double precision) IS
'Area under the ROC curve of each class against the rest; NULL when a class does not occur; average is macro, weighted or micro, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._roc_auc_ovo_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_roc_auc_ovo';
REVOKE ALL ON FUNCTION medallion._roc_auc_ovo_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.roc_auc_ovo(label "any", probabilities double precision[], classes text[]) (
	SFUNC = medallion._probabilities_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._roc_auc_ovo_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.roc_auc_ovo("any", double precision[], text[]) IS
'Area under the ROC curve of each pair of the classes that occur, both ways, the mean over pairs.';

CREATE OR REPLACE AGGREGATE medallion.roc_auc_ovo(label "any", probabilities double precision[], classes text[], average text) (
	SFUNC = medallion._probabilities_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._roc_auc_ovo_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.roc_auc_ovo("any", double precision[], text[], text) IS
'Area under the ROC curve of each pair of the classes that occur, both ways; average is macro or weighted (by how often a pair occurs).';

CREATE OR REPLACE FUNCTION medallion._average_precision_ovr_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_average_precision_ovr';
REVOKE ALL ON FUNCTION medallion._average_precision_ovr_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.average_precision_ovr(label "any", probabilities double precision[], classes text[]) (
	SFUNC = medallion._probabilities_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._average_precision_ovr_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.average_precision_ovr("any", double precision[], text[]) IS
'Average precision of each class against the rest; NULL when a class does not occur, the mean over classes.';

CREATE OR REPLACE AGGREGATE medallion.average_precision_ovr(label "any", probabilities double precision[], classes text[], average text) (
	SFUNC = medallion._probabilities_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._average_precision_ovr_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.average_precision_ovr("any", double precision[], text[], text) IS
'Average precision of each class against the rest; NULL when a class does not occur; average is macro, weighted (by how often a class is the label) or micro.';

CREATE OR REPLACE AGGREGATE medallion.average_precision_ovr(label "any", probabilities double precision[], classes text[], average text, weight double precision) (
	SFUNC = medallion._probabilities_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._average_precision_ovr_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.average_precision_ovr("any", double precision[], text[], text, double precision) IS
'Average precision of each class against the rest; NULL when a class does not occur; average is macro, weighted or micro, rows weighted.';

/* ---- thresholds on a score ------------------------------------------------------------------------------------------ */

CREATE OR REPLACE FUNCTION medallion._scored_step(bytea, "any", double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_scored_step';
REVOKE ALL ON FUNCTION medallion._scored_step(bytea, "any", double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._weighted_roc_auc_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_weighted_roc_auc';
REVOKE ALL ON FUNCTION medallion._weighted_roc_auc_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.roc_auc(label "any", score double precision, weight double precision) (
	SFUNC = medallion._scored_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._weighted_roc_auc_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.roc_auc("any", double precision, double precision) IS
'Area under the ROC curve, ties counting a half; NULL when a class is missing; label boolean or 0/1, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._weighted_average_precision_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_weighted_average_precision';
REVOKE ALL ON FUNCTION medallion._weighted_average_precision_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.average_precision(label "any", score double precision, weight double precision) (
	SFUNC = medallion._scored_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._weighted_average_precision_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.average_precision("any", double precision, double precision) IS
'Average precision: mean precision over the positives, from the highest score down; NULL without positives; label boolean or 0/1, rows weighted.';

CREATE TYPE medallion.roc_point AS (threshold double precision, fpr double precision, tpr double precision);
COMMENT ON TYPE medallion.roc_point IS 'Shares of the negatives and of the positives that score at least the threshold.';

CREATE TYPE medallion.pr_point AS (threshold double precision, "precision" double precision, recall double precision);
COMMENT ON TYPE medallion.pr_point IS 'Precision and recall when rows that score at least the threshold are called positive.';

CREATE TYPE medallion.calibration_bin AS (lower double precision, upper double precision, rows double precision,
	mean_probability double precision, observed double precision);
COMMENT ON TYPE medallion.calibration_bin IS
'Rows whose probability is above lower and not above upper: their number, mean probability and share of positives.';

CREATE TYPE medallion.lift_point AS (fraction double precision, threshold double precision, gain double precision,
	lift double precision);
COMMENT ON TYPE medallion.lift_point IS
'Of the fraction of rows that score highest: the lowest score, the share of all positives among them, and that relative to the fraction.';

CREATE TYPE medallion.threshold_choice AS (threshold double precision, value double precision, tp double precision,
	fp double precision, fn double precision, tn double precision);
COMMENT ON TYPE medallion.threshold_choice IS
'The threshold from which on a row is best called positive, what it reaches, and the rows it tells right and wrong; infinity: none.';

CREATE OR REPLACE FUNCTION medallion._scored_step(bytea, "any", double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_scored_step';
REVOKE ALL ON FUNCTION medallion._scored_step(bytea, "any", double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._roc_curve_final(bytea) RETURNS medallion.roc_point[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_roc_curve';
REVOKE ALL ON FUNCTION medallion._roc_curve_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.roc_curve(label "any", score double precision) (
	SFUNC = medallion._scored_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._roc_curve_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.roc_curve("any", double precision) IS
'The ROC curve from its lower left corner on, without points on straight lines; NULL when a class is missing; read with unnest.';

CREATE OR REPLACE AGGREGATE medallion.roc_curve(label "any", score double precision, weight double precision) (
	SFUNC = medallion._scored_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._roc_curve_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.roc_curve("any", double precision, double precision) IS
'The ROC curve from its lower left corner on, without points on straight lines; NULL when a class is missing; read with unnest, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._pr_curve_final(bytea) RETURNS medallion.pr_point[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_pr_curve';
REVOKE ALL ON FUNCTION medallion._pr_curve_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.pr_curve(label "any", score double precision) (
	SFUNC = medallion._scored_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._pr_curve_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.pr_curve("any", double precision) IS
'Precision and recall at each threshold from the highest down; NULL without positives; read with unnest.';

CREATE OR REPLACE AGGREGATE medallion.pr_curve(label "any", score double precision, weight double precision) (
	SFUNC = medallion._scored_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._pr_curve_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.pr_curve("any", double precision, double precision) IS
'Precision and recall at each threshold from the highest down; NULL without positives; read with unnest, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._calibration_step(bytea, "any", double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_calibration_step';
REVOKE ALL ON FUNCTION medallion._calibration_step(bytea, "any", double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._calibration_curve_final(bytea) RETURNS medallion.calibration_bin[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_calibration_curve';
REVOKE ALL ON FUNCTION medallion._calibration_curve_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.calibration_curve(label "any", probability double precision) (
	SFUNC = medallion._calibration_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._calibration_curve_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.calibration_curve("any", double precision) IS
'Mean probability and share of positives, bins without rows left out; read with unnest, in 10 equally wide bins.';

CREATE OR REPLACE FUNCTION medallion._calibration_step(bytea, "any", double precision, integer) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_calibration_step';
REVOKE ALL ON FUNCTION medallion._calibration_step(bytea, "any", double precision, integer) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.calibration_curve(label "any", probability double precision, bins integer) (
	SFUNC = medallion._calibration_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._calibration_curve_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.calibration_curve("any", double precision, integer) IS
'Mean probability and share of positives, bins without rows left out; read with unnest, in equally wide bins.';

CREATE OR REPLACE FUNCTION medallion._calibration_step(bytea, "any", double precision, integer, text) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_calibration_step';
REVOKE ALL ON FUNCTION medallion._calibration_step(bytea, "any", double precision, integer, text) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.calibration_curve(label "any", probability double precision, bins integer, strategy text) (
	SFUNC = medallion._calibration_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._calibration_curve_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.calibration_curve("any", double precision, integer, text) IS
'Mean probability and share of positives, bins without rows left out; read with unnest, in bins that are uniform (equally wide) or quantile (equally full).';

CREATE OR REPLACE FUNCTION medallion._calibration_step(bytea, "any", double precision, integer, text, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_calibration_step';
REVOKE ALL ON FUNCTION medallion._calibration_step(bytea, "any", double precision, integer, text, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.calibration_curve(label "any", probability double precision, bins integer, strategy text, weight double precision) (
	SFUNC = medallion._calibration_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._calibration_curve_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.calibration_curve("any", double precision, integer, text, double precision) IS
'Mean probability and share of positives, bins without rows left out; read with unnest, in bins that are uniform or quantile, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._calibration_error_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_calibration_error';
REVOKE ALL ON FUNCTION medallion._calibration_error_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.calibration_error(label "any", probability double precision) (
	SFUNC = medallion._calibration_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._calibration_error_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.calibration_error("any", double precision) IS
'Mean distance of probability and share of positives, over rows, in 10 equally wide bins.';

CREATE OR REPLACE AGGREGATE medallion.calibration_error(label "any", probability double precision, bins integer) (
	SFUNC = medallion._calibration_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._calibration_error_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.calibration_error("any", double precision, integer) IS
'Mean distance of probability and share of positives, over rows, in equally wide bins.';

CREATE OR REPLACE AGGREGATE medallion.calibration_error(label "any", probability double precision, bins integer, strategy text) (
	SFUNC = medallion._calibration_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._calibration_error_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.calibration_error("any", double precision, integer, text) IS
'Mean distance of probability and share of positives, over rows, in bins that are uniform (equally wide) or quantile (equally full).';

CREATE OR REPLACE AGGREGATE medallion.calibration_error(label "any", probability double precision, bins integer, strategy text, weight double precision) (
	SFUNC = medallion._calibration_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._calibration_error_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.calibration_error("any", double precision, integer, text, double precision) IS
'Mean distance of probability and share of positives, over rows, in bins that are uniform or quantile, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._lift_step(bytea, "any", double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_lift_step';
REVOKE ALL ON FUNCTION medallion._lift_step(bytea, "any", double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._lift_curve_final(bytea) RETURNS medallion.lift_point[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_lift_curve';
REVOKE ALL ON FUNCTION medallion._lift_curve_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.lift_curve(label "any", score double precision) (
	SFUNC = medallion._lift_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._lift_curve_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.lift_curve("any", double precision) IS
'Gain and lift of the rows that score highest; NULL without positives; read with unnest, at tenths.';

CREATE OR REPLACE FUNCTION medallion._lift_step(bytea, "any", double precision, integer) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_lift_step';
REVOKE ALL ON FUNCTION medallion._lift_step(bytea, "any", double precision, integer) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.lift_curve(label "any", score double precision, bins integer) (
	SFUNC = medallion._lift_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._lift_curve_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.lift_curve("any", double precision, integer) IS
'Gain and lift of the rows that score highest; NULL without positives; read with unnest, at the number of equal fractions given.';

CREATE OR REPLACE FUNCTION medallion._lift_step(bytea, "any", double precision, integer, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_lift_step';
REVOKE ALL ON FUNCTION medallion._lift_step(bytea, "any", double precision, integer, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.lift_curve(label "any", score double precision, bins integer, weight double precision) (
	SFUNC = medallion._lift_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._lift_curve_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.lift_curve("any", double precision, integer, double precision) IS
'Gain and lift of the rows that score highest; NULL without positives; read with unnest, at the number of equal fractions given, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._lift_at_step(bytea, "any", double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_lift_at_step';
REVOKE ALL ON FUNCTION medallion._lift_at_step(bytea, "any", double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._lift_at_step(bytea, "any", double precision, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_lift_at_step';
REVOKE ALL ON FUNCTION medallion._lift_at_step(bytea, "any", double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._lift_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_lift';
REVOKE ALL ON FUNCTION medallion._lift_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.lift(label "any", score double precision, fraction double precision) (
	SFUNC = medallion._lift_at_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._lift_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.lift("any", double precision, double precision) IS
'How many times as frequent positives are among the fraction of rows that score highest as among all; rows of equal score taken in parts; NULL without positives; label boolean or 0/1.';

CREATE OR REPLACE AGGREGATE medallion.lift(label "any", score double precision, fraction double precision, weight double precision) (
	SFUNC = medallion._lift_at_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._lift_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.lift("any", double precision, double precision, double precision) IS
'How many times as frequent positives are among the fraction of rows that score highest as among all; rows of equal score taken in parts; NULL without positives; label boolean or 0/1, rows weighted.';

CREATE OR REPLACE FUNCTION medallion._threshold_step(bytea, "any", double precision, text) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_threshold_step';
REVOKE ALL ON FUNCTION medallion._threshold_step(bytea, "any", double precision, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._best_threshold_final(bytea) RETURNS medallion.threshold_choice
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_best_threshold';
REVOKE ALL ON FUNCTION medallion._best_threshold_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.best_threshold(label "any", score double precision, metric text) (
	SFUNC = medallion._threshold_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._best_threshold_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.best_threshold("any", double precision, text) IS
'The threshold on a score that is best by f1, accuracy, balanced_accuracy, mcc or youden.';

CREATE OR REPLACE FUNCTION medallion._threshold_step(bytea, "any", double precision, text, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_threshold_step';
REVOKE ALL ON FUNCTION medallion._threshold_step(bytea, "any", double precision, text, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.best_threshold(label "any", score double precision, metric text, cost_fp double precision, cost_fn double precision) (
	SFUNC = medallion._threshold_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._best_threshold_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.best_threshold("any", double precision, text, double precision, double precision) IS
'The threshold on a score that is best by cost, given the costs of a false positive and of a false negative.';

CREATE OR REPLACE FUNCTION medallion._threshold_step(bytea, "any", double precision, text, double precision, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_threshold_step';
REVOKE ALL ON FUNCTION medallion._threshold_step(bytea, "any", double precision, text, double precision, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.best_threshold(label "any", score double precision, metric text, cost_fp double precision, cost_fn double precision, weight double precision) (
	SFUNC = medallion._threshold_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._best_threshold_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.best_threshold("any", double precision, text, double precision, double precision, double precision) IS
'The threshold on a score that is best by cost, given the costs of a false positive and of a false negative, rows weighted.';
