/*
 * ingest_ledger.c: medallion._ingested_files, which file was loaded into which table, and when.
 *
 * Calls on one target follow each other (mdl_target_open), so the ledger is right if it is read as of now: it is read
 * with the newest snapshot even where the transaction's own is older (REPEATABLE READ), since otherwise files that
 * another transaction has loaded meanwhile would be loaded twice.
 */
#include "lake/ingest_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static Datum
uri_array(List *files)
{
	int			count = list_length(files);
	Datum	   *uris = palloc(count * sizeof(Datum));
	ListCell   *cell;

	foreach(cell, files)
		uris[foreach_current_index(cell)] = CStringGetTextDatum(((MdlStoreFile *) lfirst(cell))->uri);
	return PointerGetDatum(construct_array(uris, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* ---- files -------------------------------------------------------------------------------------------------- */

MdlFileState *
mdl_ledger_states(Oid relid, List *files)
{
	/* a row for each file: was it ever loaded, and as it is now? */
	static const char *const query =
		"SELECT f.position, pg_catalog.bool_or(l.etag IS NULL OR l.etag OPERATOR(pg_catalog.=) f.etag)"
		"  FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) WITH ORDINALITY AS f (uri, etag, position)"
		"  JOIN medallion._ingested_files AS l ON l.uri OPERATOR(pg_catalog.=) f.uri"
		" WHERE l.target OPERATOR(pg_catalog.=) $1"
		" GROUP BY f.position";
	MdlFileState *states = palloc0(list_length(files) * sizeof(MdlFileState));
	Datum	   *etags = palloc(list_length(files) * sizeof(Datum));
	MdlArgs		args = {0};
	MdlUser		user;
	ListCell   *cell;

	foreach(cell, files)
		etags[foreach_current_index(cell)] = CStringGetTextDatum(((MdlStoreFile *) lfirst(cell))->etag);
	mdl_arg(&args, REGCLASSOID, ObjectIdGetDatum(relid), false);
	mdl_arg(&args, TEXTARRAYOID, uri_array(files), false);
	mdl_arg(&args, TEXTARRAYOID,
			PointerGetDatum(construct_array(etags, list_length(files), TEXTOID, -1, false, TYPALIGN_INT)), false);

	mdl_owner_begin(&user);
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	mdl_run(query, &args, true);
	PopActiveSnapshot();
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		is_null;
		bool		same = DatumGetBool(mdl_field(i, 1, &is_null));

		states[mdl_field_int8(i, 0) - 1] = same && !is_null ? MDL_FILE_LOADED : MDL_FILE_CHANGED;
	}
	SPI_finish();
	mdl_owner_end(&user);
	return states;
}

/* Runs a statement of medallion's own on the ledger. */
static void
run_as_owner(const char *sql, const MdlArgs *args)
{
	MdlUser		user;

	mdl_owner_begin(&user);
	SPI_connect();
	mdl_run(sql, args, false);
	SPI_finish();
	mdl_owner_end(&user);
}

void
mdl_ledger_forget(Oid relid)
{
	MdlArgs		args = {0};

	mdl_arg(&args, REGCLASSOID, ObjectIdGetDatum(relid), false);
	run_as_owner("DELETE FROM medallion._ingested_files WHERE target OPERATOR(pg_catalog.=) $1", &args);
}

/* ---- batches ------------------------------------------------------------------------------------------------ */

/* Whether the index is a B-tree over all rows that begins with the column. */
static bool
index_begins_with(Relation index, AttrNumber attnum)
{
	return index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
		index->rd_index->indkey.values[0] == attnum && heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
}

/* Returns the largest _batch in the index, 0 if there is none.  Reads as of now. */
static int64
newest_in_index(Relation relation, Relation index, AttrNumber attnum)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	IndexScanDesc scan = index_beginscan(relation, index, snapshot, 0, 0);
	int64		newest = 0;

	index_rescan(scan, NULL, 0, NULL, 0);
	while (newest == 0 && index_getnext_slot(scan, BackwardScanDirection, slot))
	{
		bool		is_null;
		Datum		batch = slot_getattr(slot, attnum, &is_null);

		if (!is_null)
			newest = DatumGetInt64(batch);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	return newest;
}

/*
 * Returns the largest _batch of the target, 0 if it is empty or has no index to tell.  Not by SQL: the current user may
 * lack the right to read the table, and another must not run what its indexes hold.
 */
static int64
newest_batch(const MdlTarget *target)
{
	Relation	relation = table_open(target->relid, AccessShareLock);
	ListCell   *cell;
	int64		newest = 0;

	foreach(cell, RelationGetIndexList(relation))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);
		bool		usable = index_begins_with(index, target->batch_att);

		if (usable)
			newest = newest_in_index(relation, index, target->batch_att);
		index_close(index, NoLock);
		if (usable)
			break;
	}
	table_close(relation, NoLock);
	return newest;
}

static bool
knows_batch(Oid relid, int64 batch)
{
	MdlArgs		args = {0};
	MdlUser		user;
	bool		known;

	mdl_arg(&args, REGCLASSOID, ObjectIdGetDatum(relid), false);
	mdl_arg_int8(&args, batch);
	mdl_owner_begin(&user);
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	known = mdl_run("SELECT FROM medallion._ingested_files"
					" WHERE target OPERATOR(pg_catalog.=) $1 AND batch OPERATOR(pg_catalog.=) $2", &args, true) > 0;
	PopActiveSnapshot();
	SPI_finish();
	mdl_owner_end(&user);
	return known;
}

/* Records the files that the rows of the target name, as the current user may read them. */
static void
adopt_files(const MdlTarget *target)
{
	char	   *query = psprintf("SELECT _batch, _source, pg_catalog.count(*), pg_catalog.count(_rescued),"
								 " pg_catalog.min(_ingested_at) FROM %s GROUP BY 1, 2",
								 mdl_qualified_name(target->relid));
	SPITupleTable *found;
	uint64		count;

	SPI_connect();
	count = mdl_run(query, NULL, false);
	found = SPI_tuptable;
	for (uint64 i = 0; i < count; i++)
	{
		MdlArgs		args = {0};

		mdl_arg(&args, REGCLASSOID, ObjectIdGetDatum(target->relid), false);
		for (int column = 0; column < 5; column++)
		{
			static const Oid types[] = {INT8OID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID};
			bool		is_null;
			Datum		value = SPI_getbinval(found->vals[i], found->tupdesc, column + 1, &is_null);

			mdl_arg(&args, types[column], value, is_null);
		}
		mdl_arg_text(&args, GetUserNameFromId(GetUserId(), false));
		run_as_owner("INSERT INTO medallion._ingested_files (target, batch, uri, rows, rescued, ingested_at, role_name)"
					 " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING", &args);
	}
	SPI_finish();
}

void
mdl_ledger_check(MdlTarget *target, bool adopt)
{
	target->newest_batch = newest_batch(target);
	if (target->newest_batch == 0 || knows_batch(target->relid, target->newest_batch))
		return;
	if (!adopt)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" holds batch %lld, which medallion.ingested_files does not list", target->display,
						(long long) target->newest_batch),
				 errdetail("Files that were loaded already might be loaded again."),
				 errhint("Set \"adopt\" in the options to take the files that column _source names for loaded.")));
	adopt_files(target);
}

int64
mdl_ledger_next_batch(const MdlTarget *target)
{
	MdlUser		user;
	int64		batch;

	mdl_owner_begin(&user);
	SPI_connect();
	mdl_run("SELECT pg_catalog.nextval('medallion._batch_seq')", NULL, false);
	batch = mdl_field_int8(0, 0);
	while (batch <= target->newest_batch)
	{
		/* The sequence is younger than the table.  Two calls that do this at once may do it twice. */
		MdlArgs		args = {0};

		mdl_arg_int8(&args, target->newest_batch);
		mdl_run("SELECT pg_catalog.setval('medallion._batch_seq', $1)", &args, false);
		mdl_run("SELECT pg_catalog.nextval('medallion._batch_seq')", NULL, false);
		batch = mdl_field_int8(0, 0);
	}
	SPI_finish();
	mdl_owner_end(&user);
	return batch;
}

void
mdl_ledger_add(Oid relid, int64 batch, const char *server, const MdlStoreFile *file, const char *format,
			   int64 rows, int64 rescued)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, batch);
	mdl_arg(&args, REGCLASSOID, ObjectIdGetDatum(relid), false);
	mdl_arg_text(&args, server);
	mdl_arg_text(&args, file->uri);
	mdl_arg_text(&args, file->etag);
	mdl_arg_text(&args, format);
	mdl_arg_int8(&args, file->size);
	mdl_arg_int8(&args, rows);
	mdl_arg_int8(&args, rescued);
	mdl_arg_text(&args, GetUserNameFromId(GetUserId(), false));
	run_as_owner("INSERT INTO medallion._ingested_files"
				 " (batch, target, server, uri, etag, format, bytes, rows, rescued, role_name)"
				 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", &args);
}
