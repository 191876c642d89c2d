/*
 * What a fit tells about its coefficients, and fits that go on.
 */
CREATE OR REPLACE FUNCTION medallion.inference(model text, source text DEFAULT NULL, errors text DEFAULT 'model', cluster text DEFAULT NULL,
	weight text DEFAULT NULL, level double precision DEFAULT 0.95)
RETURNS TABLE(class text, feature text, estimate double precision, std_error double precision, statistic double precision,
	p_value double precision, lower double precision, upper double precision)
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20 AS 'MODULE_PATHNAME', 'mdl_inference';
COMMENT ON FUNCTION medallion.inference(text, text, text, text, text, double precision) IS
'Coefficients with standard errors, t or z statistics, p-values and confidence intervals: those of the model, or robust ones (errors HC0 to HC3, or cluster), which read the rows of the training again.';

CREATE OR REPLACE FUNCTION medallion.summary(model text, source text DEFAULT NULL, errors text DEFAULT 'model', cluster text DEFAULT NULL,
	weight text DEFAULT NULL)
RETURNS text
LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_summary';
COMMENT ON FUNCTION medallion.summary(text, text, text, text, text) IS
'What a model has learnt, as R prints the summary of a fit; errors as in medallion.inference.';

CREATE OR REPLACE FUNCTION medallion.partial_fit(model text, source text, weight text DEFAULT NULL, epochs integer DEFAULT 1, seed bigint DEFAULT 0,
	deploy text DEFAULT NULL)
RETURNS medallion.trained_model
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_partial_fit';
COMMENT ON FUNCTION medallion.partial_fit(text, text, text, integer, bigint, text) IS
'Goes on with a version of a model of algorithm sgd, with new rows; registers a new version.';
