/*
 * incremental_cursor.c: sources that are not versioned, of which a declared column tells what is new: the *cursor*.
 *
 * What the server does not know of a foreign or unversioned table, its user may: that every row that is new or changed has a value
 * in this column that is no less than the greatest before, less an *overlap* for what arrives late.  A refresh then
 * takes the rows from the greatest value that the last one met on as new images.  There are no old ones: rows that were deleted
 * are not met, nor what a changed row led to before.  Rows whose cursor is NULL are always taken.  What is declared is believed;
 * a rebuild does not use it.
 */
#include "pipeline/definition_int.h"
#include "pipeline/incremental_int.h"
#include "pipeline/refresh_int.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

/* ---- records ------------------------------------------------------------------------------------------------------- */

List *
mdl_cursors_read(const DerivedTable *table, List *sources)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	MdlArgs		args = {0};
	MdlUser		saved;
	List	   *cursors = NIL;
	uint64		rows;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->target), false);
	mdl_owner_begin(&saved);
	rows = mdl_run("SELECT c.source::pg_catalog.oid, c.column_name, c.overlap, s.source IS NOT NULL, s.seen FROM medallion._cursors c"
				   " LEFT JOIN medallion._refresh_cursors s ON s.target = c.target AND s.source = c.source"
				   " WHERE c.target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
	old = MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < rows; i++)
	{
		SourceCursor *cursor = palloc0_object(SourceCursor);

		cursor->source = DatumGetObjectId(mdl_field(i, 0, NULL));
		cursor->column = mdl_field_text(i, 1);
		cursor->overlap = mdl_field_text(i, 2);
		cursor->is_known = DatumGetBool(mdl_field(i, 3, NULL));
		cursor->seen = mdl_field_text(i, 4);
		if (list_member_oid(sources, cursor->source) && !mdl_is_versioned(cursor->source))
			cursors = lappend(cursors, cursor);
	}
	MemoryContextSwitchTo(old);
	return cursors;
}

SourceCursor *
mdl_cursor_of(List *cursors, Oid source)
{
	ListCell   *cell;

	foreach(cell, cursors)
		if (((SourceCursor *) lfirst(cell))->source == source)
			return lfirst(cell);
	return NULL;
}

void
mdl_cursors_keep(const DerivedTable *table, List *cursors)
{
	ListCell   *cell;
	MdlUser		saved;

	mdl_owner_begin(&saved);
	foreach(cell, cursors)
	{
		SourceCursor *cursor = lfirst(cell);
		MdlArgs		args = {0};

		mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->target), false);
		mdl_arg(&args, OIDOID, ObjectIdGetDatum(cursor->source), false);
		mdl_arg_text(&args, cursor->now);
		mdl_run("INSERT INTO medallion._refresh_cursors (target, source, seen) VALUES ($1, $2, $3)"
				" ON CONFLICT (target, source) DO UPDATE SET seen = excluded.seen", &args, false);
	}
	mdl_owner_end(&saved);
}

/* {"ext.orders": "2026-01-01 …", …}: up to where the sources were read; NULL if there are no cursors. */
char *
mdl_cursors_json(List *cursors)
{
	StringInfoData text;
	ListCell   *cell;

	if (cursors == NIL)
		return NULL;
	initStringInfo(&text);
	foreach(cell, cursors)
	{
		SourceCursor *cursor = lfirst(cell);

		appendStringInfoString(&text, text.len ? ", " : "{");
		escape_json(&text, mdl_pipeline_relation_name(cursor->source));
		appendStringInfoString(&text, ": ");
		if (cursor->now)
			escape_json(&text, cursor->now);
		else
			appendStringInfoString(&text, "null");
	}
	appendStringInfoChar(&text, '}');
	return text.data;
}

/* Adds what is declared to what the last refresh is compared by. */
void
mdl_cursors_fingerprint(List *cursors, StringInfo text)
{
	ListCell   *cell;

	foreach(cell, cursors)
	{
		SourceCursor *cursor = lfirst(cell);

		appendStringInfo(text, " cursor %u %s", cursor->source, quote_identifier(cursor->column));
		if (cursor->overlap)
			appendStringInfo(text, " %s", quote_literal_cstr(cursor->overlap));
	}
}

/* "; ext.orders by its cursor updated_at": what a refresh says of them. */
char *
mdl_cursors_describe(List *cursors)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, cursors)
	{
		SourceCursor *cursor = lfirst(cell);

		appendStringInfo(&text, "; %s by its cursor %s", mdl_pipeline_relation_name(cursor->source), quote_identifier(cursor->column));
	}
	return text.data;
}

/* ---- conditions ----------------------------------------------------------------------------------------------------- */

/* The type of the column; InvalidOid if it is gone. */
static Oid
column_type(const SourceCursor *cursor)
{
	AttrNumber	column = get_attnum(cursor->source, cursor->column);

	return column > 0 ? getBaseType(get_atttype(cursor->source, column)) : InvalidOid;
}

char *
mdl_cursor_obstacle(const SourceCursor *cursor)
{
	if (OidIsValid(column_type(cursor)))
		return NULL;
	return psprintf("%s has no column %s, its cursor, any more", mdl_pipeline_relation_name(cursor->source),
					quote_identifier(cursor->column));
}

static const char *
overlap_type(Oid type)
{
	return TypeCategory(type) == TYPCATEGORY_DATETIME ? "pg_catalog.interval" : mdl_type_name(type);
}

/* An SQL expression for the value from which on rows are taken. */
static char *
lower_bound(const SourceCursor *cursor, const char *seen)
{
	Oid			type = column_type(cursor);
	char	   *name = mdl_type_name(type);
	char	   *value = psprintf("%s::%s", seen ? quote_literal_cstr(seen) : "NULL", name);

	if (cursor->overlap == NULL)
		return value;
	return psprintf("(%s OPERATOR(pg_catalog.-) %s::%s)::%s", value, quote_literal_cstr(cursor->overlap),
					overlap_type(type), name);
}

/* What is subtracted must not be negative: rows would be left out. */
static void
check_overlap(const SourceCursor *cursor)
{
	Oid			type = column_type(cursor);
	const char *name = overlap_type(type);

	mdl_run(psprintf("SELECT %s::%s OPERATOR(pg_catalog.<) '0'::%s", quote_literal_cstr(cursor->overlap), name, name), NULL, true);
	if (DatumGetBool(mdl_field(0, 0, NULL)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("overlap of the cursor of \"%s\" must not be negative, but is %s", mdl_display_name(cursor->source), cursor->overlap)));
}

/* Values become text and come back: times with their offset, since the name of a zone may stand for several. */
static int
begin_plain_times(void)
{
	int			level = NewGUCNestLevel();

	set_config_option("DateStyle", "ISO, YMD", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* Raises what is wrong with a declaration.  Nothing is read. */
static void
check_declaration(const SourceCursor *cursor)
{
	const char *column = quote_identifier(cursor->column);

	if (!OidIsValid(column_type(cursor)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\", given in cursors, is not a column of \"%s\"", cursor->column, mdl_display_name(cursor->source))));
	if (cursor->overlap && strchr("ND", TypeCategory(column_type(cursor))) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("cursor \"%s\" of \"%s\" has type %s, of which no overlap can be subtracted", cursor->column,
						mdl_display_name(cursor->source), format_type_be(column_type(cursor))),
				 errhint("Leave overlap out, or use a number or a time.")));
	if (cursor->overlap)
		check_overlap(cursor);
	mdl_query_analyse(psprintf("SELECT pg_catalog.max(%s)::pg_catalog.text FROM %s WHERE %s OPERATOR(pg_catalog.>=) %s", column,
							   mdl_qualified_name(cursor->source), column, lower_bound(cursor, NULL)), NULL);
}

/* ---- what is new ------------------------------------------------------------------------------------------------------ */

typedef struct ImageReceiver
{
	DestReceiver dest;			/* must be first */
	ChangedSource *source;
	int64		limit;
} ImageReceiver;

/* The columns that come are those of the table that are not dropped. */
static bool
receive_image(TupleTableSlot *slot, DestReceiver *self)
{
	ImageReceiver *receiver = (ImageReceiver *) self;
	ChangedSource *source = receiver->source;
	int			count = source->columns->natts;
	int			from = 0;

	slot_getallattrs(slot);
	for (int i = 0; i < count; i++)
	{
		bool		dropped = TupleDescAttr(source->columns, i)->attisdropped;

		source->nulls[i] = dropped || slot->tts_isnull[from];
		source->values[i] = dropped ? (Datum) 0 : slot->tts_values[from];
		from += !dropped;
	}
	source->values[count] = Int32GetDatum(1);
	source->nulls[count] = false;
	tuplestore_putvalues(source->images, source->image_columns, source->values, source->nulls);
	return ++source->count <= receiver->limit;
}

/* The greatest cursor among what was collected and what was seen before. */
static char *
greatest(SourceCursor *cursor, ChangedSource *source, const char *seen)
{
	Oid			type = column_type(cursor);
	char	   *name = mdl_type_name(type);
	char	   *result;
	MemoryContext context = CurrentMemoryContext;

	mdl_offer_rows("medallion_images", source->images, source->image_columns);
	mdl_run(psprintf("SELECT GREATEST(pg_catalog.max(%s), %s::%s)::pg_catalog.text FROM medallion_images",
					 quote_identifier(cursor->column), seen ? quote_literal_cstr(seen) : "NULL", name), NULL, true);
	MemoryContextSwitchTo(context);
	result = mdl_field_text(0, 0);
	SPI_unregister_relation("medallion_images");
	return result;
}

ChangedSource *
mdl_cursor_changes(SourceCursor *cursor, double limit, char **why)
{
	ChangedSource *source = mdl_changed_source_begin(cursor->source);
	ImageReceiver receiver = {.dest = mdl_row_receiver(receive_image), .source = source, .limit = (int64) limit};
	SPIExecuteOptions options = {.read_only = true, .dest = &receiver.dest};
	StringInfoData sql;
	int			columns = 0;
	int			level = begin_plain_times();

	initStringInfo(&sql);
	for (int i = 0; i < source->columns->natts; i++)
		if (!TupleDescAttr(source->columns, i)->attisdropped)
			appendStringInfo(&sql, "%s%s", columns++ ? ", " : "SELECT ", quote_identifier(NameStr(TupleDescAttr(source->columns, i)->attname)));
	appendStringInfo(&sql, " FROM %s", mdl_qualified_name(cursor->source));
	if (cursor->seen)
		appendStringInfo(&sql, " WHERE %s OPERATOR(pg_catalog.>=) %s OR %s IS NULL", quote_identifier(cursor->column),
						 lower_bound(cursor, cursor->seen), quote_identifier(cursor->column));
	if (SPI_execute_extended(sql.data, &options) < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql.data, SPI_result_code_string(SPI_result));
	if (source->count > (int64) limit)
	{
		*why = psprintf("so much of %s is new by its cursor that computing everything is no more work",
						mdl_pipeline_relation_name(cursor->source));
		tuplestore_end(source->images);
		source = NULL;
	}
	else
	{
		cursor->now = greatest(cursor, source, cursor->seen);
		cursor->is_read = true;
	}
	AtEOXact_GUC(false, level);
	return source;
}

void
mdl_cursors_look(List *cursors)
{
	MemoryContext context = CurrentMemoryContext;
	int			level = begin_plain_times();
	ListCell   *cell;

	foreach(cell, cursors)
	{
		SourceCursor *cursor = lfirst(cell);

		if (cursor->is_read)
			continue;
		mdl_run(psprintf("SELECT pg_catalog.max(%s)::pg_catalog.text FROM %s", quote_identifier(cursor->column),
						 mdl_qualified_name(cursor->source)), NULL, true);
		MemoryContextSwitchTo(context);
		cursor->now = mdl_field_text(0, 0);
		cursor->is_read = true;
	}
	AtEOXact_GUC(false, level);
}

/* ---- declaring ---------------------------------------------------------------------------------------------------------- */

static SourceCursor *
read_declaration(const DerivedTable *table, Jsonb *cursors, const char *name, List *sources)
{
	static const char *const keys[] = {"column", "overlap", NULL};
	SourceCursor *cursor = palloc0_object(SourceCursor);

	cursor->source = mdl_relation_by_name(name, false);
	if (!list_member_oid(sources, cursor->source))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\", given in cursors, is not a source of \"%s\"", mdl_display_name(cursor->source),
						mdl_display_name(table->target))));
	if (mdl_is_versioned(cursor->source))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is versioned, so its changes are known without a cursor", mdl_display_name(cursor->source)),
				 errhint("Leave it out of cursors.")));
	if (mdl_jsonb_is_text(cursors, name))
		mdl_jsonb_text(cursors, "cursors", name, &cursor->column);
	else
	{
		Jsonb	   *object = mdl_jsonb_object(cursors, "cursors", name);
		char	   *what = psprintf("cursors.%s", name);

		if (object != NULL)
		{
			mdl_jsonb_check_keys(object, what, keys);
			mdl_jsonb_text(object, what, "column", &cursor->column);
			mdl_jsonb_text(object, what, "overlap", &cursor->overlap);
		}
	}
	if (cursor->column == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"cursors\" names no column of \"%s\"", mdl_display_name(cursor->source)),
				 errhint("Write for example cursors => '{\"%s\": \"updated_at\"}', or '{\"%s\": {\"column\": \"updated_at\", \"overlap\": \"10 min\"}}'.",
						 name, name)));
	return cursor;
}

void
mdl_cursors_declare(const DerivedTable *table, Jsonb *cursors)
{
	List	   *sources = mdl_view_leaf_sources(table->definition);
	List	   *declared = NIL;
	OwnerWorld	world;
	MdlArgs		target = {0};
	MdlUser		saved;
	ListCell   *cell;
	int			count;
	char	  **names = mdl_jsonb_keys(cursors, &count);

	for (int i = 0; i < count; i++)
	{
		SourceCursor *cursor = read_declaration(table, cursors, names[i], sources);

		if (mdl_cursor_of(declared, cursor->source))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("\"%s\" is given twice in cursors", mdl_display_name(cursor->source))));
		declared = lappend(declared, cursor);
		mdl_enter_owner_world(table, &world);
		check_declaration(cursor);
		mdl_leave_owner_world(&world);
	}
	mdl_owner_begin(&saved);
	mdl_arg(&target, OIDOID, ObjectIdGetDatum(table->target), false);
	mdl_run("DELETE FROM medallion._cursors WHERE target = $1", &target, false);
	foreach(cell, declared)
	{
		SourceCursor *cursor = lfirst(cell);
		MdlArgs		args = {0};

		mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->target), false);
		mdl_arg(&args, OIDOID, ObjectIdGetDatum(cursor->source), false);
		mdl_arg_text(&args, cursor->column);
		mdl_arg_text(&args, cursor->overlap);
		mdl_run("INSERT INTO medallion._cursors (target, source, column_name, overlap) VALUES ($1, $2, $3, $4)", &args, false);
	}
	mdl_owner_end(&saved);
}
