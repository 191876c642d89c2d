/*
 * Training.  The aggregates are the passes over the data: transition functions with plain states (bytea) and combine
 * functions, so that parallel workers, foreign partitions and distributed servers share the work.  Anybody may call
 * them on rows they can read; the functions behind them are closed.  Their COST is what they are: about a hundred times an
 * operator; else the planner would not think parallel workers worth while.
 */
CREATE OR REPLACE FUNCTION medallion._pack(VARIADIC "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 50 AS 'MODULE_PATHNAME', 'mdl_train_pack';
COMMENT ON FUNCTION medallion._pack(VARIADIC "any") IS
'Packs many columns into one argument of a training aggregate; the result is good for one row only.';

CREATE OR REPLACE FUNCTION medallion._timestamptz_seconds(timestamptz) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_seconds_of_timestamp';
COMMENT ON FUNCTION medallion._timestamptz_seconds(timestamptz) IS 'Seconds since 1970, as models take times.';

CREATE OR REPLACE FUNCTION medallion._timestamp_seconds(timestamp) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_seconds_of_timestamp';
COMMENT ON FUNCTION medallion._timestamp_seconds(timestamp) IS 'Seconds since 1970, as models take times.';

CREATE OR REPLACE FUNCTION medallion._date_seconds(date) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_seconds_of_date';
COMMENT ON FUNCTION medallion._date_seconds(date) IS 'Seconds since 1970, as models take times.';

CREATE OR REPLACE FUNCTION medallion._linear_accum(bytea, bytea, VARIADIC "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'mdl_linear_accum';
REVOKE ALL ON FUNCTION medallion._linear_accum(bytea, bytea, VARIADIC "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._linear_combine(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_linear_combine';
REVOKE ALL ON FUNCTION medallion._linear_combine(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion._linear_state(plan bytea, VARIADIC "any") (
	SFUNC = medallion._linear_accum, STYPE = bytea, SSPACE = 100000,
	COMBINEFUNC = medallion._linear_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion._linear_state(bytea, VARIADIC "any") IS
'Sufficient statistics of a linear model and a sample of the rows, as train() needs them.';

CREATE OR REPLACE AGGREGATE medallion._linear_merge(state bytea) (
	SFUNC = medallion._linear_combine, STYPE = bytea, COMBINEFUNC = medallion._linear_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion._linear_merge(bytea) IS
'Merges states of medallion._linear_state, of partitions or of other servers.';

CREATE OR REPLACE FUNCTION medallion._class_accum(bytea, bytea, double precision[], VARIADIC "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'mdl_class_accum';
REVOKE ALL ON FUNCTION medallion._class_accum(bytea, bytea, double precision[], VARIADIC "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._class_combine(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_class_combine';
REVOKE ALL ON FUNCTION medallion._class_combine(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion._class_state(plan bytea, options double precision[], VARIADIC "any") (
	SFUNC = medallion._class_accum, STYPE = bytea, SSPACE = 100000,
	COMBINEFUNC = medallion._class_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion._class_state(bytea, double precision[], VARIADIC "any") IS
'Sums over the rows of each class and a sample of the rows, as train() needs them.';

CREATE OR REPLACE FUNCTION medallion._profile_accum(bytea, bytea, VARIADIC "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'mdl_profile_accum';
REVOKE ALL ON FUNCTION medallion._profile_accum(bytea, bytea, VARIADIC "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._profile_combine(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_profile_combine';
REVOKE ALL ON FUNCTION medallion._profile_combine(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion._profile_state(plan bytea, VARIADIC "any") (
	SFUNC = medallion._profile_accum, STYPE = bytea, SSPACE = 100000,
	COMBINEFUNC = medallion._profile_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion._profile_state(bytea, VARIADIC "any") IS
'NULL counts, ranges, means and categories of columns, as train() needs them.';

CREATE OR REPLACE AGGREGATE medallion._profile_merge(state bytea) (
	SFUNC = medallion._profile_combine, STYPE = bytea, COMBINEFUNC = medallion._profile_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion._profile_merge(bytea) IS
'Merges states of medallion._profile_state, of partitions or of other servers.';

CREATE OR REPLACE FUNCTION medallion._score_accum(bytea, bytea, bytea, VARIADIC "any") RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'mdl_score_accum';
REVOKE ALL ON FUNCTION medallion._score_accum(bytea, bytea, bytea, VARIADIC "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._score_combine(bytea, bytea) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_score_combine';
REVOKE ALL ON FUNCTION medallion._score_combine(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion._score_state(plan bytea, model bytea, VARIADIC "any") (
	SFUNC = medallion._score_accum, STYPE = bytea, COMBINEFUNC = medallion._score_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion._score_state(bytea, bytea, VARIADIC "any") IS
'Errors of a regression on the rows that training held out.';

CREATE OR REPLACE FUNCTION medallion._matrix_accum(bytea, bytea, VARIADIC "any") RETURNS bytea
LANGUAGE C VOLATILE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'mdl_matrix_accum';
REVOKE ALL ON FUNCTION medallion._matrix_accum(bytea, bytea, VARIADIC "any") FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._matrix_combine(bytea, bytea) RETURNS bytea
LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_matrix_combine';
REVOKE ALL ON FUNCTION medallion._matrix_combine(bytea, bytea) FROM PUBLIC;

CREATE OR REPLACE AGGREGATE medallion._matrix_state(plan bytea, VARIADIC "any") (
	SFUNC = medallion._matrix_accum, STYPE = bytea, COMBINEFUNC = medallion._matrix_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE medallion._matrix_state(bytea, VARIADIC "any") IS
'Puts the rows into shared memory for learners that need them all; works inside medallion.train only.';

/* ---- what training tells ------------------------------------------------------------------------------------ */

CREATE TABLE medallion._coefficients (
	version_id bigint NOT NULL REFERENCES medallion._model_versions ON DELETE CASCADE,
	position integer NOT NULL,
	class text,
	feature text NOT NULL,
	estimate double precision,
	std_error double precision,
	statistic double precision,
	p_value double precision,
	part integer,
	CONSTRAINT _coefficients_pkey PRIMARY KEY (version_id, position)
);
COMMENT ON TABLE medallion._coefficients IS 'Coefficients of linear models, in the order of the model''s terms.';
SELECT pg_catalog.pg_extension_config_dump('medallion._coefficients', '');

CREATE TABLE medallion._model_parts (
	version_id bigint NOT NULL REFERENCES medallion._model_versions ON DELETE CASCADE,
	part integer NOT NULL,
	key jsonb NOT NULL,
	rows bigint NOT NULL,
	metrics jsonb NOT NULL,
	CONSTRAINT _model_parts_pkey PRIMARY KEY (version_id, part)
);
COMMENT ON TABLE medallion._model_parts IS 'The parts of models that train() made with partition_by, a row each.';
SELECT pg_catalog.pg_extension_config_dump('medallion._model_parts', '');

CREATE OR REPLACE VIEW medallion.model_parts WITH (security_barrier) AS
SELECT m.name AS model, v.version, p.key, p.rows, p.metrics
FROM medallion._model_parts p
JOIN medallion._model_versions v ON v.version_id OPERATOR(pg_catalog.=) p.version_id
JOIN medallion._models m ON m.model_id OPERATOR(pg_catalog.=) v.model_id
WHERE medallion._model_privilege(m.model_id, m.owner, '{read,manage}');
COMMENT ON VIEW medallion.model_parts IS
'What models are made of that train() made with partition_by: the values of the key columns, rows trained on and metrics of each part.';
GRANT SELECT ON medallion.model_parts TO PUBLIC;

CREATE OR REPLACE VIEW medallion.coefficients WITH (security_barrier) AS
SELECT m.name AS model, v.version, c.class, c.feature, c.estimate, c.std_error, c.statistic, c.p_value, c.position, p.key AS part
FROM medallion._coefficients c
LEFT JOIN medallion._model_parts p ON p.version_id OPERATOR(pg_catalog.=) c.version_id AND p.part OPERATOR(pg_catalog.=) c.part
JOIN medallion._model_versions v ON v.version_id OPERATOR(pg_catalog.=) c.version_id
JOIN medallion._models m ON m.model_id OPERATOR(pg_catalog.=) v.model_id
WHERE medallion._model_privilege(m.model_id, m.owner, '{read,manage}');
COMMENT ON VIEW medallion.coefficients IS
'Coefficients of linear models: estimate (NULL if the other features determine the feature), standard error, t or z statistic, p-value.';
GRANT SELECT ON medallion.coefficients TO PUBLIC;

CREATE TABLE medallion._model_attributes (
	version_id bigint NOT NULL REFERENCES medallion._model_versions ON DELETE CASCADE,
	attribute text NOT NULL,
	i integer NOT NULL,
	j integer NOT NULL,
	class text,
	feature text,
	value double precision,
	CONSTRAINT _model_attributes_pkey PRIMARY KEY (version_id, attribute, i, j)
);
COMMENT ON TABLE medallion._model_attributes IS 'Lists and matrices that models have learnt; row i, column j, from 1.';
SELECT pg_catalog.pg_extension_config_dump('medallion._model_attributes', '');

CREATE OR REPLACE VIEW medallion.model_attributes WITH (security_barrier) AS
SELECT m.name AS model, v.version, a.attribute, a.i, a.j, a.class, a.feature, a.value
FROM medallion._model_attributes a
JOIN medallion._model_versions v ON v.version_id OPERATOR(pg_catalog.=) a.version_id
JOIN medallion._models m ON m.model_id OPERATOR(pg_catalog.=) v.model_id
WHERE medallion._model_privilege(m.model_id, m.owner, '{read,manage}');
COMMENT ON VIEW medallion.model_attributes IS
'What models have learnt beside coefficients: class counts, means, centres, components, explained variance …; row i, column j, from 1.';
GRANT SELECT ON medallion.model_attributes TO PUBLIC;

CREATE OR REPLACE FUNCTION medallion._algorithms()
RETURNS TABLE (algorithm text, tasks text[], parameter text, type text, default_value text, minimum double precision,
	maximum double precision, description text)
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_algorithms';
COMMENT ON FUNCTION medallion._algorithms() IS 'The rows of medallion.algorithms.';

CREATE OR REPLACE VIEW medallion.algorithms AS
SELECT a.algorithm, a.tasks, a.parameter, a.type, a.default_value, a.minimum, a.maximum, a.description
FROM medallion._algorithms() a;
COMMENT ON VIEW medallion.algorithms IS
'Every algorithm of medallion.train with its tasks and parameters: type, default, range, meaning.';
GRANT SELECT ON medallion.algorithms TO PUBLIC;

CREATE TYPE medallion.trained_model AS (
	model text, version integer, algorithm text, rows bigint, seconds double precision, metrics jsonb);
COMMENT ON TYPE medallion.trained_model IS 'What medallion.train returns: the registered version and how good it is.';

CREATE OR REPLACE FUNCTION medallion.train(
	model text,
	source text,
	target text DEFAULT NULL,
	algorithm text DEFAULT NULL,
	params jsonb DEFAULT NULL,
	features text[] DEFAULT NULL,
	exclude text[] DEFAULT NULL,
	preprocess jsonb DEFAULT NULL,
	validation jsonb DEFAULT NULL,
	partition_by text[] DEFAULT NULL,
	seed bigint DEFAULT 0,
	deploy text DEFAULT NULL,
	reproducible boolean DEFAULT false,
	weight text DEFAULT NULL,
	background boolean DEFAULT false
) RETURNS medallion.trained_model
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_train_sql';
COMMENT ON FUNCTION medallion.train(text, text, text, text, jsonb, text[], text[], jsonb, jsonb, text[], bigint, text, boolean, text, boolean) IS
'Trains a model on a table, view or query, registers it as a new version and, if asked, deploys it.';

/* ---- trainings in the background --------------------------------------------------------------------------------- */

CREATE TABLE medallion._trainings (
	training_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	model text NOT NULL,
	owner regrole NOT NULL,
	state text NOT NULL,
	request jsonb NOT NULL,
	settings jsonb NOT NULL,
	pid integer,
	version integer,
	error text,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	started_at timestamptz,
	ended_at timestamptz
);
COMMENT ON TABLE medallion._trainings IS 'Trainings in the background; state is queued, running, done, failed or cancelled.';

/* A training under way is not dumped: a restored database must not start work by itself. */
SELECT pg_catalog.pg_extension_config_dump('medallion._trainings', $$WHERE state NOT IN ('queued', 'running')$$);
SELECT pg_catalog.pg_extension_config_dump('medallion._trainings_training_id_seq', '');

CREATE OR REPLACE FUNCTION medallion._training_is_alive(training_id bigint) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_training_is_alive';
COMMENT ON FUNCTION medallion._training_is_alive(bigint) IS 'Whether a process is working on the training now, or it has ended.';

CREATE OR REPLACE VIEW medallion.trainings WITH (security_barrier) AS
SELECT t.training_id, t.model,
	CASE WHEN t.state OPERATOR(pg_catalog.=) 'running' AND NOT medallion._training_is_alive(t.training_id) THEN 'interrupted'
		ELSE t.state END AS state,
	t.version, t.request OPERATOR(pg_catalog.->>) 'algorithm' AS algorithm, t.request OPERATOR(pg_catalog.->>) 'source' AS source,
	pg_catalog.pg_get_userbyid(t.owner) AS owner, t.error, t.created_at, t.started_at, t.ended_at
FROM medallion._trainings t
WHERE pg_catalog.pg_has_role(t.owner, 'USAGE');
COMMENT ON VIEW medallion.trainings IS
'Trainings in the background of the current user''s roles. interrupted means that the process was lost: train again.';
GRANT SELECT ON medallion.trainings TO PUBLIC;

CREATE OR REPLACE FUNCTION medallion.cancel_training(training_id bigint) RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_cancel_training';
COMMENT ON FUNCTION medallion.cancel_training(bigint) IS 'Stops a training in the background; false if it had ended.';
