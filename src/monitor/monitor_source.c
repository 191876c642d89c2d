/*
 * monitor_source.c: reading the rows of a source, as the current user.
 *
 * Rows are taken from the executor one by one (a receiver of our own behind SPI), so memory is bounded whatever their
 * number, and the query may run in parallel.
 */
#include "monitor/monitor_int.h"

#include "access/tupdesc.h"
#include "base/progress.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "parser/parse_type.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define BATCH_ROWS	1000		/* rows between two looks at interrupts, progress and memory */

TupleDesc
mdl_source_describe(const char *source)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *from = mdl_source_from(source, NULL);
	TupleDesc	desc;
	MemoryContext spi;

	SPI_connect();
	mdl_run(psprintf("SELECT * FROM %s AS source LIMIT 0", from), NULL, true);
	spi = MemoryContextSwitchTo(caller);
	desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
	MemoryContextSwitchTo(spi);
	SPI_finish();
	return desc;
}

bool
mdl_source_kind(Oid type, ml_kind *kind)
{
	char		category;
	bool		preferred;

	type = getBaseType(type);
	get_type_category_preferred(type, &category, &preferred);
	if (category == TYPCATEGORY_NUMERIC && type != REGCLASSOID && type != OIDOID)
		*kind = ML_NUMERIC;
	else if (type == BOOLOID)
		*kind = ML_BOOLEAN;
	else if (category == TYPCATEGORY_STRING || category == TYPCATEGORY_ENUM)
		*kind = ML_CATEGORICAL;
	else
		return false;
	return true;
}

/* The attribute of that name; an error that names the source otherwise. */
static Form_pg_attribute
find_attribute(TupleDesc desc, const char *source, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0)
			return attribute;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("source has no column \"%s\"", name),
			 errdetail("The source is: %s", source)));
}

void
mdl_source_find(TupleDesc desc, const char *source, const char *name, ml_kind kind, MdlSourceColumn *column)
{
	Form_pg_attribute attribute = find_attribute(desc, source, name);
	const char *quoted = quote_identifier(name);
	ml_kind		found;

	column->name = pstrdup(name);
	column->kind = kind;
	if (kind == ML_TIME && mdl_is_time(getBaseType(attribute->atttypid)))
	{
		column->expression = psprintf("%s(source.%s)", mdl_seconds_function(getBaseType(attribute->atttypid)), quoted);
		return;
	}
	if (kind == ML_VECTOR && OidIsValid(get_element_type(getBaseType(attribute->atttypid))))
	{
		column->expression = psprintf("source.%s::pg_catalog.float8[]", quoted);
		return;
	}
	if (!mdl_source_kind(attribute->atttypid, &found))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of the source has type %s, which cannot be compared", name,
						format_type_be(attribute->atttypid)),
				 errhint("Columns of numbers, booleans, texts and enums can; cast the column in a query given as source.")));
	if (kind == 0)
		kind = found;
	if ((found == ML_CATEGORICAL) != (kind == ML_CATEGORICAL))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of the source has type %s, but the baseline of that column is %s", name,
						format_type_be(attribute->atttypid),
						kind == ML_CATEGORICAL ? "of categories" : kind == ML_BOOLEAN ? "of booleans" : "of numbers"),
				 errhint("Cast the column in a query given as source.")));
	column->name = pstrdup(name);
	column->kind = kind;
	if (kind == ML_CATEGORICAL)
		column->expression = psprintf("source.%s::pg_catalog.text", quoted);
	else if (found == ML_BOOLEAN)
		column->expression = psprintf("source.%s::pg_catalog.int4::pg_catalog.float8", quoted);
	else
		column->expression = psprintf("source.%s::pg_catalog.float8", quoted);
}

void
mdl_source_check_at(TupleDesc desc, const char *source, const char *at)
{
	Form_pg_attribute attribute = find_attribute(desc, source, at);
	Oid			type = getBaseType(attribute->atttypid);

	if (type != TIMESTAMPTZOID && type != TIMESTAMPOID && type != DATEOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of the source has type %s, but the column of time must be a timestamp or a date", at,
						format_type_be(attribute->atttypid))));
}

/* ---- rows from the executor ---- */

typedef struct RowReceiver
{
	DestReceiver receiver;		/* must be first */
	MdlRowFunction row;
	void	   *state;
	MemoryContext batch;
	uint64		count;
} RowReceiver;

static void
row_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static bool
row_receive(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *rows = (RowReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(rows->batch);

	slot_getallattrs(slot);
	rows->row(rows->state, slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(old);
	if (++rows->count % BATCH_ROWS == 0)
	{
		MemoryContextReset(rows->batch);
		mdl_progress_update(rows->count);
		CHECK_FOR_INTERRUPTS();
	}
	return true;
}

static void
row_end(DestReceiver *self)
{
}

uint64
mdl_source_scan(const char *query, ParamListInfo params, MdlRowFunction row, void *state)
{
	RowReceiver rows = {
		.receiver = {.receiveSlot = row_receive, .rStartup = row_startup, .rShutdown = row_end, .rDestroy = row_end, .mydest = DestNone},
		.row = row,
		.state = state
	};
	SPIExecuteOptions options = {.params = params, .read_only = true, .dest = &rows.receiver};
	int			code;

	SPI_connect();
	rows.batch = AllocSetContextCreate(CurrentMemoryContext, "medallion rows of a source", ALLOCSET_DEFAULT_SIZES);
	code = SPI_execute_extended(query, &options);
	if (code < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", query, SPI_result_code_string(code));
	SPI_finish();
	return rows.count;
}
