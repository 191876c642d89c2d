/*
 * tag.c: names of versions.
 *
 * A *tag* names one version, hence one state of all versioned tables, and keeps it readable: pruning stops there.  A tag
 * never moves by itself; untag() and tag() move it.
 */
#include "versioning/commits_int.h"
#include "versioning/past_int.h"
#include "versioning/retention_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#define ENGINEER_ROLE	"medallion_engineer"
#define MAX_TAG_LENGTH	200		/* bytes */

/* A tag concerns all versioned tables, so it takes more than owning one of them. */
static void
require_right(void)
{
	Oid			engineer = get_role_oid(ENGINEER_ROLE, true);

	if (pg_database_ownercheck(MyDatabaseId, GetUserId()) ||
		(OidIsValid(engineer) && has_privs_of_role(GetUserId(), engineer)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to tag versions of database \"%s\"", get_database_name(MyDatabaseId)),
			 errhint("The owner of the database and members of role " ENGINEER_ROLE " may.")));
}

static char *
tag_argument(FunctionCallInfo fcinfo, const char *name)
{
	char	   *tag = mdl_required_text(fcinfo, 0, name);

	if (tag[0] == '\0' || strlen(tag) > MAX_TAG_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("a tag must have between 1 and %d bytes", MAX_TAG_LENGTH)));
	return tag;
}

static void
require_history(void)
{
	MdlClock	clock;

	if (!mdl_clock_read(&clock))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nothing was ever versioned in this database"),
				 errhint("Start with medallion.enable_versioning().")));
}

/* The version that a tag is to name: settled, and still kept. */
static int64
checked_version(bool given, int64 version)
{
	int64		kept = mdl_horizon(MDL_LOG_HORIZON, SnapshotSelf);
	MdlCommit	commit;

	version = given ? mdl_settled_version_of(&version, NULL) : mdl_commit_wait();
	/* A number between two commits means the one before; a tag says which. */
	if (version < 1 || !mdl_commit_at_version(version, &commit) || commit.version <= kept)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version " INT64_FORMAT " is not kept", version),
				 errhint("The view medallion.commits lists the versions that are.")));
	return commit.version;
}

MDL_FUNCTION(mdl_tag);
Datum
mdl_tag(PG_FUNCTION_ARGS)
{
	char	   *tag = tag_argument(fcinfo, "name");
	char	   *comment = mdl_optional_text(fcinfo, 2);
	MdlArgs		args = {0};
	MdlUser		user;
	int64		version;

	require_right();
	require_history();
	/* Pruning takes the lock against this one and so sees the tag, or is seen by what follows. */
	LockRelationOid(mdl_history_relation(MDL_TAGS_TABLE, false), RowExclusiveLock);
	version = checked_version(!PG_ARGISNULL(1), PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1));
	mdl_arg_text(&args, tag);
	mdl_arg_int8(&args, version);
	mdl_arg_text(&args, GetUserNameFromId(GetUserId(), false));
	mdl_arg_text(&args, comment);
	SPI_connect();
	mdl_owner_begin(&user);
	if (mdl_run("INSERT INTO medallion_history.tags (tag, version, role_name, created_at, comment)"
				" VALUES ($1, $2, $3, pg_catalog.clock_timestamp(), $4) ON CONFLICT (tag) DO NOTHING", &args, false) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("tag \"%s\" already exists", tag),
				 errhint("Remove it first with medallion.untag(%s) to move it.", quote_literal_cstr(tag))));
	mdl_owner_end(&user);
	SPI_finish();
	PG_RETURN_INT64(version);
}

static void
missing_tag(const char *tag)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("tag \"%s\" does not exist", tag),
			 errhint("The view medallion.tags lists all tags.")));
}

MDL_FUNCTION(mdl_untag);
Datum
mdl_untag(PG_FUNCTION_ARGS)
{
	char	   *tag = tag_argument(fcinfo, "name");
	MdlArgs		args = {0};
	MdlUser		user;
	int64		version;

	require_right();
	if (!OidIsValid(mdl_history_relation(MDL_TAGS_TABLE, true)))
		missing_tag(tag);
	mdl_arg_text(&args, tag);
	SPI_connect();
	mdl_owner_begin(&user);
	if (mdl_run("DELETE FROM medallion_history.tags WHERE tag OPERATOR(pg_catalog.=) $1 RETURNING version", &args, false) == 0)
		missing_tag(tag);
	version = mdl_field_int8(0, 0);
	mdl_owner_end(&user);
	SPI_finish();
	PG_RETURN_INT64(version);
}

/* Below SQL, since anybody may ask and the answer is needed while queries are planned. */
bool
mdl_tag_find(const char *tag, int64 *version)
{
	Oid			relid = mdl_history_relation(MDL_TAGS_TABLE, true);
	Relation	relation;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found;

	if (!OidIsValid(relid))
		return false;
	relation = table_open(relid, AccessShareLock);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(tag));
	key.sk_collation = C_COLLATION_OID;
	scan = systable_beginscan(relation, mdl_history_relation("tags_pkey", false), true, GetActiveSnapshot(), 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found)
	{
		bool		is_null;

		*version = DatumGetInt64(heap_getattr(tuple, 2, RelationGetDescr(relation), &is_null));
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
	return found;
}

MDL_FUNCTION(mdl_version_of);
Datum
mdl_version_of(PG_FUNCTION_ARGS)
{
	char	   *tag = tag_argument(fcinfo, "tag");
	int64		version;

	if (!mdl_tag_find(tag, &version))
		missing_tag(tag);
	PG_RETURN_INT64(version);
}

/* The rows of view medallion.tags. */
MDL_FUNCTION(mdl_tags);
Datum
mdl_tags(PG_FUNCTION_ARGS)
{
	if (!OidIsValid(mdl_history_relation(MDL_TAGS_TABLE, true)))
		InitMaterializedSRF(fcinfo, 0);
	else
		mdl_owner_rows(fcinfo, "SELECT t.tag, t.version, l.committed_at, t.role_name, t.created_at, t.comment"
					   " FROM medallion_history.tags t LEFT JOIN medallion_history.commit_log l"
						   " ON l.version OPERATOR(pg_catalog.=) t.version ORDER BY t.tag", NULL);
	PG_RETURN_NULL();
}
