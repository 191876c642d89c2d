/*
 * owner_world.c: what text of a user's runs in when a table is brought up to date: that of the table's owner.
 */
#include "pipeline/definition_int.h"

#include "miscadmin.h"
#include "utils/guc.h"

/*
 * Becomes the owner of the table, able to do only what REFRESH MATERIALIZED VIEW could, with a search path that nobody can
 * put objects into and the settings the query was given under.
 */
void
mdl_enter_owner_world(const DerivedTable *table, OwnerWorld *world)
{
	GetUserIdAndSecContext(&world->saved.user, &world->saved.security_context);
	SetUserIdAndSecContext(mdl_relation_owner(table->target), world->saved.security_context | SECURITY_RESTRICTED_OPERATION);
	world->level = NewGUCNestLevel();
	set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	for (int i = 0; i < table->setting_count; i++)
	{
		char	   *name = pstrdup(table->settings[i]);
		char	   *value = strchr(name, '=');

		if (value == NULL)
			continue;
		*value++ = '\0';
		set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	}
}

void
mdl_leave_owner_world(const OwnerWorld *world)
{
	AtEOXact_GUC(false, world->level);
	SetUserIdAndSecContext(world->saved.user, world->saved.security_context);
}

void
mdl_as_table_owner(const DerivedTable *table, void (*work) (void *argument), void *argument)
{
	OwnerWorld	world;

	mdl_enter_owner_world(table, &world);
	work(argument);
	mdl_leave_owner_world(&world);
}
