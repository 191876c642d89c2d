/*
 * Metrics of rows in groups as aggregates: how clusters agree with classes and how far they are apart, how good the order
 * of the rows of queries is.  As in 65_metrics.sql.
 */

/* ---- agreement of clusters with classes ----------------------------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._contingency_step(bytea, "any", "any") RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_contingency_step';
REVOKE ALL ON FUNCTION medallion._contingency_step(bytea, "any", "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._ari_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_ari';
REVOKE ALL ON FUNCTION medallion._ari_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.ari(label "any", cluster "any") (
	SFUNC = medallion._contingency_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._ari_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.ari("any", "any") IS
'Adjusted Rand index: pairs of rows that classes and clusters treat alike, beyond chance; any types.';

CREATE OR REPLACE FUNCTION medallion._nmi_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_nmi';
REVOKE ALL ON FUNCTION medallion._nmi_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.nmi(label "any", cluster "any") (
	SFUNC = medallion._contingency_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._nmi_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.nmi("any", "any") IS
'Mutual information of classes and clusters, relative to the mean of their entropies; any types.';

CREATE OR REPLACE FUNCTION medallion._contingency_step(bytea, "any", "any", text) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_contingency_step';
REVOKE ALL ON FUNCTION medallion._contingency_step(bytea, "any", "any", text) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.nmi(label "any", cluster "any", average_method text) (
	SFUNC = medallion._contingency_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._nmi_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.nmi("any", "any", text) IS
'Mutual information of classes and clusters, relative to the mean of their entropies; any types; average_method is arithmetic, geometric, min or max.';

CREATE OR REPLACE FUNCTION medallion._ami_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_ami';
REVOKE ALL ON FUNCTION medallion._ami_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.ami(label "any", cluster "any") (
	SFUNC = medallion._contingency_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._ami_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.ami("any", "any") IS
'Mutual information of classes and clusters beyond chance, relative to the mean of their entropies; any types.';

CREATE OR REPLACE AGGREGATE medallion.ami(label "any", cluster "any", average_method text) (
	SFUNC = medallion._contingency_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._ami_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.ami("any", "any", text) IS
'Mutual information of classes and clusters beyond chance, relative to the mean of their entropies; any types; average_method is arithmetic, geometric, min or max.';

CREATE OR REPLACE FUNCTION medallion._homogeneity_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_homogeneity';
REVOKE ALL ON FUNCTION medallion._homogeneity_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.homogeneity(label "any", cluster "any") (
	SFUNC = medallion._contingency_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._homogeneity_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.homogeneity("any", "any") IS
'1 when each cluster has rows of one class only; any types.';

CREATE OR REPLACE FUNCTION medallion._completeness_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_completeness';
REVOKE ALL ON FUNCTION medallion._completeness_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.completeness(label "any", cluster "any") (
	SFUNC = medallion._contingency_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._completeness_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.completeness("any", "any") IS
'1 when the rows of each class are in one cluster; any types.';

CREATE OR REPLACE FUNCTION medallion._v_measure_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_v_measure';
REVOKE ALL ON FUNCTION medallion._v_measure_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.v_measure(label "any", cluster "any") (
	SFUNC = medallion._contingency_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._v_measure_final,
	COMBINEFUNC = medallion._confusion_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.v_measure("any", "any") IS
'Harmonic mean of homogeneity and completeness; any types.';

/* ---- separation of clusters ----------------------------------------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._points_step(bytea, double precision[], "any") RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_points_step';
REVOKE ALL ON FUNCTION medallion._points_step(bytea, double precision[], "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._silhouette_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_silhouette';
REVOKE ALL ON FUNCTION medallion._silhouette_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.silhouette(features double precision[], cluster "any") (
	SFUNC = medallion._points_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._silhouette_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.silhouette(double precision[], "any") IS
'Mean over rows of how much nearer their own cluster is than the next, -1 to 1; NULL unless there are at least 2 clusters and fewer than rows; takes time of the order of rows squared.';

CREATE OR REPLACE FUNCTION medallion._davies_bouldin_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_davies_bouldin';
REVOKE ALL ON FUNCTION medallion._davies_bouldin_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.davies_bouldin(features double precision[], cluster "any") (
	SFUNC = medallion._points_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._davies_bouldin_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.davies_bouldin(double precision[], "any") IS
'Mean over clusters of the spread of the two most alike relative to their distance, 0 best; NULL unless there are at least 2 clusters and fewer than rows.';

CREATE OR REPLACE FUNCTION medallion._calinski_harabasz_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_calinski_harabasz';
REVOKE ALL ON FUNCTION medallion._calinski_harabasz_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.calinski_harabasz(features double precision[], cluster "any") (
	SFUNC = medallion._points_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._calinski_harabasz_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.calinski_harabasz(double precision[], "any") IS
'Variance between clusters relative to that within; NULL unless there are at least 2 clusters and fewer than rows.';

CREATE OR REPLACE FUNCTION medallion._inertia_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_inertia';
REVOKE ALL ON FUNCTION medallion._inertia_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.inertia(features double precision[], cluster "any") (
	SFUNC = medallion._points_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._inertia_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.inertia(double precision[], "any") IS
'Sum of the squared distances of rows to the centre of their cluster.';

/* ---- order of the rows of queries ----------------------------------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._gain_step(bytea, double precision, double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_gain_step';
REVOKE ALL ON FUNCTION medallion._gain_step(bytea, double precision, double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._dcg_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_dcg';
REVOKE ALL ON FUNCTION medallion._dcg_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.dcg(relevance double precision, score double precision) (
	SFUNC = medallion._gain_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._dcg_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.dcg(double precision, double precision) IS
'Discounted cumulative gain: sum of relevance / log2(rank + 1), gains of equal scores averaged, of the rows of one query.';

CREATE OR REPLACE FUNCTION medallion._gain_step(bytea, double precision, double precision, integer) RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_gain_step';
REVOKE ALL ON FUNCTION medallion._gain_step(bytea, double precision, double precision, integer) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.dcg(relevance double precision, score double precision, k integer) (
	SFUNC = medallion._gain_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._dcg_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.dcg(double precision, double precision, integer) IS
'Discounted cumulative gain: sum of relevance / log2(rank + 1), gains of equal scores averaged, of the first k ranks; k NULL: of all.';

CREATE OR REPLACE FUNCTION medallion._gain_step(bytea, double precision, double precision, integer, "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_gain_step';
REVOKE ALL ON FUNCTION medallion._gain_step(bytea, double precision, double precision, integer, "any") FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.dcg(relevance double precision, score double precision, k integer, query "any") (
	SFUNC = medallion._gain_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._dcg_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.dcg(double precision, double precision, integer, "any") IS
'Discounted cumulative gain: sum of relevance / log2(rank + 1), gains of equal scores averaged, of the first k ranks, the mean over queries; k NULL: all ranks.';

CREATE OR REPLACE FUNCTION medallion._ndcg_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_ndcg';
REVOKE ALL ON FUNCTION medallion._ndcg_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.ndcg(relevance double precision, score double precision) (
	SFUNC = medallion._gain_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._ndcg_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.ndcg(double precision, double precision) IS
'Discounted cumulative gain relative to that of the best order; 0 where nothing is relevant, of the rows of one query.';

CREATE OR REPLACE AGGREGATE medallion.ndcg(relevance double precision, score double precision, k integer) (
	SFUNC = medallion._gain_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._ndcg_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.ndcg(double precision, double precision, integer) IS
'Discounted cumulative gain relative to that of the best order; 0 where nothing is relevant, of the first k ranks; k NULL: of all.';

CREATE OR REPLACE AGGREGATE medallion.ndcg(relevance double precision, score double precision, k integer, query "any") (
	SFUNC = medallion._gain_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._ndcg_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.ndcg(double precision, double precision, integer, "any") IS
'Discounted cumulative gain relative to that of the best order; 0 where nothing is relevant, of the first k ranks, the mean over queries; k NULL: all ranks.';

CREATE OR REPLACE FUNCTION medallion._relevant_step(bytea, "any", double precision) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_relevant_step';
REVOKE ALL ON FUNCTION medallion._relevant_step(bytea, "any", double precision) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._map_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_map';
REVOKE ALL ON FUNCTION medallion._map_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.map(relevant "any", score double precision) (
	SFUNC = medallion._relevant_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._map_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.map("any", double precision) IS
'Mean average precision: precision at each relevant row, averaged; a query without relevant rows counts 0; relevant boolean or 0/1, of the rows of one query.';

CREATE OR REPLACE FUNCTION medallion._relevant_step(bytea, "any", double precision, "any") RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_relevant_step';
REVOKE ALL ON FUNCTION medallion._relevant_step(bytea, "any", double precision, "any") FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.map(relevant "any", score double precision, query "any") (
	SFUNC = medallion._relevant_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._map_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.map("any", double precision, "any") IS
'Mean average precision: precision at each relevant row, averaged; a query without relevant rows counts 0; relevant boolean or 0/1, the mean over queries.';

CREATE OR REPLACE FUNCTION medallion._mrr_final(bytea) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_metric_mrr';
REVOKE ALL ON FUNCTION medallion._mrr_final(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.mrr(relevant "any", score double precision) (
	SFUNC = medallion._relevant_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._mrr_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.mrr("any", double precision) IS
'Mean reciprocal rank of the first relevant row; a query without relevant rows counts 0; relevant boolean or 0/1, of the rows of one query.';

CREATE OR REPLACE AGGREGATE medallion.mrr(relevant "any", score double precision, query "any") (
	SFUNC = medallion._relevant_step, STYPE = bytea, INITCOND = '', FINALFUNC = medallion._mrr_final,
	COMBINEFUNC = medallion._rows_merge, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.mrr("any", double precision, "any") IS
'Mean reciprocal rank of the first relevant row; a query without relevant rows counts 0; relevant boolean or 0/1, the mean over queries.';
