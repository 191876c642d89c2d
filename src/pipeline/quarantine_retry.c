/*
 * quarantine_retry.c: medallion.retry_quarantine: what becomes of the rows in quarantine after something was mended.
 *
 * Nothing is taken from the quarantine table itself: a source may have changed since a row was rejected.  The table is
 * refreshed, which judges the rows as they are now by the rules as they are now, with corrections; so nothing is lost or comes
 * twice, and the table is what a rebuild would make it.  This tells what it did to the rows that were in quarantine.
 */
#include "pipeline/cdc_int.h"
#include "pipeline/definition_int.h"
#include "pipeline/pipeline.h"
#include "pipeline/result_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"

/* Takes {"17": {"origin": "JFK"}, …}. */
static void
add_corrections(const DerivedTable *table, Jsonb *corrections)
{
	JsonbIterator *iterator;
	JsonbValue	value;
	JsonbIteratorToken token;
	int64		id = 0;

	if (!JB_ROOT_IS_OBJECT(corrections))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"corrections\" must be an object"),
				 errhint("Give the new values by _quarantine_id: {\"17\": {\"origin\": \"JFK\"}}.")));
	iterator = JsonbIteratorInit(&corrections->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			char	   *key = pnstrdup(value.val.string.val, value.val.string.len);
			char	   *end;

			errno = 0;
			id = strtoll(key, &end, 10);
			if (errno != 0 || *end != '\0' || end == key)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("corrections are given by _quarantine_id, but \"%s\" is none", key)));
		}
		else if (token == WJB_VALUE)
			mdl_correction_add(table, id, JsonbValueToJsonb(&value), NULL);
	}
}

static char *
quarantine_ids(Oid quarantine)
{
	if (!OidIsValid(quarantine))
		return pstrdup("{}");
	mdl_run(psprintf("SELECT coalesce(pg_catalog.array_agg(_quarantine_id), '{}') FROM ONLY %s", mdl_qualified_name(quarantine)), NULL, false);
	return mdl_field_text(0, 0);
}

/* How many of the rows given stay, and how many there are. */
static void
count_rejected(Oid quarantine, const char *before, int64 *stayed, int64 *rejected)
{
	MdlArgs		args = {0};

	*stayed = *rejected = 0;
	if (!OidIsValid(quarantine))
		return;
	mdl_arg_text(&args, before);
	mdl_run(psprintf("SELECT pg_catalog.count(*) FILTER (WHERE _quarantine_id OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.int8[])),"
					 " pg_catalog.count(*) FROM ONLY %s", mdl_qualified_name(quarantine)), &args, false);
	*stayed = mdl_field_int8(0, 0);
	*rejected = mdl_field_int8(0, 1);
}

/* Of a table that changes are applied to, events are in quarantine. */
static void
retry_events(FunctionCallInfo fcinfo, const DerivedTable *table)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	Applied		applied;
	Datum		values[8];
	bool		nulls[8] = {0};

	if (!PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("events of \"%s\" in quarantine cannot be corrected", mdl_display_name(table->target)),
				 errdetail("Changes are applied to the table: what is in quarantine are events, not rows."),
				 errhint("Correct them where they come from, or change the rule, and retry without corrections.")));
	applied = mdl_flow_retry(table->target);
	values[0] = Int64GetDatum(applied.events);
	values[1] = Int64GetDatum(applied.events - applied.quarantined);
	values[2] = Int64GetDatum(applied.quarantined);
	values[3] = Int64GetDatum(applied.published.inserted);
	values[4] = Int64GetDatum(applied.published.updated);
	values[5] = Int64GetDatum(applied.published.deleted);
	values[6] = CStringGetTextDatum(applied.mode);
	values[7] = CStringGetTextDatum(applied.reason);
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

MDL_FUNCTION(mdl_retry_quarantine);
Datum
mdl_retry_quarantine(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target"};
	DerivedTable *table;
	MdlArgs		args = {0};
	MdlUser		saved;
	char	   *before;
	int64		retried,
				stayed,
				rejected;
	Datum		values[8];
	bool		nulls[8] = {0};

	InitMaterializedSRF(fcinfo, 0);
	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	SPI_connect();
	table = mdl_ruled_table(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (table->keeper)
	{
		retry_events(fcinfo, table);
		SPI_finish();
		return (Datum) 0;
	}
	if (!PG_ARGISNULL(1))
		add_corrections(table, PG_GETARG_JSONB_P(1));
	before = quarantine_ids(table->quarantine);
	count_rejected(table->quarantine, before, &retried, &rejected);
	mdl_refresh_table(table->target);

	/* The refresh may have made the quarantine table. */
	table = mdl_pipeline_table(mdl_pipeline_tables(), table->target);
	count_rejected(table->quarantine, before, &stayed, &rejected);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->target), false);
	mdl_owner_begin(&saved);
	mdl_run("SELECT inserted, updated, deleted, mode, reason FROM medallion._refreshes WHERE target OPERATOR(pg_catalog.=) $1"
			" ORDER BY refresh_id DESC LIMIT 1", &args, false);
	values[0] = Int64GetDatum(retried);
	values[1] = Int64GetDatum(retried - stayed);
	values[2] = Int64GetDatum(rejected);
	for (int i = 0; i < 3; i++)
		values[3 + i] = Int64GetDatum(mdl_field_int8(0, i));
	values[6] = CStringGetTextDatum(mdl_field_text(0, 3));
	values[7] = CStringGetTextDatum(mdl_field_text(0, 4));
	mdl_owner_end(&saved);
	tuplestore_putvalues(((ReturnSetInfo *) fcinfo->resultinfo)->setResult, ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc,
						 values, nulls);
	SPI_finish();
	return (Datum) 0;
}
