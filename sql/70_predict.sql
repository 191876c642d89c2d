/*
 * Prediction.  A model is named by reference: 'delay' (alias champion, else the newest version), 'delay@challenger',
 * 'delay/3'.  The input is a row of any shape; columns are found by name.
 */
CREATE OR REPLACE FUNCTION medallion.predict(model text, input record) RETURNS double precision
LANGUAGE C STABLE PARALLEL SAFE COST 50 AS 'MODULE_PATHNAME', 'mdl_predict';
COMMENT ON FUNCTION medallion.predict(text, record) IS
'Predicts a row: the value of a regression, the probability of the positive class, the number of a cluster, the score of an outlier detector.';

CREATE OR REPLACE FUNCTION medallion.predict_class(model text, input record) RETURNS text
LANGUAGE C STABLE PARALLEL SAFE COST 50 AS 'MODULE_PATHNAME', 'mdl_predict_class';
COMMENT ON FUNCTION medallion.predict_class(text, record) IS 'Predicts the class of a row, as text.';

CREATE OR REPLACE FUNCTION medallion.predict_proba(model text, input record) RETURNS double precision[]
LANGUAGE C STABLE PARALLEL SAFE COST 50 AS 'MODULE_PATHNAME', 'mdl_predict_proba';
COMMENT ON FUNCTION medallion.predict_proba(text, record) IS
'Predicts the probability of each class of a row, in the order of medallion.classes(model).';

CREATE OR REPLACE FUNCTION medallion.transform(model text, input record) RETURNS double precision[]
LANGUAGE C STABLE PARALLEL SAFE COST 50 AS 'MODULE_PATHNAME', 'mdl_transform';
COMMENT ON FUNCTION medallion.transform(text, record) IS
'What a row becomes: components of a decomposition, distances to the centres of clusters, shares of a mixture.';

CREATE OR REPLACE FUNCTION medallion.design_row(model text, input record) RETURNS double precision[]
LANGUAGE C STABLE PARALLEL SAFE COST 50 AS 'MODULE_PATHNAME', 'mdl_design_row';
COMMENT ON FUNCTION medallion.design_row(text, record) IS
'The numbers that a model''s learner sees for a row: missing values filled, scaled, transformed, encoded; in the order of medallion.terms(model).';

CREATE OR REPLACE FUNCTION medallion.model_columns(model text)
RETURNS TABLE(feature text, type text, kind text, null_value text, indicator boolean, transform text, shift double precision,
	scale double precision, encoding text, terms integer, role text)
LANGUAGE C STABLE PARALLEL SAFE ROWS 20 AS 'MODULE_PATHNAME', 'mdl_model_columns';
COMMENT ON FUNCTION medallion.model_columns(text) IS
'What a model does with each column before its learner sees it, as given by "preprocess" or chosen by train(): what stands for NULL, the transformation, shift and scale, the encoding, how many terms come of it; the role is feature, offset or exposure.';

CREATE OR REPLACE FUNCTION medallion.terms(model text) RETURNS text[]
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_terms';
COMMENT ON FUNCTION medallion.terms(text) IS 'The names of the numbers that a model''s learner sees: age, carrier=AA, day.month, pixels[3], "age is missing", word#17.';

CREATE OR REPLACE FUNCTION medallion.classes(model text) RETURNS text[]
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_classes';
COMMENT ON FUNCTION medallion.classes(text) IS 'The classes that a model tells apart, as text; the positive one is last.';

CREATE TYPE medallion.batch_result AS (target_table text, model text, version integer, rows bigint, unpredicted bigint,
	seconds double precision);
COMMENT ON TYPE medallion.batch_result IS
'What predict_batch did: rows written, and how many of them have the prediction NULL because a feature is NULL.';

CREATE OR REPLACE FUNCTION medallion.predict_batch(model text, source text, target_table text, keys text[] DEFAULT NULL)
RETURNS medallion.batch_result
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_predict_batch';
COMMENT ON FUNCTION medallion.predict_batch(text, text, text, text[]) IS
'Predicts all rows of a table, view or query into a table that it creates or updates; keys (default: the primary key) identify them.';

CREATE OR REPLACE FUNCTION medallion._evaluation_step(bytea, "any", text, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_evaluation_step';
REVOKE ALL ON FUNCTION medallion._evaluation_step(bytea, "any", text, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._evaluation_merge(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_evaluation_merge';
REVOKE ALL ON FUNCTION medallion._evaluation_merge(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion._evaluation_sample(label "any", class text, y double precision, value double precision) (
	SFUNC = medallion._evaluation_step, STYPE = bytea, INITCOND = '', COMBINEFUNC = medallion._evaluation_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion._evaluation_sample("any", text, double precision, double precision) IS
'The rows that evaluate() resamples for its intervals.';

CREATE OR REPLACE FUNCTION medallion.evaluate(model text, source text, confidence double precision DEFAULT 0.95,
	resamples integer DEFAULT 1000, seed bigint DEFAULT 0)
RETURNS TABLE(metric text, value double precision, lower double precision, upper double precision)
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 12 AS 'MODULE_PATHNAME', 'mdl_evaluate';
COMMENT ON FUNCTION medallion.evaluate(text, text, double precision, integer, bigint) IS
'Metrics of a model on rows whose labels are known, with bootstrap intervals; the target column is found by its name.';

CREATE OR REPLACE FUNCTION medallion.confusion_matrix(model text, source text)
RETURNS TABLE(label text, predicted text, rows bigint)
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 4 AS 'MODULE_PATHNAME', 'mdl_confusion_matrix';
COMMENT ON FUNCTION medallion.confusion_matrix(text, text) IS
'How often each class was predicted for each label, pairs that do not occur included.';

CREATE OR REPLACE FUNCTION medallion.roc_curve(model text, source text) RETURNS SETOF medallion.roc_point
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'mdl_model_roc_curve';
COMMENT ON FUNCTION medallion.roc_curve(text, text) IS
'The ROC curve of a model of two classes, on rows whose labels are known.';

CREATE OR REPLACE FUNCTION medallion.pr_curve(model text, source text) RETURNS SETOF medallion.pr_point
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'mdl_model_pr_curve';
COMMENT ON FUNCTION medallion.pr_curve(text, text) IS
'Precision and recall of a model of two classes at each threshold, on rows whose labels are known.';

CREATE OR REPLACE FUNCTION medallion.calibration_curve(model text, source text, bins integer DEFAULT 10, strategy text DEFAULT 'uniform') RETURNS SETOF medallion.calibration_bin
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10 AS 'MODULE_PATHNAME', 'mdl_model_calibration_curve';
COMMENT ON FUNCTION medallion.calibration_curve(text, text, integer, text) IS
'Mean probability and share of positives in bins, of a model of two classes, on rows whose labels are known.';

CREATE OR REPLACE FUNCTION medallion.lift_curve(model text, source text, bins integer DEFAULT 10) RETURNS SETOF medallion.lift_point
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10 AS 'MODULE_PATHNAME', 'mdl_model_lift_curve';
COMMENT ON FUNCTION medallion.lift_curve(text, text, integer) IS
'Gain and lift of the rows that score highest, of a model of two classes, on rows whose labels are known.';

CREATE OR REPLACE FUNCTION medallion._is_class(label "any", class_name text) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_is_class';
COMMENT ON FUNCTION medallion._is_class("any", text) IS 'Whether a label of any type is the class of that name.';

CREATE OR REPLACE FUNCTION medallion._knows_class(label "any", classes text[]) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_knows_class';
COMMENT ON FUNCTION medallion._knows_class("any", text[]) IS 'Whether a label of any type is one of the classes.';

CREATE OR REPLACE FUNCTION medallion._class_log_loss(label "any", classes text[], probabilities double precision[])
RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_class_log_loss';
COMMENT ON FUNCTION medallion._class_log_loss("any", text[], double precision[]) IS
'-log of the probability that was given to the label.';
