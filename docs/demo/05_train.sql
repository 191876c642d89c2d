-- Training: logistic regression by parallel aggregates; the penalty swept by cross-validation; the best deployed.
SET timezone = 'America/New_York';
SET client_min_messages = warning;
\echo '5. TRAIN, SWEEP, DEPLOY -- nothing leaves the database'
\echo
\set ECHO queries
SELECT model, version, rows, round(seconds::numeric, 1) AS seconds, round((metrics ->> 'roc_auc')::numeric, 4) AS holdout_auc
FROM medallion.train('delay', source => 'gold.delay_training', target => 'late', algorithm => 'logistic',
  params => '{"penalty": "none"}', exclude => '{scheduled_at,flight,at,dest,airport,tailnum,month}',
  preprocess => '{"impute": "mean", "unknown": "zero"}', validation => '{"fraction": 0.2}', seed => 2013);

SELECT feature, round(estimate::numeric, 4) AS estimate, round(std_error::numeric, 4) AS std_error,
       round(statistic::numeric, 1) AS z, round(exp(estimate)::numeric, 3) AS odds_ratio
FROM medallion.coefficients WHERE model = 'delay' AND version = 1
ORDER BY abs(statistic) DESC NULLS LAST LIMIT 16;
\set ECHO none
\echo 'Read: each minute that the last hour''s departures of the airport were late on average raises the odds of this flight'
\echo 'by 2.7 percent; wind, rain, a late plane and a late hour raise them too, each mile of visibility lowers them by 9.'
\echo
\echo 'How strong should the penalty be?  Five-fold cross-validation by two processes, the table read once.'
\echo
\set ECHO queries
SELECT medallion.sweep('delay', source => 'gold.delay_training', target => 'late', algorithm => 'logistic',
  space => '{"C": [0.00001, 0.0001, 0.001, 0.01, 1]}', strategy => 'grid', cv => 5, metric => 'roc_auc', workers => 2,
  exclude => '{scheduled_at,flight,at,dest,airport,tailnum,month}', preprocess => '{"impute": "mean", "unknown": "zero"}',
  seed => 2013, wait => true) AS sweep_id \gset

SELECT trial, params, round(metric::numeric, 5) AS roc_auc, round(seconds::numeric, 2) AS seconds, worker
FROM medallion.trials WHERE sweep_id = :sweep_id ORDER BY trial;

SELECT version, alias, previous_version FROM medallion.set_alias('delay', 'champion',
  (SELECT version FROM medallion.sweeps WHERE sweep_id = :sweep_id));

SELECT version, aliases, params ->> 'penalty' AS penalty, params ->> 'C' AS c,
       round((metrics ->> 'train_roc_auc')::numeric, 4) AS train_auc, data_commits
FROM medallion.model_versions WHERE model = 'delay' ORDER BY version;
\set ECHO none
