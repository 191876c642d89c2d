-- svm against scikit-learn (test/golden/svm_reference.py).
\getenv dir PG_ABS_SRCDIR
\set iris_file :dir '/golden/train_iris.csv'
\set cancer_file :dir '/golden/train_cancer.csv'
\set diabetes_file :dir '/golden/train_diabetes.csv'
\set expected_file :dir '/golden/svm_expected.csv'
\set facts_file :dir '/golden/svm_facts.csv'
CREATE SCHEMA train_svm;
SET search_path = train_svm, public;
CREATE TABLE expected (no int, id int, k int, value float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
CREATE TABLE facts (no int, data text, params jsonb, objective float8, support int);
COPY facts FROM :'facts_file' (FORMAT csv, HEADER);
CREATE TABLE iris (sepal_length float8, sepal_width float8, petal_length float8, petal_width float8, species text, id int GENERATED ALWAYS AS IDENTITY);
COPY iris (sepal_length, sepal_width, petal_length, petal_width, species) FROM :'iris_file' (FORMAT csv, HEADER);
CREATE TABLE diabetes (age float8, sex float8, bmi float8, bp float8, s1 float8, s2 float8, s3 float8, s4 float8, s5 float8, s6 float8, progression float8,
	id int GENERATED ALWAYS AS IDENTITY);
COPY diabetes (age, sex, bmi, bp, s1, s2, s3, s4, s5, s6, progression) FROM :'diabetes_file' (FORMAT csv, HEADER);
SELECT format('CREATE TABLE cancer (%s, diagnosis text, id int GENERATED ALWAYS AS IDENTITY)', string_agg(format('%s_%s float8', m, w), ', ' ORDER BY i, j)) AS make,
	format('COPY cancer (%s, diagnosis) FROM %L (FORMAT csv, HEADER)', string_agg(format('%s_%s', m, w), ', ' ORDER BY i, j), :'cancer_file') AS fill
FROM unnest('{1,2,3}'::int[]) i, unnest('{mean,error,worst}'::text[]) WITH ORDINALITY AS x(w, n),
	unnest('{radius,texture,perimeter,area,smoothness,compactness,concavity,concave_points,symmetry,fractal_dimension}'::text[]) WITH ORDINALITY AS y(m, j) WHERE i = n \gset
:make;
:fill;
CREATE FUNCTION learn(no int, data text, params jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT metrics FROM medallion.train('train_svm_' || no, 'train_svm.' || data, CASE WHEN params ? 'task' THEN NULL ELSE
		(jsonb_build_object('cancer', 'diagnosis', 'iris', 'species') || '{"diabetes": "progression"}')->>data END, 'svm', params,
		exclude => CASE WHEN params ? 'task' THEN '{id,progression}' ELSE '{id}' END::text[]) $$;
CREATE TABLE learnt AS SELECT no, data, params, objective, support, learn(no, data, params) AS metrics FROM facts ORDER BY no;
-- the dual objective is the same, and so are the support vectors but for some on the edge
SELECT no, data, params, abs((metrics->>'dual_objective')::float8 / objective - 1) < CASE WHEN params ? 'tol' THEN 1e-6 ELSE 1e-4 END AS objective,
	abs((metrics->>'support_vectors')::int - support) <= 2 AS support, metrics->>'converged' AS converged
FROM learnt ORDER BY no;
-- decision values
CREATE TABLE decided AS
SELECT no, id, ln(p / (1 - p)) AS value, 1 AS k FROM learnt, cancer c, medallion.predict('train_svm_' || no, c) p WHERE data = 'cancer'
UNION ALL SELECT no, id, p, k FROM learnt, iris c, unnest(medallion.predict_proba('train_svm_' || no, c)) WITH ORDINALITY AS x(p, k) WHERE data = 'iris'
UNION ALL SELECT no, id, medallion.predict('train_svm_' || no, c), 1 FROM learnt, diabetes c WHERE data = 'diabetes';
SELECT no, data, count(*), max(abs(d.value - e.value) / greatest(1, abs(e.value))) < CASE WHEN params ? 'tol' THEN 1e-5 ELSE 5e-3 END AS same
FROM learnt JOIN decided d USING (no) JOIN expected e USING (no, id, k) GROUP BY no, data, params ORDER BY no;
SELECT no, round((metrics->>'train_accuracy')::numeric, 4) AS accuracy, round((metrics->>'train_r2')::numeric, 4) AS r2 FROM learnt ORDER BY no;
SELECT medallion.predict_class('train_svm_7', i) = species AS right, count(*) FROM iris i GROUP BY 1 ORDER BY 1;
SELECT model, version, attribute, class, value FROM medallion.model_attributes WHERE model = 'train_svm_9' AND attribute = 'n_support' ORDER BY i;
SELECT attribute, count(*), count(feature) FROM medallion.model_attributes WHERE model = 'train_svm_9' GROUP BY 1 ORDER BY 1;
-- Platt's probabilities: of two classes and of three
SELECT round((metrics->>'train_accuracy')::numeric, 2) AS accuracy, (metrics->>'train_log_loss')::float8 BETWEEN 0.04 AND 0.07 AS log_loss, (metrics->>'train_brier')::float8 < 0.02 AS brier
FROM medallion.train('train_svm_platt', 'train_svm.cancer', 'diagnosis', 'svm', '{"probability": true}', exclude => '{id}');
SELECT round((metrics->>'train_accuracy')::numeric, 2) AS accuracy, (metrics->>'train_log_loss')::float8 BETWEEN 0.05 AND 0.12 AS log_loss
FROM medallion.train('train_svm_platt3', 'train_svm.iris', 'species', 'svm', '{"probability": true}', exclude => '{id}');
SELECT max(abs(1 - p[1] - p[2] - p[3])) < 1e-12 AS one FROM (SELECT medallion.predict_proba('train_svm_platt3', i) AS p FROM iris i) x;
-- the same bits whatever the order of the rows, the number of threads and the memory
CREATE TABLE many AS SELECT (hashint4(i) % 1000) / 100.0 AS x, (hashint4(i + 7) % 997) / 300.0 AS y, (hashint4(i) % 1000)::float8 ^ 2 + hashint4(i + 7) % 997 * 800 > 2e5 + hashint4(i + 9) % 100000 AS z,
	1 + i % 3 AS w FROM generate_series(1, 3000) i;
CREATE TABLE turned AS SELECT * FROM many ORDER BY y DESC, x;
SET medallion.train_threads = 1;
SELECT metrics AS one FROM medallion.train('train_svm_one', 'train_svm.many', 'z', 'svm', '{"probability": true}', weight => 'w') \gset
SET medallion.train_threads = 8;
SELECT metrics = :'one'::jsonb AS same FROM medallion.train('train_svm_eight', 'train_svm.turned', 'z', 'svm', '{"probability": true}', weight => 'w');
SET medallion.train_threads = 2;
SET medallion.train_mem = '4MB';
SELECT metrics = :'one'::jsonb AS same FROM medallion.train('train_svm_two', 'train_svm.turned', 'z', 'svm', '{"probability": true}', weight => 'w');
RESET medallion.train_threads;
SELECT count(DISTINCT b.content) AS artifacts FROM medallion._models m JOIN medallion._model_versions v USING (model_id)
JOIN medallion._model_blobs b ON b.version_id = v.version_id AND b.kind = 'artifact' WHERE m.name IN ('train_svm_one', 'train_svm_two', 'train_svm_eight');
SELECT medallion.train('train_svm_bad', 'SELECT i + j / 10.0 AS x, i % 2 = 0 AS z FROM generate_series(1, 9000) i, generate_series(1, 2) j', 'z', 'svm');
RESET medallion.train_mem;
-- a weight of 2 is the row twice
SELECT abs((a.metrics->>'dual_objective')::float8 / (b.metrics->>'dual_objective')::float8 - 1) < 1e-9 AS same
FROM medallion.train('train_svm_w', 'SELECT x, y, z, w FROM train_svm.many WHERE w < 3', 'z', 'svm', '{"tol": 1e-8}', weight => 'w', preprocess => '{"scale": "none"}') a,
	medallion.train('train_svm_t', 'SELECT x, y, z FROM train_svm.many, generate_series(1, w) WHERE w < 3', 'z', 'svm', '{"tol": 1e-8}', preprocess => '{"scale": "none"}') b;
-- a regression whose targets are all within epsilon has no vectors; a batch of outliers; labels that are numbers
CREATE TYPE x1 AS (x float8);
SELECT metrics->'support_vectors' AS vectors FROM medallion.train('train_svm_flat', 'SELECT i::float8 AS x, 3 + i % 2 * 0.01 AS y FROM generate_series(1, 20) i', 'y', 'svm');
SELECT round(medallion.predict('train_svm_flat', ROW(5::float8)::x1)::numeric, 6) AS flat;
SELECT rows FROM medallion.predict_batch('train_svm_16', 'train_svm.diabetes', 'train_svm.scores', keys => '{id}');
SELECT count(*), count(*) FILTER (WHERE prediction < 0) BETWEEN 35 AND 50 AS tenth FROM scores;
SELECT metrics ? 'train_accuracy' AS classification FROM medallion.train('train_svm_labels', 'SELECT x, y, z::int AS z FROM train_svm.many LIMIT 300', 'z', 'svm', '{"task": "classification"}');
SELECT metrics->>'converged' AS converged, metrics->>'iterations' AS iterations FROM medallion.train('train_svm_short', 'train_svm.many', 'z', 'svm', '{"max_iter": 10}', exclude => '{w}');
-- errors
SELECT medallion.train('train_svm_bad', 'train_svm.iris', 'species', 'svm', '{"gamma": "best"}', exclude => '{id}');
SELECT medallion.train('train_svm_bad', 'train_svm.iris', 'species', 'svm', '{"gamma": -1}', exclude => '{id}');
SELECT medallion.train('train_svm_bad', 'train_svm.iris', 'species', 'svm', '{"C": 0}', exclude => '{id}');
SELECT medallion.train('train_svm_bad', 'train_svm.iris', 'species', 'svm', '{"kernel": "laplace"}', exclude => '{id}');
SELECT medallion.train('train_svm_bad', 'train_svm.iris', 'species', 'svm', '{"task": "regression"}', exclude => '{id}');
SELECT medallion.train('train_svm_bad', 'train_svm.iris', 'species', 'svm', '{"task": "outlier"}', exclude => '{id}');
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) AS dropped FROM medallion.models WHERE model LIKE 'train\_svm%';
DROP SCHEMA train_svm CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_svm%';
