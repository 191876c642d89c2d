-- What summary() prints beside the tables that R has (train_inference holds those against R): many terms and classes, long names, what
-- clusters, components and classes are, holdouts, parts.
CREATE SCHEMA predict_summary;
SET search_path = predict_summary;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
CREATE TABLE d AS SELECT i, sin(i) AS x, cos(i * 1.3) AS z, sin(i * i) AS r, 3 + 2 * sin(i) - cos(i * 1.3) + sin(i * 7.7) / 4 AS y, sin(i) + sin(i * i) / 2 > 0.1 AS won, 1 + i % 4 AS w, i % 3 AS grp, 'group ' || (i * 37) % 50 AS kind, ARRAY(SELECT sin(i * k * 0.37) FROM generate_series(1, 150) k) AS v,
	(i % 2)::text || repeat('long', 20) || 'end' AS wordy, (ARRAY['東京', '大阪', 'Köln'])[1 + i % 3] AS town FROM generate_series(1, 600) i;
-- parameters that are not the usual ones are in the call; zeros of a penalty are counted, terms beyond a hundred too
SELECT rows FROM medallion.train('summary_lasso', 'predict_summary.d', 'y', 'lasso', '{"alpha": 0.1}', features => '{x,v}');
SELECT medallion.summary('summary_lasso');
SELECT rows FROM medallion.train('summary_ridge', 'predict_summary.d', 'y', 'ridge', features => '{x,v}');
SELECT line FROM regexp_split_to_table(medallion.summary('summary_ridge'), '\n') WITH ORDINALITY l(line, n) WHERE n < 10 OR n BETWEEN 105 AND 114;
-- names: cut in the middle, wide characters, a line in them
SELECT rows FROM medallion.train('summary_names', 'SELECT y, x AS "a
line", wordy, town FROM predict_summary.d', 'y', 'linear');
SELECT medallion.summary('summary_names');
-- a statistic that rounds to 0 has no sign
SELECT rows FROM medallion.train('summary_zero', 'SELECT y, x, CASE WHEN i % 2 = 0 THEN 1 ELSE -1 END * (i / 2 % 2 - 0.5) AS even FROM predict_summary.d', 'y', 'linear', features => '{x,even}', weight => NULL);
SELECT medallion.summary('summary_zero') ~ '-0\.000( |$)' AS negative_zero;
-- more classes than anybody reads
SELECT rows FROM medallion.train('summary_classes', 'predict_summary.d', 'kind', 'logistic', features => '{v}', params => '{"max_iter": 3, "calibration": "sigmoid", "calibration_folds": 2}');
SELECT line FROM regexp_split_to_table(medallion.summary('summary_classes'), '\n') WITH ORDINALITY l(line, n) WHERE n < 9 OR line ~ 'more|Metrics|class group';
-- clusters, components, mixtures, classes, support vectors
SELECT rows FROM medallion.train('summary_kmeans', 'predict_summary.d', NULL, 'kmeans', '{"n_clusters": 4}', features => '{x,z}');
SELECT medallion.summary('summary_kmeans');
SELECT rows FROM medallion.train('summary_many', 'predict_summary.d', NULL, 'kmeans', '{"n_clusters": 25}', features => '{v}');
SELECT line FROM regexp_split_to_table(medallion.summary('summary_many'), '\n') WITH ORDINALITY l(line, n) WHERE n < 7 OR line ~ 'more';
SELECT rows FROM medallion.train('summary_pca', 'predict_summary.d', NULL, 'pca', features => '{x,z,r}');
SELECT medallion.summary('summary_pca');
SELECT rows FROM medallion.train('summary_mixture', 'predict_summary.d', NULL, 'gaussian_mixture', '{"n_components": 2}', features => '{x,z}', seed => 3);
SELECT line FROM regexp_split_to_table(medallion.summary('summary_mixture'), '\n') WITH ORDINALITY l(line, n) WHERE n < 8;
SELECT rows FROM medallion.train('summary_bayes', 'predict_summary.d', 'won', 'naive_bayes', features => '{x,z}');
SELECT medallion.summary('summary_bayes');
SELECT rows FROM medallion.train('summary_kinds', 'predict_summary.d', 'won', 'naive_bayes', '{"type": "categorical"}', features => '{town}');
SELECT line FROM regexp_split_to_table(medallion.summary('summary_kinds'), '\n') WITH ORDINALITY l(line, n) WHERE n < 9;
SELECT rows FROM medallion.train('summary_svm', 'predict_summary.d', 'won', 'svm', features => '{x,z}');
SELECT line FROM regexp_split_to_table(medallion.summary('summary_svm'), '\n') WITH ORDINALITY l(line, n) WHERE n < 10;
-- a holdout beside a form of R, and beside other metrics
SELECT rows > 400 FROM medallion.train('summary_holdout', 'predict_summary.d', 'y', 'linear', features => '{x,z}', weight => 'w', validation => '{"fraction": 0.25}');
SELECT line FROM regexp_split_to_table(medallion.summary('summary_holdout'), '\n') WITH ORDINALITY l(line, n) WHERE n > 18;
SELECT rows > 400 FROM medallion.train('summary_holdout_3', 'predict_summary.d', 'won', 'neighbors', features => '{x,z}', validation => '{"fraction": 0.25}');
SELECT medallion.summary('summary_holdout_3');
-- parts
SELECT rows FROM medallion.train('summary_parts', 'predict_summary.d', 'y', 'linear', features => '{x,z}', partition_by => '{grp}');
SELECT medallion.summary('summary_parts');
SELECT rows FROM medallion.train('summary_parts_2', 'predict_summary.d', NULL, 'kmeans', '{"n_clusters": 2}', features => '{x,z}', partition_by => '{kind,town}');
SELECT line FROM regexp_split_to_table(medallion.summary('summary_parts_2'), '\n') WITH ORDINALITY l(line, n) WHERE n < 11 OR line ~ 'more|See';
SELECT medallion.summary('summary_parts', errors => 'HC1');
SELECT medallion.inference('summary_parts');
\pset format aligned
\pset tuples_only off
-- somebody else may not read it
CREATE ROLE regress_summary;
SET ROLE regress_summary;
SELECT medallion.summary('summary_parts');
RESET ROLE;
DROP ROLE regress_summary;
SELECT count(medallion.drop_model(model, force => true)) AS dropped FROM medallion.models WHERE model LIKE 'summary\_%';
DROP SCHEMA predict_summary CASCADE;
RESET search_path; RESET client_min_messages;
DELETE FROM medallion._audit WHERE model LIKE 'summary\_%';
