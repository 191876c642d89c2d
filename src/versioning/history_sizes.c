/*
 * history_sizes.c: what history costs: the rows of view medallion.history_sizes.
 */
#include "versioning/commits_int.h"
#include "versioning/retention_int.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define SIZES_COLUMNS 10

/* Whether the caller may know of a history: who may read the table, and who reads all statistics. */
static bool
may_see(const MdlKept *kept)
{
	if (has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS))
		return true;
	return OidIsValid(kept->relid) && pg_class_aclcheck(kept->relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

static int64
estimated_rows(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	BlockNumber pages;
	double		rows;
	double		all_visible;

	/* The planner takes a small table that was never vacuumed for one of ten pages. */
	estimate_rel_size(relation, NULL, &pages, &rows, &all_visible);
	rows = rows * RelationGetNumberOfBlocks(relation) / Max(Max(pages, RelationGetNumberOfBlocks(relation)), 1);
	table_close(relation, NoLock);
	return (int64) rows;
}

static int64
table_bytes(Oid relid)
{
	return DatumGetInt64(DirectFunctionCall1(pg_table_size, ObjectIdGetDatum(relid)));
}

static int64
index_bytes(Oid relid)
{
	return DatumGetInt64(DirectFunctionCall1(pg_indexes_size, ObjectIdGetDatum(relid)));
}

/* What holds back the retention of a history; NULL: nothing. */
static char *
blocked_by(const MdlKept *kept)
{
	TimestampTz cutoff;
	MdlCommit	wanted;
	int64		held;
	char	   *hint;

	if (kept->readable_from == 0 || !mdl_kept_cutoff(kept, &cutoff) || !mdl_commit_at_time(cutoff, &wanted))
		return NULL;
	return mdl_kept_blocker(kept->table_id, kept->readable_from, wanted.version, &held, &hint);
}

/* The version and its time, where they are known. */
static void
set_version(int64 version, Datum *values, bool *nulls)
{
	MdlCommit	commit;

	nulls[0] = version == 0;
	values[0] = Int64GetDatum(version);
	nulls[1] = version == 0 || !mdl_commit_at_version(version, &commit);
	values[1] = nulls[1] ? (Datum) 0 : TimestampTzGetDatum(commit.committed_at);
}

static void
put_history(const MdlKept *kept, ReturnSetInfo *result)
{
	Datum		values[SIZES_COLUMNS] = {0};
	bool		nulls[SIZES_COLUMNS] = {false};
	Relation	history = try_relation_open(kept->history, AccessShareLock);
	char	   *blocker;

	if (history == NULL)		/* dropped since it was listed */
		return;
	relation_close(history, NoLock);	/* the lock keeps it */
	blocker = blocked_by(kept);
	values[0] = CStringGetTextDatum(kept->name);
	values[1] = Int64GetDatum(estimated_rows(kept->history));
	values[2] = Int64GetDatum(table_bytes(kept->history));
	values[3] = Int64GetDatum(index_bytes(kept->history));
	nulls[4] = true;
	set_version(kept->readable_from, &values[5], &nulls[5]);
	nulls[7] = kept->retain == NULL;
	values[7] = IntervalPGetDatum(kept->retain);
	nulls[8] = blocker == NULL;
	values[8] = nulls[8] ? (Datum) 0 : CStringGetTextDatum(blocker);
	values[9] = BoolGetDatum(OidIsValid(kept->relid));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* The log and what belongs to it, as one row. */
static void
put_log(ReturnSetInfo *result)
{
	static const char *const relations[] = {MDL_LOG_TABLE, MDL_CHANGES_TABLE};
	Datum		values[SIZES_COLUMNS] = {0};
	bool		nulls[SIZES_COLUMNS] = {false};
	int64		table = 0;
	int64		index = 0;

	for (int i = 0; i < lengthof(relations); i++)
	{
		Oid			relid = mdl_history_relation(relations[i], false);

		table += table_bytes(relid);
		index += index_bytes(relid);
	}
	values[0] = CStringGetTextDatum("medallion_history.commit_log");
	values[1] = Int64GetDatum(estimated_rows(mdl_history_relation(MDL_LOG_TABLE, false)));
	values[2] = Int64GetDatum(table);
	values[3] = Int64GetDatum(index);
	values[4] = Int64GetDatum(table + index);
	set_version(mdl_horizon(MDL_LOG_HORIZON, SnapshotSelf), &values[5], &nulls[5]);
	nulls[7] = nulls[8] = nulls[9] = true;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

MDL_FUNCTION(mdl_history_sizes);
Datum
mdl_history_sizes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	if (!OidIsValid(mdl_history_relation(MDL_LOG_TABLE, true)))
		PG_RETURN_NULL();
	foreach(cell, mdl_kept_histories())
		if (may_see(lfirst(cell)))
			put_history(lfirst(cell), result);
	put_log(result);
	PG_RETURN_NULL();
}
