/*
 * spi_run.c: statements through SPI with typed arguments, and the fields of their results.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

void
mdl_arg(MdlArgs *args, Oid type, Datum value, bool is_null)
{
	if (args->count >= MDL_MAX_ARGS)
		elog(ERROR, "too many arguments for one statement");
	args->types[args->count] = type;
	args->values[args->count] = value;
	args->nulls[args->count] = is_null ? 'n' : ' ';
	args->count++;
}

void
mdl_arg_text(MdlArgs *args, const char *value)
{
	mdl_arg(args, TEXTOID, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

void
mdl_arg_int8(MdlArgs *args, int64 value)
{
	mdl_arg(args, INT8OID, Int64GetDatum(value), false);
}

void
mdl_arg_float8(MdlArgs *args, double value)
{
	mdl_arg(args, FLOAT8OID, Float8GetDatum(value), false);
}

void
mdl_arg_bool(MdlArgs *args, bool value)
{
	mdl_arg(args, BOOLOID, BoolGetDatum(value), false);
}

void
mdl_arg_jsonb(MdlArgs *args, Jsonb *value)
{
	mdl_arg(args, JSONBOID, value ? JsonbPGetDatum(value) : (Datum) 0, value == NULL);
}

uint64
mdl_run(const char *sql, const MdlArgs *args, bool read_only)
{
	int			code;

	code = SPI_execute_with_args(sql, args ? args->count : 0,
								 args ? (Oid *) args->types : NULL,
								 args ? (Datum *) args->values : NULL,
								 args ? args->nulls : NULL, read_only, 0);
	if (code < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql, SPI_result_code_string(code));
	return SPI_processed;
}

uint64
mdl_run_now(const char *sql, const MdlArgs *args)
{
	SPIPlanPtr	plan = SPI_prepare(sql, args ? args->count : 0, args ? (Oid *) args->types : NULL);
	int			code;

	if (plan == NULL)
		elog(ERROR, "SPI could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	code = SPI_execute_snapshot(plan, args ? (Datum *) args->values : NULL, args ? args->nulls : NULL, GetLatestSnapshot(),
								InvalidSnapshot, false, true, 0);
	if (code < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql, SPI_result_code_string(code));
	SPI_freeplan(plan);
	return SPI_processed;
}

uint64
mdl_count_now(const char *sql, const MdlArgs *args)
{
	MdlUser		user;
	uint64		rows;

	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	mdl_owner_begin(&user);
	rows = mdl_run(sql, args, true);
	mdl_owner_end(&user);
	PopActiveSnapshot();
	SPI_finish();
	return rows;
}

void
mdl_owner_rows(FunctionCallInfo fcinfo, const char *sql, const MdlArgs *args)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MdlUser		user;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	mdl_owner_begin(&user);
	mdl_run(sql, args, true);
	mdl_owner_end(&user);
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
}

Datum
mdl_field(uint64 row, int column, bool *is_null)
{
	bool		null_here;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column + 1, &null_here);

	if (is_null)
		*is_null = null_here;
	return value;
}

char *
mdl_field_text(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column + 1);
}

int64
mdl_field_int8(uint64 row, int column)
{
	bool		is_null;
	Datum		value = mdl_field(row, column, &is_null);

	return is_null ? 0 : DatumGetInt64(value);
}
