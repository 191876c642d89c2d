/*
 * model_resolve.c: from a reference to a version, and from a version to its bytes.
 *
 * Prediction resolves its reference in every statement, so this reads the registry's tables through their indexes under
 * the active snapshot, without SPI: some microseconds, and exact.  A cache fed by invalidation messages would be faster
 * still, but a message arrives a moment after the change is visible, and two calls in one statement could disagree.
 * The scans check no table privileges: the caller checks the model's rights.
 */
#include "registry/registry_int.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Attribute numbers of sql/55_registry.sql. */
#define MODELS_MODEL_ID			1
#define MODELS_NAME				2
#define MODELS_TASK				3
#define MODELS_OWNER			4
#define MODELS_REQUIRE_APPROVAL	7
#define VERSIONS_VERSION_ID		1
#define VERSIONS_VERSION		3
#define VERSIONS_ALGORITHM		4
#define VERSIONS_TASK			5
#define VERSIONS_SIGNATURE		8
#define ALIASES_VERSION			3
#define BLOBS_CONTENT			4

/* A scan of one of our tables by one of its indexes. */
typedef struct RegistryScan
{
	Relation	table;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} RegistryScan;

static Oid
registry_relation(const char *name)
{
	Oid			relid = get_relname_relid(name, get_namespace_oid(MDL_SCHEMA, false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", MDL_SCHEMA, name),
				 errhint("Run CREATE EXTENSION medallion.")));
	return relid;
}

static void
scan_begin(RegistryScan *scan, const char *table, const char *index, int nkeys, ScanKey keys)
{
	scan->table = table_open(registry_relation(table), AccessShareLock);
	scan->index = index_open(registry_relation(index), AccessShareLock);
	scan->slot = table_slot_create(scan->table, NULL);
	scan->scan = index_beginscan(scan->table, scan->index, GetActiveSnapshot(), nkeys, 0);
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
}

static bool
scan_next(RegistryScan *scan, ScanDirection direction)
{
	return index_getnext_slot(scan->scan, direction, scan->slot);
}

static void
scan_end(RegistryScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, AccessShareLock);
	table_close(scan->table, AccessShareLock);
}

static Datum
scan_value(RegistryScan *scan, int attribute)
{
	bool		is_null;

	return slot_getattr(scan->slot, attribute, &is_null);
}

static void
text_key(ScanKey key, AttrNumber column, const char *value)
{
	ScanKeyEntryInitialize(key, 0, column, BTEqualStrategyNumber, InvalidOid, C_COLLATION_OID, F_TEXTEQ,
						   CStringGetTextDatum(value));
}

static void
int8_key(ScanKey key, AttrNumber column, int64 value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(value));
}

/* Finds a model by name under the active snapshot; strings are palloc'd. */
bool
mdl_model_find(const char *name, MdlModelRow *row)
{
	RegistryScan scan;
	ScanKeyData key;
	bool		found;

	text_key(&key, 1, name);
	scan_begin(&scan, "_models", "_models_name_key", 1, &key);
	found = scan_next(&scan, ForwardScanDirection);
	if (found)
	{
		row->model_id = DatumGetInt64(scan_value(&scan, MODELS_MODEL_ID));
		row->name = TextDatumGetCString(scan_value(&scan, MODELS_NAME));
		row->task = TextDatumGetCString(scan_value(&scan, MODELS_TASK));
		row->owner = DatumGetObjectId(scan_value(&scan, MODELS_OWNER));
		row->require_approval = DatumGetBool(scan_value(&scan, MODELS_REQUIRE_APPROVAL));
	}
	scan_end(&scan);
	return found;
}

void
mdl_model_get(const char *name, MdlModelRow *row)
{
	if (!mdl_model_find(name, row))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist", name),
				 errhint("See the view medallion.models for the models that you may use.")));
}

void
mdl_model_lock(MdlModelRow *model, const char *strength)
{
	MdlArgs		args = {0};
	bool		is_null;

	mdl_arg_int8(&args, model->model_id);
	if (mdl_run(psprintf("SELECT require_approval FROM medallion._models WHERE model_id OPERATOR(pg_catalog.=) $1 %s", strength),
				&args, false) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist", model->name),
				 errdetail("A concurrent transaction has dropped it.")));
	model->require_approval = DatumGetBool(mdl_field(0, 0, &is_null));
}

/* Puts the scan on one version, or on the newest when version is 0; the caller ends the scan. */
static bool
scan_version(RegistryScan *scan, int64 model_id, int version)
{
	ScanKeyData keys[2];

	int8_key(&keys[0], 1, model_id);
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(version));
	scan_begin(scan, "_model_versions", "_model_versions_model_version_key", version == 0 ? 1 : 2, keys);
	return scan_next(scan, BackwardScanDirection);
}

bool
mdl_version_exists(int64 model_id, int version)
{
	RegistryScan scan;
	bool		found = scan_version(&scan, model_id, version);

	scan_end(&scan);
	return found;
}

int
mdl_alias_lookup(int64 model_id, const char *alias)
{
	RegistryScan scan;
	ScanKeyData keys[2];
	int			version = 0;

	int8_key(&keys[0], 1, model_id);
	text_key(&keys[1], 2, alias);
	scan_begin(&scan, "_aliases", "_aliases_pkey", 2, keys);
	if (scan_next(&scan, ForwardScanDirection))
		version = DatumGetInt32(scan_value(&scan, ALIASES_VERSION));
	scan_end(&scan);
	return version;
}

/* "1, 2 and 5" style list of what exists, for hints; NULL when there is nothing. */
static char *
list_of(const char *sql, int64 model_id)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	char	   *list;
	MemoryContext caller = CurrentMemoryContext;

	mdl_arg_int8(&args, model_id);
	SPI_connect();
	mdl_owner_begin(&saved);
	mdl_run(sql, &args, false);
	mdl_owner_end(&saved);
	list = mdl_field_text(0, 0);
	list = list ? MemoryContextStrdup(caller, list) : NULL;
	SPI_finish();
	return list;
}

void
mdl_version_missing(const MdlModelRow *model, int version)
{
	char	   *versions = list_of("SELECT pg_catalog.string_agg(version::text, ', ' ORDER BY version) FROM "
								   "(SELECT version FROM medallion._model_versions WHERE model_id OPERATOR(pg_catalog.=) $1 "
								   "ORDER BY version DESC LIMIT 10) v", model->model_id);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no version %d", model->name, version),
			 versions ? errhint("The newest versions are: %s.", versions) : errhint("The model has no version yet.")));
}

static void
alias_missing(const MdlModelRow *model, const char *alias)
{
	char	   *aliases = list_of("SELECT pg_catalog.string_agg(alias, ', ' ORDER BY alias) FROM medallion._aliases "
								  "WHERE model_id OPERATOR(pg_catalog.=) $1", model->model_id);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no alias \"%s\"", model->name, alias),
			 aliases ? errhint("Its aliases are: %s.", aliases)
			 : errhint("The model has no alias; set one with medallion.set_alias.")));
}

/* Parses the version number after the slash of a reference. */
static int
parse_version(const char *reference, const char *digits)
{
	long		number;

	if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits) || strlen(digits) > 9 ||
		(number = strtol(digits, NULL, 10)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model reference \"%s\" has no version number after \"/\"", reference),
				 errhint("Write a model as name, name@alias or name/version, for example delay, delay@challenger or delay/3.")));
	return (int) number;
}

/* The newest version stands in for a champion, but not where its trainer must not make it one. */
static void
refuse_unapproved(const MdlModelRow *model)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("model \"%s\" requires approval and has no alias \"%s\"", model->name, MDL_ALIAS_CHAMPION),
			 errhint("Somebody else than its trainer can promote a version with medallion.set_alias; or name a version, as in %s/1.",
					 model->name)));
}

void
mdl_model_resolve(const char *reference, MdlModelRight right, MdlModelVersion *result)
{
	const char *separator = strpbrk(reference, "@/");
	char	   *name = separator ? pnstrdup(reference, separator - reference) : pstrdup(reference);
	MdlModelRow model;
	RegistryScan scan;
	int			version = 0;	/* newest */

	mdl_model_get(name, &model);
	mdl_model_require(&model, right);
	if (separator == NULL)
	{
		version = mdl_alias_lookup(model.model_id, MDL_ALIAS_CHAMPION);
		if (version == 0 && model.require_approval && right == MDL_MODEL_PREDICT)
			refuse_unapproved(&model);
	}
	else if (*separator == '/')
		version = parse_version(reference, separator + 1);
	else if ((version = mdl_alias_lookup(model.model_id, separator + 1)) == 0)
		alias_missing(&model, separator + 1);

	if (!scan_version(&scan, model.model_id, version))
	{
		scan_end(&scan);
		if (version != 0)
			mdl_version_missing(&model, version);
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no version", model.name),
				 errhint("Train one with medallion.train.")));
	}
	result->version_id = DatumGetInt64(scan_value(&scan, VERSIONS_VERSION_ID));
	result->version = DatumGetInt32(scan_value(&scan, VERSIONS_VERSION));
	result->algorithm = TextDatumGetCString(scan_value(&scan, VERSIONS_ALGORITHM));
	result->task = TextDatumGetCString(scan_value(&scan, VERSIONS_TASK));
	scan_end(&scan);
	result->model_id = model.model_id;
	result->model = model.name;
}

Jsonb *
mdl_model_signature(int64 version_id)
{
	RegistryScan scan;
	ScanKeyData key;
	Jsonb	   *signature;

	int8_key(&key, 1, version_id);
	scan_begin(&scan, "_model_versions", "_model_versions_pkey", 1, &key);
	if (!scan_next(&scan, ForwardScanDirection))
		elog(ERROR, "model version with id " INT64_FORMAT " is missing", version_id);
	signature = DatumGetJsonbPCopy(scan_value(&scan, VERSIONS_SIGNATURE));
	scan_end(&scan);
	return signature;
}

/* Reads all chunks of one kind in order; NULL when there are none. */
static void *
read_blob(int64 version_id, const char *kind, Size *size)
{
	RegistryScan scan;
	ScanKeyData keys[2];
	char	   *bytes = NULL;
	Size		used = 0,
				allocated = 0;

	int8_key(&keys[0], 1, version_id);
	text_key(&keys[1], 2, kind);
	scan_begin(&scan, "_model_blobs", "_model_blobs_pkey", 2, keys);
	while (scan_next(&scan, ForwardScanDirection))
	{
		Datum		stored = scan_value(&scan, BLOBS_CONTENT);
		bytea	   *chunk = DatumGetByteaPP(stored);
		Size		length = VARSIZE_ANY_EXHDR(chunk);

		CHECK_FOR_INTERRUPTS();
		if (used + length > allocated || bytes == NULL)
		{
			allocated = bytes == NULL ? Max(length, 1) : add_size(used, Max(length, used));
			bytes = bytes == NULL ? MemoryContextAllocHuge(CurrentMemoryContext, allocated)
				: repalloc_huge(bytes, allocated);
		}
		memcpy(bytes + used, VARDATA_ANY(chunk), length);
		used += length;
		if ((Pointer) chunk != DatumGetPointer(stored))
			pfree(chunk);
	}
	scan_end(&scan);
	*size = used;
	return bytes;
}

void *
mdl_model_artifact(int64 version_id, Size *size)
{
	void	   *bytes = read_blob(version_id, MDL_BLOB_ARTIFACT, size);

	if (bytes == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model version with id " INT64_FORMAT " has no stored artifact", version_id)));
	return bytes;
}

void *
mdl_model_baseline(int64 version_id, Size *size)
{
	return read_blob(version_id, MDL_BLOB_BASELINE, size);
}
