/*
 * owner_world.c: what a refresh does in the name of a table's owner: run text of a user's, and change the tables that it keeps.
 *
 * Whoever asks for a refresh, a superuser too, lends the owner no rights: what runs is able to do only what REFRESH
 * MATERIALIZED VIEW could (constraints and triggers of the table are the owner's code as well), and settings that it changes
 * are as before afterwards.
 */
#include "pipeline/definition_int.h"

#include "miscadmin.h"
#include "utils/guc.h"

void
mdl_become_owner(Oid relation, OwnerWorld *world)
{
	GetUserIdAndSecContext(&world->saved.user, &world->saved.security_context);
	SetUserIdAndSecContext(mdl_relation_owner(relation),
						   world->saved.security_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	world->level = NewGUCNestLevel();
}

static void
set(const char *name, const char *value)
{
	set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* Numbers and bytes become text in the one way whoever refreshes: else rows that stay would differ from those that come. */
void
mdl_enter_owner_world(const DerivedTable *table, OwnerWorld *world)
{
	mdl_become_owner(table->target, world);
	set("search_path", "pg_catalog, pg_temp");
	set("extra_float_digits", "1");
	set("bytea_output", "hex");
	for (int i = 0; i < table->setting_count; i++)
	{
		char	   *name = pstrdup(table->settings[i]);
		char	   *value = strchr(name, '=');

		if (value == NULL)
			continue;
		*value++ = '\0';
		set(name, value);
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
