/*
 * lineage_openlineage_names.c: how datasets are called in events of OpenLineage.
 *
 * They follow its naming conventions: a relation is database.schema.relation in the namespace postgres://host:port, a file its
 * path in the namespace of its storage, a table of another server as that server would name it.
 */
#include "pipeline/lineage_openlineage_int.h"

#include <unistd.h>

#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "postmaster/postmaster.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/*
 * Files are kept as server:URI.  file:///a/b is /a/b in the namespace file, s3://bucket/a is a in s3://bucket; what has no
 * scheme keeps its name.
 */
static void
name_files(const DatasetNaming *naming, const char *name, const char **namespace, const char **dataset)
{
	const char *uri = strstr(name, "://");
	const char *path;

	while (uri && uri > name && uri[-1] != ':')
		uri--;
	*namespace = naming->namespace;
	*dataset = name;
	if (uri == NULL)
		return;
	path = strchr(strstr(uri, "://") + 3, '/');
	if (strncmp(uri, "file://", 7) == 0)
	{
		*namespace = "file";
		*dataset = path ? path : uri + 7;
	}
	else if (path && path[1] != '\0')
	{
		*namespace = pnstrdup(uri, path - uri);
		*dataset = path + 1;
	}
}

static const char *
server_option(const ForeignServer *server, const char *name)
{
	ListCell   *cell;

	foreach(cell, server->options)
		if (strcmp(lfirst_node(DefElem, cell)->defname, name) == 0)
			return defGetString(lfirst_node(DefElem, cell));
	return NULL;
}

/* A table of another server, kept as server:schema.table, is database.schema.table in the namespace of its host, if known. */
static void
name_remote(const DatasetNaming *naming, const char *name, const char **namespace, const char **dataset)
{
	const char *colon = strchr(name, ':');
	ForeignServer *server = colon ? GetForeignServerByName(pnstrdup(name, colon - name), true) : NULL;
	ForeignDataWrapper *wrapper = server ? GetForeignDataWrapper(server->fdwid) : NULL;
	bool		is_postgres = wrapper && OidIsValid(wrapper->fdwhandler) &&
		strcmp(get_func_name(wrapper->fdwhandler), "postgres_fdw_handler") == 0;
	const char *host = server ? server_option(server, "host") : NULL;
	const char *port = server ? server_option(server, "port") : NULL;
	const char *database = server ? server_option(server, "dbname") : NULL;

	*namespace = naming->namespace;
	*dataset = name;
	if (server == NULL)
		return;
	if (host == NULL || host[0] == '/')
		host = "localhost";
	if (port == NULL && is_postgres)
		port = "5432";
	*namespace = psprintf("%s://%s%s%s", is_postgres ? "postgres" : wrapper->fdwname, host, port ? ":" : "", port ? port : "");
	*dataset = database ? psprintf("%s.%s", database, colon + 1) : colon + 1;
}

void
mdl_openlineage_name(const DatasetNaming *naming, const LineageNode *node, const char **namespace, const char **name)
{
	*namespace = naming->namespace;
	if (OidIsValid(node->relid))
		*name = psprintf("%s.%s.%s", naming->database, node->layer, get_rel_name(node->relid));
	else if (strcmp(node->kind, "files") == 0)
		name_files(naming, node->name, namespace, name);
	else if (strcmp(node->kind, "remote table") == 0)
		name_remote(naming, node->name, namespace, name);
	else
		*name = psprintf("%s.%s:%s", naming->database, node->kind, node->name);
}

static char *
default_namespace(void)
{
	char		host[256];

	if (gethostname(host, sizeof(host)) != 0)
		strlcpy(host, "localhost", sizeof(host));
	host[sizeof(host) - 1] = '\0';
	return psprintf("postgres://%s:%d", host, PostPortNumber);
}

char *
mdl_openlineage_server(char *namespace)
{
	if (namespace && strstr(namespace, "://") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("namespace \"%s\" is not a URI", namespace),
				 errhint("Name the server as OpenLineage does: postgres://host:port.")));
	return namespace ? namespace : default_namespace();
}

MDL_FUNCTION(mdl_openlineage_namespace);
Datum
mdl_openlineage_namespace(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(mdl_openlineage_server(mdl_optional_text(fcinfo, 0))));
}
