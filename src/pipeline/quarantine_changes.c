/*
 * quarantine_changes.c: which corrections were made or taken back since the last refresh of a table.
 *
 * A correction concerns the row that has the key of the row corrected, so an incremental refresh computes that again.  Changes
 * are records of their own, since a correction that is taken back leaves none.  A refresh that has read them takes them away
 * by their numbers: one that commits meanwhile waits for the next.
 */
#include "pipeline/definition_int.h"
#include "pipeline/incremental_int.h"
#include "pipeline/result_int.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

void
mdl_correction_change_add(Oid target, Jsonb *original, bool changes_key)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_arg_jsonb(&args, original);
	mdl_arg_bool(&args, changes_key);
	mdl_owner_begin(&saved);
	mdl_run("INSERT INTO medallion._correction_changes (target, original, changes_key) VALUES ($1, $2, $3)", &args, false);
	mdl_owner_end(&saved);
}

CorrectionChanges
mdl_correction_changes_read(Oid target)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	CorrectionChanges changes = {0};
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	changes.count = (int) mdl_run("SELECT change_id, original, changes_key FROM medallion._correction_changes"
								  " WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
	old = MemoryContextSwitchTo(context);
	changes.ids = palloc_array(Datum, changes.count + 1);
	changes.originals = palloc_array(Datum, changes.count + 1);
	for (int i = 0; i < changes.count; i++)
	{
		changes.ids[i] = mdl_field(i, 0, NULL);
		changes.originals[i] = JsonbPGetDatum(DatumGetJsonbPCopy(mdl_field(i, 1, NULL)));
		changes.changes_key |= DatumGetBool(mdl_field(i, 2, NULL));
	}
	MemoryContextSwitchTo(old);
	SPI_freetuptable(SPI_tuptable);
	return changes;
}

void
mdl_correction_changes_done(const CorrectionChanges *changes)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	if (changes->count == 0)
		return;
	mdl_arg(&args, INT8ARRAYOID,
			PointerGetDatum(construct_array(changes->ids, changes->count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)),
			false);
	mdl_owner_begin(&saved);
	mdl_run("DELETE FROM medallion._correction_changes WHERE change_id OPERATOR(pg_catalog.=) ANY ($1)", &args, false);
	mdl_owner_end(&saved);
}

void
mdl_correction_changes_rows(const CorrectionChanges *changes, const DerivedTable *table, TupleDesc columns,
							void (*take) (void *taker, const Datum *values, const bool *nulls), void *taker)
{
	MemoryContext context = CurrentMemoryContext;
	Datum	   *values = palloc_array(Datum, columns->natts);
	bool	   *nulls = palloc_array(bool, columns->natts);
	MdlArgs		args = {0};
	uint64		rows;

	if (changes->count == 0)
		return;
	mdl_arg(&args, JSONBARRAYOID,
			PointerGetDatum(construct_array(changes->originals, changes->count, JSONBOID, -1, false, TYPALIGN_INT)), false);
	rows = mdl_run(psprintf("SELECT %s FROM pg_catalog.unnest($1) o(original),"
							" LATERAL pg_catalog.jsonb_populate_record(NULL::%s, o.original) r",
							mdl_column_list(columns, "r."), mdl_qualified_name(table->definition)), &args, true);
	MemoryContextSwitchTo(context);
	for (uint64 row = 0; row < rows; row++)
	{
		for (int i = 0; i < columns->natts; i++)
			values[i] = mdl_field(row, i, &nulls[i]);
		take(taker, values, nulls);
	}
	SPI_freetuptable(SPI_tuptable);
}
