/*
 * store_file.c: lake servers of type "file": a directory that the database server can read.
 *
 * Option "root" names the directory; no path, pattern or symbolic link leads out of it.  A path is first resolved with
 * realpath() and must come out below the resolved root; it is then opened one component after the other without
 * following symbolic links, so that a link swapped in between is an error rather than a way out.
 *
 * The etag of a file is its size and its time of last modification: a file copied over with both kept counts as the
 * same.  Reading a regular file cannot be interrupted, so reads are short.
 */
#include "lake/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "lake/path_pattern.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/memutils.h"

/* A file descriptor, or a directory being listed, that is closed with the memory context it was opened in. */
typedef struct FileHandle
{
	MemoryContextCallback callback;
	int			fd;				/* -1: none */
	DIR		   *dir;			/* owns fd when set */
} FileHandle;

typedef struct FileStore
{
	MdlStore	base;
	char	   *root;			/* as configured, without trailing slashes */
	char	   *real_root;		/* resolved */
} FileStore;

typedef struct FileReader
{
	MdlStoreReader base;
	FileHandle *handle;
} FileReader;

static const char *const server_options[] = {"root", NULL};
static const char *const mapping_options[] = {NULL};

/* ---- handles ------------------------------------------------------------------------------------------------ */

static void
handle_close(void *argument)
{
	FileHandle *handle = argument;

	if (handle->dir != NULL)
		closedir(handle->dir);
	else if (handle->fd >= 0)
		close(handle->fd);
	if (handle->fd >= 0)
		ReleaseExternalFD();
	handle->dir = NULL;
	handle->fd = -1;
}

static FileHandle *
handle_new(void)
{
	FileHandle *handle = palloc0(sizeof(FileHandle));

	handle->fd = -1;
	handle->callback.func = handle_close;
	handle->callback.arg = handle;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &handle->callback);
	return handle;
}

/* Opens relative to a directory (AT_FDCWD with an absolute path); false with errno set if it cannot be opened. */
static bool
handle_open(FileHandle *handle, int directory, const char *name, int flags)
{
	int			fd;

	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not open a file: too many open files"),
				 errhint("Raise the setting max_files_per_process.")));
	fd = openat(directory, name, flags | O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
	{
		int			saved = errno;

		ReleaseExternalFD();
		errno = saved;
		return false;
	}
	handle->fd = fd;
	return true;
}

/* ---- options ------------------------------------------------------------------------------------------------ */

static void
file_check_server(List *options)
{
	char	   *root = mdl_store_option(options, "root");

	if (root == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"root\" of the lake server of type \"file\" is missing"),
				 errhint("Give the absolute path of the directory that holds the files.")));
	if (!is_absolute_path(root))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"root\" must be an absolute path, but is \"%s\"", root),
				 errhint("Give the absolute path of the directory that holds the files.")));
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to define a lake server of type \"file\""),
				 errhint("Only superusers and members of pg_read_server_files may name directories of the database server.")));
}

static MdlStore *
file_open(ForeignServer *server)
{
	FileStore  *store = palloc0(sizeof(FileStore));
	char	   *resolved;
	int			length;

	store->base.kind = &mdl_store_file_kind;
	store->root = pstrdup(mdl_store_option(server->options, "root"));
	canonicalize_path(store->root);
	resolved = realpath(store->root, NULL);
	if (resolved == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open directory \"%s\", the root of server \"%s\": %m",
						store->root, server->servername)));
	length = strlen(resolved);
	store->real_root = palloc(length + 1);
	memcpy(store->real_root, resolved, length + 1);
	free(resolved);
	return &store->base;
}

/* ---- opening below the root --------------------------------------------------------------------------------- */

static void outside_root(const FileStore *store, const char *key) pg_attribute_noreturn();
static void could_not_open(const FileStore *store, const char *key) pg_attribute_noreturn();

static void
outside_root(const FileStore *store, const char *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("path \"%s\" leads out of the root of server \"%s\"", key, store->base.server_name),
			 errhint("Paths and symbolic links must stay below the directory that the server's option \"root\" names.")));
}

/* Returns the resolved path of a key relative to the resolved root; NULL with errno set if it cannot be resolved. */
static char *
resolve(const FileStore *store, const char *key)
{
	char	   *path = psprintf("%s/%s", store->real_root, key);
	char	   *resolved = realpath(path, NULL);
	size_t		root_length = strlen(store->real_root);
	char	   *relative = NULL;

	if (resolved == NULL)
		return NULL;
	if (strcmp(store->real_root, "/") == 0)
		relative = pstrdup(resolved + 1);
	else if (strncmp(resolved, store->real_root, root_length) == 0 && resolved[root_length] == '/')
		relative = pstrdup(resolved + root_length + 1);
	else if (strcmp(resolved, store->real_root) == 0)
		relative = pstrdup("");
	free(resolved);
	if (relative == NULL)
		outside_root(store, key);
	pfree(path);
	return relative;
}

/* Opens a key below the root; NULL with errno set if it cannot be opened. */
static FileHandle *
open_below(const FileStore *store, const char *key)
{
	char	   *rest = resolve(store, key);
	FileHandle *current = handle_new();

	if (rest == NULL || !handle_open(current, AT_FDCWD, store->real_root, O_DIRECTORY))
		return NULL;
	while (*rest != '\0')
	{
		FileHandle *next = handle_new();
		char	   *slash = strchr(rest, '/');
		bool		opened;
		int			saved;

		if (slash != NULL)
			*slash = '\0';
		opened = handle_open(next, current->fd, rest, O_NOFOLLOW | (slash != NULL ? O_DIRECTORY : 0));
		saved = errno;
		handle_close(current);
		errno = saved;
		if (!opened)
			return NULL;
		current = next;
		rest = slash != NULL ? slash + 1 : rest + strlen(rest);
	}
	return current;
}

static void
could_not_open(const FileStore *store, const char *key)
{
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not open file \"%s\" of server \"%s\": %m", key, store->base.server_name)));
}

/* ---- listing ------------------------------------------------------------------------------------------------ */

static char *
file_etag(const struct stat *status)
{
	return psprintf("%lld-%lld.%09ld", (long long) status->st_size, (long long) status->st_mtim.tv_sec,
					status->st_mtim.tv_nsec);
}

/* Replaces every byte that is not ASCII by a question mark, for messages. */
static char *
ascii_only(const char *name)
{
	char	   *copy = pstrdup(name);

	for (char *p = copy; *p != '\0'; p++)
		if (IS_HIGHBIT_SET(*p))
			*p = '?';
	return copy;
}

static MdlStoreFile *
new_file(const FileStore *store, const char *key, const struct stat *status)
{
	MdlStoreFile *file = palloc0(sizeof(MdlStoreFile));
	bool		root_is_slash = strcmp(store->root, "/") == 0;

	if (!pg_verifymbstr(key, strlen(key), true))
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("name of file \"%s\" of server \"%s\" is not valid in encoding \"%s\"", ascii_only(key),
						store->base.server_name, GetDatabaseEncodingName()),
				 errhint("Rename the file, or exclude it by the pattern.")));
	file->key = pstrdup(key);
	file->uri = psprintf("file://%s/%s", root_is_slash ? "" : store->root, key);
	file->etag = file_etag(status);
	file->size = status->st_size;
	return file;
}

/* Returns the names in a directory but . and .. */
static List *
directory_names(const FileStore *store, const char *key)
{
	FileHandle *handle = open_below(store, key);
	List	   *names = NIL;
	struct dirent *entry;

	if (handle == NULL)
		could_not_open(store, key);
	handle->dir = fdopendir(handle->fd);
	if (handle->dir == NULL)
		could_not_open(store, key);
	while (errno = 0, (entry = readdir(handle->dir)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			names = lappend(names, pstrdup(entry->d_name));
	}
	if (errno != 0)
		could_not_open(store, key);
	handle_close(handle);
	return names;
}

static char *
join_key(const char *directory, const char *name)
{
	return *directory == '\0' ? pstrdup(name) : psprintf("%s/%s", directory, name);
}

/* Adds the file if it is a regular one.  A link that leads nowhere or out is an error, since a file may be missed. */
static List *
add_if_file(FileStore *store, const char *key, List *files)
{
	struct stat status;
	char	   *resolved = resolve(store, key);

	if (resolved == NULL || lstat(psprintf("%s/%s", store->real_root, resolved), &status) != 0)
		could_not_open(store, key);
	return S_ISREG(status.st_mode) ? lappend(files, new_file(store, key, &status)) : files;
}

/* Whether the name in a directory is itself a directory and not a link to one. */
static bool
is_real_directory(const FileStore *store, const char *key)
{
	struct stat status;

	return lstat(psprintf("%s/%s", store->real_root, key), &status) == 0 && S_ISDIR(status.st_mode);
}

/* Adds the files below `directory` that match the components from `component` on. */
static List *
walk(FileStore *store, const char *directory, List *components, int component, List *files)
{
	char	   *pattern = list_nth(components, component);
	bool		last = component == list_length(components) - 1;
	ListCell   *cell;

	check_stack_depth();
	if (strcmp(pattern, "**") == 0)
	{
		files = walk(store, directory, components, component + 1, files);
		foreach(cell, directory_names(store, directory))
		{
			char	   *key = join_key(directory, lfirst(cell));

			if (*(char *) lfirst(cell) != '.' && is_real_directory(store, key))
				files = walk(store, key, components, component, files);
		}
		return files;
	}
	if (!mdl_pattern_has_wildcard(pattern))
	{
		char	   *literal = pstrdup(pattern);
		char	   *key;
		struct stat status;

		mdl_pattern_literal(literal);
		key = join_key(directory, literal);
		if (stat(psprintf("%s/%s", store->real_root, key), &status) != 0)
		{
			if (errno == ENOENT || errno == ENOTDIR)
				return files;
			could_not_open(store, key);
		}
		if (last)
			return add_if_file(store, key, files);
		return S_ISDIR(status.st_mode) ? walk(store, key, components, component + 1, files) : files;
	}
	foreach(cell, directory_names(store, directory))
	{
		char	   *key = join_key(directory, lfirst(cell));
		struct stat status;

		CHECK_FOR_INTERRUPTS();
		if (!mdl_pattern_component(pattern, lfirst(cell)))
			continue;
		if (last)
			files = add_if_file(store, key, files);
		else if (stat(psprintf("%s/%s", store->real_root, key), &status) == 0 && S_ISDIR(status.st_mode))
			files = walk(store, key, components, component + 1, files);
	}
	return files;
}

/* Splits a pattern into components, and refuses what cannot be a path below the root. */
static List *
split_pattern(const FileStore *store, const char *pattern)
{
	List	   *components = NIL;
	char	   *rest = pstrdup(pattern);

	if (is_absolute_path(pattern))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("path \"%s\" must be relative to the root of server \"%s\"", pattern, store->base.server_name),
				 errhint("Leave out the leading slash.")));
	while (rest != NULL)
	{
		char	   *component = rest;
		char	   *slash = strchr(rest, '/');

		if (slash != NULL)
			*slash = '\0';
		rest = slash != NULL ? slash + 1 : NULL;
		if (strcmp(component, "..") == 0)
			outside_root(store, pattern);
		if (*component == '\0' || strcmp(component, ".") == 0 ||
			(strcmp(component, "**") == 0 && components != NIL && strcmp(llast(components), "**") == 0))
			continue;
		components = lappend(components, component);
	}
	if (components == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"path\" is empty"),
				 errhint("Name a file below the root of server \"%s\", or a pattern such as raw/*.csv.",
						 store->base.server_name)));
	if (strcmp(llast(components), "**") == 0)
		components = lappend(components, "*");
	return components;
}

static List *
list_one(FileStore *store, List *components)
{
	char	   *key = pstrdup("");
	ListCell   *cell;
	FileHandle *handle;
	struct stat status;

	foreach(cell, components)
	{
		mdl_pattern_literal(lfirst(cell));
		key = join_key(key, lfirst(cell));
	}
	handle = open_below(store, key);
	if (handle == NULL)
		could_not_open(store, key);
	if (fstat(handle->fd, &status) != 0)
		could_not_open(store, key);
	handle_close(handle);
	if (!S_ISREG(status.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("path \"%s\" of server \"%s\" is %s, not a file", key, store->base.server_name,
						S_ISDIR(status.st_mode) ? "a directory" : "special"),
				 S_ISDIR(status.st_mode) ? errhint("To load the files in it, name them by a pattern such as %s/*.", key) : 0));
	return list_make1(new_file(store, key, &status));
}

static int
compare_keys(const ListCell *a, const ListCell *b)
{
	return strcmp(((MdlStoreFile *) lfirst(a))->key, ((MdlStoreFile *) lfirst(b))->key);
}

static List *
file_list(MdlStore *base, const char *pattern)
{
	FileStore  *store = (FileStore *) base;
	List	   *components = split_pattern(store, pattern);
	List	   *files = NIL;
	List	   *unique = NIL;
	ListCell   *cell;

	if (!mdl_pattern_has_wildcard(pattern))
		return list_one(store, components);
	files = walk(store, "", components, 0, NIL);
	list_sort(files, compare_keys);
	foreach(cell, files)		/* two ** may lead to a file in several ways */
	{
		MdlStoreFile *file = lfirst(cell);

		if (unique == NIL || strcmp(((MdlStoreFile *) llast(unique))->key, file->key) != 0)
			unique = lappend(unique, file);
	}
	return unique;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* Raises an error if the open file is not the one that was listed. */
static void
check_unchanged(const FileReader *reader)
{
	struct stat status;

	if (fstat(reader->handle->fd, &status) != 0)
		could_not_open((FileStore *) reader->base.store, reader->base.file->key);
	if (!S_ISREG(status.st_mode) || strcmp(file_etag(&status), reader->base.file->etag) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("file \"%s\" was changed while it was being read", reader->base.file->uri),
				 errhint("Load it again when it is complete; write files under another name first and rename them.")));
}

static MdlStoreReader *
file_open_file(MdlStore *base, const MdlStoreFile *file)
{
	FileStore  *store = (FileStore *) base;
	FileReader *reader = palloc0(sizeof(FileReader));

	reader->base.kind = base->kind;
	reader->base.store = base;
	reader->base.file = file;
	reader->handle = open_below(store, file->key);
	if (reader->handle == NULL)
		could_not_open(store, file->key);
	check_unchanged(reader);
	(void) posix_fadvise(reader->handle->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return &reader->base;
}

static size_t
file_read(MdlStoreReader *base, char *buffer, size_t size)
{
	FileReader *reader = (FileReader *) base;
	ssize_t		got;

	do
	{
		CHECK_FOR_INTERRUPTS();
		got = read(reader->handle->fd, buffer, size);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", base->file->uri)));
	return got;
}

static void
file_close(MdlStoreReader *base)
{
	FileReader *reader = (FileReader *) base;

	check_unchanged(reader);
	handle_close(reader->handle);
}

const MdlStoreKind mdl_store_file_kind = {
	.type = "file",
	.server_options = server_options,
	.mapping_options = mapping_options,
	.check_server = file_check_server,
	.open = file_open,
	.list = file_list,
	.open_file = file_open_file,
	.read = file_read,
	.close = file_close,
};
