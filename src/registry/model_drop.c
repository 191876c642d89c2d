/*
 * model_drop.c: dropping models and versions, and the approval rule.
 *
 * A version that an alias points to is in use and is not dropped.  The alias log and the audit keep their rows.
 */
#include "registry/registry_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/* Raises an error that names the aliases of the model, or of one of its versions (version 0: of any). */
static void
refuse_aliases(const MdlModelRow *model, int version)
{
	MdlArgs		args = {0};
	char	   *aliases;

	mdl_arg_int8(&args, model->model_id);
	mdl_arg(&args, INT4OID, Int32GetDatum(version), false);
	mdl_run("SELECT pg_catalog.string_agg(alias, ', ' ORDER BY alias) FROM medallion._aliases WHERE model_id "
			"OPERATOR(pg_catalog.=) $1 AND ($2 OPERATOR(pg_catalog.=) 0 OR version OPERATOR(pg_catalog.=) $2)",
			&args, false);
	aliases = mdl_field_text(0, 0);
	if (aliases == NULL)
		return;
	if (version == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("model \"%s\" is in use by aliases: %s", model->name, aliases),
				 errhint("Drop the aliases with medallion.drop_alias first, or use force => true.")));
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("version %d of model \"%s\" is in use by aliases: %s", version, model->name, aliases),
			 errhint("Point them to another version with medallion.set_alias or drop them with medallion.drop_alias first.")));
}

/* drop_model(model, force) */
MDL_FUNCTION(mdl_drop_model);
Datum
mdl_drop_model(PG_FUNCTION_ARGS)
{
	static const char *const statements[] = {
		"DELETE FROM medallion._aliases WHERE model_id OPERATOR(pg_catalog.=) $1",
		"DELETE FROM medallion._model_grants WHERE model_id OPERATOR(pg_catalog.=) $1",
		"DELETE FROM medallion._model_blobs b USING medallion._model_versions v "
		"WHERE v.model_id OPERATOR(pg_catalog.=) $1 AND b.version_id OPERATOR(pg_catalog.=) v.version_id",
		"DELETE FROM medallion._model_versions WHERE model_id OPERATOR(pg_catalog.=) $1",
		"DELETE FROM medallion._models WHERE model_id OPERATOR(pg_catalog.=) $1",
	};
	char	   *name = mdl_required_text(fcinfo, 0, "model");
	bool		force = mdl_required_bool(fcinfo, 1, "force");
	MdlModelRow model;
	MdlArgs		args = {0};
	MdlUser		saved;

	PreventCommandIfReadOnly("medallion.drop_model()");
	mdl_model_get(name, &model);
	mdl_model_require(&model, MDL_MODEL_MANAGE);
	mdl_audit("drop", model.name, 0, NULL, -1, NULL);
	mdl_arg_int8(&args, model.model_id);
	SPI_connect();
	mdl_owner_begin(&saved);
	mdl_model_lock(&model, "FOR UPDATE");
	if (!force)
		refuse_aliases(&model, 0);
	for (int i = 0; i < lengthof(statements); i++)
		mdl_run(statements[i], &args, false);
	mdl_owner_end(&saved);
	SPI_finish();
	mdl_model_unpin(model.name, 0);
	PG_RETURN_VOID();
}

/* drop_model_version(model, version) */
MDL_FUNCTION(mdl_drop_model_version);
Datum
mdl_drop_model_version(PG_FUNCTION_ARGS)
{
	char	   *name = mdl_required_text(fcinfo, 0, "model");
	int			version = mdl_required_int4(fcinfo, 1, "version");
	MdlModelRow model;
	MdlArgs		args = {0};
	MdlUser		saved;

	PreventCommandIfReadOnly("medallion.drop_model_version()");
	mdl_model_get(name, &model);
	mdl_model_require(&model, MDL_MODEL_MANAGE);
	if (version <= 0 || !mdl_version_exists(model.model_id, version))
		mdl_version_missing(&model, version);
	mdl_arg_int8(&args, model.model_id);
	mdl_arg(&args, INT4OID, Int32GetDatum(version), false);
	SPI_connect();
	mdl_owner_begin(&saved);
	mdl_model_lock(&model, "FOR UPDATE");
	refuse_aliases(&model, version);
	mdl_run("DELETE FROM medallion._model_blobs b USING medallion._model_versions v WHERE v.model_id "
			"OPERATOR(pg_catalog.=) $1 AND v.version OPERATOR(pg_catalog.=) $2 AND b.version_id OPERATOR(pg_catalog.=) v.version_id",
			&args, false);
	mdl_run("DELETE FROM medallion._model_versions WHERE model_id OPERATOR(pg_catalog.=) $1 "
			"AND version OPERATOR(pg_catalog.=) $2", &args, false);
	mdl_owner_end(&saved);
	SPI_finish();
	mdl_model_unpin(model.name, version);
	mdl_audit("drop_version", model.name, version, NULL, -1, NULL);
	PG_RETURN_VOID();
}

/* require_approval(model, required): only superusers may change the rule. */
MDL_FUNCTION(mdl_require_approval);
Datum
mdl_require_approval(PG_FUNCTION_ARGS)
{
	char	   *name = mdl_required_text(fcinfo, 0, "model");
	bool		required = mdl_required_bool(fcinfo, 1, "required");
	MdlModelRow model;
	MdlArgs		args = {0};
	MdlUser		saved;

	PreventCommandIfReadOnly("medallion.require_approval()");
	mdl_model_get(name, &model);
	mdl_model_require(&model, MDL_MODEL_MANAGE);
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to change the approval rule of model \"%s\"", name),
				 errhint("Ask a superuser: a rule that its own subjects can lift protects nothing.")));
	mdl_arg_int8(&args, model.model_id);
	mdl_arg_bool(&args, required);
	SPI_connect();
	mdl_owner_begin(&saved);
	mdl_run("UPDATE medallion._models SET require_approval = $2 WHERE model_id OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
	SPI_finish();
	mdl_audit("require_approval", model.name, 0, required ? "true" : "false", -1, NULL);
	PG_RETURN_VOID();
}
