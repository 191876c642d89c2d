-- Calibrated probabilities and isotonic regression against scikit-learn (test/golden/calibration_reference.py).
\getenv dir PG_ABS_SRCDIR
\set iris_file :dir '/golden/train_iris.csv'
\set cancer_file :dir '/golden/train_cancer.csv'
\set diabetes_file :dir '/golden/train_diabetes.csv'
\set cases_file :dir '/golden/calibration_cases.csv'
CREATE SCHEMA train_calibration;
SET search_path = train_calibration, public;
CREATE TABLE cases (no int, kind text, x float8, y float8, weight float8, value float8, moved float8);
COPY cases FROM :'cases_file' (FORMAT csv, HEADER);
CREATE TABLE iris (sepal_length float8, sepal_width float8, petal_length float8, petal_width float8, species text, id int GENERATED ALWAYS AS IDENTITY);
COPY iris (sepal_length, sepal_width, petal_length, petal_width, species) FROM :'iris_file' (FORMAT csv, HEADER);
SELECT format('CREATE TABLE cancer (%s, diagnosis text, id int GENERATED ALWAYS AS IDENTITY)', string_agg(format('%s float8', CASE w WHEN 'error' THEN m || '_error' ELSE w || '_' || m END), ', ' ORDER BY i, j)) AS make,
	format('COPY cancer (%s, diagnosis) FROM %L (FORMAT csv, HEADER)', string_agg(CASE w WHEN 'error' THEN m || '_error' ELSE w || '_' || m END, ', ' ORDER BY i, j), :'cancer_file') AS fill
FROM unnest('{1,2,3}'::int[]) i, unnest('{mean,error,worst}'::text[]) WITH ORDINALITY AS x(w, n),
	unnest('{radius,texture,perimeter,area,smoothness,compactness,concavity,concave_points,symmetry,fractal_dimension}'::text[]) WITH ORDINALITY AS y(m, j) WHERE i = n \gset
:make;
:fill;
-- isotonic regression: the same values
CREATE FUNCTION learn(no int, kind text) RETURNS void LANGUAGE sql AS $$
	SELECT medallion.train('train_calibration_' || no, format('SELECT x, y, weight FROM train_calibration.cases WHERE no = %s', no), 'y', 'isotonic',
		jsonb_build_object('increasing', kind = 'rising'), weight => 'weight') $$;
SELECT no, kind, learn(no, kind) FROM (SELECT DISTINCT no, kind FROM cases WHERE no IN (3, 4, 5, 6, 9, 10, 11, 12)) c ORDER BY no;
CREATE TYPE one AS (x float8);
SELECT no, count(*), max(abs(medallion.predict('train_calibration_' || no, ROW(x)::one) - value)) < 1e-12 AS same,
	max(abs(medallion.predict('train_calibration_' || no, ROW(x + 0.013)::one) - moved)) < 1e-12 AS same_between FROM cases WHERE no IN (3, 4, 5, 6, 9, 10, 11, 12) GROUP BY no ORDER BY no;
-- calibration: log losses are within the range that scikit-learn's CalibratedClassifierCV(ensemble=False) has for ten ways to make five folds
CREATE TABLE learnt AS SELECT t.*, (metrics->>'train_log_loss')::float8 AS log_loss, (metrics->>'train_brier')::float8 AS brier, (metrics->>'train_roc_auc')::float8 AS auc
FROM (VALUES ('naive_bayes', 'cancer', 'diagnosis', 'none', 0.53704, 0.53705), ('naive_bayes', 'cancer', 'diagnosis', 'sigmoid', 0.2213, 0.2227), ('naive_bayes', 'cancer', 'diagnosis', 'isotonic', 0.118, 0.182),
	('svm', 'cancer', 'diagnosis', 'sigmoid', 0.0436, 0.0449), ('svm', 'cancer', 'diagnosis', 'isotonic', 0.0375, 0.0409),
	('naive_bayes', 'iris', 'species', 'sigmoid', 0.1552, 0.1567), ('naive_bayes', 'iris', 'species', 'isotonic', 0.0831, 0.0976)) t(algorithm, data, target, method, least, largest),
	medallion.train('train_calibration_' || algorithm || '_' || data || '_' || method, 'train_calibration.' || data, target, algorithm, jsonb_build_object('calibration', method), exclude => '{id}');
SELECT algorithm, data, method, log_loss BETWEEN least AND largest AS as_scikit_learn FROM learnt ORDER BY 1, 2, 3 DESC;
-- a sigmoid changes no order of rows; an isotonic regression makes some equal
SELECT (SELECT auc FROM learnt WHERE algorithm = 'naive_bayes' AND data = 'cancer' AND method = 'none') = auc AS same_order FROM learnt WHERE algorithm = 'naive_bayes' AND data = 'cancer' AND method = 'sigmoid';
SELECT max(abs(1 - p[1] - p[2] - p[3])) < 1e-12 AS one, bool_and(0 <= ALL (p)) AS probabilities FROM (SELECT medallion.predict_proba('train_calibration_naive_bayes_iris_isotonic', i) AS p FROM iris i) x;
SELECT params->>'calibration' AS calibration, params->>'calibration_folds' AS folds FROM medallion.model_versions WHERE model = 'train_calibration_svm_cancer_isotonic';
SELECT params ? 'calibration' AS calibration FROM medallion.model_versions WHERE model = 'train_calibration_naive_bayes_cancer_none';
-- with a holdout, weights, missing values and categories; the same bits whatever the number of threads and the order of the rows; batches as rows
CREATE TABLE many AS SELECT i AS id, NULLIF((hashint4(i) % 1000) / 100.0, 0) AS x, 'k' || abs(hashint4(i + 7) % 5) AS k, hashint4(i) % 1000 + hashint4(i + 3) % 1500 > 0 AS b, 1 + i % 3 AS w FROM generate_series(1, 3000) i;
CREATE TABLE turned AS SELECT * FROM many ORDER BY k DESC, x;
SET medallion.train_threads = 1;
SELECT metrics AS one FROM medallion.train('train_calibration_one', 'SELECT x, k, b, w FROM train_calibration.many', 'b', 'neighbors', '{"calibration": "isotonic", "calibration_folds": 3, "n_neighbors": 30}',
	preprocess => '{"impute": "median", "encode": "target"}', validation => '{"fraction": 0.3}', exclude => '{w}') \gset
SET medallion.train_threads = 8;
SELECT metrics = :'one'::jsonb AS same FROM medallion.train('train_calibration_eight', 'SELECT x, k, b, w FROM train_calibration.turned', 'b', 'neighbors', '{"calibration": "isotonic", "calibration_folds": 3, "n_neighbors": 30}',
	preprocess => '{"impute": "median", "encode": "target"}', validation => '{"fraction": 0.3}', exclude => '{w}');
RESET medallion.train_threads;
SELECT count(DISTINCT b.content) AS artifacts FROM medallion._models m JOIN medallion._model_versions v USING (model_id)
JOIN medallion._model_blobs b ON b.version_id = v.version_id AND b.kind = 'artifact' WHERE m.name IN ('train_calibration_one', 'train_calibration_eight');
SELECT abs((a.metrics->>'train_log_loss')::float8 - (b.metrics->>'train_log_loss')::float8) < 0.005 AS calibrated_before
FROM medallion.train('train_calibration_w', 'train_calibration.many', 'b', 'logistic', '{"calibration": "sigmoid"}', preprocess => '{"impute": "mean"}', exclude => '{id}', weight => 'w') a,
	medallion.train('train_calibration_v', 'train_calibration.many', 'b', 'logistic', preprocess => '{"impute": "mean"}', exclude => '{id}', weight => 'w') b;
SELECT rows FROM medallion.predict_batch('train_calibration_one', 'train_calibration.many', 'train_calibration.scores', keys => '{id}');
SELECT count(*), bool_and(s.probability = medallion.predict('train_calibration_one', m)) AS same FROM scores s JOIN many m USING (id);
-- in the view of algorithms
SELECT algorithm, parameter, type, default_value FROM medallion.algorithms WHERE algorithm IN ('svm', 'linear', 'isotonic') AND parameter LIKE 'calibration%' ORDER BY 1, 2;
-- errors
SELECT medallion.train('train_calibration_bad', 'train_calibration.cases', 'y', 'svm', '{"calibration": "isotonic"}', exclude => '{kind}');
SELECT medallion.train('train_calibration_bad', 'train_calibration.iris', NULL, 'svm', '{"calibration": "isotonic"}', exclude => '{id,species}');
SELECT medallion.train('train_calibration_bad', 'train_calibration.iris', 'species', 'naive_bayes', '{"calibration": "best"}', exclude => '{id}');
SELECT medallion.train('train_calibration_bad', 'train_calibration.iris', 'species', 'naive_bayes', '{"calibration": "sigmoid", "calibration_folds": 1}', exclude => '{id}');
SELECT medallion.train('train_calibration_bad', 'train_calibration.cases', 'y', 'linear', '{"calibration": "sigmoid"}', exclude => '{kind}');
SELECT medallion.train('train_calibration_bad', 'SELECT x, CASE WHEN id = 5 THEN ''rare'' ELSE k END AS k FROM train_calibration.many', 'k', 'naive_bayes', '{"calibration": "sigmoid"}', preprocess => '{"impute": "mean"}');
SELECT medallion.train('train_calibration_bad', 'train_calibration.iris', 'sepal_length', 'isotonic', exclude => '{id,species}');
SELECT medallion.train('train_calibration_bad', 'train_calibration.iris', 'species', 'isotonic', features => '{sepal_length}');
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) AS dropped FROM medallion.models WHERE model LIKE 'train\_calibration%';
DROP SCHEMA train_calibration CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_calibration%';
