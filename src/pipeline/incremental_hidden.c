/*
 * incremental_hidden.c: hidden aggregates: computed along with the query, kept per group, found again by the next refresh.
 *
 * The key of a group is kept as text, written by the owner of the table under the settings of its definition; only types
 * whose text these settings fix are given hidden values (incremental_aggregate.c).  A value is a numeric.  What is kept is
 * meant by the record of the last refresh (incremental_state.c), which says of which kind it is; without that it means nothing.
 * It is no part of a dump.
 */
#include "pipeline/definition_int.h"
#include "pipeline/incremental_delta_int.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

/* With fewer rows per group than this, computing a group again is about as cheap, and so nothing is kept. */
#define FEW_ROWS_PER_GROUP 4
#define FEW_GROUPS 1000

/* The index takes no longer keys. */
#define LONGEST_KEY 1000

static void
begin(DerivedResult *result, char *kind)
{
	Hidden	   *hidden = palloc0_object(Hidden);

	hidden->kind = pstrdup(kind);
	mdl_store_receiver(&hidden->values);
	hidden->values.columns = CreateTemplateTupleDesc(2);
	TupleDescInitEntry(hidden->values.columns, 1, "key", TEXTOID, -1, 0);
	TupleDescInitEntry(hidden->values.columns, 2, "hidden", NUMERICARRAYOID, -1, 0);
	result->hidden = hidden;
}

void
mdl_hidden_begin(DerivedResult *result, char *kind, const char *former)
{
	MemoryContext old = MemoryContextSwitchTo(result->context);

	begin(result, kind);
	mdl_store_query(&result->hidden->former, former, NULL);
	MemoryContextSwitchTo(old);
}

void
mdl_hidden_free(Hidden *hidden)
{
	tuplestore_end(hidden->values.rows);
	if (hidden->former.rows)
		tuplestore_end(hidden->former.rows);
}

bool
mdl_hidden_run(DerivedResult *result, const char *from, DestReceiver *dest)
{
	const DerivedTable *table = result->table;
	ParamListInfo params = result->units ? mdl_units_params(result->units) : NULL;
	Query	   *query = mdl_query_analyse(psprintf("SELECT %s, %s%s", mdl_column_list(result->columns, ""),
												 mdl_aggregates_key(table, "d."), from), params);
	Aggregates *aggregates = palloc0_object(Aggregates);
	MemoryContext old;

	mdl_query_prepare(query);
	if (!mdl_aggregates_describe(table, result->columns, query, aggregates) || aggregates->hidden == NULL)
		return false;
	mdl_aggregates_add_hidden(table, aggregates, query);
	old = MemoryContextSwitchTo(result->context);
	begin(result, aggregates->hidden);
	result->hidden->aggregates = aggregates;
	if (result->units)
		mdl_store_query(&result->hidden->former, psprintf("SELECT %s AS _key FROM ONLY %s t WHERE %s", mdl_aggregates_key(table, "t."),
														 mdl_qualified_name(table->target), mdl_units_condition(result->units, "t.")),
						params);
	MemoryContextSwitchTo(old);
	if (result->units)
		mdl_units_push(query, table, result->units);
	mdl_query_execute(mdl_query_plan(query, params, 0), params, NULL, dest);
	return true;
}

void
mdl_hidden_take(DerivedResult *result, const Datum *values, const bool *nulls)
{
	Hidden	   *hidden = result->hidden;
	const Aggregates *aggregates = hidden->aggregates;
	int			count = aggregates->count - aggregates->shown;
	const Datum *given = values + result->columns->natts + 1;
	const bool *given_nulls = nulls + result->columns->natts + 1;
	int			rows = aggregates->rows_column + (aggregates->rows_column < aggregates->shown ? 0 : 1);
	MemoryContext old;
	Datum	   *elements;
	bool	   *element_nulls;
	Datum		row[2];
	bool		row_nulls[2] = {false, false};

	MemoryContextReset(result->row_context);
	old = MemoryContextSwitchTo(result->row_context);
	elements = palloc_array(Datum, count);
	element_nulls = palloc_array(bool, count);
	for (int i = 0; i < count; i++)
	{
		element_nulls[i] = given_nulls[i];
		if (given_nulls[i])
			continue;
		elements[i] = aggregates->columns[aggregates->shown + i].aggregate->aggtype == INT8OID
			? NumericGetDatum(int64_to_numeric(DatumGetInt64(given[i]))) : given[i];
	}
	row[0] = values[result->columns->natts];
	row[1] = PointerGetDatum(construct_md_array(elements, element_nulls, 1, &count, &(int) {1}, NUMERICOID, -1, false, TYPALIGN_INT));
	hidden->too_long |= VARSIZE_ANY_EXHDR(DatumGetPointer(row[0])) > LONGEST_KEY;
	hidden->source_rows += DatumGetInt64(values[rows]);
	tuplestore_putvalues(hidden->values.rows, hidden->values.columns, row, row_nulls);
	MemoryContextSwitchTo(old);
}

/* ---- what is kept ------------------------------------------------------------------------------------------------------ */

void
mdl_hidden_read(const DerivedResult *result, StoredRows *rows)
{
	const StoredRows *former = &result->hidden->former;
	MdlUser		saved;

	mdl_offer_rows("medallion_former", former->rows, former->columns);
	mdl_owner_begin(&saved);
	mdl_store_query(rows, psprintf("SELECT s.key, s.hidden FROM medallion._aggregate_states s JOIN medallion_former f"
								   " ON s.key OPERATOR(pg_catalog.=) f._key WHERE s.target OPERATOR(pg_catalog.=) %u",
								   result->table->target), NULL);
	mdl_owner_end(&saved);
	SPI_unregister_relation("medallion_former");
}

/* Whether what a full refresh found is worth keeping. */
static bool
is_worthwhile(const Hidden *hidden)
{
	int64		groups = tuplestore_tuple_count(hidden->values.rows);

	return groups <= FEW_GROUPS || hidden->source_rows / groups >= FEW_ROWS_PER_GROUP;
}

static void
forget_all(Oid target)
{
	mdl_run(psprintf("DELETE FROM medallion._aggregate_states WHERE target OPERATOR(pg_catalog.=) %u", target), NULL, false);
}

char *
mdl_hidden_keep(const DerivedResult *result)
{
	const Hidden *hidden = result->hidden;
	Oid			target = result->table->target;
	bool		is_part = result->units || result->follows;
	bool		keep = hidden && !hidden->too_long && (is_part || is_worthwhile(hidden));
	MdlUser		saved;

	mdl_owner_begin(&saved);
	if (!keep || !is_part)
		forget_all(target);
	if (keep)
	{
		mdl_offer_rows("medallion_values", hidden->values.rows, hidden->values.columns);
		if (is_part)
		{
			mdl_offer_rows("medallion_former", hidden->former.rows, hidden->former.columns);
			mdl_run(psprintf("DELETE FROM medallion._aggregate_states s USING medallion_former f WHERE s.target OPERATOR(pg_catalog.=) %u"
							 " AND s.key OPERATOR(pg_catalog.=) f._key AND NOT EXISTS (SELECT FROM medallion_values v"
							 " WHERE v.key OPERATOR(pg_catalog.=) f._key)", target), NULL, false);
			SPI_unregister_relation("medallion_former");
		}
		mdl_run(psprintf("INSERT INTO medallion._aggregate_states (target, key, hidden) SELECT %u, v.key, v.hidden FROM medallion_values v"
						 " ON CONFLICT (target, key) DO UPDATE SET hidden = excluded.hidden", target), NULL, false);
		SPI_unregister_relation("medallion_values");
	}
	mdl_owner_end(&saved);
	return keep ? hidden->kind : NULL;
}
