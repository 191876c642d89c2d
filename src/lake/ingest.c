/*
 * ingest.c: medallion.ingest(), files into a bronze table, each exactly once.
 *
 * A call lists the files, leaves out those that the ledger knows, makes the table if it is missing (from a sample of
 * the files), and loads file after file, each as a batch of its own.  It is one transaction: all files or none.  Nothing
 * is kept per row, so memory does not grow with the size of the files.
 */
#include "lake/ingest_int.h"

#include "access/xact.h"
#include "base/progress.h"
#include "catalog/index.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define SAMPLE_FILES	16		/* a table is made from a sample of at most as many files */
#define PROGRESS_ROWS	1000

/* One call. */
typedef struct Ingest
{
	MdlIngestOptions options;
	MdlStore   *store;
	MdlTarget	target;
	List	   *files;			/* of MdlStoreFile *, those to load */
	int64		loaded_files;
	int64		rows;
	int64		rescued;
	int64		skipped_files;
	int64		bytes;			/* as stored, of the files loaded */
} Ingest;

/* The load of one file. */
typedef struct FileLoad
{
	Ingest	   *ingest;
	const MdlStoreFile *file;
	MdlFileReader *reader;
	MdlColumn **map;			/* per file column; NULL: rescue */
	MdlLoader  *loader;
	MdlConverter converter;
	MdlRescued *rescued;		/* of the row at hand */
	int			rescued_count;
	Datum		source;
	Datum		batch;
	Datum		ingested_at;
	int64		row;			/* at work, for messages; 0: none */
	int64		rescued_rows;
} FileLoad;

static void
file_error_context(void *argument)
{
	FileLoad   *load = argument;

	if (load->row > 0)
		errcontext("loading row %lld of file \"%s\"", (long long) load->row, load->file->uri);
	else
		errcontext("loading file \"%s\"", load->file->uri);
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

static void
set_column(TupleTableSlot *slot, AttrNumber attnum, Datum value)
{
	slot->tts_values[attnum - 1] = value;
	slot->tts_isnull[attnum - 1] = false;
}

static void
rescue_value(FileLoad *load, const char *name, size_t size, const MdlFileValue *value)
{
	load->rescued[load->rescued_count++] = (MdlRescued) {.name = name, .name_size = size, .value = value};
}

/* Fills the columns of a row from its values; those that do not fit are noted in load->rescued. */
static void
fill_columns(FileLoad *load, const MdlFileRow *row, TupleTableSlot *slot)
{
	const MdlFileColumns *columns = &load->reader->columns;

	load->rescued_count = 0;
	for (int i = 0; i < columns->count; i++)
	{
		MdlColumn  *column = load->map[i];
		const MdlFileValue *value = &row->values[i];

		if (value->state == MDL_VALUE_NULL)
			continue;
		if (column == NULL ||
			!mdl_convert(&load->converter, column, value, &slot->tts_values[column->attnum - 1],
						 &slot->tts_isnull[column->attnum - 1]))
		{
			if (column != NULL)
				slot->tts_isnull[column->attnum - 1] = true;
			if (column == NULL && value->state == MDL_VALUE_BLANK && value->size == 0)
				continue;
			rescue_value(load, columns->names[i], strlen(columns->names[i]), value);
		}
	}
	for (int i = 0; i < row->extra_count; i++)
		load->rescued[load->rescued_count++] = row->extras[i];
}

/* A domain may refuse NULL, which no constraint of the table checks. */
static void
check_null_domains(FileLoad *load, TupleTableSlot *slot)
{
	const MdlTarget *target = &load->ingest->target;

	for (int i = 0; i < target->column_count; i++)
	{
		MdlColumn  *column = &target->columns[i];

		if (column->is_domain && slot->tts_isnull[column->attnum - 1])
			(void) InputFunctionCall(&column->input, NULL, column->input_param, column->typmod);
	}
}

/* Turns a row of the file into a row of the target. */
static void
load_row(FileLoad *load, const MdlFileRow *row)
{
	const MdlTarget *target = &load->ingest->target;
	TupleTableSlot *slot = mdl_loader_row(load->loader);
	MemoryContext caller = MemoryContextSwitchTo(mdl_loader_context(load->loader));
	const MdlStream *stream = load->reader->stream;
	bool		valid_text = pg_encoding_verifymbstr(GetDatabaseEncoding(), row->raw, row->raw_size) == row->raw_size;
	Jsonb	   *rescued = NULL;

	if (!valid_text)
		rescued = mdl_rescue_row(row, psprintf("invalid byte sequence for encoding \"%s\"",
											   pg_encoding_to_char(stream->encoding)), false, OidIsValid(stream->conversion));
	else if (row->reason != NULL)
		rescued = mdl_rescue_row(row, row->reason, true, false);
	else
	{
		fill_columns(load, row, slot);
		if (load->rescued_count > 0)
			rescued = mdl_rescue_values(load->rescued, load->rescued_count);
	}
	set_column(slot, target->source_att, load->source);
	set_column(slot, target->batch_att, load->batch);
	set_column(slot, target->row_att, Int64GetDatum(load->row));
	set_column(slot, target->ingested_at_att, load->ingested_at);
	if (rescued != NULL)
	{
		set_column(slot, target->rescued_att, JsonbPGetDatum(rescued));
		load->rescued_rows++;
	}
	if (target->has_domains)
		check_null_domains(load, slot);
	MemoryContextSwitchTo(caller);
}

static void
flush(FileLoad *load)
{
	mdl_converter_rest(&load->converter);
	mdl_loader_flush(load->loader, &load->row);
}

/* ---- files -------------------------------------------------------------------------------------------------- */

/*
 * Adds the columns of the table that the first rows of the file do not show, so that they are found in later rows.  Not
 * those with a default, which would be lost for rows that lack them: in later rows they are rescued.
 */
static void
add_table_columns(MdlFileColumns *columns, const MdlTarget *target)
{
	for (int i = 0; i < target->column_count; i++)
	{
		const MdlColumn *column = &target->columns[i];

		if (!column->has_default && mdl_file_columns_find(columns, column->name, strlen(column->name)) < 0)
			mdl_file_columns_add(columns, column->name, strlen(column->name));
	}
}

/* Finds the column of each file column, and begins the load of rows. */
static void
begin_rows(FileLoad *load)
{
	Ingest	   *ingest = load->ingest;
	MdlTarget  *target = &ingest->target;
	MdlFileColumns *columns = &load->reader->columns;
	bool		filled[MaxHeapAttributeNumber] = {false};

	if (load->reader->format->is_open)
		add_table_columns(columns, target);
	load->map = palloc0(columns->count * sizeof(MdlColumn *));
	load->rescued = palloc((columns->count + MDL_MAX_EXTRAS) * sizeof(MdlRescued));
	for (int i = 0; i < target->column_count; i++)
	{
		MdlColumn  *column = &target->columns[i];
		int			index = mdl_file_columns_find(columns, column->name, strlen(column->name));

		if (index < 0)
			continue;
		load->map[index] = column;
		filled[column->attnum - 1] = true;
	}
	filled[target->source_att - 1] = filled[target->row_att - 1] = filled[target->batch_att - 1] = true;
	filled[target->ingested_at_att - 1] = filled[target->rescued_att - 1] = true;
	load->loader = mdl_loader_begin(target->relid, filled, target->created);
}

static void
load_rows(FileLoad *load)
{
	MdlFileRow	row;

	for (;;)
	{
		load->row = load->reader->row + 1;
		if (!load->reader->format->next(load->reader, &row))
			break;
		load_row(load, &row);
		if (mdl_loader_add(load->loader, load->row))
			flush(load);
		if (load->row % PROGRESS_ROWS == 0)
			mdl_progress_update(load->ingest->bytes + load->reader->stream->bytes_read);
	}
	flush(load);
	load->row = 0;
	mdl_loader_end(load->loader);
}

/* Loads one file as a batch. */
static void
load_one_file(Ingest *ingest, const MdlStoreFile *file)
{
	FileLoad	load = {.ingest = ingest, .file = file};
	ErrorContextCallback callback = {.callback = file_error_context, .arg = &load, .previous = error_context_stack};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "medallion file", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	int64		batch = mdl_ledger_next_batch(&ingest->target);

	error_context_stack = &callback;
	load.converter.context = context;
	load.source = CStringGetTextDatum(file->uri);
	load.batch = Int64GetDatum(batch);
	load.ingested_at = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	load.reader = mdl_file_open(ingest->store, file, &ingest->options);
	if (load.reader->format->is_open || mdl_target_lacks_columns(&ingest->target, &load.reader->columns))
		load.reader->format->sample(load.reader, ingest->options.sample_rows);
	mdl_target_evolve(&ingest->target, &load.reader->columns, &ingest->options, file->uri);
	begin_rows(&load);
	load_rows(&load);
	mdl_file_close(load.reader);
	error_context_stack = callback.previous;

	mdl_ledger_add(ingest->target.relid, batch, ingest->store->server_name, file, ingest->options.format->name,
				   load.reader->row, load.rescued_rows);
	ingest->loaded_files++;
	ingest->rows += load.reader->row;
	ingest->rescued += load.rescued_rows;
	ingest->bytes += file->size;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* Makes the target from a sample of the files: up to SAMPLE_FILES of them, spread evenly. */
static void
create_target(Ingest *ingest)
{
	MdlFileColumns columns = {0};
	int			count = list_length(ingest->files);
	int			sampled = Min(count, SAMPLE_FILES);

	mdl_progress_phase("sampling", sampled);
	for (int i = 0; i < sampled; i++)
	{
		MdlStoreFile *file = list_nth(ingest->files, sampled == 1 ? 0 : (int64) i * (count - 1) / (sampled - 1));
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "medallion sample", ALLOCSET_DEFAULT_SIZES);
		MemoryContext caller = MemoryContextSwitchTo(context);
		MdlFileReader *reader;

		reader = mdl_file_open(ingest->store, file, &ingest->options);
		reader->format->sample(reader, Max(ingest->options.sample_rows / sampled, 1));
		MemoryContextSwitchTo(caller);
		mdl_file_columns_merge(&columns, &reader->columns);
		MemoryContextDelete(context);
		mdl_progress_update(i + 1);
	}
	if (columns.count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot create table \"%s\": the files show no columns", ingest->target.display),
				 errdetail("The first file is \"%s\".", ((MdlStoreFile *) linitial(ingest->files))->uri)));
	mdl_target_create(&ingest->target, &columns, &ingest->options);
}

/* Leaves the files in ingest->files that are to be loaded. */
static void
choose_files(Ingest *ingest)
{
	MdlFileState *states;
	List	   *chosen = NIL;
	ListCell   *cell;

	if (ingest->options.force || ingest->files == NIL || !OidIsValid(ingest->target.relid))
		return;
	states = mdl_ledger_states(ingest->target.relid, ingest->files);
	foreach(cell, ingest->files)
	{
		MdlStoreFile *file = lfirst(cell);
		MdlFileState state = states[foreach_current_index(cell)];

		if (state == MDL_FILE_CHANGED && ingest->options.on_change == MDL_CHANGED_FAIL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("file \"%s\" has changed since it was loaded into \"%s\"", file->uri, ingest->target.display),
					 errhint("Set \"on_change\" in the options to \"load\" to load it again, or to \"skip\".")));
		if (state == MDL_FILE_LOADED || (state == MDL_FILE_CHANGED && ingest->options.on_change == MDL_CHANGED_SKIP))
			ingest->skipped_files++;
		else
			chosen = lappend(chosen, file);
	}
	ingest->files = chosen;
}

static void
load_files(Ingest *ingest)
{
	ListCell   *cell;
	int64		total = 0;

	if (ingest->files == NIL)
		return;
	if (!OidIsValid(ingest->target.relid))
		create_target(ingest);
	foreach(cell, ingest->files)
		total += ((MdlStoreFile *) lfirst(cell))->size;
	mdl_progress_phase("loading", total);
	foreach(cell, ingest->files)
		load_one_file(ingest, lfirst(cell));
	if (ingest->target.created)
	{
		/* Nobody else sees the new table, so its index is made at once from all rows: faster than row by row. */
		mdl_progress_phase("indexing", -1);
		CommandCounterIncrement();
		reindex_relation(ingest->target.relid, 0, &(ReindexParams) {0});
	}
}

static char *
text_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static Datum
result_row(FunctionCallInfo fcinfo, const Ingest *ingest)
{
	TupleDesc	tupdesc;
	Datum		values[5];
	bool		nulls[5] = {false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "medallion.ingest must return a row");
	values[0] = Int64GetDatum(ingest->loaded_files);
	values[1] = Int64GetDatum(ingest->rows);
	values[2] = Int64GetDatum(ingest->rescued);
	values[3] = Int64GetDatum(ingest->skipped_files);
	values[4] = Int64GetDatum(ingest->bytes);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

MDL_SHIM_TARGET(mdl_ingest);
/* ingest(target text, server name, path text, format text, options jsonb) -> (files, rows, rescued, skipped_files, bytes) */
Datum
mdl_ingest_impl(PG_FUNCTION_ARGS)
{
	Ingest		ingest = {0};
	char	   *target = text_argument(fcinfo, 0, "target");
	char	   *path = text_argument(fcinfo, 2, "path");

	PreventCommandIfReadOnly("medallion.ingest()");
	if (PG_ARGISNULL(1))
		(void) text_argument(fcinfo, 1, "server");
	mdl_ingest_options(text_argument(fcinfo, 3, "format"), PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4),
					   &ingest.options);
	ingest.store = mdl_store_open(NameStr(*PG_GETARG_NAME(1)));
	mdl_progress_begin("ingest", target);
	mdl_progress_phase("listing", -1);
	ingest.files = ingest.store->kind->list(ingest.store, path);
	if (ingest.files == NIL && !ingest.options.allow_empty)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("no file of server \"%s\" matches \"%s\"", ingest.store->server_name, path),
				 errhint("Check the path, or set \"allow_empty\" in the options.")));
	mdl_target_open(&ingest.target, target);
	if (OidIsValid(ingest.target.relid))
		mdl_ledger_check(&ingest.target, ingest.options.adopt);
	choose_files(&ingest);
	load_files(&ingest);
	mdl_progress_end();
	return result_row(fcinfo, &ingest);
}
