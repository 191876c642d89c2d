/*
 * own_rows.c: rows put into medallion's own tables without a statement, and statements planned once a session.
 *
 * A row goes into the heap and the indexes as a catalog's would: no privilege, constraint or default is looked at and no
 * trigger runs.  So the caller gives a value to every column that needs one, and refers only to rows that it has just made
 * itself.  In return a row costs some microseconds, and a datum that comes compressed stays so.
 */
#include "base/base.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

void
mdl_rows_begin(MdlRows *rows, const char *table)
{
	Oid			relid = get_relname_relid(table, get_namespace_oid(MDL_SCHEMA, false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", MDL_SCHEMA, table),
				 errhint("Run CREATE EXTENSION medallion.")));
	rows->table = table_open(relid, RowExclusiveLock);
	rows->indexes = CatalogOpenIndexes(rows->table);
}

void
mdl_rows_add(MdlRows *rows, int count, const Datum *values, const bool *nulls)
{
	TupleDesc	columns = RelationGetDescr(rows->table);
	Datum		all[MaxTupleAttributeNumber];
	bool		null[MaxTupleAttributeNumber];
	HeapTuple	tuple;

	for (int i = 0; i < columns->natts; i++)
	{
		null[i] = i >= count || nulls[i];
		all[i] = null[i] ? (Datum) 0 : values[i];
	}
	tuple = heap_form_tuple(columns, all, null);
	CatalogTupleInsertWithInfo(rows->table, tuple, rows->indexes);
	heap_freetuple(tuple);
}

void
mdl_rows_end(MdlRows *rows)
{
	CatalogCloseIndexes(rows->indexes);
	table_close(rows->table, NoLock);
	CommandCounterIncrement();
}

uint64
mdl_run_kept(SPIPlanPtr *kept, const char *sql, const MdlArgs *args, bool read_only)
{
	int			code;

	if (*kept == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(sql, args->count, (Oid *) args->types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "SPI could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
		*kept = plan;
	}
	code = SPI_execute_plan(*kept, (Datum *) args->values, args->nulls, read_only, 0);
	if (code < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql, SPI_result_code_string(code));
	return SPI_processed;
}
