/*
 * path_pattern.h: patterns of file names.
 *
 * A pattern is a path of components divided by slashes.  In a component `*` stands for any characters, `?` for one
 * character, `[abc]`, `[a-z]`, `[!a-z]` for one character of a set (or not of it), and a backslash takes the next
 * character as it is.  A component `**` stands for any number of directories, none included.  A wildcard at the start of
 * a component does not match a leading dot.  Text is UTF-8 or a single-byte encoding; knows nothing of the server.
 */
#ifndef MDL_PATH_PATTERN_H
#define MDL_PATH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the pattern holds any wildcard. */
extern bool mdl_pattern_has_wildcard(const char *pattern);

/* Whether one component matches one name without slashes. */
extern bool mdl_pattern_component(const char *pattern, const char *name);

/* Whether the pattern matches the whole path (for stores that list keys by prefix). */
extern bool mdl_pattern_path(const char *pattern, const char *path);

/* Removes the backslashes of a component without wildcards, in place. */
extern void mdl_pattern_literal(char *component);

#endif							/* MDL_PATH_PATTERN_H */
