/*
 * refresh_extract.c: the records of what derived tables read from foreign tables (medallion.extracts).
 *
 * Which data a foreign server had cannot be asked for later; the table is versioned, and the record names its version.
 * Nothing here depends on a certain foreign data wrapper: what a server was asked is what the wrapper shows in EXPLAIN VERBOSE
 * ("Remote SQL" of postgres_fdw).
 */
#include "pipeline/definition_int.h"
#include "pipeline/refresh_int.h"
#include "versioning/versioning.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* Foreign tables among what the definition reads, as partitions too. */
static List *
foreign_sources(const DerivedTable *table)
{
	List	   *found = NIL;
	ListCell   *cell;

	foreach(cell, mdl_view_leaf_sources(table->definition))
	{
		ListCell   *other;

		if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_FOREIGN_TABLE && !has_subclass(lfirst_oid(cell)))
			continue;
		foreach(other, find_all_inheritors(lfirst_oid(cell), AccessShareLock, NULL))
			if (get_rel_relkind(lfirst_oid(other)) == RELKIND_FOREIGN_TABLE)
				found = list_append_unique_oid(found, lfirst_oid(other));
	}
	list_sort(found, list_oid_cmp);
	return found;
}

/* [{"relation": …, "server": …, "wrapper": …, "options": {…}}, …]; passwords are in user mappings, which are not read. */
static char *
describe_sources(List *relations)
{
	Datum	   *relids = palloc(sizeof(Datum) * list_length(relations));
	MdlArgs		args = {0};
	int			count = 0;
	ListCell   *cell;

	foreach(cell, relations)
		relids[count++] = ObjectIdGetDatum(lfirst_oid(cell));
	mdl_arg(&args, OIDARRAYOID, PointerGetDatum(construct_array(relids, count, OIDOID, sizeof(Oid), true, TYPALIGN_INT)), false);
	mdl_run("SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('relation', medallion._relation_name(t.ftrelid), 'server', s.srvname,"
			" 'wrapper', w.fdwname, 'options', (SELECT coalesce(pg_catalog.jsonb_object_agg(o.option_name, o.option_value), '{}')"
			"  FROM pg_catalog.pg_options_to_table(s.srvoptions OPERATOR(pg_catalog.||) t.ftoptions) o))"
			" ORDER BY medallion._relation_name(t.ftrelid) COLLATE pg_catalog.\"C\")::pg_catalog.text"
			" FROM pg_catalog.pg_foreign_table t"
			" JOIN pg_catalog.pg_foreign_server s ON s.oid OPERATOR(pg_catalog.=) t.ftserver"
			" JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw"
			" WHERE t.ftrelid OPERATOR(pg_catalog.=) ANY ($1)", &args, true);
	return mdl_field_text(0, 0);
}

typedef struct RemoteAsking
{
	const DerivedTable *table;
	Snapshot	snapshot;
	char	   *query;			/* of the definition, names qualified */
	char	   *plan;			/* as JSON */
} RemoteAsking;

static void
explain_definition(void *argument)
{
	RemoteAsking *asking = argument;

	mdl_run_under_snapshot(psprintf("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT * FROM %s",
									mdl_qualified_name(asking->table->definition)), NULL, asking->snapshot);
	asking->plan = mdl_field_text(0, 0);
	asking->query = TextDatumGetCString(DirectFunctionCall1(pg_get_viewdef, ObjectIdGetDatum(asking->table->definition)));
}

/* What the plan shows of queries sent to servers, as an array of texts in its output form. */
static char *
remote_queries(const char *plan)
{
	MdlArgs		args = {0};

	mdl_arg_text(&args, plan);
	mdl_run("SELECT coalesce(pg_catalog.array_agg(DISTINCT q.value OPERATOR(pg_catalog.#>>) '{}'), '{}')::pg_catalog.text"
			" FROM pg_catalog.jsonb_path_query($1::pg_catalog.jsonb, '$.** ? (@.\"Node Type\" starts with \"Foreign\").keyvalue()"
			" ? (@.key like_regex \"(SQL|query|statement|Foreign File|Foreign Program)$\" flag \"i\").value') q (value)", &args, true);
	return mdl_field_text(0, 0);
}

/*
 * Keeps what this refresh read from foreign tables; nothing if it read none.  The commit it will be is not numbered yet, so
 * the transaction's stamp stands for it.
 */
void
mdl_extract_log(int64 id, const DerivedTable *table, const Reading *reading)
{
	List	   *foreign = foreign_sources(table);
	RemoteAsking asking = {.table = table, .snapshot = reading->snapshot};
	MdlArgs		args = {0};
	MdlSeen		seen;
	bool		is_known;
	MdlUser		saved;

	if (foreign == NIL)
		return;
	mdl_as_table_owner(table, explain_definition, &asking);
	is_known = mdl_seen_by(reading->snapshot, &seen);
	mdl_arg_int8(&args, id);
	mdl_arg_text(&args, asking.query);
	mdl_arg_text(&args, describe_sources(foreign));
	mdl_arg_text(&args, remote_queries(asking.plan));
	mdl_arg(&args, INT8OID, Int64GetDatum(is_known ? seen.own : 0), !is_known);
	mdl_arg(&args, INT8OID, Int64GetDatum(reading->version), reading->version == 0);
	mdl_owner_begin(&saved);
	mdl_run("INSERT INTO medallion._extracts (refresh_id, query, sources, remote_sql, stamp, version)"
			" VALUES ($1, $2, $3::pg_catalog.jsonb, $4::pg_catalog.text[], $5, $6) ON CONFLICT (refresh_id) DO UPDATE"
			" SET query = $2, sources = $3::pg_catalog.jsonb, remote_sql = $4::pg_catalog.text[], stamp = $5, version = $6", &args, false);
	mdl_owner_end(&saved);
}

MDL_FUNCTION(mdl_extract_version);
Datum
mdl_extract_version(PG_FUNCTION_ARGS)
{
	int64		version = PG_ARGISNULL(0) ? 0 : mdl_version_of_stamp(PG_GETARG_INT64(0));
	MdlSeen		seen;

	if (version > 0)
		PG_RETURN_INT64(version);
	if (!PG_ARGISNULL(0) && TransactionIdIsValid(GetTopTransactionIdIfAny()) && mdl_seen_by(GetActiveSnapshot(), &seen) &&
		seen.own == PG_GETARG_INT64(0))
		PG_RETURN_NULL();		/* is yet to become one */
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_INT64(PG_GETARG_INT64(1));
}
