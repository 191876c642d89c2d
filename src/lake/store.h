/*
 * store.h: places that hold files: what every type of lake server offers to ingest.
 *
 * A *store* is an opened foreign server of wrapper medallion_lake; its type (option "type") says which MdlStoreKind
 * serves it.  A *key* is the path of a file below the store's root; a *uri* names the file among all stores; an *etag*
 * changes whenever the content of the file does.  Adding a type is one file with one MdlStoreKind and one line in
 * store.c.  What a store holds outside PostgreSQL's memory is released when the memory context it was opened in goes.
 */
#ifndef MDL_STORE_H
#define MDL_STORE_H

#include "base/base.h"
#include "foreign/foreign.h"
#include "nodes/pg_list.h"

typedef struct MdlStore MdlStore;
typedef struct MdlStoreReader MdlStoreReader;

typedef struct MdlStoreFile
{
	char	   *key;
	char	   *uri;
	char	   *etag;
	int64		size;			/* bytes as stored */
} MdlStoreFile;

typedef struct MdlStoreKind
{
	const char *type;
	const char *const *server_options;	/* NULL-terminated, beside "type" */
	const char *const *mapping_options; /* of user mappings, NULL-terminated */

	/* Checks the options of CREATE SERVER and ALTER SERVER (a list of DefElem), and the current user's right to set them. */
	void		(*check_server) (List *options);

	/* Opens the store in the current memory context; the caller has checked USAGE. */
	MdlStore   *(*open) (ForeignServer *server);

	/*
	 * Returns the files that match a pattern (path_pattern.h) as MdlStoreFile, in byte order of their keys.  A pattern
	 * without wildcards names one file: an error if it is missing or is not a file.
	 */
	List	   *(*list) (MdlStore *store, const char *pattern);

	/* Opens a file for reading from start to end; raises an error if it is no longer the file that was listed. */
	MdlStoreReader *(*open_file) (MdlStore *store, const MdlStoreFile *file);

	/* Reads up to size bytes; returns 0 at the end of the file. */
	size_t		(*read) (MdlStoreReader *reader, char *buffer, size_t size);

	/* Closes the file; raises an error if it was changed while it was read. */
	void		(*close) (MdlStoreReader *reader);
} MdlStoreKind;

struct MdlStore					/* the first member of every kind's own struct */
{
	const MdlStoreKind *kind;
	char	   *server_name;
};

struct MdlStoreReader
{
	const MdlStoreKind *kind;
	MdlStore   *store;
	const MdlStoreFile *file;
};

extern const MdlStoreKind mdl_store_file_kind;

/* Returns the kind for a type; an error that names the types there are if there is none. */
extern const MdlStoreKind *mdl_store_kind(const char *type);

/* Opens the store of a server by name, after checking that it is one of ours and that the current user has USAGE. */
extern MdlStore *mdl_store_open(const char *server_name);

/* Returns the value of an option in a list of DefElem, NULL if it is absent. */
extern char *mdl_store_option(List *options, const char *name);

#endif							/* MDL_STORE_H */
