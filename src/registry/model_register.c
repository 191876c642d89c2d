/*
 * model_register.c: new versions of models.
 *
 * The number of a version comes from the model's row, whose lock is held until the transaction ends: versions are
 * numbered without gaps in commit order, and a second training of the same model waits only at its very end.
 */
#include "registry/registry_int.h"

#include "access/heaptoast.h"
#include "access/toast_compression.h"
#include "access/toast_internals.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/* Raises an error unless the model can get a version for this task from the current user. */
static void
check_existing(const MdlModelRow *model, const char *task)
{
	mdl_model_require(model, MDL_MODEL_MANAGE);
	if (task != NULL && strcmp(model->task, task) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" is a model for %s, but the new version is for %s", model->name, model->task, task),
				 errhint("Give the new model another name, or drop the old one with medallion.drop_model.")));
}

void
mdl_model_check_new(const char *name, const char *task)
{
	MdlModelRow model;

	mdl_check_model_name(name);
	if (mdl_model_find(name, &model))
		check_existing(&model, task);
}

/* Creates the model if need be, and takes its next version number, with its row locked until the end. */
static void
take_number(const char *name, const char *task, int64 *model_id, int *version)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	MdlModelRow model = {0};
	bool		is_null;
	Oid			user = GetUserId();
	static SPIPlanPtr inserting;
	static SPIPlanPtr numbering;

	mdl_arg_text(&args, name);
	mdl_arg_text(&args, task);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(user), false);
	mdl_owner_begin(&saved);
	mdl_run_kept(&inserting, "INSERT INTO medallion._models (name, task, owner) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
				 &args, false);
	if (mdl_run_kept(&numbering, "UPDATE medallion._models SET next_version = next_version OPERATOR(pg_catalog.+) 1 "
					 "WHERE name OPERATOR(pg_catalog.=) $1 AND $2 IS NOT NULL AND $3 IS NOT NULL "
					 "RETURNING model_id, next_version OPERATOR(pg_catalog.-) 1, owner::pg_catalog.oid, task", &args, false) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("model \"%s\" was changed by a concurrent transaction", name),
				 errhint("Run the statement again.")));
	mdl_owner_end(&saved);
	*model_id = model.model_id = mdl_field_int8(0, 0);
	*version = DatumGetInt32(mdl_field(0, 1, &is_null));
	model.name = (char *) name;
	model.owner = DatumGetObjectId(mdl_field(0, 2, &is_null));
	model.task = mdl_field_text(0, 3);

	/* Checked under the lock: a concurrent transaction may have created the model since mdl_model_check_new. */
	check_existing(&model, task);
}

#ifdef USE_LZ4
#define BLOB_COMPRESSION TOAST_LZ4_COMPRESSION
#else
#define BLOB_COMPRESSION TOAST_PGLZ_COMPRESSION
#endif

#define TRIAL_PIECE 4096
#define TRIAL_PIECES 8

/* How much of so many bytes compression would save is seen from a few pieces of them. */
static bool
seems_compressible(const char *bytes, Size size)
{
	bytea	   *trial;
	Datum		packed;
	Size		saved;

	if (size < 2 * TRIAL_PIECES * TRIAL_PIECE)
		return true;
	trial = palloc(VARHDRSZ + TRIAL_PIECES * TRIAL_PIECE);
	SET_VARSIZE(trial, VARHDRSZ + TRIAL_PIECES * TRIAL_PIECE);
	for (int i = 0; i < TRIAL_PIECES; i++)
		memcpy(VARDATA(trial) + i * TRIAL_PIECE, bytes + (size - TRIAL_PIECE) / (TRIAL_PIECES - 1) * i, TRIAL_PIECE);
	packed = toast_compress_datum(PointerGetDatum(trial), BLOB_COMPRESSION);
	saved = DatumGetPointer(packed) == NULL ? 0 : VARSIZE(trial) - VARSIZE(DatumGetPointer(packed));
	pfree(trial);
	return saved >= TRIAL_PIECES * TRIAL_PIECE / 10;
}

/*
 * The chunk compressed if that saves an eighth of it, else as it is.  The column is stored as given (EXTERNAL): most
 * models are numbers that do not compress, and pglz takes 15 ns a byte to find that out.
 */
static bytea *
compressed(bytea *content)
{
	Datum		packed;

	if (VARSIZE(content) < TOAST_TUPLE_THRESHOLD || !seems_compressible(VARDATA(content), VARSIZE(content) - VARHDRSZ))
		return content;
	packed = toast_compress_datum(PointerGetDatum(content), BLOB_COMPRESSION);
	if (DatumGetPointer(packed) == NULL)
		return content;
	if (VARSIZE(DatumGetPointer(packed)) > VARSIZE(content) / 8 * 7)
	{
		pfree(DatumGetPointer(packed));
		return content;
	}
	pfree(content);
	return (bytea *) DatumGetPointer(packed);
}

static void
store_blob(int64 version_id, const char *kind, const void *bytes, Size size)
{
	Size		offset = 0;
	int			chunk = 0;
	MdlRows		rows;

	mdl_rows_begin(&rows, "_model_blobs");
	do
	{
		Size		length = Min(size - offset, MDL_BLOB_CHUNK);
		bytea	   *content = palloc(VARHDRSZ + length);
		Datum		values[] = {Int64GetDatum(version_id), CStringGetTextDatum(kind), Int32GetDatum(chunk), 0};
		bool		nulls[lengthof(values)] = {false};

		CHECK_FOR_INTERRUPTS();
		SET_VARSIZE(content, VARHDRSZ + length);
		memcpy(VARDATA(content), (const char *) bytes + offset, length);
		content = compressed(content);
		values[3] = PointerGetDatum(content);
		mdl_rows_add(&rows, lengthof(values), values, nulls);
		pfree(content);
		offset += length;
		chunk++;
	} while (offset < size);
	mdl_rows_end(&rows);
}

static int64
store_version(const MdlNewModelVersion *new, int64 model_id, int version, Oid user)
{
	MdlArgs		args = {0};
	static SPIPlanPtr inserting;

	mdl_arg_int8(&args, model_id);
	mdl_arg(&args, INT4OID, Int32GetDatum(version), false);
	mdl_arg_text(&args, new->algorithm);
	mdl_arg_text(&args, new->task);
	mdl_arg_jsonb(&args, new->params);
	mdl_arg_jsonb(&args, new->metrics);
	mdl_arg_jsonb(&args, new->signature);
	mdl_arg_jsonb(&args, new->data_commits);
	mdl_arg_int8(&args, new->seed);
	mdl_arg_int8(&args, new->rows);
	mdl_arg_float8(&args, new->seconds);
	mdl_arg_text(&args, new->source);
	mdl_arg(&args, INT8OID, Int64GetDatum(new->sweep_id), new->sweep_id == 0);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(user), false);
	mdl_run_kept(&inserting, "INSERT INTO medallion._model_versions (model_id, version, algorithm, task, params, metrics, signature, "
				 "data_commits, seed, rows, seconds, library_version, source, sweep_id, owner) "
				 "VALUES ($1, $2, $3, $4, coalesce($5, '{}'), coalesce($6, '{}'), coalesce($7, '{}'), coalesce($8, '{}'), "
				 "$9, $10, $11, medallion.version(), $12, $13, $14) RETURNING version_id", &args, false);
	return mdl_field_int8(0, 0);
}

int
mdl_model_register(const MdlNewModelVersion *new)
{
	int64		model_id,
				version_id;
	int			version;
	Oid			user = GetUserId();
	MdlUser		saved;

	mdl_check_model_name(new->model);
	if (new->artifact == NULL || new->artifact_size == 0)
		elog(ERROR, "model \"%s\" has nothing to store", new->model);
	SPI_connect();
	take_number(new->model, new->task, &model_id, &version);
	mdl_owner_begin(&saved);
	version_id = store_version(new, model_id, version, user);
	store_blob(version_id, MDL_BLOB_ARTIFACT, new->artifact, new->artifact_size);
	if (new->baseline != NULL)
		store_blob(version_id, MDL_BLOB_BASELINE, new->baseline, new->baseline_size);
	mdl_owner_end(&saved);
	SPI_finish();
	mdl_model_pin(new->model, version, new->data_commits);
	mdl_audit("train", new->model, version, new->source, new->rows, NULL);
	return version;
}
