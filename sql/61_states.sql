/*
 * States of learners: aggregates whose result is plain bytes that merge, so that partitions, foreign servers and tables
 * of states share the work of a training.  States are the same on servers with the same version of the extension.
 */
CREATE OR REPLACE FUNCTION medallion._naive_bayes_accum(bytea, text, "any", double precision, VARIADIC "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'mdl_naive_bayes_accum';
REVOKE ALL ON FUNCTION medallion._naive_bayes_accum(bytea, text, "any", double precision, VARIADIC "any") FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.naive_bayes_state(type text, label "any", weight double precision, VARIADIC features "any") (
	SFUNC = medallion._naive_bayes_accum, STYPE = bytea, COMBINEFUNC = medallion._class_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.naive_bayes_state(text, "any", double precision, VARIADIC "any") IS
'What naive Bayes of a type (gaussian, multinomial, bernoulli, categorical) needs to know of the rows: sums over those of each class.';

CREATE OR REPLACE AGGREGATE medallion.naive_bayes_merge(state bytea) (
	SFUNC = medallion._class_combine, STYPE = bytea, COMBINEFUNC = medallion._class_combine, PARALLEL = SAFE);
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
	deploy text DEFAULT NULL
) RETURNS medallion.trained_model
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_train_from_state';
COMMENT ON FUNCTION medallion.train_from_state(text, bytea, text, text[], jsonb, text) IS
'Registers the naive Bayes model of a state as a new version and, if asked, deploys it.';

CREATE OR REPLACE FUNCTION medallion._kmeans_accum(bytea, double precision[], double precision, VARIADIC "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'mdl_kmeans_accum';
REVOKE ALL ON FUNCTION medallion._kmeans_accum(bytea, double precision[], double precision, VARIADIC "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._kmeans_combine(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_kmeans_combine';
REVOKE ALL ON FUNCTION medallion._kmeans_combine(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion.kmeans_state(centres double precision[], weight double precision, VARIADIC features "any") (
	SFUNC = medallion._kmeans_accum, STYPE = bytea, COMBINEFUNC = medallion._kmeans_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.kmeans_state(double precision[], double precision, VARIADIC "any") IS
'One round of k-means: which of the centres the rows are nearest to, and where those rows are.';

CREATE OR REPLACE AGGREGATE medallion.kmeans_merge(state bytea) (
	SFUNC = medallion._kmeans_combine, STYPE = bytea, COMBINEFUNC = medallion._kmeans_combine, PARALLEL = SAFE);
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

CREATE OR REPLACE AGGREGATE medallion.glm_state(
	family text, params jsonb, coefficients double precision[], y "any", weight double precision, VARIADIC features "any") (
	SFUNC = medallion._glm_accum, STYPE = bytea, COMBINEFUNC = medallion._glm_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.glm_state(text, jsonb, double precision[], "any", double precision, VARIADIC "any") IS
'One round of a generalised linear model (logistic, poisson, gamma, tweedie): the weighted moments that its next coefficients follow from.';

CREATE OR REPLACE AGGREGATE medallion.glm_merge(state bytea) (
	SFUNC = medallion._glm_combine, STYPE = bytea, COMBINEFUNC = medallion._glm_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion.glm_merge(bytea) IS 'Merges states of medallion.glm_state, of partitions or of other servers.';

CREATE OR REPLACE FUNCTION medallion.glm_final(
	state bytea,
	OUT coefficients double precision[], OUT std_errors double precision[], OUT deviance double precision, OUT rows bigint,
	OUT weight double precision, OUT dispersion double precision, OUT moved double precision
) LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_glm_final';
COMMENT ON FUNCTION medallion.glm_final(bytea) IS
'The next coefficients of a generalised linear model, the intercept first, with the deviance of those that the round began with.';
