/*
 * lineage_openlineage_int.h: what lineage_openlineage.c (events) and lineage_openlineage_names.c (names in them) share.
 */
#ifndef MDL_LINEAGE_OPENLINEAGE_INT_H
#define MDL_LINEAGE_OPENLINEAGE_INT_H

#include "pipeline/lineage_int.h"

typedef struct DatasetNaming
{
	const char *namespace;		/* of this server */
	const char *database;
} DatasetNaming;

/* The namespace and the name that a node's dataset has. */
extern void mdl_openlineage_name(const DatasetNaming *naming, const LineageNode *node, const char **namespace, const char **name);

/* The namespace given, which must be a URI, or postgres://host:port of this server. */
extern char *mdl_openlineage_server(char *namespace);

#endif							/* MDL_LINEAGE_OPENLINEAGE_INT_H */
