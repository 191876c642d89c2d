/*
 * model_rights.c: who may predict with, read and manage a model.
 *
 * The owner's role (its members too) and superusers have every right.  Others have what medallion.grant_model gave to a
 * role they are a member of, or to everybody (role 0).  manage includes read and predict; read and predict do not
 * include one another: a model may be called without its inside being shown.
 */
#include "registry/registry_int.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define GRANTS_ROLE			2
#define GRANTS_PRIVILEGE	3

static const struct
{
	const char *name;
	MdlModelRight right;
}			right_names[] = {
	{"predict", MDL_MODEL_PREDICT}, {"read", MDL_MODEL_READ}, {"manage", MDL_MODEL_MANAGE}
};

static const char *
right_name(MdlModelRight right)
{
	for (int i = 0; i < lengthof(right_names); i++)
		if (right_names[i].right == right)
			return right_names[i].name;
	return "?";
}

static MdlModelRight
right_by_name(const char *name)
{
	for (int i = 0; i < lengthof(right_names); i++)
		if (strcmp(right_names[i].name, name) == 0)
			return right_names[i].right;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("privilege \"%s\" does not exist", name),
			 errhint("Privileges on a model are predict, read and manage.")));
}

/* Whether the current user has at least one of the rights. */
bool
mdl_model_has_right(int64 model_id, Oid owner, int rights)
{
	Oid			user = GetUserId();
	Oid			schema;
	Relation	table,
				index;
	IndexScanDesc scan;
	ScanKeyData key;
	TupleTableSlot *slot;
	bool		found = false;

	if (has_privs_of_role(user, owner))		/* true for superusers */
		return true;
	rights |= MDL_MODEL_MANAGE;
	schema = get_namespace_oid(MDL_SCHEMA, false);
	table = table_open(get_relname_relid("_model_grants", schema), AccessShareLock);
	index = index_open(get_relname_relid("_model_grants_pkey", schema), AccessShareLock);
	slot = table_slot_create(table, NULL);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(model_id));
	scan = index_beginscan(table, index, GetActiveSnapshot(), 1, 0);
	index_rescan(scan, &key, 1, NULL, 0);
	while (!found && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		bool		is_null;
		Oid			role = DatumGetObjectId(slot_getattr(slot, GRANTS_ROLE, &is_null));
		char	   *privilege = TextDatumGetCString(slot_getattr(slot, GRANTS_PRIVILEGE, &is_null));

		found = (right_by_name(privilege) & rights) != 0 && (role == InvalidOid || has_privs_of_role(user, role));
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(table, AccessShareLock);
	return found;
}

void
mdl_model_require(const MdlModelRow *model, MdlModelRight right)
{
	if (mdl_model_has_right(model->model_id, model->owner, right))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for model \"%s\"", model->name),
			 errdetail("The privilege needed is \"%s\".", right_name(right)),
			 errhint("Ask %s to run medallion.grant_model(model => '%s', privilege => '%s', role => '%s').",
					 GetUserNameFromId(model->owner, true) ? GetUserNameFromId(model->owner, true) : "a superuser",
					 model->name, right_name(right), GetUserNameFromId(GetUserId(), false))));
}

/* _model_privilege(model_id, owner, privileges): for the views. */
MDL_FUNCTION(mdl_model_privilege);
Datum
mdl_model_privilege(PG_FUNCTION_ARGS)
{
	ArrayType  *names = PG_GETARG_ARRAYTYPE_P(2);
	Datum	   *values;
	int			count,
				rights = 0;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &values, NULL, &count);
	for (int i = 0; i < count; i++)
		rights |= right_by_name(TextDatumGetCString(values[i]));
	PG_RETURN_BOOL(mdl_model_has_right(PG_GETARG_INT64(0), PG_GETARG_OID(1), rights));
}

/* InvalidOid for public, else the role's OID; an error when there is none. */
static Oid
grantee_by_name(const char *name)
{
	return strcmp(name, "public") == 0 ? InvalidOid : get_role_oid(name, false);
}

static void
change_grant(FunctionCallInfo fcinfo, const char *action, const char *sql)
{
	char	   *model_name = mdl_required_text(fcinfo, 0, "model");
	char	   *privilege = mdl_required_text(fcinfo, 1, "privilege");
	char	   *role_name = mdl_required_text(fcinfo, 2, "role");
	Oid			role = grantee_by_name(role_name);
	MdlModelRow model;
	MdlArgs		args = {0};
	MdlUser		saved;

	(void) right_by_name(privilege);
	mdl_model_get(model_name, &model);
	mdl_model_require(&model, MDL_MODEL_MANAGE);
	mdl_arg_int8(&args, model.model_id);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(role), false);
	mdl_arg_text(&args, privilege);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(GetUserId()), false);
	SPI_connect();
	mdl_owner_begin(&saved);
	mdl_run(sql, &args, false);
	mdl_owner_end(&saved);
	SPI_finish();
	mdl_audit(action, model.name, 0, psprintf("%s: %s", role_name, privilege), -1, NULL);
}

MDL_FUNCTION(mdl_grant_model);
Datum
mdl_grant_model(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("medallion.grant_model()");
	change_grant(fcinfo, "grant",
				 "INSERT INTO medallion._model_grants (model_id, role, privilege, granted_by) VALUES ($1, $2, $3, $4) "
				 "ON CONFLICT DO NOTHING");
	PG_RETURN_VOID();
}

MDL_FUNCTION(mdl_revoke_model);
Datum
mdl_revoke_model(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("medallion.revoke_model()");
	change_grant(fcinfo, "revoke",
				 "DELETE FROM medallion._model_grants WHERE model_id OPERATOR(pg_catalog.=) $1 AND "
				 "role OPERATOR(pg_catalog.=) $2 AND privilege OPERATOR(pg_catalog.=) $3 AND $4 IS NOT NULL");
	PG_RETURN_VOID();
}
