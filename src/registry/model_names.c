/*
 * model_names.c: which names models and aliases may have.
 *
 * References are written name, name@alias and name/3, so neither name may contain '@' or '/'.  An alias that looks like
 * a number would be taken for a version by readers, so it must not.
 */
#include "registry/registry_int.h"

static void
check_name(const char *kind, const char *name)
{
	size_t		length = strlen(name);

	if (length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("%s name must not be empty", kind)));
	if (length > MDL_MODEL_NAME_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("%s name has %zu bytes, more than %d", kind, length, MDL_MODEL_NAME_MAX)));
	if (name[0] == ' ' || name[length - 1] == ' ')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("%s name \"%s\" must not begin or end with a space", kind, name)));
	for (const char *c = name; *c != '\0'; c++)
		if (*c == '@' || *c == '/' || (unsigned char) *c < 32 || *c == 127)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_NAME),
					 errmsg("%s name \"%s\" must not contain \"@\", \"/\" or control characters", kind, name),
					 errhint("\"@\" and \"/\" separate a model from an alias or version, as in delay@champion and delay/3.")));
}

void
mdl_check_model_name(const char *name)
{
	check_name("model", name);
}

void
mdl_check_alias_name(const char *alias)
{
	check_name("alias", alias);
	if (strspn(alias, "0123456789") == strlen(alias))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("alias name \"%s\" must not be a number", alias)));
}
