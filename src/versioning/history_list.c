/*
 * history_list.c: the commits of a table, with what each did, and those of all tables.
 *
 * Counts that a commit could not note while it ran are found by reading its feed, once.
 */
#include "versioning/commits_int.h"
#include "versioning/past_int.h"
#include "versioning/retention_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

typedef struct ChangeCount
{
	Oid			relid;
	int64		version;
	Datum	   *values;			/* (3) inserted, updated, deleted */
} ChangeCount;

/* Counts the net changes of one commit by reading its feed. */
static void
count_changes(void *argument)
{
	ChangeCount *wanted = argument;
	MdlArgs		args = {0};

	mdl_arg_int8(&args, wanted->version);
	mdl_run(psprintf("SELECT pg_catalog.count(*) FILTER (WHERE _change_type OPERATOR(pg_catalog.=) 'insert'),"
					 " pg_catalog.count(*) FILTER (WHERE _change_type OPERATOR(pg_catalog.=) 'update_postimage'),"
					 " pg_catalog.count(*) FILTER (WHERE _change_type OPERATOR(pg_catalog.=) 'delete')"
					 " FROM medallion.changes(NULL::%s, $1, $1)", mdl_qualified_name(wanted->relid)), &args, false);
	for (int i = 0; i < 3; i++)
		wanted->values[i] = mdl_field(0, i, NULL);
}

/* The counts, which the feed can tell only if all past values can be converted to the types of today. */
static bool
try_count_changes(Oid relid, int64 version, Datum *values)
{
	ErrorData  *error = mdl_try(count_changes, &(ChangeCount) {relid, version, values});

	if (error != NULL && ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
		ReThrowError(error);
	return error == NULL;
}

/* The table itself: commits are those of all its partitions. */
static MdlTable *
history_table(Oid relid)
{
	MdlTable   *table = mdl_table_get(relid);

	if (table->root != relid)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a partition of versioned table \"%s\", whose commits are counted as a whole",
						mdl_display_name(relid), mdl_display_name(table->root)),
				 errhint("Ask for medallion.history('%s').", mdl_qualified_name(table->root))));
	return table;
}

/* Keeps counts that were found by the feed, so that they are found once; not those of who sees a part of the table. */
static void
keep_counts(const MdlTable *table, int64 version, const Datum *values)
{
	MdlArgs		args = {0};
	MdlUser		user;

	if (XactReadOnly || RecoveryInProgress() || mdl_travelling() ||
		pg_class_aclcheck(table->relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK ||
		check_enable_rls(table->relid, InvalidOid, true) == RLS_ENABLED)
		return;
	mdl_arg(&args, INT4OID, Int32GetDatum(table->table_id), false);
	mdl_arg_int8(&args, version);
	for (int i = 0; i < 3; i++)
		mdl_arg(&args, INT8OID, values[i], false);
	mdl_owner_begin(&user);
	mdl_run("INSERT INTO medallion_history.change_counts (table_id, version, inserted, updated, deleted)"
			" VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING", &args, false);
	mdl_owner_end(&user);
}

MDL_FUNCTION(mdl_history);
Datum
mdl_history(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MdlTable   *table = history_table(relid);
	MdlArgs		args = {0};
	MdlUser		user;
	SPITupleTable *rows;
	uint64		count;

	mdl_require_privilege(relid, ACL_SELECT);
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	mdl_arg(&args, INT4OID, Int32GetDatum(table->table_id), false);
	mdl_arg_int8(&args, table->readable_from);
	mdl_arg_bool(&args, mdl_state_reason(relid) == NULL);
	mdl_owner_begin(&user);
	count = mdl_run("SELECT l.version, l.committed_at, l.role_name, l.application_name, c.operation,"
					" COALESCE(c.inserted, k.inserted), COALESCE(c.updated, k.updated), COALESCE(c.deleted, k.deleted), $3 AND l.version OPERATOR(pg_catalog.>=) $2 AND NOT EXISTS ("
					"SELECT FROM medallion_history.lost_versions x LEFT JOIN medallion_history.commit_log r"
					" ON r.stamp OPERATOR(pg_catalog.=) x.until_stamp WHERE x.table_id OPERATOR(pg_catalog.=) $1"
					" AND l.version OPERATOR(pg_catalog.>=) x.first_version"
					" AND (r.version IS NULL OR l.version OPERATOR(pg_catalog.<) r.version))"
					" FROM medallion_history.commit_changes c JOIN medallion_history.commit_log l"
					" ON l.version OPERATOR(pg_catalog.=) c.version"
					" LEFT JOIN medallion_history.change_counts k ON k.table_id OPERATOR(pg_catalog.=) c.table_id"
					" AND k.version OPERATOR(pg_catalog.=) c.version"
					" WHERE c.table_id OPERATOR(pg_catalog.=) $1 ORDER BY l.version", &args, true);
	mdl_owner_end(&user);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < count; i++)
	{
		Datum		values[9];
		bool		nulls[9];

		heap_deform_tuple(rows->vals[i], rows->tupdesc, values, nulls);
		if (nulls[5] && DatumGetBool(values[8]))
		{
			nulls[5] = nulls[6] = nulls[7] = !try_count_changes(relid, DatumGetInt64(values[0]), &values[5]);
			if (!nulls[5])
				keep_counts(mdl_table_get(relid), DatumGetInt64(values[0]), &values[5]);
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_finish();
	PG_RETURN_NULL();
}

MDL_FUNCTION(mdl_commits);
Datum
mdl_commits(PG_FUNCTION_ARGS)
{
	MdlArgs		args = {0};

	if (!OidIsValid(mdl_history_relation(MDL_LOG_TABLE, true)))
	{
		InitMaterializedSRF(fcinfo, 0);
		PG_RETURN_NULL();
	}
	/* What pruning left at or below the horizon of the log is there for the sake of newer commits. */
	mdl_arg_int8(&args, mdl_horizon(MDL_LOG_HORIZON, SnapshotSelf));
	mdl_owner_rows(fcinfo, "SELECT l.version, l.committed_at, l.role_name, l.application_name,"
				   " ARRAY(SELECT t.schema_name OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) t.table_name"
				   " FROM medallion_history.commit_changes c JOIN medallion_history.versioned_tables t"
				   " ON t.table_id OPERATOR(pg_catalog.=) c.table_id"
				   " WHERE c.version OPERATOR(pg_catalog.=) l.version ORDER BY 1)"
				   " FROM medallion_history.commit_log l WHERE l.version OPERATOR(pg_catalog.>) $1 ORDER BY l.version", &args);
	PG_RETURN_NULL();
}
