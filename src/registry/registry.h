/*
 * registry.h: models, their versions, aliases, rights and audit, for the other folders.
 *
 * A *model* is a name with an owner and a task.  A *version* is one trained artifact of it, numbered from 1 and never
 * changed.  An *alias* (champion, challenger, …) points to a version and moves in a transaction.  A *reference* is how
 * users name a version: 'delay' (alias champion, else the newest version), 'delay@challenger', 'delay/3'.
 *
 * All functions run as the current user and check that user's rights; none needs an SPI connection to be open.
 */
#ifndef MDL_REGISTRY_H
#define MDL_REGISTRY_H

#include "base/base.h"
#include "ml/ml.h"
#include "datatype/timestamp.h"
#include "storage/lock.h"

#define MDL_ALIAS_CHAMPION "champion"

/* What a version is good for; predict functions check it. */
#define MDL_TASK_REGRESSION		"regression"
#define MDL_TASK_BINARY			"binary"		/* two classes */
#define MDL_TASK_MULTICLASS		"multiclass"

typedef enum MdlModelRight
{
	MDL_MODEL_PREDICT = 1,		/* call it, see its name, versions' numbers, classes */
	MDL_MODEL_READ = 2,			/* look inside: parameters, metrics, coefficients, baseline, artifact */
	MDL_MODEL_MANAGE = 4		/* register versions, move aliases, grant, drop; includes the other two */
} MdlModelRight;

/* ---- model_register.c --------------------------------------------------------------------------------------- */

/*
 * A version to be registered.  Pointers are only read during the call; NULL where "may be NULL" is said.
 *
 * signature: {"features": [{"name": "dist", "type": "double precision"}, …],
 *             "target": {"name": "delayed", "type": "boolean"}, "classes": ["false", "true"]}
 *   features are the raw columns that prediction needs, by name, with the SQL type they had in training (format_type), and
 *   "role": "offset" or "exposure" if they are that;
 *   classes (labels as text, in "C" order of their values) only for classification.
 * data_commits: {"gold.delay_training": 42, …}: the commit of each versioned table that was read.
 */
typedef struct MdlNewModelVersion
{
	const char *model;
	const char *algorithm;
	const char *task;			/* MDL_TASK_… or another task of the algorithm */
	Jsonb	   *params;			/* as used, defaults filled in */
	Jsonb	   *metrics;
	Jsonb	   *signature;
	Jsonb	   *data_commits;	/* may be NULL: {} */
	int64		seed;
	int64		rows;			/* rows trained on */
	double		seconds;
	const char *source;			/* the table's name or the query's text; may be NULL */
	int64		sweep_id;		/* 0: none */
	const void *artifact;		/* ml_model encoding, copied; may exceed 1 GB */
	Size		artifact_size;
	const void *baseline;		/* for monitoring; may be NULL */
	Size		baseline_size;
} MdlNewModelVersion;

/*
 * Registers a version and returns its number.  Creates the model, owned by the current user, when there is none of that
 * name; else needs manage.  A model keeps its kind of task: the error says so when another is given.
 * The new version can be resolved by the next command of this transaction and by others after commit.
 */
extern MDL_EXPORT int mdl_model_register(const MdlNewModelVersion *version);

/* Raises what mdl_model_register would raise for name, task (NULL: not known yet) and rights, before the work is done. */
extern MDL_EXPORT void mdl_model_check_new(const char *model, const char *task);

/* ---- model_resolve.c ---------------------------------------------------------------------------------------- */

typedef struct MdlModelVersion
{
	int64		version_id;		/* unique for ever, even across rollbacks: key for caches */
	int64		model_id;
	int			version;
	char	   *model;
	char	   *algorithm;
	char	   *task;
} MdlModelVersion;

/*
 * Finds the version that a reference means under the active snapshot, so that one statement sees one version.  Raises
 * undefined_object for a model, alias or version that does not exist (the hint names what does) and
 * insufficient_privilege.  Strings are palloc'd in the current context.  Costs some microseconds (index look-ups, no SPI).
 */
extern MDL_EXPORT void mdl_model_resolve(const char *reference, MdlModelRight right, MdlModelVersion *result);

/* The signature of a version, palloc'd. */
extern MDL_EXPORT Jsonb *mdl_model_signature(int64 version_id);

/*
 * The stored bytes in one piece, allocated in the current context (may exceed 1 GB); *size is set.  The artifact exists
 * for every version; the baseline is NULL when the version has none.
 */
extern MDL_EXPORT void *mdl_model_artifact(int64 version_id, Size *size);
extern MDL_EXPORT void *mdl_model_baseline(int64 version_id, Size *size);

/* ---- model_alias.c ------------------------------------------------------------------------------------------ */

/* Points an alias to a version; needs manage; logged and audited.  Returns the version it pointed to, 0 for none. */
extern MDL_EXPORT int mdl_model_set_alias(const char *model, const char *alias, int version);

/* The version an alias points to, 0 when there is no such alias; unknown model: 0. */
extern MDL_EXPORT int mdl_model_alias_version(const char *model, const char *alias);

/* ---- model_audit.c ------------------------------------------------------------------------------------------ */

/*
 * Writes one row of medallion.audit in the current transaction.  action: 'train', 'promote', 'predict_batch', 'drop' …;
 * model may be NULL; version 0, rows < 0 and NULL mean nothing to say.
 */
extern MDL_EXPORT void mdl_audit(const char *action, const char *model, int version, const char *object, int64 rows,
								 Jsonb *detail);

/* ---- ml_server.c: the numeric library inside a backend ----------------------------------------------------------- */

/* Memory in a context of the server; never cancelled, seed 0, one thread, no limit. */
extern MDL_EXPORT ml_ctx mdl_memory_ctx(MemoryContext memory);

/* Raises what a call returned, behind the name of what it was about, if given; a pending cancel comes first. */
extern MDL_EXPORT void mdl_ml_fail(ml_status status, const ml_error *err, const char *what) pg_attribute_noreturn();

/* ---- sweep_watch.c: what must be known of sweeps without the numeric library ---------------------------------- */

/* Makes the scheduler continue sweeps whose process is gone; called once from _PG_init. */
extern void mdl_registry_init(void);

/* The lock that the process running a sweep holds, exclusively. */
extern MDL_EXPORT void mdl_sweep_lock_tag(LOCKTAG *tag, int64 sweep_id);

#endif							/* MDL_REGISTRY_H */
