/*
 * registry_int.h: what the files of the registry share.
 */
#ifndef MDL_REGISTRY_INT_H
#define MDL_REGISTRY_INT_H

#include "registry/registry.h"

#define MDL_MODEL_NAME_MAX	200		/* bytes */
#define MDL_BLOB_CHUNK		(16 * 1024 * 1024)
#define MDL_BLOB_ARTIFACT	"artifact"
#define MDL_BLOB_BASELINE	"baseline"

/* A row of _models, as found by the active snapshot. */
typedef struct MdlModelRow
{
	int64		model_id;
	char	   *name;
	char	   *task;
	Oid			owner;
	bool		require_approval;
} MdlModelRow;

/* ---- model_resolve.c ---- */

extern bool mdl_model_find(const char *name, MdlModelRow *row);
extern void mdl_model_get(const char *name, MdlModelRow *row);	/* undefined_object when there is none */
extern bool mdl_version_exists(int64 model_id, int version);
extern void mdl_version_missing(const MdlModelRow *model, int version) pg_attribute_noreturn();
extern int	mdl_alias_lookup(int64 model_id, const char *alias);	/* 0: no such alias */

/*
 * Locks the model's row until the end of the transaction, with `strength` (FOR UPDATE …), and reads again what may have changed
 * since it was found; an error if it has been dropped.  The caller is in SPI and the extension's owner.
 */
extern void mdl_model_lock(MdlModelRow *model, const char *strength);

/* ---- model_rights.c ---- */

extern bool mdl_model_has_right(int64 model_id, Oid owner, int rights);	/* any of the rights */
extern void mdl_model_require(const MdlModelRow *model, MdlModelRight right);

/* ---- model_pin.c ---- */

/* Keeps the versions of tables readable that a version of a model was trained on; lets them go (version 0: of all). */
extern void mdl_model_pin(const char *model, int version, Jsonb *data_commits);
extern void mdl_model_unpin(const char *model, int version);

/* ---- model_names.c ---- */

extern void mdl_check_model_name(const char *name);
extern void mdl_check_alias_name(const char *alias);

#endif							/* MDL_REGISTRY_INT_H */
