-- linear_svm against scikit-learn (test/golden/linear_svm_reference.py).
\getenv dir PG_ABS_SRCDIR
\set iris_file :dir '/golden/train_iris.csv'
\set cancer_file :dir '/golden/train_cancer.csv'
\set diabetes_file :dir '/golden/train_diabetes.csv'
\set expected_file :dir '/golden/linear_svm_expected.csv'
\set facts_file :dir '/golden/linear_svm_facts.csv'
CREATE SCHEMA train_linear_svm;
SET search_path = train_linear_svm, public;
CREATE TABLE expected (no int, class text, feature text, value float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
CREATE TABLE facts (no int, data text, params jsonb, objective float8);
COPY facts FROM :'facts_file' (FORMAT csv, HEADER);
CREATE TABLE iris (sepal_length float8, sepal_width float8, petal_length float8, petal_width float8, species text, id int GENERATED ALWAYS AS IDENTITY);
COPY iris (sepal_length, sepal_width, petal_length, petal_width, species) FROM :'iris_file' (FORMAT csv, HEADER);
CREATE TABLE diabetes (age float8, sex float8, bmi float8, bp float8, s1 float8, s2 float8, s3 float8, s4 float8, s5 float8, s6 float8, progression float8,
	id int GENERATED ALWAYS AS IDENTITY);
COPY diabetes (age, sex, bmi, bp, s1, s2, s3, s4, s5, s6, progression) FROM :'diabetes_file' (FORMAT csv, HEADER);
SELECT format('CREATE TABLE cancer (%s, diagnosis text, id int GENERATED ALWAYS AS IDENTITY)', string_agg(format('%s float8', CASE w WHEN 'error' THEN m || '_error' ELSE w || '_' || m END), ', ' ORDER BY i, j)) AS make,
	format('COPY cancer (%s, diagnosis) FROM %L (FORMAT csv, HEADER)', string_agg(CASE w WHEN 'error' THEN m || '_error' ELSE w || '_' || m END, ', ' ORDER BY i, j), :'cancer_file') AS fill
FROM unnest('{1,2,3}'::int[]) i, unnest('{mean,error,worst}'::text[]) WITH ORDINALITY AS x(w, n),
	unnest('{radius,texture,perimeter,area,smoothness,compactness,concavity,concave_points,symmetry,fractal_dimension}'::text[]) WITH ORDINALITY AS y(m, j) WHERE i = n \gset
:make;
:fill;
CREATE FUNCTION learn(no int, data text, params jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT metrics FROM medallion.train('train_linear_svm_' || no, 'train_linear_svm.' || data,
		(jsonb_build_object('cancer', 'diagnosis', 'iris', 'species', 'diabetes', 'progression'))->>data, 'linear_svm', params || '{"max_iter": 1000000}', exclude => '{id}') $$;
CREATE TABLE learnt AS SELECT no, data, params, objective, learn(no, data, params) AS metrics FROM facts ORDER BY no;
SELECT no, data, params, abs((metrics->>'objective')::float8 / objective - 1) < CASE WHEN params ? 'tol' THEN 1e-8 WHEN data = 'diabetes' THEN 1e-4 ELSE 1e-6 END AS objective,
	(metrics->>'duality_gap')::float8 / objective < CASE WHEN params ? 'tol' THEN 1e-7 ELSE 1e-3 END AS gap, metrics->>'converged' AS converged FROM learnt ORDER BY no;
SELECT no, data, count(*), max(abs(estimate - e.value) / greatest(1, abs(e.value))) < 1e-4 AS same
FROM learnt JOIN expected e USING (no) JOIN medallion.coefficients c ON c.model = 'train_linear_svm_' || no AND c.feature = e.feature AND c.class IS NOT DISTINCT FROM e.class
WHERE params ? 'tol' GROUP BY no, data ORDER BY no;
SELECT no, round((metrics->>'train_accuracy')::numeric, 4) AS accuracy, round((metrics->>'train_r2')::numeric, 4) AS r2 FROM learnt ORDER BY no;
-- the same bits whatever the order of the rows and the number of threads
CREATE TABLE many AS SELECT (hashint4(i) % 1000) / 100.0 AS x, (hashint4(i + 7) % 997) / 300.0 AS y, i % 5 AS z, 'k' || (hashint4(i) % 1000 + hashint4(i + 7) % 997 + hashint4(i + 9) % 300) / 700 AS c,
	1 + i % 3 AS w FROM generate_series(1, 4000) i;
CREATE TABLE turned AS SELECT * FROM many ORDER BY y DESC, x;
SET medallion.train_threads = 1;
SELECT metrics AS one FROM medallion.train('train_linear_svm_one', 'train_linear_svm.many', 'c', 'linear_svm', weight => 'w') \gset
SET medallion.train_threads = 8;
SELECT metrics = :'one'::jsonb AS same FROM medallion.train('train_linear_svm_eight', 'train_linear_svm.turned', 'c', 'linear_svm', weight => 'w');
SET medallion.train_threads = 2;
SELECT metrics = :'one'::jsonb AS same FROM medallion.train('train_linear_svm_two', 'train_linear_svm.turned', 'c', 'linear_svm', weight => 'w');
RESET medallion.train_threads;
SELECT count(DISTINCT b.content) AS artifacts FROM medallion._models m JOIN medallion._model_versions v USING (model_id)
JOIN medallion._model_blobs b ON b.version_id = v.version_id AND b.kind = 'artifact' WHERE m.name IN ('train_linear_svm_one', 'train_linear_svm_two', 'train_linear_svm_eight');
-- a weight of 2 is the row twice
SELECT abs((a.metrics->>'objective')::float8 / (b.metrics->>'objective')::float8 - 1) < 1e-9 AS same
FROM medallion.train('train_linear_svm_w', 'SELECT x, y, z > 2 AS z, w FROM train_linear_svm.many WHERE w < 3', 'z', 'linear_svm', '{"tol": 1e-9, "C": 0.001}', weight => 'w', preprocess => '{"scale": "none"}') a,
	medallion.train('train_linear_svm_t', 'SELECT x, y, z > 2 AS z FROM train_linear_svm.many, generate_series(1, w) WHERE w < 3', 'z', 'linear_svm', '{"tol": 1e-9, "C": 0.001}', preprocess => '{"scale": "none"}') b;
SELECT metrics->>'converged' AS converged, metrics->>'iterations' AS iterations FROM medallion.train('train_linear_svm_short', 'train_linear_svm.many', 'c', 'linear_svm', '{"max_iter": 2, "tol": 1e-12}', exclude => '{w}');
-- errors
SELECT medallion.train('train_linear_svm_bad', 'train_linear_svm.iris', 'species', 'linear_svm', '{"loss": "epsilon_insensitive"}', exclude => '{id}');
SELECT medallion.train('train_linear_svm_bad', 'train_linear_svm.iris', 'species', 'linear_svm', '{"loss": "epsilon_insensitive", "task": "classification"}', exclude => '{id}');
SELECT medallion.train('train_linear_svm_bad', 'train_linear_svm.iris', 'petal_width', 'linear_svm', '{"loss": "hinge"}', exclude => '{id,species}');
SELECT medallion.train('train_linear_svm_bad', 'train_linear_svm.iris', 'species', 'linear_svm', '{"intercept_scaling": 0}', exclude => '{id}');
SELECT medallion.train('train_linear_svm_bad', 'train_linear_svm.iris', NULL, 'linear_svm', exclude => '{id,species}');
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) AS dropped FROM medallion.models WHERE model LIKE 'train\_linear_svm%';
DROP SCHEMA train_linear_svm CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_linear_svm%';
