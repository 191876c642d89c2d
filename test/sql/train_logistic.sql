-- logistic against scikit-learn (test/golden/logistic_reference.py): two classes and more, penalties, weights.
\getenv dir PG_ABS_SRCDIR
\set iris_file :dir '/golden/train_iris.csv'
\set wine_file :dir '/golden/train_wine.csv'
\set cancer_file :dir '/golden/train_cancer.csv'
\set expected_file :dir '/golden/logistic_expected.csv'
CREATE SCHEMA train_logistic;
SET search_path = train_logistic, public;
CREATE TABLE iris (no int GENERATED ALWAYS AS IDENTITY, sepal_length float8, sepal_width float8, petal_length float8, petal_width float8, species text);
COPY iris (sepal_length, sepal_width, petal_length, petal_width, species) FROM :'iris_file' (FORMAT csv, HEADER);
CREATE TABLE wine (no int GENERATED ALWAYS AS IDENTITY, alcohol float8, malic_acid float8, ash float8, alcalinity_of_ash float8, magnesium float8, total_phenols float8,
	flavanoids float8, nonflavanoid_phenols float8, proanthocyanins float8, color_intensity float8, hue float8, "od280_od315_of_diluted_wines" float8, proline float8, kind text);
COPY wine (alcohol, malic_acid, ash, alcalinity_of_ash, magnesium, total_phenols, flavanoids, nonflavanoid_phenols, proanthocyanins, color_intensity, hue,
	"od280_od315_of_diluted_wines", proline, kind) FROM :'wine_file' (FORMAT csv, HEADER);
ALTER TABLE wine ADD w float8 GENERATED ALWAYS AS (1 + (no - 1) % 3) STORED;
-- Every seventh wine by another name, so that there is a fit without a penalty.
CREATE VIEW noisy AS SELECT no, w, alcohol, malic_acid, ash, alcalinity_of_ash, magnesium, total_phenols, flavanoids, nonflavanoid_phenols, proanthocyanins, color_intensity, hue,
	"od280_od315_of_diluted_wines", proline, CASE WHEN no % 7 > 0 THEN kind ELSE (ARRAY['w1', 'w2', 'w0'])[1 + right(kind, 1)::int] END AS kind FROM wine;
CREATE TABLE cancer (no int GENERATED ALWAYS AS IDENTITY,
	mean_radius float8, mean_texture float8, mean_perimeter float8, mean_area float8, mean_smoothness float8, mean_compactness float8, mean_concavity float8,
	mean_concave_points float8, mean_symmetry float8, mean_fractal_dimension float8, radius_error float8, texture_error float8, perimeter_error float8, area_error float8,
	smoothness_error float8, compactness_error float8, concavity_error float8, concave_points_error float8, symmetry_error float8, fractal_dimension_error float8,
	worst_radius float8, worst_texture float8, worst_perimeter float8, worst_area float8, worst_smoothness float8, worst_compactness float8, worst_concavity float8,
	worst_concave_points float8, worst_symmetry float8, worst_fractal_dimension float8, diagnosis text);
\set cancer_columns `head -1 "$PG_ABS_SRCDIR/golden/train_cancer.csv"`
COPY cancer (:cancer_columns) FROM :'cancer_file' (FORMAT csv, HEADER);
ALTER TABLE iris ADD w float8 GENERATED ALWAYS AS (1 + (no - 1) % 3) STORED;
ALTER TABLE cancer ADD w float8 GENERATED ALWAYS AS (1 + (no - 1) % 3) STORED;
CREATE TABLE expected (no int, data text, scaled bool, c float8, l1_ratio float8, class_weight text, weighted bool, class text, feature text, expected float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
CREATE FUNCTION got(no int, data text, scaled bool, c float8, l1_ratio float8, class_weight text, weighted bool) RETURNS TABLE(class text, feature text, got float8) LANGUAGE plpgsql AS $function$
DECLARE
	params jsonb := jsonb_build_object('class_weight', class_weight, 'tol', 1e-14,
		'penalty', CASE WHEN c IS NULL THEN 'none' WHEN l1_ratio = 0 THEN 'l2' WHEN l1_ratio = 1 THEN 'l1' ELSE 'elastic_net' END, 'l1_ratio', l1_ratio)
		|| CASE WHEN c IS NULL THEN '{}' ELSE jsonb_build_object('C', c) END;
BEGIN
	PERFORM medallion.train('train_logistic', data, CASE data WHEN 'iris' THEN 'species' WHEN 'cancer' THEN 'diagnosis' ELSE 'kind' END, 'logistic', params,
		exclude => CASE WHEN weighted THEN '{no}'::text[] ELSE '{no,w}' END, weight => CASE WHEN weighted THEN 'w' END,
		preprocess => CASE WHEN scaled THEN '{"scale": "standard"}'::jsonb END);
	RETURN QUERY SELECT k.class, k.feature, k.estimate FROM medallion.coefficients k WHERE k.model = 'train_logistic'
		UNION ALL SELECT k.class, 'se ' || k.feature, k.std_error FROM medallion.coefficients k WHERE k.model = 'train_logistic'
		UNION ALL SELECT '', 'objective', (metrics->>'objective')::float8 FROM medallion.model_versions WHERE model = 'train_logistic';
	RETURN QUERY EXECUTE format($$SELECT '', 'probabilities', avg(s) FROM %I t CROSS JOIN LATERAL (SELECT sum(p * p) AS s FROM unnest(medallion.predict_proba('train_logistic', t)) p) q$$, data);
	PERFORM medallion.drop_model('train_logistic');
END $function$;
WITH compared AS MATERIALIZED (
	SELECT e.no, e.data, e.c, e.l1_ratio, e.class_weight, e.weighted, e.feature, e.expected, g.got
	FROM (SELECT DISTINCT no, data, scaled, c, l1_ratio, class_weight, weighted FROM expected) k
	CROSS JOIN LATERAL got(k.no, k.data, k.scaled, k.c, k.l1_ratio, k.class_weight, k.weighted) g
	JOIN expected e ON e.no = k.no AND e.class IS NOT DISTINCT FROM nullif(g.class, '') AND e.feature = g.feature)
SELECT no, data, c, l1_ratio, class_weight, weighted, count(*) AS compared,
	count(*) FILTER (WHERE abs(got - expected) > CASE feature WHEN 'objective' THEN 1e-8 WHEN 'probabilities' THEN 1e-6 ELSE 2e-5 END * greatest(1, abs(expected))) AS different
FROM compared GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1;

-- AIC and deviance go with the number of classes; without a penalty classes that can be told apart are an error
SELECT round((metrics->>'deviance')::numeric, 6) AS deviance, round((metrics->>'null_deviance')::numeric, 6) AS null_deviance, metrics->>'df_residual' AS df_residual,
	round((metrics->>'aic')::numeric, 6) AS aic, round((metrics->>'train_accuracy')::numeric, 4) AS accuracy
FROM medallion.train('train_logistic', 'noisy', 'kind', 'logistic', '{"penalty": "none"}', exclude => '{no,w}');
SELECT medallion.train('train_logistic', 'wine', 'kind', 'logistic', '{"penalty": "none"}', exclude => '{no,w}');
-- a row by name: every class has its probability, and the likeliest is what is predicted
SELECT kind, medallion.predict_class('train_logistic', n) AS predicted, array(SELECT round(p::numeric, 4) FROM unnest(medallion.predict_proba('train_logistic', n)) p) AS probabilities
FROM noisy n WHERE no % 30 = 7 ORDER BY no;
-- categories and missing classes of a weight
SELECT rows FROM medallion.train('train_logistic_kinds', 'SELECT kind, no % 4 = 0 AS q, (ARRAY[''a'', ''b'', ''c''])[1 + no % 3] AS letter, hue FROM noisy', 'kind', 'logistic',
	'{"penalty": "l1", "C": 0.5, "class_weight": "balanced"}');
SELECT class, feature, round(estimate::numeric, 6) AS estimate, std_error FROM medallion.coefficients WHERE model = 'train_logistic_kinds' ORDER BY class, position;
-- one class only after weights of 0, two classes
SELECT medallion.train('train_logistic_one', 'SELECT kind, hue, (kind = ''w1'')::int AS w FROM wine', 'kind', 'logistic', weight => 'w');

SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'train\_logistic%';
DROP SCHEMA train_logistic CASCADE;
