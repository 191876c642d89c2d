/*
 * publish_replace.c: updates of rows that change places in a unique key.
 *
 * Rows may take each other's values of a column that is unique (ranks, say), where no order of updates may do: each meets a row
 * that has yet to be changed.  If updating them raises for that, they are taken out together and put in as they are to be, with
 * what their further columns hold; what is twice even then is an error.  Not where taking a row out has a meaning of its own:
 * where triggers, rules or foreign keys of others see it.
 */
#include "pipeline/refresh_int.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_index.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

/* Whether another key than the primary one is looked at for each row as it is written. */
static bool
has_other_unique_key(Relation target)
{
	bool		found = false;
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(target))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		found |= (index->rd_index->indisunique || index->rd_index->indisexclusion) && index->rd_index->indimmediate &&
			!index->rd_index->indisprimary;
		index_close(index, NoLock);
	}
	return found;
}

static bool
may_replace(Oid relid)
{
	Relation	target = table_open(relid, AccessShareLock);
	bool		result = mdl_relation_is_plain(target) && has_other_unique_key(target);

	table_close(target, NoLock);
	return result;
}

/* ", t.a, t.b": columns that the table has beside those that are written. */
static char *
further_columns(const PlacedRows *placed, const char *prefix)
{
	Relation	target = table_open(placed->target, AccessShareLock);
	TupleDesc	columns = RelationGetDescr(target);
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < columns->natts; i++)
	{
		char	   *name = NameStr(TupleDescAttr(columns, i)->attname);

		if (!TupleDescAttr(columns, i)->attisdropped && !mdl_is_one_of(name, placed->names, placed->count))
			appendStringInfo(&text, ", %s%s", prefix, quote_identifier(name));
	}
	table_close(target, NoLock);
	return text.data;
}

/* The rows as they are to be: their places, and all their columns. */
static StoredRows
whole_rows(const PlacedRows *placed)
{
	StoredRows	rows;

	mdl_offer_rows("medallion_placed", placed->rows, placed->columns);
	PushCopiedSnapshot(placed->snapshot);
	UpdateActiveSnapshotCommandId();
	mdl_store_query(&rows, psprintf("SELECT u.c1, %s%s FROM medallion_placed u(%s) JOIN ONLY %s t ON t.ctid OPERATOR(pg_catalog.=) u.c1",
									mdl_numbered_columns(2, placed->count + 1, "u."), further_columns(placed, "t."),
									mdl_numbered_columns(1, placed->columns->natts, ""), mdl_qualified_name(placed->target)), NULL);
	PopActiveSnapshot();
	SPI_unregister_relation("medallion_placed");
	return rows;
}

static void
replace_rows(const PlacedRows *placed)
{
	char	   *target = mdl_qualified_name(placed->target);
	StoredRows	rows = whole_rows(placed);
	char	   *all = mdl_numbered_columns(1, rows.columns->natts, "");
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < placed->count; i++)
		appendStringInfo(&names, "%s%s", i ? ", " : "", quote_identifier(placed->names[i]));
	mdl_offer_rows("medallion_whole", rows.rows, rows.columns);
	mdl_run_under_snapshot(psprintf("DELETE FROM ONLY %s t USING medallion_whole w(%s) WHERE t.ctid OPERATOR(pg_catalog.=) w.c1", target, all),
						   NULL, placed->snapshot);
	mdl_run_under_snapshot(psprintf("INSERT INTO %s (%s%s) OVERRIDING SYSTEM VALUE SELECT %s FROM medallion_whole w(%s)", target, names.data,
									further_columns(placed, ""), mdl_numbered_columns(2, rows.columns->natts, "w."), all), NULL, placed->snapshot);
	SPI_unregister_relation("medallion_whole");
	tuplestore_end(rows.rows);
}

typedef struct Trial
{
	MdlWork		update;
	void	   *argument;
} Trial;

/* With an SPI connection of its own, which an error takes along with what was offered there. */
static void
try_update(void *argument)
{
	Trial	   *trial = argument;

	SPI_connect();
	trial->update(trial->argument);
	SPI_finish();
}

bool
mdl_update_or_replace(const PlacedRows *placed, MdlWork update, void *argument)
{
	ErrorData  *error;

	if (tuplestore_tuple_count(placed->rows) < 2 || !may_replace(placed->target))
	{
		update(argument);
		return false;
	}
	error = mdl_try(try_update, &(Trial) {update, argument});
	if (error == NULL)
		return false;
	if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION && error->sqlerrcode != ERRCODE_EXCLUSION_VIOLATION)
		ReThrowError(error);
	FreeErrorData(error);
	replace_rows(placed);
	return true;
}
