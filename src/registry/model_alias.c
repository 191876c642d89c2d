/*
 * model_alias.c: moving, dropping and rolling back aliases.
 *
 * A move is an ordinary update: seen by every statement that starts after commit, by none before.  Each is written to
 * the alias log, from which rollback finds where the alias was before.
 */
#include "registry/registry_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/* Writes one row of the alias log; the caller is in SPI and the extension's owner. */
static void
log_move(const MdlModelRow *model, const char *alias, const char *action, int version, int previous, Oid user)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, model->model_id);
	mdl_arg_text(&args, model->name);
	mdl_arg_text(&args, alias);
	mdl_arg_text(&args, action);
	mdl_arg(&args, INT4OID, Int32GetDatum(version), version == 0);
	mdl_arg(&args, INT4OID, Int32GetDatum(previous), previous == 0);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(user), false);
	mdl_run("INSERT INTO medallion._alias_log (model_id, model, alias, action, version, previous_version, changed_by) "
			"VALUES ($1, $2, $3, $4, $5, $6, $7)", &args, false);
}

/* Locks the model, so that moves of its aliases happen one after the other; returns where the alias is, 0 for nowhere. */
static int
lock_alias(MdlModelRow *model, const char *alias)
{
	MdlArgs		args = {0};
	bool		is_null;

	mdl_model_lock(model, "FOR NO KEY UPDATE");
	mdl_arg_int8(&args, model->model_id);
	mdl_arg_text(&args, alias);
	if (mdl_run("SELECT version FROM medallion._aliases WHERE model_id OPERATOR(pg_catalog.=) $1 AND "
				"alias OPERATOR(pg_catalog.=) $2", &args, false) == 0)
		return 0;
	return DatumGetInt32(mdl_field(0, 0, &is_null));
}

/*
 * Looks at the version again under the lock: it may have been dropped meanwhile; and where approval is required, who
 * trained a version does not promote it.
 */
static void
check_version(const MdlModelRow *model, int version, Oid user)
{
	MdlArgs		args = {0};
	bool		is_null;

	mdl_arg_int8(&args, model->model_id);
	mdl_arg(&args, INT4OID, Int32GetDatum(version), false);
	if (mdl_run("SELECT owner::pg_catalog.oid FROM medallion._model_versions WHERE model_id OPERATOR(pg_catalog.=) $1 "
				"AND version OPERATOR(pg_catalog.=) $2", &args, false) == 0)
		mdl_version_missing(model, version);
	if (model->require_approval && DatumGetObjectId(mdl_field(0, 0, &is_null)) == user)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("version %d of model \"%s\" needs approval by somebody else than %s, who trained it",
						version, model->name, GetUserNameFromId(user, false)),
				 errhint("Another role with the privilege manage can run medallion.set_alias.")));
}

/* Points the alias to the version and logs it under the action; returns the previous version, 0 for none. */
static int
move_alias(MdlModelRow *model, const char *alias, int version, const char *action)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	Oid			user = GetUserId();
	int			previous;

	SPI_connect();
	mdl_owner_begin(&saved);
	previous = lock_alias(model, alias);
	check_version(model, version, user);
	if (previous != version)
	{
		mdl_arg_int8(&args, model->model_id);
		mdl_arg_text(&args, alias);
		mdl_arg(&args, INT4OID, Int32GetDatum(version), false);
		mdl_arg(&args, OIDOID, ObjectIdGetDatum(user), false);
		mdl_run("INSERT INTO medallion._aliases AS a (model_id, alias, version, set_by) VALUES ($1, $2, $3, $4) "
				"ON CONFLICT (model_id, alias) DO UPDATE SET version = excluded.version, set_by = excluded.set_by, "
				"set_at = pg_catalog.clock_timestamp()", &args, false);
		log_move(model, alias, action, version, previous, user);
	}
	mdl_owner_end(&saved);
	SPI_finish();
	if (previous != version)
		mdl_audit(strcmp(action, "rollback") == 0 ? "rollback" : "promote", model->name, version, alias, -1, NULL);
	return previous;
}

int
mdl_model_set_alias(const char *name, const char *alias, int version)
{
	MdlModelRow model;

	mdl_check_alias_name(alias);
	mdl_model_get(name, &model);
	mdl_model_require(&model, MDL_MODEL_MANAGE);
	if (version <= 0 || !mdl_version_exists(model.model_id, version))
		mdl_version_missing(&model, version);
	return move_alias(&model, alias, version, "set");
}

int
mdl_model_alias_version(const char *name, const char *alias)
{
	MdlModelRow model;

	return mdl_model_find(name, &model) ? mdl_alias_lookup(model.model_id, alias) : 0;
}

/* Returns (model, alias, version, previous_version), 0 standing for NULL. */
static Datum
alias_row(FunctionCallInfo fcinfo, const char *model, const char *alias, int version, int previous)
{
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false, false, version == 0, previous == 0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(model);
	values[1] = CStringGetTextDatum(alias);
	values[2] = Int32GetDatum(version);
	values[3] = Int32GetDatum(previous);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* set_alias(model, alias, version) */
MDL_FUNCTION(mdl_set_alias);
Datum
mdl_set_alias(PG_FUNCTION_ARGS)
{
	char	   *name = mdl_required_text(fcinfo, 0, "model");
	char	   *alias = mdl_required_text(fcinfo, 1, "alias");
	int			version = mdl_required_int4(fcinfo, 2, "version");
	int			previous;

	PreventCommandIfReadOnly("medallion.set_alias()");
	previous = mdl_model_set_alias(name, alias, version);
	return alias_row(fcinfo, name, alias, version, previous);
}

/* drop_alias(model, alias) */
MDL_FUNCTION(mdl_drop_alias);
Datum
mdl_drop_alias(PG_FUNCTION_ARGS)
{
	char	   *name = mdl_required_text(fcinfo, 0, "model");
	char	   *alias = mdl_required_text(fcinfo, 1, "alias");
	MdlModelRow model;
	MdlArgs		args = {0};
	MdlUser		saved;
	Oid			user = GetUserId();
	int			previous;

	PreventCommandIfReadOnly("medallion.drop_alias()");
	mdl_model_get(name, &model);
	mdl_model_require(&model, MDL_MODEL_MANAGE);
	SPI_connect();
	mdl_owner_begin(&saved);
	previous = lock_alias(&model, alias);
	if (previous == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no alias \"%s\"", name, alias),
				 errhint("See the view medallion.aliases.")));
	mdl_arg_int8(&args, model.model_id);
	mdl_arg_text(&args, alias);
	mdl_run("DELETE FROM medallion._aliases WHERE model_id OPERATOR(pg_catalog.=) $1 AND alias OPERATOR(pg_catalog.=) $2",
			&args, false);
	log_move(&model, alias, "drop", 0, previous, user);
	mdl_owner_end(&saved);
	SPI_finish();
	mdl_audit("drop_alias", model.name, previous, alias, -1, NULL);
	return alias_row(fcinfo, name, alias, 0, previous);
}

/*
 * Finds where the alias was before its current version by replaying the log: a set pushes a version, a rollback pops
 * what it left.  So two rollbacks go back two steps.  Versions dropped since are passed over; 0 when there is nothing.
 * Runs in SPI as the extension's owner.
 */
static int
previous_version(const MdlModelRow *model, const char *alias, int current)
{
	MdlArgs		args = {0};
	uint64		rows;
	int		   *stack;
	int			depth = 0;

	mdl_arg_int8(&args, model->model_id);
	mdl_arg_text(&args, alias);
	rows = mdl_run("SELECT action, version FROM medallion._alias_log WHERE model_id OPERATOR(pg_catalog.=) $1 "
				   "AND alias OPERATOR(pg_catalog.=) $2 ORDER BY log_id", &args, false);
	stack = palloc(sizeof(int) * (rows + 1));
	for (uint64 row = 0; row < rows; row++)
	{
		char	   *action = mdl_field_text(row, 0);
		bool		is_null;
		int			version = DatumGetInt32(mdl_field(row, 1, &is_null));

		if (is_null)
			continue;			/* a drop: what was before stays below the next set */
		if (strcmp(action, "rollback") == 0)
			while (depth > 0 && stack[depth - 1] != version)
				depth--;
		else
			stack[depth++] = version;
	}
	while (depth > 0 && (stack[depth - 1] == current || !mdl_version_exists(model->model_id, stack[depth - 1])))
		depth--;
	return depth > 0 ? stack[depth - 1] : 0;
}

/* rollback(model, alias) */
MDL_FUNCTION(mdl_rollback);
Datum
mdl_rollback(PG_FUNCTION_ARGS)
{
	char	   *name = mdl_required_text(fcinfo, 0, "model");
	char	   *alias = mdl_required_text(fcinfo, 1, "alias");
	MdlModelRow model;
	MdlUser		saved;
	int			current,
				target;

	PreventCommandIfReadOnly("medallion.rollback()");
	mdl_model_get(name, &model);
	mdl_model_require(&model, MDL_MODEL_MANAGE);
	SPI_connect();
	mdl_owner_begin(&saved);
	current = lock_alias(&model, alias);
	target = previous_version(&model, alias, current);
	mdl_owner_end(&saved);
	SPI_finish();
	if (target == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 current == 0 ? errmsg("model \"%s\" has no alias \"%s\" to roll back", name, alias)
				 : errmsg("alias \"%s\" of model \"%s\" was on no other version before version %d", alias, name, current),
				 errhint("See the view medallion.alias_history; medallion.set_alias points an alias to any version.")));
	move_alias(&model, alias, target, "rollback");
	return alias_row(fcinfo, name, alias, target, current);
}
