/*
 * ingest_ledger.c: medallion._ingested_files, which file was loaded into which table, and when.
 *
 * Calls on one target follow each other (mdl_target_open), so the ledger is right if it is read as of now: it is read
 * with the newest snapshot even where the transaction's own is older (REPEATABLE READ), since otherwise files that
 * another transaction has loaded meanwhile would be loaded twice.
 */
#include "lake/ingest_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
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

MdlFileState *
mdl_ledger_states(Oid relid, List *files)
{
	/* a row for each file: was it ever loaded, and as it is now? */
	static const char *const query =
		"SELECT f.position, pg_catalog.bool_or(l.etag OPERATOR(pg_catalog.=) f.etag)"
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

int64
mdl_ledger_next_batch(void)
{
	MdlUser		user;
	int64		batch;

	mdl_owner_begin(&user);
	SPI_connect();
	mdl_run("SELECT pg_catalog.nextval('medallion._batch_seq')", NULL, false);
	batch = mdl_field_int8(0, 0);
	SPI_finish();
	mdl_owner_end(&user);
	return batch;
}

void
mdl_ledger_add(Oid relid, int64 batch, const char *server, const MdlStoreFile *file, const char *format,
			   int64 rows, int64 rescued)
{
	MdlArgs		args = {0};
	MdlUser		user;

	mdl_arg_int8(&args, batch);
	mdl_arg(&args, REGCLASSOID, ObjectIdGetDatum(relid), false);
	mdl_arg_text(&args, server);
	mdl_arg_text(&args, file->uri);
	mdl_arg_text(&args, file->etag);
	mdl_arg_text(&args, format);
	mdl_arg_int8(&args, file->size);
	mdl_arg_int8(&args, rows);
	mdl_arg_int8(&args, rescued);
	mdl_owner_begin(&user);
	mdl_arg_text(&args, GetUserNameFromId(user.user, false));
	SPI_connect();
	mdl_run("INSERT INTO medallion._ingested_files"
			" (batch, target, server, uri, etag, format, bytes, rows, rescued, role_name)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", &args, false);
	SPI_finish();
	mdl_owner_end(&user);
}
