-- Every algorithm there is, for every task it has, and calibrated probabilities: the same artifact, to the bit, with 1, 2 and 8 threads and for rows in any order.
CREATE SCHEMA train_every;
SET search_path = train_every;
SET client_min_messages = warning;
SELECT setseed(0.5);
CREATE TABLE one AS SELECT random() + 0.01 AS a, random() * 10 AS b, ((random() * i)::int % 3)::float8 AS c, exp(random() * 4) AS d, 'k' || i % 4 AS kind, 0::float8 AS y, false AS won, 'x' AS team, CASE WHEN i % 10 = 0 THEN 2 ELSE 1 END AS w
	FROM generate_series(1, 1500) i;
UPDATE one SET y = 0.1 + a * 2 + b + d / 10 + random(), won = a + random() > 1, team = (ARRAY['p','q','r'])[1 + (b / 3.4 + random() * 0.5)::int % 3];
INSERT INTO one SELECT o.* FROM one o WHERE o.a < 0.1;
CREATE TABLE other AS SELECT * FROM one ORDER BY md5(one::text);
CREATE TABLE got (algorithm text, task text, variant jsonb, threads int, source text, artifact text, error text);
CREATE FUNCTION fit(algorithm text, task text, threads int, source text, variant jsonb DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	target text := CASE task WHEN 'regression' THEN 'y' WHEN 'binary' THEN 'won' WHEN 'multiclass' THEN 'team' END;
	params jsonb := variant;
	found text;
BEGIN
	IF EXISTS (SELECT FROM medallion.algorithms p WHERE p.algorithm = fit.algorithm AND p.parameter = 'task') THEN
		params := params || jsonb_build_object('task', CASE WHEN task IN ('binary', 'multiclass') THEN 'classification' ELSE task END);
	END IF;
	PERFORM set_config('medallion.train_threads', threads::text, true);
	PERFORM medallion.train('every_' || algorithm || '_' || task, 'train_every.' || source, target, algorithm, params, features => CASE WHEN algorithm = 'isotonic' THEN '{a}' WHEN target IS NOT NULL AND algorithm <> 'qda' THEN '{a,b,c,d,kind}' ELSE '{a,b,c,d}' END::text[],
		seed => 3, reproducible => true);
	SELECT md5(string_agg(md5(b.content), '' ORDER BY b.chunk)) INTO found FROM medallion._model_blobs b WHERE b.kind = 'artifact'
		AND b.version_id = (SELECT max(version_id) FROM medallion._model_versions);
	INSERT INTO got VALUES (algorithm, task, variant, threads, source, found);
EXCEPTION WHEN OTHERS THEN
	INSERT INTO got VALUES (algorithm, task, variant, threads, source, NULL, SQLERRM);
END $$;
SELECT count(fit(a.algorithm, task, threads, source)) > 150 AS many
	FROM (SELECT DISTINCT algorithm, tasks FROM medallion.algorithms) a, unnest(tasks) task, unnest('{1,2,8}'::int[]) threads, unnest('{one,other}'::text[]) source;
SELECT count(fit(algorithm, task, threads, source, variant)) AS variants FROM (VALUES ('naive_bayes', '{"calibration": "isotonic"}'::jsonb), ('neighbors', '{"calibration": "isotonic", "calibration_folds": 3, "n_neighbors": 20}'),
	('logistic', '{"calibration": "isotonic"}'), ('naive_bayes', '{"calibration": "sigmoid"}')) v(algorithm, variant), unnest('{binary,multiclass}'::text[]) task, unnest('{1,2,8}'::int[]) threads, unnest('{one,other}'::text[]) source;
SELECT count(fit('neighbors', task, threads, source, jsonb_build_object('metric', metric, 'weights', 'distance'))) AS variants FROM unnest('{regression,multiclass}'::text[]) task, unnest('{manhattan,chebyshev,cosine}'::text[]) metric,
	unnest('{1,2,8}'::int[]) threads, unnest('{one,other}'::text[]) source;
SELECT DISTINCT algorithm, task, error FROM got WHERE error IS NOT NULL ORDER BY 1, 2, 3;
SELECT algorithm, task, variant, count(DISTINCT artifact) AS artifacts, count(DISTINCT artifact) FILTER (WHERE source = 'one') AS by_threads FROM got WHERE artifact IS NOT NULL
	GROUP BY 1, 2, 3 HAVING count(DISTINCT artifact) <> 1 OR count(*) <> 6 ORDER BY 1, 2, 3;
SELECT count(DISTINCT artifact) = count(DISTINCT (algorithm, task, variant)) AS told_apart FROM got;
SELECT count(medallion.drop_model(model, force => true)) > 20 AS dropped FROM medallion.models WHERE model LIKE 'every\_%';
DROP SCHEMA train_every CASCADE;
