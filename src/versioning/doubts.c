/*
 * doubts.c: what is known to be amiss with versioning: event triggers that are not in force, tables that are not as it left them.
 */
#include "versioning/commits_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

/* Names the event triggers that are not in force; NULL if all are.  A function that none calls has lost its own. */
static char *
idle_event_triggers(void)
{
	mdl_run("SELECT pg_catalog.string_agg(COALESCE((SELECT pg_catalog.min(e.evtname::pg_catalog.text) FROM pg_catalog.pg_event_trigger e"
			" WHERE e.evtfoid OPERATOR(pg_catalog.=) p.oid), 'that of ' OPERATOR(pg_catalog.||) p.oid::pg_catalog.regproc::pg_catalog.text),"
			" ', ' ORDER BY p.proname)"
			" FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace"
			" WHERE n.nspname OPERATOR(pg_catalog.=) 'medallion' AND p.prorettype OPERATOR(pg_catalog.=) 'pg_catalog.event_trigger'::pg_catalog.regtype"
			" AND NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger e WHERE e.evtfoid OPERATOR(pg_catalog.=) p.oid"
			" AND e.evtenabled OPERATOR(pg_catalog.=) ANY ('{O,A}'))", NULL, true);
	return mdl_field_text(0, 0);
}

void
mdl_warn_of_event_triggers(void)
{
	char	   *names = idle_event_triggers();

	if (names != NULL)
		ereport(WARNING,
				(errmsg("event triggers are missing or switched off: %s", names),
				 errhint("Without them definitions of tables are not followed: ALTER EVENT TRIGGER … ENABLE ALWAYS; one that was"
						 " dropped is made again by DROP EXTENSION and CREATE EXTENSION, which leave tables and history alone.")));
}

/* The rows of view medallion.versioning_doubts. */
MDL_FUNCTION(mdl_versioning_doubts);
Datum
mdl_versioning_doubts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[2];
	bool		nulls[2] = {true, false};
	char	   *idle;
	MdlUser		user;
	SPITupleTable *rows;
	uint64		count;

	InitMaterializedSRF(fcinfo, 0);
	if (!OidIsValid(mdl_history_relation(MDL_TABLES_TABLE, true)) || mdl_clock_restored())
		PG_RETURN_NULL();
	SPI_connect();
	idle = idle_event_triggers();
	if (idle != NULL)
	{
		values[1] = CStringGetTextDatum(psprintf("event triggers are missing or switched off: %s", idle));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	mdl_owner_begin(&user);
	count = mdl_run("SELECT c.oid FROM medallion_history.versioned_tables t"
					" JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) t.schema_name"
					" JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) n.oid AND c.relname OPERATOR(pg_catalog.=) t.table_name"
					" WHERE t.enabled ORDER BY t.table_id", NULL, true);
	mdl_owner_end(&user);
	rows = SPI_tuptable;
	nulls[0] = false;
	for (uint64 i = 0; i < count; i++)
	{
		bool		is_null;
		Oid			relid = DatumGetObjectId(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &is_null));
		const char *reason;

		if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
			continue;
		if (mdl_table_find(relid) == NULL)
			reason = mdl_state_enabled_table(relid) < 0 ? NULL : "its capture triggers were dropped";
		else
			reason = mdl_state_reason(relid);
		if (reason == NULL)
			continue;
		values[0] = ObjectIdGetDatum(relid);
		values[1] = CStringGetTextDatum(reason);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	SPI_finish();
	PG_RETURN_NULL();
}
