/*
 * changes.c: the change feed of a table.
 *
 * The changes of a range of commits are the rows that died in it, all of which are in the history table, and the rows
 * born in it, which are current or, if they died since, in the history table too.  Current rows are found by the places
 * that the commits recorded; where those do not hold any more (the table was rewritten, or too many were noted), the
 * table is scanned.  Old and new images of a key in one commit are paired; equal ones are left out.
 */
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/past_int.h"
#include "versioning/retention_int.h"
#include "versioning/rows_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* Rows fetched at a time, and how many places are worth looking up one by one. */
#define FETCH_ROWS			1000
#define MAX_PLACES			200000

/* How many partitions are worth a query each. */
#define MAX_PART_QUERIES	16

/* A stamp of the range and the commit it belongs to. */
typedef struct StampVersion
{
	int64		stamp;
	int64		version;
	TimestampTz committed_at;
} StampVersion;

/* The commits of one table between two versions; SQL reaches it by its number while the call runs. */
typedef struct ChangeRange
{
	int32		number;
	int64		low;			/* no row that died below this stamp is of interest */
	int64		stamp_offset;
	StampVersion *stamps;		/* (nstamps) ascending */
	int			nstamps;
	int			allocated;
	bool		scan;			/* places do not hold */
	ItemPointerData *places;	/* (nplaces) */
	int			nplaces;
	MdlPart    *parts;			/* (nparts) of a table with partitions: the places are here */
	int			nparts;
	int64		moved_version;	/* current rows were born in a later commit, whoever wrote them; 0: by their births */
	int64	   *reshapes;		/* (nreshapes) versions that changed rows without a birth or a death: compared as wholes */
	int			nreshapes;
	int			nfilled;
	AttrNumber *filled;			/* (nfilled) columns that rows of commits before filled_version do not have yet */
	int64	   *filled_version; /* (nfilled) */
	int64		time_version;	/* the commit asked for last, and its time */
	TimestampTz time;
	Bitmapset  *readable;		/* columns that the user may read; NULL: all */
	struct ChangeRange *outer;
} ChangeRange;

static ChangeRange *current_range = NULL;
static int32 last_number = 0;

/* A range lives in the memory of its call; whatever ends the call takes it off the list. */
static void
forget_range(void *argument)
{
	ChangeRange *range = argument;

	for (ChangeRange **link = &current_range; *link != NULL; link = &(*link)->outer)
		if (*link == range)
		{
			*link = range->outer;
			break;
		}
}

static ChangeRange *
find_range(int32 number)
{
	for (ChangeRange *range = current_range; range != NULL; range = range->outer)
		if (range->number == number)
			return range;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("no change feed with number %d is being read", number)));
	return NULL;				/* keep the compiler quiet */
}

/* ---- collecting a range ------------------------------------------------------------------------------------------ */

static int
compare_stamp_versions(const void *a, const void *b)
{
	int64		left = ((const StampVersion *) a)->stamp;
	int64		right = ((const StampVersion *) b)->stamp;

	return (left > right) - (left < right);
}

static void
add_stamp(ChangeRange *range, int64 stamp, const MdlCommit *commit)
{
	if (range->nstamps == range->allocated)
	{
		range->allocated *= 2;
		range->stamps = repalloc_huge(range->stamps, range->allocated * sizeof(StampVersion));
	}
	range->stamps[range->nstamps].stamp = stamp;
	range->stamps[range->nstamps].version = commit->version;
	range->stamps[range->nstamps++].committed_at = commit->committed_at;
}

/* Adds the places of one commit, if they still hold. */
static void
add_places(ChangeRange *range, Relation base, int64 filenode, Datum places, bool is_null)
{
	ItemPointerData *tids;
	int			count;

	if (range->scan)
		return;
	if (is_null || (range->nparts == 0 && filenode != (int64) base->rd_node.relNode))
	{
		range->scan = true;
		return;
	}
	if (range->nparts > 0)
	{
		mdl_part_places_expand(places, range->parts, range->nparts);
		return;
	}
	count = mdl_places_expand(places, &tids);
	if (range->nplaces + count > MAX_PLACES)
		range->scan = true;
	else if (count > 0)
	{
		range->places = range->places
			? repalloc(range->places, (range->nplaces + count) * sizeof(ItemPointerData))
			: palloc(count * sizeof(ItemPointerData));
		memcpy(range->places + range->nplaces, tids, count * sizeof(ItemPointerData));
		range->nplaces += count;
	}
	pfree(tids);
}

/*
 * Leaves the partitions with rows of interest.  Each becomes a query of its own; where these would be too many, all places
 * are looked up in all partitions, if that is not too many look-ups.
 */
static void
settle_parts(ChangeRange *range, const char *alias)
{
	int			all = range->nparts;
	int64		total = 0;
	bool		any_scan = false;
	bool		pruned = true;
	int			kept = 0;

	for (int i = 0; i < range->nparts; i++)
	{
		MdlPart    *part = &range->parts[i];

		if (!part->scan && part->nplaces == 0)
			continue;
		part->scan |= part->nplaces > MAX_PLACES;
		total += part->nplaces;
		any_scan |= part->scan;
		range->parts[kept++] = *part;
	}
	range->nparts = kept;
	for (int i = 0; i < kept && kept <= MAX_PART_QUERIES && pruned; i++)
		pruned = mdl_part_bounds(range->parts[i].relid, alias) != NULL;
	if (range->scan || (kept <= MAX_PART_QUERIES && pruned))
		return;
	range->scan = any_scan || total * all > MAX_PLACES;
	if (!range->scan)
	{
		range->places = palloc(Max(total, 1) * sizeof(ItemPointerData));
		for (int i = 0; i < kept; i++)
		{
			memcpy(range->places + range->nplaces, range->parts[i].places, range->parts[i].nplaces * sizeof(ItemPointerData));
			range->nplaces += range->parts[i].nplaces;
		}
	}
	range->nparts = 0;
	range->parts = NULL;
}

static int64
version_of_stamp(int64 stamp)
{
	MdlCommit	commit;

	return stamp > 0 && mdl_commit_of_stamp(stamp, &commit) ? commit.version : 0;
}

/* Notes from when on the columns that were added with a default show it, if that is within the range. */
static void
collect_filled(ChangeRange *range, const MdlTable *table, int64 first)
{
	range->filled = palloc(Max(table->natts, 1) * sizeof(AttrNumber));
	range->filled_version = palloc(Max(table->natts, 1) * sizeof(int64));
	for (int i = 0; i < table->natts; i++)
	{
		int64		version = version_of_stamp(table->columns[i].filled);

		/* Without a record this transaction has added it: no commit knows it. */
		if (table->columns[i].filled > 0 && version == 0 && mdl_capture_is_own(table->columns[i].filled))
			version = PG_INT64_MAX;
		if (version <= first)
			continue;
		range->filled[range->nfilled] = i + 1;
		range->filled_version[range->nfilled++] = version;
	}
}

/* Whether the feed of a commit is the difference of two states: see columns.c. */
static bool
is_reshape(const MdlTable *table, int64 stamp)
{
	for (int i = 0; i < table->nreshapes; i++)
		if (table->reshapes[i] == stamp)
			return true;
	return false;
}

static void
add_reshape(ChangeRange *range, const MdlTable *table, int64 version)
{
	/* The first version that can be read has no state before it. */
	if (version <= table->readable_from)
		return;
	range->reshapes = range->reshapes
		? repalloc(range->reshapes, (range->nreshapes + 1) * sizeof(int64)) : palloc(sizeof(int64));
	range->reshapes[range->nreshapes++] = version;
}

/* Reads what the commits from `first` to `last` did to the table. */
static ChangeRange *
collect_range(const MdlTable *table, int64 first, int64 last)
{
	ChangeRange *range = palloc0(sizeof(ChangeRange));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	Relation	base = table_open(table->relid, AccessShareLock);
	Relation	changes = table_open(mdl_history_relation(MDL_CHANGES_TABLE, false), AccessShareLock);
	Relation	index = index_open(mdl_history_relation(MDL_CHANGES_INDEX, false), AccessShareLock);
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	tuple;
	MdlClock	clock;

	if (table->partitioned)
		range->parts = mdl_parts(table->relid, &range->nparts);
	mdl_clock_read(&clock);
	range->stamp_offset = clock.stamp_offset;
	range->low = PG_INT64_MAX;
	range->allocated = 64;
	range->stamps = palloc(range->allocated * sizeof(StampVersion));
	range->moved_version = mdl_capture_is_own(table->moved) ? PG_INT64_MAX : version_of_stamp(table->moved);
	collect_filled(range, table, first);
	ScanKeyInit(&keys[0], Anum_commit_changes_table_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(table->table_id));
	ScanKeyInit(&keys[1], Anum_commit_changes_version, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(first));
	ScanKeyInit(&keys[2], Anum_commit_changes_version, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(last));
	scan = systable_beginscan_ordered(changes, index, SnapshotSelf, 3, keys);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		TupleDesc	desc = RelationGetDescr(changes);
		bool		is_null;
		int64		version = DatumGetInt64(heap_getattr(tuple, Anum_commit_changes_version, desc, &is_null));
		int64		filenode = DatumGetInt64(heap_getattr(tuple, Anum_commit_changes_filenode, desc, &is_null));
		Datum		places = heap_getattr(tuple, Anum_commit_changes_places, desc, &is_null);
		MdlCommit	commit;

		if (!mdl_commit_at_version(version, &commit) || commit.version != version)
			continue;
		if (is_reshape(table, commit.stamp))
		{
			add_reshape(range, table, version);
			continue;
		}
		range->low = Min(range->low, commit.low);
		add_stamp(range, commit.stamp, &commit);
		for (int i = 0; i < commit.nsubstamps; i++)
		{
			/* What a commit took over may be older than itself. */
			range->low = Min(range->low, commit.substamps[i]);
			add_stamp(range, commit.substamps[i], &commit);
		}
		if (version > range->moved_version)
			add_places(range, base, filenode, places, is_null);
		CHECK_FOR_INTERRUPTS();
	}
	systable_endscan_ordered(scan);
	index_close(index, NoLock);
	table_close(changes, NoLock);
	table_close(base, NoLock);
	qsort(range->stamps, range->nstamps, sizeof(StampVersion), compare_stamp_versions);
	if (table->partitioned)
		settle_parts(range, get_rel_name(table->relid));

	range->number = ++last_number;
	range->outer = current_range;
	current_range = range;
	callback->func = forget_range;
	callback->arg = range;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return range;
}

/* ---- rights ------------------------------------------------------------------------------------------------------ */

Oid			mdl_feed_relation = InvalidOid;

/*
 * The columns that the current user may read; NULL if all.  An error if one of `used` is not among them (NULL: the whole
 * row), or one of the key: rows are told apart by that.
 */
static Bitmapset *
readable_columns(const MdlTable *table, ArrayType *used)
{
	Relation	relation;
	Bitmapset  *readable = NULL;
	bool		all = true;
	bool		enough = used != NULL;

	if (pg_class_aclcheck(table->relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return NULL;
	relation = table_open(table->relid, AccessShareLock);
	for (AttrNumber column = 1; column <= table->natts; column++)
	{
		if (TupleDescAttr(RelationGetDescr(relation), column - 1)->attisdropped)
			continue;
		if (pg_attribute_aclcheck(table->relid, column, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
			readable = bms_add_member(readable, column);
		else
			all = false;
	}
	table_close(relation, NoLock);
	for (int i = 0; enough && i < table->nkeys; i++)
		enough = bms_is_member(table->keys[i], readable);
	if (enough)
	{
		int			count = ArrayGetNItems(ARR_NDIM(used), ARR_DIMS(used));

		for (int i = 0; enough && i < count; i++)
			enough = bms_is_member(((int16 *) ARR_DATA_PTR(used))[i], readable);
	}
	if (readable == NULL || (!all && !enough))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, mdl_display_name(table->relid));
	return readable;
}

/*
 * A row as the user may see it: columns that are not readable are NULL, so that changes of those alone do not show.
 * `row` is the whole row, `field` what stands before the name of a column.
 */
static char *
readable_image(const MdlTable *table, const ChangeRange *range, const char *row, const char *field)
{
	StringInfoData image;
	Relation	relation;

	if (range->readable == NULL)
		return pstrdup(row);
	initStringInfo(&image);
	relation = table_open(table->relid, AccessShareLock);
	for (AttrNumber column = 1; column <= table->natts; column++)
	{
		Form_pg_attribute form = TupleDescAttr(RelationGetDescr(relation), column - 1);

		if (form->attisdropped)
			continue;
		appendStringInfoString(&image, image.len > 0 ? ", " : "ROW(");
		if (bms_is_member(column, range->readable))
			appendStringInfo(&image, "%s.%s", field, quote_identifier(NameStr(form->attname)));
		else
			appendStringInfoString(&image, "NULL");
	}
	table_close(relation, NoLock);
	appendStringInfo(&image, ")::%s", mdl_qualified_name(table->relid));
	return image.data;
}

/* ---- the query --------------------------------------------------------------------------------------------------- */

/* (img).a, (img).b: the primary key of a row image. */
static char *
image_keys(const MdlTable *table)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < table->nkeys; i++)
		appendStringInfo(&text, "%s(img).%s", i ? ", " : "",
						 quote_identifier(get_attname(table->relid, table->keys[i], false)));
	return text.data;
}

static Datum
place_array(ItemPointerData *places, int count)
{
	Datum	   *values = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		values[i] = PointerGetDatum(&places[i]);
	return PointerGetDatum(construct_array(values, count, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT));
}

/* The places as the third parameter, or those of each partition from there on. */
static void
add_place_arguments(MdlArgs *args, const ChangeRange *range)
{
	if (range->parts == NULL)
		mdl_arg(args, TIDARRAYOID, place_array(range->places, range->nplaces), false);
	for (int i = 0; i < range->nparts; i++)
		mdl_arg(args, TIDARRAYOID, place_array(range->parts[i].places, range->parts[i].nplaces), false);
}

/* The current rows that may be of interest: where to look for them, as the ends of queries. */
static List *
current_sources(const MdlTable *table, const ChangeRange *range)
{
	char	   *alias = get_rel_name(table->relid);
	char	   *from = psprintf("%s%s", table->has_rows ? "ONLY " : "", mdl_qualified_name(table->relid));
	List	   *sources = NIL;

	if (range->scan)
		return list_make1(from);
	if (range->parts == NULL)
		return list_make1(psprintf("%s WHERE ctid OPERATOR(pg_catalog.=) ANY ($3)", from));
	for (int i = 0; i < range->nparts; i++)
		sources = lappend(sources, psprintf("%s WHERE %s%s", from, range->parts[i].scan ? ""
											: psprintf("ctid OPERATOR(pg_catalog.=) ANY ($%d) AND ", i + 3),
											mdl_part_bounds(range->parts[i].relid, alias)));
	return sources;
}

/* The current rows with their commits, as the first queries of a union; each ends with UNION ALL. */
static char *
current_rows(const MdlTable *table, const ChangeRange *range)
{
	const char *own_name = quote_identifier(get_rel_name(table->relid));
	char	   *image = readable_image(table, range, own_name, own_name);
	StringInfoData sql;
	ListCell   *cell;

	initStringInfo(&sql);
	foreach(cell, current_sources(table, range))
		appendStringInfo(&sql, "SELECT medallion.%s(tableoid, ctid, xmin, $1) AS version, 1 AS side, %s AS img FROM %s UNION ALL ",
						 mdl_partition_births_differ(table) ? "_change_of_part_row" : "_change_of_row",
						 image, (char *) lfirst(cell));
	return sql.data;
}

/* The rows before and after each commit that reshaped the table. */
static char *
reshape_events(const MdlTable *table, const char *name, const ChangeRange *range)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < range->nreshapes; i++)
		for (int side = 0; side < 2; side++)
			appendStringInfo(&sql, " UNION ALL SELECT '" INT64_FORMAT "'::bigint, %d, %s"
							 " FROM medallion.as_of(NULL::%s, version => '" INT64_FORMAT "') state",
							 range->reshapes[i], side, readable_image(table, range, "state", "state"), name, range->reshapes[i] - 1 + side);
	return sql.data;
}

/* The feed as one query: $1 the range, $2 the stamp from which deaths matter, the others places. */
static char *
feed_query(const MdlTable *table, const ChangeRange *range)
{
	char	   *name = mdl_qualified_name(table->relid);
	char	   *keys = image_keys(table);
	char	   *past_image = readable_image(table, range, "row_data", "(row_data)");
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT CASE side WHEN 0 THEN CASE WHEN paired THEN 'update_preimage' ELSE 'delete' END"
					 " ELSE CASE WHEN paired THEN 'update_postimage' ELSE 'insert' END END,"
					 " version, medallion._change_time(version, $1), img FROM ("
					 "SELECT version, side, img, pg_catalog.count(*) OVER key OPERATOR(pg_catalog.=) 2"
					 " AND pg_catalog.sum(side) OVER key OPERATOR(pg_catalog.=) 1 AS paired,"
					 " img OPERATOR(pg_catalog.*=) CASE side WHEN 0 THEN pg_catalog.lead(img) OVER one ELSE pg_catalog.lag(img) OVER one END AS same"
					 " FROM (SELECT version, side, %s AS img FROM ("
					 "%sSELECT medallion._change_of_stamp(born, $1) AS version, 1 AS side, %s AS img FROM medallion._history_rows(NULL::%s, $2)"
					 " UNION ALL SELECT medallion._change_of_stamp(died, $1), 0, %s FROM medallion._history_rows(NULL::%s, $2)"
					 ") found WHERE version IS NOT NULL%s) event"
					 " WINDOW key AS (PARTITION BY version, %s), one AS (PARTITION BY version, %s ORDER BY side)"
					 ") change WHERE same IS NOT TRUE ORDER BY version, %s, side",
					 range->nfilled > 0 ? "medallion._change_image(img, version, $1)" : "img",
					 current_rows(table, range),
					 past_image, name, past_image, name, reshape_events(table, name, range), keys, keys, keys);
	return sql.data;
}

int
mdl_prefer_indexes(void)
{
	static const char *const off[] = {"enable_seqscan", "enable_indexscan", "jit"};
	int			level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(off); i++)
		(void) set_config_option(off[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* Opens the feed.  If current rows are not found by their places, the planner is left to its own. */
static Portal
open_feed(Oid relid, const char *sql, MdlArgs *args, const ChangeRange *range)
{
	volatile int level = range->scan ? NewGUCNestLevel() : mdl_prefer_indexes();
	Portal		portal;

	/* Where a new snapshot can be had it is taken now, after the commits of the range have ended. */
	PG_TRY();
	{
		mdl_feed_relation = range->readable != NULL ? relid : InvalidOid;
		portal = SPI_cursor_open_with_args(NULL, sql, args->count, args->types, args->values, args->nulls,
										   IsolationUsesXactSnapshot(), 0);
	}
	PG_FINALLY();
	{
		mdl_feed_relation = InvalidOid;
	}
	PG_END_TRY();
	AtEOXact_GUC(false, level);
	return portal;
}

/* Runs the feed into the tuple store of the result. */
static void
run_feed(const MdlTable *table, ChangeRange *range, ReturnSetInfo *result)
{
	MdlArgs		args = {0};
	char	   *sql = feed_query(table, range);
	int			present = mdl_travel_suspend();	/* versions are asked for by number */
	Portal		portal;

	mdl_arg(&args, INT4OID, Int32GetDatum(range->number), false);
	mdl_arg_int8(&args, range->low);
	add_place_arguments(&args, range);
	portal = open_feed(table->relid, sql, &args, range);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			Datum		values[4];
			bool		nulls[4];

			heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
	mdl_travel_resume(present);
}

/* The last version to report: what was asked for, or all that the transaction can see. */
static int64
last_version(const MdlTable *table, bool given, int64 asked)
{
	bool		exact;

	if (given)
		return mdl_point_version(table->relid, &asked, NULL);
	if (IsolationUsesXactSnapshot())
		return mdl_snapshot_version(GetActiveSnapshot(), &exact);
	return mdl_commit_wait();
}

MDL_FUNCTION(mdl_changes);
Datum
mdl_changes(PG_FUNCTION_ARGS)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	Oid			relid = OidIsValid(type) ? typeidTypeRelid(type) : InvalidOid;
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MdlTable   *table;
	Bitmapset  *readable;
	int64		first;
	int64		last;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the first argument must have the row type of a versioned table"),
				 errhint("Write NULL::schema.table.")));
	table = mdl_table_lock(relid);
	readable = readable_columns(table, PG_NARGS() > 3 && !PG_ARGISNULL(3) ? PG_GETARG_ARRAYTYPE_P(3) : NULL);
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"start_version\" must not be NULL")));
	first = PG_GETARG_INT64(1);
	mdl_capture_show();
	last = last_version(table, !PG_ARGISNULL(2), PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2));
	if (first <= last || table->readable_from == 0)
		(void) mdl_point_version(relid, &first, NULL);
	InitMaterializedSRF(fcinfo, 0);
	if (first > last)
		PG_RETURN_NULL();
	mdl_lost_refuse(table, first, last, true);
	if (IsolationUsesXactSnapshot())
		(void) mdl_point_resolve(last, GetActiveSnapshot());
	SPI_connect();
	{
		ChangeRange *range = collect_range(table, first, last);

		range->readable = readable;
		if (range->nstamps + range->nreshapes > 0)
			run_feed(table, range, result);
	}
	SPI_finish();
	/* If it was pruned while it was read, rows may be missing from what was read. */
	if (first < mdl_horizon(table->table_id, SnapshotSelf))
		mdl_refuse_pruned(table->table_id, first, mdl_horizon(table->table_id, SnapshotSelf));
	PG_RETURN_NULL();
}

/* ---- functions of the query -------------------------------------------------------------------------------------- */

static const StampVersion *
find_stamp(const ChangeRange *range, int64 stamp)
{
	StampVersion key = {.stamp = stamp};

	return bsearch(&key, range->stamps, range->nstamps, sizeof(StampVersion), compare_stamp_versions);
}

MDL_FUNCTION(mdl_change_of_stamp);
Datum
mdl_change_of_stamp(PG_FUNCTION_ARGS)
{
	const StampVersion *found = find_stamp(find_range(PG_GETARG_INT32(1)), PG_GETARG_INT64(0));

	if (found == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INT64(found->version);
}

MDL_FUNCTION(mdl_change_of_row);
Datum
mdl_change_of_row(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	ItemPointer place = (ItemPointer) PG_GETARG_POINTER(1);
	TransactionId xmin = PG_GETARG_TRANSACTIONID(2);
	const ChangeRange *range = find_range(PG_GETARG_INT32(3));
	const StampVersion *found;

	/* What the current transaction wrote is in no commit yet; its id is newer than the range. */
	if (!TransactionIdIsNormal(xmin) || mdl_row_is_own(relid, place, xmin))
		PG_RETURN_NULL();
	found = find_stamp(range, mdl_births_current(fcinfo->flinfo, relid, place, xmin, range->stamp_offset));
	if (found == NULL || found->version <= range->moved_version)
		PG_RETURN_NULL();
	PG_RETURN_INT64(found->version);
}

/* The same where rows may be older than their partition's place in the table. */
MDL_FUNCTION(mdl_change_of_part_row);
Datum
mdl_change_of_part_row(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	ItemPointer place = (ItemPointer) PG_GETARG_POINTER(1);
	TransactionId xmin = PG_GETARG_TRANSACTIONID(2);
	const ChangeRange *range = find_range(PG_GETARG_INT32(3));
	const StampVersion *found;

	if (mdl_row_is_own(relid, place, xmin))
		PG_RETURN_NULL();
	found = find_stamp(range, mdl_partition_birth(mdl_table_get(relid), TransactionIdIsNormal(xmin)
												  ? mdl_births_current(fcinfo->flinfo, relid, place, xmin, range->stamp_offset) : 0));
	if (found == NULL || found->version <= range->moved_version)
		PG_RETURN_NULL();
	PG_RETURN_INT64(found->version);
}

/* The image of a row in a commit, without the columns that were added later and show their default in older rows. */
MDL_FUNCTION(mdl_change_image);
Datum
mdl_change_image(PG_FUNCTION_ARGS)
{
	HeapTupleHeader image = PG_GETARG_HEAPTUPLEHEADER(0);
	int64		version = PG_GETARG_INT64(1);
	const ChangeRange *range = find_range(PG_GETARG_INT32(2));
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(image), HeapTupleHeaderGetTypMod(image));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(image), .t_data = image};
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));
	Datum		result;

	heap_deform_tuple(&tuple, desc, values, nulls);
	for (int i = 0; i < range->nfilled; i++)
		nulls[range->filled[i] - 1] |= version < range->filled_version[i];
	result = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	ReleaseTupleDesc(desc);
	PG_RETURN_DATUM(result);
}

MDL_FUNCTION(mdl_change_time);
Datum
mdl_change_time(PG_FUNCTION_ARGS)
{
	int64		version = PG_GETARG_INT64(0);
	ChangeRange *range = find_range(PG_GETARG_INT32(1));

	/* Rows come commit by commit, and the record of one with many savepoints is long. */
	if (range->time_version != version)
	{
		MdlCommit	commit;

		if (!mdl_commit_at_version(version, &commit))
			PG_RETURN_NULL();
		range->time_version = version;
		range->time = commit.committed_at;
	}
	PG_RETURN_TIMESTAMPTZ(range->time);
}
