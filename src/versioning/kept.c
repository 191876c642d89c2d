/*
 * kept.c: the histories that this database keeps: of which tables, for how long, and what holds them.
 *
 * A history outlives its table, and the table's versioning.  How long its past is kept is the table's own *retention*, or
 * that of the setting medallion.history_retention.
 */
#include "versioning/commits_int.h"
#include "versioning/retention_int.h"
#include "versioning/tables_int.h"

#include "access/relation.h"
#include "base/background.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* The table that a history is of, if it is still versioned under that number. */
static Oid
versioned_relation(const char *schema, const char *name, int32 table_id)
{
	Oid			namespace = get_namespace_oid(schema, true);
	Oid			relid = OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;
	Relation	relation = OidIsValid(relid) ? try_relation_open(relid, AccessShareLock) : NULL;

	if (relation == NULL)
		return InvalidOid;
	if (mdl_table_id(relation) != table_id)
		relid = InvalidOid;
	relation_close(relation, NoLock);
	return relid;
}

List *
mdl_kept_histories(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *result = NIL;
	MdlUser		user;

	if (!OidIsValid(mdl_history_relation(MDL_TABLES_TABLE, true)))
		return NIL;
	SPI_connect();
	mdl_owner_begin(&user);
	mdl_run("SELECT table_id, schema_name, table_name, history_table, retain FROM medallion_history.versioned_tables"
			" ORDER BY table_id", NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Oid			history = mdl_history_relation(mdl_field_text(i, 3), true);
		char	   *schema = mdl_field_text(i, 1);
		char	   *name = mdl_field_text(i, 2);
		bool		is_null;
		Datum		retain = mdl_field(i, 4, &is_null);
		MdlKept    *kept;
		MemoryContext spi;

		if (!OidIsValid(history))
			continue;
		spi = MemoryContextSwitchTo(caller);
		kept = palloc0(sizeof(MdlKept));
		kept->table_id = DatumGetInt32(mdl_field(i, 0, NULL));
		kept->name = psprintf("%s.%s", schema, name);
		kept->relid = versioned_relation(schema, name, kept->table_id);
		kept->history = history;
		kept->readable_from = mdl_history_readable_from(kept->table_id, &kept->pruned_to);
		if (!is_null)
			kept->retain = DatumGetIntervalP(datumCopy(retain, false, sizeof(Interval)));
		result = lappend(result, kept);
		MemoryContextSwitchTo(spi);
	}
	mdl_owner_end(&user);
	SPI_finish();
	return result;
}

TimestampTz
mdl_cutoff_before_now(const Interval *older_than)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz cutoff = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(now),
																  IntervalPGetDatum(older_than)));

	if (cutoff > now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a time to keep history must not be negative")));
	return cutoff;
}

void
mdl_kept_notice_scheduler(void)
{
	if (!mdl_scheduler_present())
		ereport(NOTICE,
				(errmsg("history is pruned by itself only where the scheduler runs"),
				 errhint("Set shared_preload_libraries = 'medallion' and restart the server, or call medallion.prune_history().")));
}

bool
mdl_kept_cutoff(const MdlKept *kept, TimestampTz *cutoff)
{
	if (kept->retain != NULL)
	{
		*cutoff = mdl_cutoff_before_now(kept->retain);
		return true;
	}
	if (mdl_history_retention < 0)
		return false;
	*cutoff = GetCurrentTimestamp() - mdl_history_retention * USECS_PER_SEC;
	return true;
}

char *
mdl_kept_blocker(int32 table_id, int64 first, int64 end, int64 *version, char **hint)
{
	MemoryContext caller = CurrentMemoryContext;
	MdlArgs		args = {0};
	MdlUser		user;
	char	   *blocker = NULL;

	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg_int8(&args, first);
	mdl_arg_int8(&args, end);
	SPI_connect();
	mdl_owner_begin(&user);
	mdl_run("SELECT kind, holder, version FROM (SELECT 'tag' AS kind, tag AS holder, version FROM medallion_history.tags"
			" UNION ALL SELECT holder_kind, holder, version FROM medallion_history.pins"
			" WHERE table_id IS NULL OR table_id OPERATOR(pg_catalog.=) $1) h"
			" WHERE version OPERATOR(pg_catalog.>=) $2 AND version OPERATOR(pg_catalog.<) $3"
			" ORDER BY version, kind OPERATOR(pg_catalog.<>) 'tag', holder LIMIT 1", &args, true);
	if (SPI_processed == 1)
	{
		char	   *kind = mdl_field_text(0, 0);
		char	   *holder = mdl_field_text(0, 1);
		MemoryContext spi = MemoryContextSwitchTo(caller);

		*version = mdl_field_int8(0, 2);
		blocker = psprintf("%s \"%s\" (version " INT64_FORMAT ")", kind, holder, *version);
		*hint = strcmp(kind, "tag") == 0 ? psprintf("Remove the tag with medallion.untag(%s).", quote_literal_cstr(holder))
			: strcmp(kind, "model") == 0
			? psprintf("Drop that version of the model, or release it with medallion.unpin_model(%s).", quote_literal_cstr(holder))
			: "The view medallion.pins lists what is held, and by whom.";
		MemoryContextSwitchTo(spi);
	}
	mdl_owner_end(&user);
	SPI_finish();
	return blocker;
}

void
mdl_kept_refuse_held(Oid relid)
{
	MdlTable   *table = mdl_table_get(relid);
	int64		version;
	char	   *hint;
	char	   *holder;

	if (table->readable_from == 0)
		return;
	(void) mdl_prune_lock(true);
	PushActiveSnapshot(GetLatestSnapshot());
	holder = mdl_kept_blocker(table->table_id, table->readable_from, PG_INT64_MAX, &version, &hint);
	PopActiveSnapshot();
	if (holder != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot drop the history of \"%s\": %s needs it", mdl_display_name(relid), holder),
				 errhint("%s", hint)));
}

bool
mdl_kept_drop_disabled(Oid relid)
{
	MdlArgs		args = {0};
	MdlUser		user;
	uint64		count;
	bool		any = false;
	SPITupleTable *rows;

	if (!OidIsValid(mdl_history_relation(MDL_TABLES_TABLE, true)))
		return false;
	mdl_arg_text(&args, get_namespace_name(get_rel_namespace(relid)));
	mdl_arg_text(&args, get_rel_name(relid));
	SPI_connect();
	mdl_owner_begin(&user);
	count = mdl_run("SELECT history_table FROM medallion_history.versioned_tables WHERE NOT enabled AND dropped IS NULL"
					" AND schema_name OPERATOR(pg_catalog.=) $1 AND table_name OPERATOR(pg_catalog.=) $2", &args, false);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < count; i++)
	{
		char	   *name = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);

		if (!OidIsValid(mdl_history_relation(name, true)))
			continue;
		mdl_run(psprintf("DROP TABLE medallion_history.%s", quote_identifier(name)), NULL, false);
		any = true;
	}
	mdl_owner_end(&user);
	SPI_finish();
	return any;
}

/* set_retention(relation, retain) */
MDL_FUNCTION(mdl_set_retention);
Datum
mdl_set_retention(PG_FUNCTION_ARGS)
{
	MdlTable   *table;
	MdlArgs		args = {0};
	MdlUser		user;
	Oid			relid;

	mdl_require_argument(fcinfo, 0, "relation");
	relid = PG_GETARG_OID(0);
	table = mdl_table_get(relid);
	mdl_require_table_owner(table->root);
	if (!PG_ARGISNULL(1))
	{
		(void) mdl_cutoff_before_now(PG_GETARG_INTERVAL_P(1));
		mdl_kept_notice_scheduler();
	}
	mdl_arg(&args, INT4OID, Int32GetDatum(table->table_id), false);
	mdl_arg(&args, INTERVALOID, PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1), PG_ARGISNULL(1));
	SPI_connect();
	mdl_owner_begin(&user);
	mdl_run("UPDATE medallion_history.versioned_tables SET retain = $2 WHERE table_id OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&user);
	SPI_finish();
	PG_RETURN_VOID();
}
