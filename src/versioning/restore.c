/*
 * restore.c: history that came through a dump.
 *
 * Transaction ids do not survive a dump: the restored rows have new ones, and the cluster may be younger.  So the dump
 * carries, as rows of medallion._births computed when it is made, which commit wrote each current row; and a restored
 * history is *adopted* once: stamps of the new era are put after all of the old one, and every current row of a versioned
 * table is recorded in history as alive from its birth up to the adoption, which is a commit of its own.  Every version
 * of before reads as it did where it was dumped; the cost is one copy of the versioned tables.
 */
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/past_int.h"
#include "versioning/rows_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* ROW(a, b)::text of the primary key: how a row is found again. */
static char *
key_text(const MdlTable *table)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "ROW(");
	for (int i = 0; i < table->nkeys; i++)
		appendStringInfo(&text, "%sb.%s", i ? ", " : "", quote_identifier(get_attname(table->relid, table->keys[i], false)));
	appendStringInfoString(&text, ")::pg_catalog.text");
	return text.data;
}

/* Tables whose capture triggers are in place, as OIDs. */
static List *
versioned_relations(void)
{
	List	   *relids = NIL;

	mdl_run("SELECT DISTINCT t.tgrelid FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) t.tgfoid"
			" JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace"
			" WHERE p.proname OPERATOR(pg_catalog.=) '_capture' AND n.nspname OPERATOR(pg_catalog.=) 'medallion' ORDER BY 1",
			NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
		relids = lappend_oid(relids, DatumGetObjectId(mdl_field(i, 0, NULL)));
	return relids;
}

MDL_FUNCTION(mdl_version_of_row);
Datum
mdl_version_of_row(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	ItemPointer place = (ItemPointer) PG_GETARG_POINTER(1);
	TransactionId xmin = PG_GETARG_TRANSACTIONID(2);
	MdlClock	clock;
	MdlCommit	commit;
	int64		stamp;
	int64		version;

	if (!mdl_clock_read(&clock))
		PG_RETURN_NULL();
	stamp = TransactionIdIsNormal(xmin) ? mdl_births_current(fcinfo->flinfo, relid, place, xmin, clock.stamp_offset) : 0;
	stamp = mdl_partition_birth(mdl_table_get(relid), stamp);
	if (mdl_commit_of_stamp(stamp, &commit))
		PG_RETURN_INT64(commit.version);
	version = mdl_version_claiming(stamp);
	if (version == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(version);
}

/* The births of all current rows that a commit in the log wrote, for pg_dump. */
MDL_FUNCTION(mdl_dump_births);
Datum
mdl_dump_births(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	if (mdl_travelling())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("history cannot be dumped while the session reads the past"),
				 errdetail("medallion.as_of is set to \"%s\".", mdl_travel_text()),
				 errhint("Dump the tables alone, with pg_dump --schema or --table.")));
	InitMaterializedSRF(fcinfo, 0);
	if (!OidIsValid(mdl_history_relation(MDL_CLOCK_TABLE, true)))
		PG_RETURN_NULL();
	SPI_connect();
	foreach(cell, versioned_relations())
	{
		MdlTable   *table = mdl_table_get(lfirst_oid(cell));

		MdlCommit	moving;
		char	   *moved = table->moved > 0 && mdl_commit_of_stamp(table->moved, &moving)
			? psprintf("'" INT64_FORMAT "'::bigint", moving.version) : "NULL::bigint";

		mdl_run(psprintf("SELECT %d, v, k FROM (SELECT GREATEST(medallion._version_of_row(b.tableoid, b.ctid, b.xmin), %s) AS v,"
						 " %s AS k FROM ONLY %s b) r WHERE v IS NOT NULL",
						 table->table_id, moved, key_text(table), mdl_qualified_name(table->relid)),
				NULL, true);
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_finish();
	PG_RETURN_NULL();
}

/* The adoption is the birth of all current rows in this era: its commit claims the ids that the restore wrote. */
static void
claim_rows(const MdlTable *table)
{
	MdlClock	clock;

	mdl_clock_read(&clock);
	mdl_run(psprintf("SELECT xmin FROM ONLY %s GROUP BY xmin", mdl_qualified_name(table->relid)), NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
		mdl_capture_claim(mdl_stamp_by_age(DatumGetTransactionId(mdl_field(i, 0, NULL)), clock.stamp_offset));
}

/* Records the current rows of one table in history: alive from birth to now. */
static void
adopt_table(const MdlTable *table, int64 own_stamp)
{
	StringInfoData sql;
	StringInfoData columns;
	MdlArgs		args = {0};

	initStringInfo(&columns);
	for (int i = 0; i < table->natts; i++)
		if (table->history_attno[i] != 0)
			appendStringInfo(&columns, ", %s", quote_identifier(
							 NameStr(TupleDescAttr(table->history_desc, table->history_attno[i] - 1)->attname)));

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "INSERT INTO %s (" MDL_BORN_COLUMN ", " MDL_DIED_COLUMN "%s) SELECT COALESCE(l.stamp, 0), $1",
					 mdl_qualified_name(table->history), columns.data);
	for (int i = 0; i < table->natts; i++)
	{
		char	   *name = get_attname(table->relid, i + 1, true);

		if (name != NULL && table->history_attno[i] != 0)
			appendStringInfo(&sql, ", b.%s", quote_identifier(name));
	}
	appendStringInfo(&sql, " FROM ONLY %s b"
					 " LEFT JOIN medallion._births f ON f.table_id OPERATOR(pg_catalog.=) $2 AND f.key OPERATOR(pg_catalog.=) %s"
					 " LEFT JOIN medallion_history.commit_log l ON l.version OPERATOR(pg_catalog.=) f.version",
					 mdl_qualified_name(table->relid), key_text(table));
	mdl_arg_int8(&args, own_stamp);
	mdl_arg(&args, INT4OID, Int32GetDatum(table->table_id), false);
	mdl_run(sql.data, &args, false);
	claim_rows(table);
}

/* Writes the clock anew: the stamps of this era come after all of the last one. */
static int64
start_era(void)
{
	MdlArgs		args = {0};
	int64		offset;

	mdl_run("SELECT COALESCE(pg_catalog.max(high), 0) FROM medallion_history.commit_log", NULL, false);
	offset = mdl_field_int8(0, 0);
	mdl_run("CREATE TEMPORARY TABLE medallion_old_clock ON COMMIT DROP AS TABLE medallion_history.commit_clock", NULL, false);
	mdl_run("TRUNCATE medallion_history.commit_clock", NULL, false);
	mdl_arg_int8(&args, offset);
	mdl_run("INSERT INTO medallion_history.commit_clock SELECT GREATEST(c.version, l.version),"
			" GREATEST(c.last_time, l.committed_at), GREATEST(c.version, l.version), GREATEST(c.last_time, l.committed_at),"
			" c.era OPERATOR(pg_catalog.+) 1, $1, pg_catalog.pg_current_xact_id()::text::bigint"
			" FROM pg_temp.medallion_old_clock c, (SELECT COALESCE(pg_catalog.max(version), 0) AS version,"
			" COALESCE(pg_catalog.max(committed_at), '-infinity') AS committed_at FROM medallion_history.commit_log) l",
			&args, false);
	mdl_run("DROP TABLE pg_temp.medallion_old_clock", NULL, false);
	/* Numbers of relations and files elsewhere. */
	mdl_run("DELETE FROM medallion_history.table_state", NULL, false);
	return offset;
}

MDL_FUNCTION(mdl_adopt_history);
Datum
mdl_adopt_history(PG_FUNCTION_ARGS)
{
	List	   *relids;
	ListCell   *cell;
	int64		own_stamp;
	int64		count = 0;

	mdl_refuse_while_travelling("adopt_history()");
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to adopt a restored history")));
	if (!OidIsValid(mdl_history_relation(MDL_CLOCK_TABLE, true)) || !mdl_clock_restored())
		PG_RETURN_INT64(0);
	SPI_connect();
	relids = versioned_relations();
	foreach(cell, relids)
		mdl_run(psprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", mdl_qualified_name(lfirst_oid(cell))), NULL, false);
	own_stamp = start_era() + (int64) U64FromFullTransactionId(GetTopFullTransactionId());
	foreach(cell, relids)
	{
		adopt_table(mdl_table_get(lfirst_oid(cell)), own_stamp);
		mdl_capture_operation(lfirst_oid(cell), "adopt");
		count += mdl_partition_root(lfirst_oid(cell)) == lfirst_oid(cell);
	}
	CommandCounterIncrement();
	foreach(cell, relids)
		if (mdl_partition_root(lfirst_oid(cell)) == lfirst_oid(cell))
			mdl_reconcile_adopted(lfirst_oid(cell), own_stamp);
	mdl_run("DELETE FROM medallion._births", NULL, false);
	SPI_finish();
	PG_RETURN_INT64(count);
}
