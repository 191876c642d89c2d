-- Curves, clusters, queries, averages: NULL, nothing, NaN, infinity, and bad input.
CREATE SCHEMA metrics_test;
SET search_path = metrics_test;
CREATE TABLE s (l bool, p float8, w float8, c text, g text, x float8[], k text);
INSERT INTO s VALUES (true, 0.9, 1, 'a', 'a', '{0,0}', 'left'), (true, 0.4, 2, 'b', 'a', '{0,1}', 'left'), (false, 0.4, 0, 'b', 'b', '{5,5}', 'right'),
	(false, 0.1, 1, 'c', 'b', '{5,6}', 'right');

-- No rows: NULL throughout.
SELECT medallion.msle(p, p), medallion.medae(p, p), medallion.pinball(p, p, 0.5), medallion.d2_pinball(p, p, 0.5), medallion.d2_tweedie(p, p, 1),
	medallion.kappa(c, g), medallion.jaccard(c, g, 'macro'), medallion.confusion(c, g), medallion.classification_report(c, g),
	medallion.roc_curve(l, p), medallion.pr_curve(l, p), medallion.calibration_curve(l, p), medallion.calibration_error(l, p),
	medallion.lift(l, p, 0.1), medallion.lift_curve(l, p), medallion.best_threshold(l, p, 'f1'), medallion.roc_auc(l, p, w),
	medallion.d2_log_loss(l, p), medallion.roc_auc_ovr(c, ARRAY[p, p, p], '{a,b,c}'), medallion.ari(c, k), medallion.nmi(c, k), medallion.ami(c, k),
	medallion.silhouette(x, k), medallion.inertia(x, k), medallion.ndcg(p, p), medallion.map(l, p), medallion.mrr(l, p)
FROM s WHERE false \gx
-- A NULL in any argument leaves the row out; here only the first row is whole.
CREATE TABLE holes AS SELECT * FROM s LIMIT 1;
INSERT INTO holes SELECT NULL, p, w, NULL, g, NULL, k FROM s;
INSERT INTO holes SELECT l, NULL, w, c, NULL, x, NULL FROM s;
SELECT medallion.msle(p, w), medallion.confusion(c, g), medallion.pr_curve(l, p), medallion.inertia(x, k), medallion.ndcg(w, p, NULL, k),
	medallion.map(l, p, k), medallion.ari(c, k), medallion.f1(c, g, 'macro', NULL, w) FROM holes;
SELECT medallion.roc_auc(l, p, NULL), medallion.f1(c, g, 'macro', NULL, NULL::float8), medallion.lift(l, p, NULL) FROM s;

-- Weight 0 is a row that is not there.
SELECT medallion.roc_curve(l, p, w), medallion.roc_curve(l, p) FILTER (WHERE w > 0) AS filtered FROM s;
-- Curves as rows.
SELECT r.* FROM (SELECT medallion.roc_curve(l, p) AS curve FROM s) q, unnest(curve) r;
SELECT r.* FROM (SELECT medallion.confusion(c, g) AS cells FROM s) q, unnest(cells) r;
SELECT r.class, round(r.precision::numeric, 3) AS "precision", r.recall, round(r.f1::numeric, 3) AS f1, r.support
FROM (SELECT medallion.classification_report(c, g) AS report FROM s) q, unnest(report) r;
-- Numbers are in order of value, not of text.
SELECT array_agg(r.label ORDER BY o) FROM (SELECT medallion.confusion(i, 9) AS cells FROM unnest('{10,9,-1,100}'::int[]) i) q,
	unnest(cells) WITH ORDINALITY r(label, predicted, rows, o) WHERE r.predicted = '9';
-- Thresholds: best by each, by cost; nothing positive when false alarms cost too much.
SELECT m, (medallion.best_threshold(l, p, m)).* FROM s, unnest('{f1,accuracy,balanced_accuracy,mcc,youden}'::text[]) m GROUP BY m ORDER BY m;
SELECT medallion.best_threshold(l, p, 'cost', 1, 5) AS misses_cost, medallion.best_threshold(NOT l, p, 'cost', 100, 1) AS alarms_cost FROM s;
-- Scores may be infinite; one infinite error is an infinite loss.
SELECT medallion.roc_curve(l, v) FROM (VALUES (true, 'infinity'::float8), (false, '-infinity'), (false, 0.0), (true, '-0'::float8)) t(l, v);
SELECT medallion.msle('NaN', 1), medallion.medae('NaN', 1), medallion.medae('infinity', 1), medallion.pinball('infinity', 1, 0.5),
	medallion.d2_pinball('NaN', v, 0.5) FROM generate_series(1, 2) v;
-- As windows, and several in one query.
SELECT p, medallion.roc_auc(l, p, w) OVER (ORDER BY p DESC) AS auc, medallion.f1(c, g, 'macro', NULL, 1) OVER (PARTITION BY k) AS f1 FROM s ORDER BY p DESC, l DESC;

-- Bad input.
SELECT medallion.msle(-1, 1);
SELECT medallion.pinball(1, 1, 1.5);
SELECT medallion.poisson_deviance(1, 0);
SELECT medallion.gamma_deviance(0, 1);
SELECT medallion.tweedie_deviance(1, 1, 0.5);
SELECT medallion.medae(1, 1, -1);
SELECT medallion.kappa(1, 1, 'cubic');
SELECT medallion.f1(l, l, 'macro', NULL, 'infinity') FROM s;
SELECT medallion.roc_curve(true, 'NaN');
SELECT medallion.calibration_curve(true, 1.5);
SELECT medallion.calibration_curve(true, 0.5, 0);
SELECT medallion.calibration_curve(true, 0.5, 10, 'equal');
SELECT medallion.lift(true, 0.5, 0);
SELECT medallion.best_threshold(true, 0.5, 'recall');
SELECT medallion.best_threshold(true, 0.5, 'cost');
SELECT medallion.best_threshold(true, 0.5, 'cost', -1, 1);
SELECT medallion.log_loss_multiclass('d', '{0.5,0.5}', '{a,b}');
SELECT medallion.log_loss_multiclass('a', '{0.5,0.5,0}', '{a,b}');
SELECT medallion.roc_auc_ovr('a', '{0.5,1.5}', '{a,b}');
SELECT medallion.roc_auc_ovr('a', '{0.5,NULL}', '{a,b}');
SELECT medallion.roc_auc_ovr('a', '{0.5,0.5}', '{a,NULL}');
SELECT medallion.roc_auc_ovr('a', '{0.5,0.5}', '{a,b}', 'mean');
SELECT medallion.roc_auc_ovo('a', '{0.5,0.5}', '{a,b}', 'micro');
SELECT medallion.roc_auc_ovr('a', p, c) FROM (VALUES ('{0.5,0.5}'::float8[], '{a,b}'::text[]), ('{1,0,0}', '{a,b,c}')) v(p, c);
SELECT medallion.nmi(1, 1, 'mean');
SELECT medallion.silhouette('{}'::float8[], 1);
SELECT medallion.silhouette('{1,NULL}'::float8[], 1);
SELECT medallion.silhouette('{{1},{2}}'::float8[], 1);
SELECT medallion.silhouette('{1,NaN}'::float8[], 1);
SELECT medallion.silhouette(x, 1) FROM (VALUES ('{1}'::float8[]), ('{1,2}')) v(x);
SELECT medallion.ndcg(-1, 1);
SELECT medallion.ndcg(1, 1, 0);
SELECT medallion.map(true, 'NaN');
SELECT medallion.map(2, 1);
-- States cannot be forged.
SELECT medallion._rows_merge('\x0102', '\x01');
CREATE ROLE metrics_user;
SET ROLE metrics_user;
SELECT medallion.kappa(1, 1), medallion.map(true, 1);
SELECT medallion._rows_merge('\x', '\x');
RESET ROLE;
DROP ROLE metrics_user;
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA metrics_test CASCADE;
