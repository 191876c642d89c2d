/*
 * keeper.c: all tables that medallion.refresh brings up to date: those made by a query (define), and those of other kinds of
 * keepers, which folders or files register.
 *
 * A table that a keeper keeps appears among derived tables as one that has no definition.
 */
#include "pipeline/definition_int.h"
#include "pipeline/pipeline.h"

#include "catalog/pg_class.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

#define MAX_KINDS 8

static const MdlKeeperKind *kinds[MAX_KINDS];
static int	kind_count = 0;

void
mdl_keeper_kind_register(const MdlKeeperKind *kind)
{
	if (kind_count == MAX_KINDS)
		elog(ERROR, "too many kinds of keepers");
	kinds[kind_count++] = kind;
}

List *
mdl_kept_tables(void)
{
	List	   *tables = mdl_pipeline_tables();

	for (int i = 0; i < kind_count; i++)
	{
		ListCell   *cell;

		foreach(cell, kinds[i]->targets())
		{
			DerivedTable *table;

			if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_RELATION || mdl_pipeline_table(tables, lfirst_oid(cell)) != NULL)
				continue;
			table = palloc0_object(DerivedTable);
			table->target = lfirst_oid(cell);
			table->keeper = kinds[i];
			tables = lappend(tables, table);
		}
	}
	return tables;
}

DerivedTable *
mdl_kept_owned_table(const char *name)
{
	Oid			relid = mdl_relation_by_name(name, false);
	DerivedTable *table = mdl_pipeline_table(mdl_kept_tables(), relid);

	if (table == NULL)
		return mdl_pipeline_owned_table(name);	/* says what is wrong */
	mdl_require_table_owner(relid);
	return table;
}

DerivedTable *
mdl_ruled_table(const char *name)
{
	DerivedTable *table = mdl_kept_owned_table(name);
	DerivedTable *described;

	if (table->keeper == NULL || table->keeper->described == NULL)
		return mdl_pipeline_owned_table(name);
	described = table->keeper->described(table->target);
	described->keeper = table->keeper;
	return described;
}

DerivedTable *
mdl_locked_table(DerivedTable *(*find) (const char *name), const char *name, LOCKMODE mode)
{
	DerivedTable *table = find(name);

	for (;;)
	{
		DerivedTable *again;

		LockRelationOid(table->target, mode);
		again = find(name);
		if (again->target == table->target)
			return again;
		UnlockRelationOid(table->target, mode);
		table = again;
	}
}

List *
mdl_kept_sources(const DerivedTable *table)
{
	return table->keeper ? table->keeper->sources(table->target) : mdl_view_sources(table->definition);
}
