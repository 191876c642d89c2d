/*
 * partition_past.c: the past of a partition, and of tables whose partitions came with rows.
 *
 * History does not say in which partition a row lived, and partitions come and go.  So the past of a partition is defined
 * by its bounds of today: the rows of the root as of then that would be in it now.  That is what its current rows are
 * too, so both sides agree.
 */
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/past_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"

#include "access/attmap.h"
#include "access/table.h"
#include "access/transam.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"
#include "utils/acl.h"
#include "utils/hsearch.h"
#include "utils/partcache.h"
#include "utils/rls.h"

bool
mdl_partition_births_differ(const MdlTable *table)
{
	MdlCommit	commit;

	if (table->newest_attached == 0)
		return false;
	/* No record: the attaching transaction is this one, or pruned and older than all that can be read. */
	if (!mdl_commit_of_stamp(table->newest_attached, &commit))
		return mdl_capture_is_own(table->newest_attached);
	return commit.version > table->readable_from;
}

void
mdl_partition_restrict(Query *history_query, const MdlTable *table)
{
	Relation	relation;
	List	   *bounds;
	AttrMap    *map;
	bool		whole_row = false;

	if (table->root == table->relid)
		return;

	/* The rows of history are the root's: who may not read that, or only some of its rows, must not get them this way. */
	mdl_require_privilege(table->root, ACL_SELECT);
	if (check_enable_rls(table->root, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot read the past of partition \"%s\": \"%s\" has row-level security",
						mdl_display_name(table->relid), mdl_display_name(table->root)),
				 errhint("Ask for the past of \"%s\" with a condition.", mdl_display_name(table->root))));
	relation = table_open(table->relid, AccessShareLock);
	bounds = copyObject(RelationGetPartitionQual(relation));
	table_close(relation, NoLock);
	map = make_attrmap(table->natts);
	for (int i = 0; i < table->natts; i++)
		map->attnums[i] = table->history_attno[i];
	bounds = castNode(List, map_variable_attnos((Node *) bounds, 1, 0, map, InvalidOid, &whole_row));
	free_attrmap(map);
	history_query->jointree->quals = make_and_qual(history_query->jointree->quals, (Node *) make_ands_explicit(bounds));
}

/* What _attached_by keeps between rows: for each partition, whether it was attached by the version. */
typedef struct AttachedState
{
	int64		version;
	uint64		generation;
	HTAB	   *partitions;
} AttachedState;

typedef struct AttachedPartition
{
	Oid			relid;			/* hash key */
	bool		by_then;
} AttachedPartition;

static AttachedState *
attached_state(FunctionCallInfo fcinfo, int64 version)
{
	AttachedState *state = fcinfo->flinfo->fn_extra;
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(AttachedPartition), .hcxt = fcinfo->flinfo->fn_mcxt};

	if (likely(state != NULL && state->version == version && state->generation == mdl_table_generation))
		return state;
	if (state == NULL)
		state = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(AttachedState));
	if (state->partitions != NULL)
		hash_destroy(state->partitions);
	state->partitions = hash_create("medallion attached partitions", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	state->version = version;
	state->generation = mdl_table_generation;
	return state;
}

/* Whether the partition that a row is in belonged to its table at a version. */
MDL_FUNCTION(mdl_attached_by);
Datum
mdl_attached_by(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	int64		version = PG_GETARG_INT64(1);
	AttachedPartition *partition;
	bool		found;

	partition = hash_search(attached_state(fcinfo, version)->partitions, &relid, HASH_ENTER, &found);
	if (!found)
	{
		const MdlTable *table;

		partition->by_then = false;
		table = mdl_table_get(relid);
		partition->by_then = table->attached == 0 || mdl_point_includes(mdl_point_resolve(version, NULL), table->attached);
	}
	PG_RETURN_BOOL(partition->by_then);
}
