/*
 * Values in one form: casts that do not fail, text, units, times, and the value to keep of several.
 */
CREATE OR REPLACE FUNCTION medallion.try_cast(value text, type_of anyelement) RETURNS anyelement
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_try_cast';
COMMENT ON FUNCTION medallion.try_cast(text, anyelement) IS
'The text as a value of the type of the second argument, as in try_cast(x, NULL::int); NULL if it is none.';

CREATE OR REPLACE FUNCTION medallion.clean_text(value text, form text DEFAULT 'nfc', letter_case text DEFAULT NULL,
	empty_is_null bool DEFAULT true) RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_clean_text';
COMMENT ON FUNCTION medallion.clean_text(text, text, text, bool) IS
'Text in a Unicode normal form, with single spaces inside and none at its ends, and without characters that are not seen.';

CREATE OR REPLACE FUNCTION medallion.convert_unit(value float8, unit text, target_unit text) RETURNS float8
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_convert_unit';
COMMENT ON FUNCTION medallion.convert_unit(float8, text, text) IS
'A quantity in another unit; NULL if its unit is not known or measures something else.';

CREATE OR REPLACE FUNCTION medallion.to_unit(quantity text, target_unit text, default_unit text DEFAULT NULL) RETURNS float8
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_to_unit';
COMMENT ON FUNCTION medallion.to_unit(text, text, text) IS
'A quantity written with its unit, such as 5 ft, in another unit; NULL if it is none, or measures something else.';

CREATE OR REPLACE FUNCTION medallion._units() RETURNS TABLE (unit text, other_name text, dimension text, factor float8, zero float8)
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_units';
COMMENT ON FUNCTION medallion._units() IS 'The rows of medallion.units.';
CREATE OR REPLACE VIEW medallion.units AS SELECT * FROM medallion._units();
COMMENT ON VIEW medallion.units IS
'The units that convert_unit and to_unit know: how much one of each is, and where its zero is, in the coherent unit of its dimension.';

CREATE OR REPLACE FUNCTION medallion.local_instant(value timestamp, zone text, repeated text DEFAULT 'later', skipped text DEFAULT 'shift')
RETURNS timestamptz
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_local_instant';
COMMENT ON FUNCTION medallion.local_instant(timestamp, text, text, text) IS
'The instant at which clocks in a zone show a time; NULL if there is no such zone.';

CREATE OR REPLACE FUNCTION medallion.try_timestamp(value text, formats text[], zone text DEFAULT NULL) RETURNS timestamptz
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_try_timestamp';
COMMENT ON FUNCTION medallion.try_timestamp(text, text[], text) IS
'The time that a text tells in the first of the formats that it has; NULL if it has none of them.';

CREATE OR REPLACE FUNCTION medallion._keep_first(kept anyelement, value anyelement) RETURNS anyelement
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_keep_first';
COMMENT ON FUNCTION medallion._keep_first(anyelement, anyelement) IS 'The first argument; what first_known is made of.';
CREATE AGGREGATE medallion.first_known(anyelement)
(
	SFUNC = medallion._keep_first,
	STYPE = anyelement,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE medallion.first_known(anyelement) IS
'The first value that is not NULL, in the order of the aggregate''s ORDER BY: what survives of several records of one thing.';
