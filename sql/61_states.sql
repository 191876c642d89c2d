/*
 * States of learners: aggregates whose result is plain bytes that merge, so that partitions, foreign servers and tables
 * of states share the work of a training.  States are the same on servers with the same version of the extension.
 */
CREATE OR REPLACE FUNCTION medallion._naive_bayes_accum(bytea, text, "any", double precision, VARIADIC "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'mdl_naive_bayes_accum';
REVOKE ALL ON FUNCTION medallion._naive_bayes_accum(bytea, text, "any", double precision, VARIADIC "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._naive_bayes_join(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_naive_bayes_join';
REVOKE ALL ON FUNCTION medallion._naive_bayes_join(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._state_seal(bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_state_seal';
REVOKE ALL ON FUNCTION medallion._state_seal(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.naive_bayes_state(type text, label "any", weight double precision, VARIADIC features "any") (
	SFUNC = medallion._naive_bayes_accum, STYPE = bytea, FINALFUNC = medallion._state_seal, COMBINEFUNC = medallion._class_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.naive_bayes_state(text, "any", double precision, VARIADIC "any") IS
'What naive Bayes of a type (gaussian, multinomial, bernoulli, categorical) needs to know of the rows: sums over those of each class.';

CREATE OR REPLACE AGGREGATE medallion.naive_bayes_merge(state bytea) (
	SFUNC = medallion._naive_bayes_join, STYPE = bytea, COMBINEFUNC = medallion._naive_bayes_join, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.naive_bayes_merge(bytea) IS 'Merges states of medallion.naive_bayes_state, of partitions or of other servers.';

CREATE OR REPLACE FUNCTION medallion.naive_bayes_final(
	state bytea,
	OUT label text, OUT rows bigint, OUT weight double precision, OUT feature integer, OUT element integer, OUT category text,
	OUT value double precision, OUT variance double precision
) RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_naive_bayes_final';
COMMENT ON FUNCTION medallion.naive_bayes_final(bytea) IS
'What a state of naive Bayes has gathered: a row per class and feature (or category) with the mean and variance, or the sum.';

CREATE OR REPLACE FUNCTION medallion.train_from_state(
	model text,
	state bytea,
	target text,
	features text[],
	params jsonb DEFAULT NULL,
	deploy text DEFAULT NULL,
	algorithm text DEFAULT NULL
) RETURNS medallion.trained_model
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_train_from_state';
COMMENT ON FUNCTION medallion.train_from_state(text, bytea, text, text[], jsonb, text, text) IS
'Registers the model of a state of naive_bayes_state, linear_state or pca_state as a new version and, if asked, deploys it.';

CREATE OR REPLACE FUNCTION medallion._kmeans_accum(bytea, double precision[], double precision, VARIADIC "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'mdl_kmeans_accum';
REVOKE ALL ON FUNCTION medallion._kmeans_accum(bytea, double precision[], double precision, VARIADIC "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._kmeans_combine(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_kmeans_combine';
REVOKE ALL ON FUNCTION medallion._kmeans_combine(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._kmeans_join(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_kmeans_join';
REVOKE ALL ON FUNCTION medallion._kmeans_join(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.kmeans_state(centres double precision[], weight double precision, VARIADIC features "any") (
	SFUNC = medallion._kmeans_accum, STYPE = bytea, FINALFUNC = medallion._state_seal, COMBINEFUNC = medallion._kmeans_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.kmeans_state(double precision[], double precision, VARIADIC "any") IS
'One round of k-means: which of the centres the rows are nearest to, and where those rows are.';

CREATE OR REPLACE AGGREGATE medallion.kmeans_merge(state bytea) (
	SFUNC = medallion._kmeans_join, STYPE = bytea, COMBINEFUNC = medallion._kmeans_join, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.kmeans_merge(bytea) IS 'Merges states of medallion.kmeans_state, of partitions or of other servers.';

CREATE OR REPLACE FUNCTION medallion.kmeans_final(
	state bytea,
	OUT centres double precision[], OUT weights double precision[], OUT counts double precision[], OUT rows bigint,
	OUT inertia double precision, OUT moved double precision
) LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_kmeans_final';
COMMENT ON FUNCTION medallion.kmeans_final(bytea) IS
'The new centres of a round of k-means, the inertia about those it began with, and how far the farthest has moved.';

CREATE OR REPLACE FUNCTION medallion._glm_accum(bytea, text, jsonb, double precision[], "any", double precision, VARIADIC "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'mdl_glm_accum';
REVOKE ALL ON FUNCTION medallion._glm_accum(bytea, text, jsonb, double precision[], "any", double precision, VARIADIC "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._glm_combine(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_glm_combine';
REVOKE ALL ON FUNCTION medallion._glm_combine(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._glm_join(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_glm_join';
REVOKE ALL ON FUNCTION medallion._glm_join(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._glm_seal(bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_glm_seal';
REVOKE ALL ON FUNCTION medallion._glm_seal(bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.glm_state(
	family text, params jsonb, coefficients double precision[], y "any", weight double precision, VARIADIC features "any") (
	SFUNC = medallion._glm_accum, STYPE = bytea, FINALFUNC = medallion._glm_seal, COMBINEFUNC = medallion._glm_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.glm_state(text, jsonb, double precision[], "any", double precision, VARIADIC "any") IS
'One round of a generalised linear model (logistic, poisson, gamma, tweedie): the weighted moments that its next coefficients follow from.';

CREATE OR REPLACE AGGREGATE medallion.glm_merge(state bytea) (
	SFUNC = medallion._glm_join, STYPE = bytea, COMBINEFUNC = medallion._glm_join, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.glm_merge(bytea) IS 'Merges states of medallion.glm_state, of partitions or of other servers.';

CREATE OR REPLACE FUNCTION medallion.glm_final(
	state bytea,
	OUT coefficients double precision[], OUT std_errors double precision[], OUT deviance double precision, OUT rows bigint,
	OUT weight double precision, OUT dispersion double precision, OUT moved double precision
) LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_glm_final';
COMMENT ON FUNCTION medallion.glm_final(bytea) IS
'The next coefficients of a generalised linear model, the intercept first, with the deviance of those that the round began with.';

CREATE OR REPLACE FUNCTION medallion._linear_gather(bytea, "any", double precision, VARIADIC "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'mdl_linear_gather';
REVOKE ALL ON FUNCTION medallion._linear_gather(bytea, "any", double precision, VARIADIC "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._pca_gather(bytea, double precision, VARIADIC "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'mdl_pca_gather';
REVOKE ALL ON FUNCTION medallion._pca_gather(bytea, double precision, VARIADIC "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._moments_combine(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_moments_combine';
REVOKE ALL ON FUNCTION medallion._moments_combine(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._moments_seal(bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_moments_seal';
REVOKE ALL ON FUNCTION medallion._moments_seal(bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._linear_join(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_linear_join';
REVOKE ALL ON FUNCTION medallion._linear_join(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._pca_join(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_pca_join';
REVOKE ALL ON FUNCTION medallion._pca_join(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.linear_state(y "any", weight double precision, VARIADIC features "any") (
	SFUNC = medallion._linear_gather, STYPE = bytea, FINALFUNC = medallion._moments_seal, COMBINEFUNC = medallion._moments_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.linear_state("any", double precision, VARIADIC "any") IS
'What linear models (linear, ridge, lasso, elastic_net) need to know of the rows: means and centred co-moments of features and target.';

CREATE OR REPLACE AGGREGATE medallion.linear_merge(state bytea) (
	SFUNC = medallion._linear_join, STYPE = bytea, COMBINEFUNC = medallion._linear_join, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.linear_merge(bytea) IS 'Merges states of medallion.linear_state, of partitions or of other servers.';

CREATE OR REPLACE FUNCTION medallion.linear_final(
	state bytea, alpha double precision DEFAULT 0, fit_intercept boolean DEFAULT true,
	OUT coefficients double precision[], OUT std_errors double precision[], OUT statistics double precision[], OUT p_values double precision[],
	OUT r2 double precision, OUT adjusted_r2 double precision, OUT rmse double precision, OUT sigma double precision,
	OUT f_statistic double precision, OUT f_p_value double precision, OUT aic double precision, OUT bic double precision,
	OUT df_residual double precision, OUT rows bigint, OUT weight double precision, OUT log_likelihood double precision
) LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_linear_final';
COMMENT ON FUNCTION medallion.linear_final(bytea, double precision, boolean) IS
'The least squares fit of a state, with a penalty alpha on the squared coefficients: coefficients, the intercept first, with their inference and the fit''s.';

CREATE OR REPLACE AGGREGATE medallion.pca_state(weight double precision, VARIADIC features "any") (
	SFUNC = medallion._pca_gather, STYPE = bytea, FINALFUNC = medallion._moments_seal, COMBINEFUNC = medallion._moments_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.pca_state(double precision, VARIADIC "any") IS
'What principal components need to know of the rows: means and centred co-moments of the features.';

CREATE OR REPLACE AGGREGATE medallion.pca_merge(state bytea) (
	SFUNC = medallion._pca_join, STYPE = bytea, COMBINEFUNC = medallion._pca_join, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.pca_merge(bytea) IS 'Merges states of medallion.pca_state, of partitions or of other servers.';

CREATE OR REPLACE FUNCTION medallion.pca_final(
	state bytea, n_components double precision DEFAULT NULL,
	OUT mean double precision[], OUT components double precision[], OUT explained_variance double precision[],
	OUT explained_variance_ratio double precision[], OUT singular_values double precision[], OUT rows bigint, OUT weight double precision
) LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_pca_final';
COMMENT ON FUNCTION medallion.pca_final(bytea, double precision) IS
'The principal components of a state, a row of the array each, with the variance that they explain; all, a number of them, or the share of the variance below 1 that they must hold.';
