-- What metrics do with NULL, nothing, one class, mixed types, and bad input.
CREATE SCHEMA metrics_test;
SET search_path = metrics_test;

-- No rows, or only pairs with a NULL: no value.
SELECT medallion.accuracy(1, 1) FROM generate_series(1, 0);
SELECT medallion.mse(NULL, 1), medallion.r2(NULL::float8, NULL), medallion.f1(NULL::bool, true), medallion.roc_auc(NULL::bool, 0.5),
	medallion.log_loss(NULL::bool, 0.5);
-- Pairs with a NULL are left out: only the first and last row count.
SELECT medallion.mse(y, p), medallion.accuracy(y, p), medallion.roc_auc(l, y), medallion.f1(l, b)
FROM (VALUES (1::float8, 2::float8, true, true), (NULL, 3, NULL, true), (5, NULL, false, NULL), (4, 4, false, false)) v(y, p, l, b);
-- One row has no r2; one class has no area under the curve.
SELECT medallion.r2(1, 1), medallion.explained_variance(1, 2), medallion.roc_auc(true, 0.5), medallion.average_precision(false, 0.5);
SELECT medallion.roc_auc(l, s), medallion.average_precision(l, s)
FROM (VALUES (true, 'infinity'::float8), (false, '-infinity'), (false, 0.0), (true, '-0'::float8)) v(l, s);

-- Labels of any type: booleans, numbers of different types, text against either, enums, dates.
CREATE TYPE colour AS ENUM ('red', 'green');
SELECT medallion.accuracy(true, 't'::text) AS bool_text, medallion.accuracy(true, 1) AS bool_int,
	medallion.accuracy(1, 1.0::numeric) AS int_numeric, medallion.accuracy(2::smallint, 2::bigint) AS small_big,
	medallion.accuracy(9007199254740993, 9007199254740992) AS big_exact, medallion.accuracy(1, '1'::text) AS int_text,
	medallion.accuracy('green'::colour, 'green'::text) AS enum_text, medallion.accuracy('a'::char(3), 'a'::text) AS char_text,
	medallion.accuracy(date '2025-01-31', '2025-01-31'::text) AS date_text, medallion.accuracy('x', 'x') AS literals;
-- The positive class: true; 1; the greater of two; unknown with one class of other kind.
SELECT medallion.recall(l, false) AS none_true, medallion.precision(l, l) AS no_positive FROM unnest('{f,f}'::bool[]) l;
SELECT medallion.recall(l, 1) AS ones, medallion.recall(l, 1, 'binary', '0') AS zeros FROM unnest('{1,1,0}'::int[]) l;
SELECT medallion.recall(l, 10) AS ten_over_nine FROM unnest('{9,10}'::int[]) l;
SELECT medallion.recall(l, 'yes') AS yes_over_no FROM unnest('{no,yes,yes}'::text[]) l;
SELECT medallion.recall('yes', 'yes') AS unknown, medallion.recall('yes', 'yes', 'binary', 'yes') AS told,
	medallion.recall(true, true, 'binary', 't') AS told_t;

-- Parallel workers give the same answers.
CREATE TABLE many AS SELECT i, (i * 7919) % 1000 / 999.0::float8 AS s, (i * 104729) % 1000 < 300 AS l, (i * 15485863) % 7 AS c
FROM generate_series(1, 30000::bigint) i;
ALTER TABLE many SET (parallel_workers = 2);
ANALYZE many;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE serial_answer AS SELECT medallion.roc_auc(l, s) AS auc, medallion.average_precision(l, s) AS ap, medallion.f1(c, i % 7, 'macro') AS f1,
	medallion.r2(s, c) AS r2, medallion.log_loss(l, s) AS log_loss, medallion.accuracy(c, i % 7) AS accuracy FROM many;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT medallion.roc_auc(l, s), medallion.f1(c, i % 7, 'macro'), medallion.r2(s, c) FROM many;
CREATE TABLE parallel_answer AS SELECT medallion.roc_auc(l, s) AS auc, medallion.average_precision(l, s) AS ap, medallion.f1(c, i % 7, 'macro') AS f1,
	medallion.r2(s, c) AS r2, medallion.log_loss(l, s) AS log_loss, medallion.accuracy(c, i % 7) AS accuracy FROM many;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
SELECT s.auc = p.auc AS auc, s.ap = p.ap AS ap, s.f1 = p.f1 AS f1, abs(s.r2 / p.r2 - 1) < 1e-12 AS r2,
	abs(s.log_loss - p.log_loss) < 1e-12 AS log_loss, s.accuracy = p.accuracy AS accuracy FROM serial_answer s, parallel_answer p;
-- As window functions and by group.
SELECT c, medallion.accuracy(c, i % 7) OVER (PARTITION BY c) BETWEEN 0 AND 1 AS ok FROM many WHERE i <= 7 ORDER BY c;
SELECT l, round(medallion.mae(s, 0.5)::numeric, 6) AS mae FROM many GROUP BY l ORDER BY l;

-- Bad input.
SELECT medallion.f1(l, 'a') FROM unnest('{a,b,c}'::text[]) l;
SELECT medallion.f1(1, 1, 'mean');
SELECT medallion.fbeta(true, true, -1);
SELECT medallion.roc_auc(2, 0.5);
SELECT medallion.roc_auc('yes'::text, 0.5);
SELECT medallion.roc_auc(true, 'NaN');
SELECT medallion.log_loss(true, 1.5);
SELECT medallion.brier(true, 'NaN');
SELECT medallion.mse(1, 2, -1);
SELECT medallion.accuracy(true, true, 'NaN');
SELECT medallion.accuracy(true, 'maybe'::text);
SELECT medallion.accuracy(1, 'one'::text);
SELECT medallion.accuracy(date '2025-01-31', true);
SELECT medallion.recall(i, i, 'macro') FROM generate_series(1, 1001) i;
SELECT medallion.mse('NaN', 1), medallion.mse('infinity', 1), medallion.max_error('NaN', 1);
-- The functions behind are closed, and useless outside an aggregate.
SELECT medallion._rank_merge('\x0102030405060708', '\x00');
CREATE ROLE metrics_user;
SET ROLE metrics_user;
SELECT medallion.accuracy(1, 1);
SELECT medallion._rank_merge('\x', '\x');
RESET ROLE;
DROP ROLE metrics_user;
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA metrics_test CASCADE;
