-- Cross-validation fills missing values with what the rows of the other folds say: the same as filling them by hand, fold by fold.
CREATE SCHEMA sweep_impute;
SET search_path = sweep_impute, public;
CREATE TABLE t (id int PRIMARY KEY, fold int, a float8, b int, kind text, y float8, late bool);
INSERT INTO t SELECT i, 1 + i % 3, CASE WHEN i % 5 <> 0 THEN (i * 37 % 101) + 1000 * (i % 3) END, CASE WHEN i % 7 <> 1 THEN i * 13 % 17 END,
	CASE WHEN i % 4 <> 2 THEN (ARRAY['p', 'q', 'r'])[1 + (i * 7919 % 11 + i % 3) % 3] END, (i * 37 % 101) + 3 * (i * 13 % 17) + i * 31 % 7,
	(i * 37 % 101) + 3 * (i * 13 % 17) + i * 31 % 41 > 80
FROM generate_series(1, 300) i;
CREATE FUNCTION by_hand(algorithm text, target text, params jsonb) RETURNS float8[] LANGUAGE plpgsql AS $$
DECLARE
	result float8[];
	filled text := 'SELECT id, coalesce(a, (SELECT avg(a) FROM sweep_impute.t WHERE fold <> %1$s)) AS a,
		coalesce(b, (SELECT avg(b)::float8 FROM sweep_impute.t WHERE fold <> %1$s)) AS b,
		coalesce(kind, (SELECT kind FROM sweep_impute.t WHERE fold <> %1$s AND kind IS NOT NULL GROUP BY kind ORDER BY count(*) DESC, kind LIMIT 1)) AS kind,
		%3$s FROM sweep_impute.t WHERE fold %2$s %1$s';
BEGIN
	FOR f IN 1 .. 3 LOOP
		PERFORM medallion.train('sweep_impute_hand', format(filled, f, '<>', target), target, algorithm, params, exclude => '{id}');
		result := result || (SELECT value FROM medallion.evaluate('sweep_impute_hand', format(filled, f, '=', target))
			WHERE metric = CASE algorithm WHEN 'ridge' THEN 'r2' ELSE 'roc_auc' END);
		PERFORM medallion.drop_model('sweep_impute_hand');
	END LOOP;
	RETURN result;
END $$;
CREATE FUNCTION by_sweep(algorithm text, target text, space jsonb) RETURNS float8[] LANGUAGE plpgsql AS $$
DECLARE
	id bigint := medallion.sweep('sweep_impute', 'sweep_impute.t', target, algorithm, space, cv => 3, features => '{a,b,kind}',
		preprocess => '{"impute": "mean"}', folds => '{"column": "fold"}', workers => 1, wait => true);
	result float8[] := (SELECT fold_metrics FROM medallion.trials WHERE sweep_id = id);
BEGIN
	PERFORM medallion.drop_sweep(id), medallion.drop_model('sweep_impute');
	RETURN result;
END $$;
SELECT by_sweep('ridge', 'y', '{"alpha": [10]}') AS ridge, by_sweep('logistic', 'late', '{"C": [0.5]}') AS logistic \gset
SELECT by_hand('ridge', 'y', '{"alpha": 10}') AS ridge_hand, by_hand('logistic', 'late', '{"C": 0.5}') AS logistic_hand \gset
SELECT fold, round(sweep::numeric, 4) AS ridge, abs(sweep - hand) < 1e-10 AS equal
FROM unnest(:'ridge'::float8[], :'ridge_hand'::float8[]) WITH ORDINALITY u(sweep, hand, fold);
SELECT fold, round(sweep::numeric, 4) AS logistic, abs(sweep - hand) < 1e-10 AS equal
FROM unnest(:'logistic'::float8[], :'logistic_hand'::float8[]) WITH ORDINALITY u(sweep, hand, fold);
SET client_min_messages = warning;
DROP SCHEMA sweep_impute CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'sweep\_impute%';
