/*
 * feature_lineage.c: what medallion.lineage knows of features: feature views hang on their source, and a training set was
 * made from what its spine and its feature views read.
 */
#include "feature/feature_int.h"

#include "catalog/pg_type.h"
#include "pipeline/pipeline.h"
#include "utils/lsyscache.h"

/* Runs a query with the relation as $1 as the extension's owner. */
static uint64
query_about(Oid relation, const char *sql)
{
	MdlArgs		args = {0};
	MdlUser		user;
	uint64		rows;

	mdl_arg(&args, REGCLASSOID, ObjectIdGetDatum(relation), false);
	mdl_owner_begin(&user);
	rows = mdl_run(sql, &args, true);
	mdl_owner_end(&user);
	return rows;
}

static void
feature_views_of(Oid relation, MdlLineageEmit emit, void *state)
{
	uint64		rows = query_about(relation, "SELECT name FROM medallion._feature_views WHERE source OPERATOR(pg_catalog.=) $1 "
								   "ORDER BY name COLLATE pg_catalog.\"C\"");
	char	  **names = palloc(sizeof(char *) * (rows + 1));

	for (uint64 i = 0; i < rows; i++)
		names[i] = mdl_field_text(i, 0);
	for (uint64 i = 0; i < rows; i++)
		emit(state, "feature view", names[i], NULL);
}

/* The newest record of each target counts: replacing a training set may change what it is made from. */
static List *
training_set_edges(Oid relation, bool downstream)
{
	uint64		rows = query_about(relation, downstream ?
								   "SELECT target::pg_catalog.oid FROM medallion._training_sets t WHERE $1 OPERATOR(pg_catalog.=) ANY (sources) "
								   "AND NOT EXISTS (SELECT FROM medallion._training_sets n WHERE n.target OPERATOR(pg_catalog.=) t.target "
								   "AND n.id OPERATOR(pg_catalog.>) t.id)" :
								   "SELECT pg_catalog.unnest(sources)::pg_catalog.oid FROM (SELECT sources FROM medallion._training_sets "
								   "WHERE target OPERATOR(pg_catalog.=) $1 ORDER BY id DESC LIMIT 1) t");
	List	   *found = NIL;

	for (uint64 i = 0; i < rows; i++)
	{
		Oid			other = DatumGetObjectId(mdl_field(i, 0, NULL));

		if (get_rel_name(other) != NULL)	/* dropped since */
			found = list_append_unique_oid(found, other);
	}
	return found;
}

void
mdl_feature_init(void)
{
	mdl_lineage_provider_register(feature_views_of);
	mdl_lineage_edges_register(training_set_edges);
}
