-- The metric aggregates against scikit-learn (test/golden/metrics_reference.py made both files).
\getenv abs_srcdir PG_ABS_SRCDIR
\set rows_file :abs_srcdir '/golden/metrics_rows.csv'
\set expected_file :abs_srcdir '/golden/metrics_expected.csv'
CREATE SCHEMA metrics_test;
SET search_path = metrics_test;
CREATE TABLE r (y float8, predicted float8, small float8, weight float8, label bool, score float8, truth text, guess text);
COPY r FROM :'rows_file' (FORMAT csv, HEADER);
CREATE TABLE expected (metric text PRIMARY KEY, value float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
CREATE TABLE got AS
SELECT j.key AS metric, j.value::float8
FROM (SELECT jsonb_build_object(
	'mse', medallion.mse(y, predicted), 'rmse', medallion.rmse(y, predicted), 'mae', medallion.mae(y, predicted),
	'mape', medallion.mape(y, predicted), 'mape at zero', medallion.mape(small, score),
	'max_error', medallion.max_error(y, predicted), 'r2', medallion.r2(y, predicted),
	'explained_variance', medallion.explained_variance(y, predicted + 5),
	'mse weighted', medallion.mse(y, predicted, weight), 'mae weighted', medallion.mae(y, predicted, weight),
	'mape weighted', medallion.mape(y, predicted, weight), 'r2 weighted', medallion.r2(y, predicted, weight),
	'explained_variance weighted', medallion.explained_variance(y, predicted + 5, weight),
	'accuracy', medallion.accuracy(truth, guess), 'accuracy weighted', medallion.accuracy(truth, guess, weight),
	'balanced_accuracy', medallion.balanced_accuracy(truth, guess), 'mcc', medallion.mcc(truth, guess),
	'mcc binary', medallion.mcc(label, score > 0.5), 'precision', medallion.precision(label, score > 0.5),
	'recall', medallion.recall(label, score > 0.5), 'f1', medallion.f1(label, score > 0.5),
	'fbeta 2', medallion.fbeta(label, score > 0.5, 2), 'fbeta 0.5 macro', medallion.fbeta(truth, guess, 0.5, 'macro'),
	'log_loss', medallion.log_loss(label, score), 'log_loss weighted', medallion.log_loss(label, score, weight),
	'brier', medallion.brier(label, score), 'brier weighted', medallion.brier(label, score, weight),
	'roc_auc', medallion.roc_auc(label, score), 'average_precision', medallion.average_precision(label, score))
	|| jsonb_build_object(
	'precision macro', medallion.precision(truth, guess, 'macro'), 'precision micro', medallion.precision(truth, guess, 'micro'),
	'precision weighted', medallion.precision(truth, guess, 'weighted'),
	'recall macro', medallion.recall(truth, guess, 'macro'), 'recall micro', medallion.recall(truth, guess, 'micro'),
	'recall weighted', medallion.recall(truth, guess, 'weighted'),
	'f1 macro', medallion.f1(truth, guess, 'macro'), 'f1 micro', medallion.f1(truth, guess, 'micro'),
	'f1 weighted', medallion.f1(truth, guess, 'weighted'),
	'precision of dog', medallion.precision(truth, guess, 'binary', 'dog'),
	'recall of dog', medallion.recall(truth, guess, 'binary', 'dog'), 'f1 of dog', medallion.f1(truth, guess, 'binary', 'dog'))
	AS o FROM r) m, jsonb_each(o) j;
INSERT INTO got SELECT 'r2 of a constant', medallion.r2(2, p) FROM unnest('{1,2,3}'::float8[]) p;
INSERT INTO got SELECT 'r2 of a constant, met', medallion.r2(2, 2) FROM generate_series(1, 3);
INSERT INTO got SELECT 'mcc constant', medallion.mcc(l, true) FROM unnest('{t,f}'::bool[]) l;
INSERT INTO got SELECT 'precision of nothing predicted', medallion.precision(l, false) FROM unnest('{t,f}'::bool[]) l;
INSERT INTO got SELECT 'f1 of nothing', medallion.f1(l, false) FROM unnest('{f,f}'::bool[]) l;
INSERT INTO got SELECT 'log_loss of certainty', medallion.log_loss(l, p) FROM unnest('{t,f,t}'::bool[], '{0,1,1}'::float8[]) t(l, p);
INSERT INTO got SELECT 'roc_auc of one score', medallion.roc_auc(l, 0.5) FROM unnest('{t,f,t}'::bool[]) l;
INSERT INTO got SELECT 'average_precision of one score', medallion.average_precision(l, 0.5) FROM unnest('{t,f,t}'::bool[]) l;
-- Every metric agrees to 1e-12 (r2 of the far y to 1e-9: scikit-learn's own sums have no more digits there).
SELECT metric, e.value AS expected, g.value AS got
FROM expected e FULL JOIN got g USING (metric)
WHERE e.value IS NULL OR g.value IS NULL
	OR abs(e.value - g.value) > CASE WHEN metric LIKE 'r2%' OR metric LIKE 'explained%' THEN 1e-9 ELSE 1e-12 END * abs(e.value)
ORDER BY metric;
SELECT count(*) AS compared FROM expected JOIN got USING (metric);
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA metrics_test CASCADE;
