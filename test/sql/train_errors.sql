-- What train() refuses, and how: each error names the object, what was expected and what was got.
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE SCHEMA train_errors;
SET search_path = train_errors;
CREATE TABLE t AS SELECT i AS id, i::float8 / 7 AS a, (i * i % 11)::float8 AS b, 'k' || i % 3 AS kind, i % 2 = 0 AS flag,
	(i * 3 + i * i % 11)::float8 AS y, i * interval '1 day' AS day, 1 AS same, 'x' AS only, i % 4 AS four
FROM generate_series(1, 40) i;

-- the request
SELECT medallion.train(NULL, 't', 'y', 'linear');
SELECT medallion.train('m', NULL, 'y', 'linear');
SELECT medallion.train('m', 't', 'y');
SELECT medallion.train('m', 'SELECT a, y / 3 AS y FROM t', 'y', 'logistic');
SELECT medallion.train('m', 'SELECT a, (y / 3)::numeric(6,2) AS y FROM t', 'y', 'naive_bayes');
-- the hint lists the algorithms
\set VERBOSITY terse
SELECT medallion.train('m', 't', 'y', 'lasagne');
\set VERBOSITY default
SELECT medallion.train('m', 'train_errors.missing', 'y', 'linear');
SELECT medallion.train('m', 'DELETE FROM t', 'y', 'linear');
SELECT medallion.train('m', 'SELECT * FROM t; SELECT 1', 'y', 'linear');
SELECT medallion.train('m', 'SELECT * FROM nowhere', 'y', 'linear');
SELECT medallion.train('m/2', 't', 'y', 'linear');
SELECT medallion.train('m', 't', 'z', 'linear');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a,c}');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a,a}');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a,y}');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{}');
SELECT medallion.train('m', 't', 'y', 'linear', features => ARRAY['a', NULL]);
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a}', exclude => '{c}');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a}', weight => 'c');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a}', weight => 'kind');
SELECT medallion.train('m', 'SELECT a, a, y FROM t', 'y', 'linear');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a}', partition_by => '{nix}');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a}', deploy => 'perhaps');

-- parameters
SELECT medallion.train('m', 't', 'y', 'ridge', '{"lambda": 1}', features => '{a}');
SELECT medallion.train('m', 't', 'y', 'ridge', '{"alpha": "strong"}', features => '{a}');
SELECT medallion.train('m', 't', 'y', 'ridge', '{"alpha": -1}', features => '{a}');
SELECT medallion.train('m', 't', 'y', 'ridge', '[1]', features => '{a}');
SELECT medallion.train('m', 't', 'y', 'linear', '{"fit_intercept": 1}', features => '{a}');
SELECT medallion.train('m', 't', 'flag', 'logistic', '{"C": 0}', features => '{a}');
SELECT medallion.train('m', 't', 'flag', 'logistic', '{"penalty": "l3"}', features => '{a}');
SELECT medallion.train('m', 't', 'flag', 'logistic', '{"max_iter": 1.5}', features => '{a}');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a}', preprocess => '{"impute": "guess"}');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a}', preprocess => '{"bend": "standard"}');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a}', validation => '{}');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a}', validation => '{"fraction": 1}');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a}', validation => '{"fraction": 1e-9}');

-- types
SELECT medallion.train('m', 't', 'y', 'linear');
SELECT medallion.train('m', 't', 'kind', 'linear', features => '{a}');
SELECT medallion.train('m', 't', 'flag', 'ridge', features => '{a}');
SELECT medallion.train('m', 'SELECT y, ARRAY[a, b]::text[] AS both FROM t', 'y', 'linear');

-- data
SELECT medallion.train('m', 'SELECT a, y FROM t WHERE a < 0', 'y', 'linear');
SELECT medallion.train('m', 'SELECT a, flag FROM t WHERE a < 0', 'flag', 'logistic');
SELECT medallion.train('m', 'SELECT a, y FROM t LIMIT 1', 'y', 'linear');
SELECT medallion.train('m', 'SELECT a, NULLIF(b, 3) AS b, y FROM t', 'y', 'linear', preprocess => '{"impute": "error"}');
SELECT medallion.train('m', 'SELECT a, NULLIF(kind, ''k1'') AS kind, y FROM t', 'y', 'linear', preprocess => '{"impute": "error"}');
SELECT medallion.train('m', 'SELECT a, NULLIF(b, 3) AS b, flag FROM t', 'flag', 'logistic', preprocess => '{"impute": "error"}');
SELECT medallion.train('m', 'SELECT a, NULLIF(y, 4) AS y FROM t', 'y', 'linear');
SELECT medallion.train('m', 'SELECT a, NULLIF(kind, ''k1'') AS kind FROM t', 'kind', 'logistic');
SELECT medallion.train('m', 'SELECT a, NULL::float8 AS b, y FROM t', 'y', 'linear', preprocess => '{"impute": "mean"}');
SELECT medallion.train('m', 'SELECT CASE WHEN id = 5 THEN ''NaN'' ELSE a END AS a, y FROM t', 'y', 'linear');
SELECT medallion.train('m', 'SELECT CASE WHEN id < 5 THEN ''-Infinity'' ELSE a END AS a, flag FROM t', 'flag', 'logistic');
SELECT medallion.train('m', 'SELECT a, CASE WHEN id = 5 THEN ''NaN''::numeric ELSE 1 END AS y FROM t', 'y', 'linear');
SELECT medallion.train('m', 'SELECT a, y, b - 5 AS w FROM t', 'y', 'linear', weight => 'w');
SELECT medallion.train('m', 'SELECT a, y, NULLIF(b, 3) AS w FROM t', 'y', 'linear', weight => 'w');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a,same}');
SELECT medallion.train('m', 't', 'y', 'linear', features => '{a,only}');
SELECT medallion.train('m', 't', 'flag', 'logistic', features => '{a,same}');
SELECT medallion.train('m', 'SELECT a, true AS flag FROM t', 'flag', 'logistic');
SELECT medallion.train('m', 't', 'flag', 'logistic', '{"penalty": "elastic_net", "l1_ratio": 1.5}', features => '{a}');
SELECT medallion.train('m', 'SELECT a, a % 3 AS k FROM t WHERE a % 3 > 0', 'k', 'logistic', '{"penalty": "none", "class_weight": "heavy"}');
SELECT medallion.train('m', 'SELECT y, md5(i::text) AS code FROM t, generate_series(1, 60) i', 'y', 'linear', preprocess => '{"max_categories": 50}');
SELECT medallion.train('m', 'SELECT flag, md5(i::text) AS code FROM t, generate_series(1, 60) i', 'flag', 'logistic', preprocess => '{"max_categories": 50}');
SELECT medallion.train('m', 'SELECT y, repeat(''x'', 900 + id * 10) AS code FROM t', 'y', 'linear');
SELECT medallion.train('m', 'SELECT a, a > 3 AS flag FROM t', 'flag', 'logistic', '{"penalty": "none"}');
SELECT medallion.train('m', 'SELECT 1e300 * a AS a, y FROM t', 'y', 'ridge');
SET medallion.train_mem = '1MB';
SELECT medallion.train('m', 'SELECT i AS a, i * i AS b, i % 2 FROM generate_series(1, 100000::bigint) i', '?column?', 'logistic');
RESET medallion.train_mem;
-- nor do the products of two thousand terms with each other
SET medallion.train_mem = '20MB';
SELECT medallion.train('m', 'SELECT array_agg(sin(i * j) ORDER BY j) AS v, i AS y FROM generate_series(1, 10) i, generate_series(1, 2000) j GROUP BY i', 'y', 'ridge');
SELECT medallion.train('m', 'SELECT md5((i % 700)::text) AS a, md5((i % 600)::text) AS b, i % 7 < 3 AS flag FROM generate_series(1, 1400) i', 'flag', 'logistic');
RESET medallion.train_mem;

-- nothing was registered
SELECT count(*) FROM medallion.models WHERE model = 'm';
-- a model keeps its task
SELECT (medallion.train('m', 't', 'y', 'linear', features => '{a}')).version;
SELECT medallion.train('m', 't', 'flag', 'logistic', features => '{a}');

-- rights: the source is read as the caller, and the model belongs to who trained it first
CREATE ROLE train_errors_reader;
GRANT USAGE ON SCHEMA train_errors TO train_errors_reader;
SET ROLE train_errors_reader;
SELECT medallion.train('mine', 'train_errors.t', 'y', 'linear', features => '{a}');
RESET ROLE;
GRANT SELECT (a, y) ON t TO train_errors_reader;
SET ROLE train_errors_reader;
SELECT (medallion.train('mine', 'train_errors.t', 'y', 'linear', features => '{a}')).version;
SELECT medallion.train('mine', 'train_errors.t', 'y', 'linear', features => '{a,b}');
SELECT medallion.train('m', 'train_errors.t', 'y', 'linear', features => '{a}');
SELECT count(*) FROM medallion.coefficients WHERE model IN ('m', 'mine');
SELECT * FROM medallion._coefficients;
SELECT medallion._linear_accum(NULL, '\x00', 1.0);
SET medallion.matrix_area = 1;
RESET ROLE;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY part ON t TO train_errors_reader USING (a < 3);
SET ROLE train_errors_reader;
SELECT (medallion.train('mine', 'train_errors.t', 'y', 'linear', features => '{a}')).rows;
RESET ROLE;

-- the aggregates behind it take nothing from strangers
SELECT medallion._linear_state('\x', 1.0);
SELECT medallion._linear_state('\x00112233445566778899', 1.0);
SELECT medallion._linear_merge('\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff');
SELECT medallion._linear_merge(s) FROM (VALUES ('\x00'::bytea), ('\x01')) v(s);
SELECT medallion._profile_merge(s) FROM (VALUES ('\x00'::bytea), ('\x01')) v(s);
SELECT medallion._profile_state('\x', 1.0);
SELECT medallion._score_state('\x', '\x', 1.0);
SELECT medallion._matrix_state('\x', 1.0);
SELECT medallion._pack(1, '{1}'::int[]);

SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) FROM unnest('{m,mine}'::text[]) model;
DROP SCHEMA train_errors CASCADE;
DROP ROLE train_errors_reader;
