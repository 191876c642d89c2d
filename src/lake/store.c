/*
 * store.c: the types of lake servers, the validator of their options, and opening them.
 */
#include "lake/store.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#define WRAPPER_NAME "medallion_lake"

static const MdlStoreKind *const kinds[] = {
	&mdl_store_file_kind,
};

static char *
kind_names(void)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < lengthof(kinds); i++)
		appendStringInfo(&text, "%s%s", i ? ", " : "", kinds[i]->type);
	return text.data;
}

const MdlStoreKind *
mdl_store_kind(const char *type)
{
	for (int i = 0; i < lengthof(kinds); i++)
		if (strcmp(kinds[i]->type, type) == 0)
			return kinds[i];
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("there is no lake server of type \"%s\"", type),
			 errhint("Types are: %s.", kind_names())));
}

char *
mdl_store_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return NULL;
}

/* Raises an error for an option that is not among the names given. */
static void
check_option_names(List *options, const char *always, const char *const *names, const char *what)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);
		StringInfoData allowed;
		bool		found = always != NULL && strcmp(option->defname, always) == 0;

		for (int i = 0; names[i] != NULL && !found; i++)
			found = strcmp(option->defname, names[i]) == 0;
		if (found)
			continue;
		initStringInfo(&allowed);
		if (always != NULL)
			appendStringInfoString(&allowed, always);
		for (int i = 0; names[i] != NULL; i++)
			appendStringInfo(&allowed, "%s%s", allowed.len ? ", " : "", names[i]);
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("%s has no option \"%s\"", what, option->defname),
				 allowed.len ? errhint("Options are: %s.", allowed.data) : errhint("It takes no options.")));
	}
}

/* Whether some type of server takes this option for its user mappings: the validator is not told the server. */
static void
check_mapping(List *options)
{
	const char *names[64];
	int			count = 0;

	for (int i = 0; i < lengthof(kinds); i++)
		for (int j = 0; kinds[i]->mapping_options[j] != NULL && count < lengthof(names) - 1; j++)
			names[count++] = kinds[i]->mapping_options[j];
	names[count] = NULL;
	check_option_names(options, NULL, names, "a user mapping of a lake server");
}

static void
check_server(List *options)
{
	char	   *type = mdl_store_option(options, "type");
	const MdlStoreKind *kind;

	if (type == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"type\" of the lake server is missing"),
				 errhint("Types are: %s.", kind_names())));
	kind = mdl_store_kind(type);
	check_option_names(options, "type", kind->server_options, psprintf("a lake server of type \"%s\"", type));
	kind->check_server(options);
}

MDL_SHIM_TARGET(mdl_lake_validator);
/* Validates the options of the wrapper, its servers and user mappings; refuses foreign tables. */
Datum
mdl_lake_validator_impl(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	static const char *const none[] = {NULL};

	switch (catalog)
	{
		case ForeignServerRelationId:
			check_server(options);
			break;
		case UserMappingRelationId:
			check_mapping(options);
			break;
		case ForeignTableRelationId:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("foreign tables of wrapper \"%s\" are not supported", WRAPPER_NAME),
					 errhint("Load files into a table with medallion.ingest.")));
			break;
		default:
			check_option_names(options, NULL, none, "wrapper \"" WRAPPER_NAME "\"");
	}
	PG_RETURN_VOID();
}

MdlStore *
mdl_store_open(const char *server_name)
{
	ForeignServer *server = GetForeignServerByName(server_name, false);
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);
	AclResult	acl;
	char	   *type;
	MdlStore   *store;

	if (strcmp(wrapper->fdwname, WRAPPER_NAME) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is of foreign-data wrapper \"%s\", expected \"%s\"",
						server_name, wrapper->fdwname, WRAPPER_NAME),
				 errhint("Create one with CREATE SERVER … FOREIGN DATA WRAPPER %s OPTIONS (type 'file', root '/directory').",
						 WRAPPER_NAME)));
	acl = pg_foreign_server_aclcheck(server->serverid, GetUserId(), ACL_USAGE);
	if (acl != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for foreign server \"%s\"", server_name),
				 errhint("Its owner can run GRANT USAGE ON FOREIGN SERVER %s TO %s.",
						 quote_identifier(server_name), quote_identifier(GetUserNameFromId(GetUserId(), false)))));
	type = mdl_store_option(server->options, "type");
	if (type == NULL)
		elog(ERROR, "lake server \"%s\" has no type", server_name);
	store = mdl_store_kind(type)->open(server);
	store->server_name = pstrdup(server_name);
	return store;
}
