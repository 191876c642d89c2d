-- Limits of metrics: rows of weight 0, a class that is missing, chance that reaches everything, equal but for rounding.
CREATE SCHEMA limits_test;
SET search_path = limits_test;

-- Rows of weight 0 are as if they were not there: a class of theirs does not occur, does not stand between others, makes
-- no third class of two, and is not in a report.
CREATE TABLE guesses (label text, guess text, weight float8);
INSERT INTO guesses VALUES ('a', 'c', 1.5), ('c', 'c', 2), ('a', 'a', 1), ('c', 'a', 0.5), ('b', 'c', 0), ('a', 'b', 0);
SELECT medallion.kappa(label, guess, 'quadratic', weight) = medallion.kappa(label, guess, 'quadratic', weight) FILTER (WHERE weight > 0) AS kappa,
	medallion.kappa(label, guess, 'linear', weight) = medallion.kappa(label, guess, 'linear', weight) FILTER (WHERE weight > 0) AS linear,
	medallion.f1(label, guess, 'binary', NULL, weight) = medallion.f1(label, guess, 'binary', NULL, weight) FILTER (WHERE weight > 0) AS binary,
	medallion.confusion(label, guess, weight) = medallion.confusion(label, guess, weight) FILTER (WHERE weight > 0) AS confusion FROM guesses;
SELECT r.class, round(r.f1::numeric, 4) AS f1, r.support FROM (SELECT medallion.classification_report(label, guess, weight) AS report FROM guesses) g, unnest(g.report) r;
SELECT medallion.confusion(label, guess, 0), medallion.classification_report(label, guess, 0), medallion.kappa(label, guess, 'none', 0),
	medallion.f1(label, guess, 'macro', NULL, 0), medallion.accuracy(label, guess, 0) FROM guesses;

-- Youden's index needs both classes; the others do with one.
SELECT medallion.best_threshold(true, s, 'youden') AS youden, medallion.best_threshold(true, s, 'accuracy') AS accuracy FROM unnest('{0.2,0.7}'::float8[]) s;
-- Equal but for rounding is equal: the highest threshold of two that are as good.
SELECT b.threshold, round(b.value::numeric, 6) AS mcc FROM (SELECT medallion.best_threshold(label, score, 'mcc') AS b
	FROM unnest('{f,f,f,f,t,t,t,f,t,f}'::bool[], '{0.24,0.78,0.03,0.41,0.25,0.79,0.43,0.74,0.51,0.44}'::float8[]) r(label, score)) t, LATERAL (SELECT (t.b).*) b;

-- Each row in a cluster of its own: chance reaches the information, whatever rounding says.
SELECT medallion.ami(c, k) AS arithmetic, medallion.ami(c, k, 'min') AS min, medallion.ami(c, k, 'max') AS max FROM (VALUES ('c', 'c'), ('c', 'b'), ('a', 'a')) v(c, k);
SELECT medallion.ami(i % 7, i) AS alone, medallion.ami(i % 7, i, 'min') AS min, medallion.ami(i, 500 - i) AS both FROM generate_series(1, 400) i;

-- The share of the deviance explained keeps its digits where y is far from 0, in one process and in several states.
CREATE TABLE far AS SELECT i % 5 AS part, 1e8 + (i * 37 % 101) / 10.0 AS y, 1e8 + (i * 37 % 97) / 10.0 AS predicted FROM generate_series(1, 5000) i;
ALTER TABLE far SET (parallel_workers = 2);
SELECT round(medallion.r2(y, predicted)::numeric, 6) AS r2, round(medallion.d2_tweedie(y, predicted, 0)::numeric, 6) AS normal, round(medallion.d2_tweedie(y, predicted, 1)::numeric, 6) AS poisson,
	round(medallion.d2_tweedie(y, predicted, 2, 0.5)::numeric, 6) AS gamma, round(medallion.d2_tweedie(y, predicted, 1.5)::numeric, 6) AS between FROM far;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT round(medallion.d2_tweedie(y, predicted, 0)::numeric, 6) AS normal, round(medallion.d2_tweedie(y, predicted, 1)::numeric, 6) AS poisson, round(medallion.d2_tweedie(y, predicted, 2)::numeric, 6) AS gamma FROM far;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
-- NaN gives NaN, also where y is the same in all rows.
SELECT medallion.r2(y, p), medallion.explained_variance(y, p), medallion.d2_tweedie(y, p, 0) AS normal, medallion.d2_tweedie(y, p, 2) AS gamma, medallion.d2_tweedie(p, y, 1) AS poisson,
	medallion.d2_absolute_error(y, p) AS absolute FROM (VALUES (1.0::float8, 'NaN'::float8), (1, 2)) v(y, p);
SELECT medallion.f1(true, true, 'binary', NULL, 1, 7);
-- The best order is worth 1, however many scores are equal.
SELECT medallion.ndcg(s, s, 10, q) <= 1 AS ten, medallion.ndcg(s, s, NULL, q) <= 1 AS all FROM (SELECT i % 10 / 10.0 AS s, i % 7 AS q FROM generate_series(1, 200000) i) r;

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA limits_test CASCADE;
