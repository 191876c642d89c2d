/*
 * model_pin.c: the versions of tables that versions of models were trained on, kept readable (versioning/pin.c).
 *
 * A version of a model pins what its data_commits name, as holder 'model', '<model>/<version>', and lets go when it is
 * dropped.
 */
#include "registry/registry_int.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "versioning/versioning.h"

#define HOLDER_KIND "model"

/* The table of a name as data_commits has it: schema.table, not quoted, so that either may have dots in it. */
static Oid
named_table(const JsonbValue *key)
{
	char	   *name = pnstrdup(key->val.string.val, key->val.string.len);
	Oid			relid = InvalidOid;

	for (char *dot = strchr(name, '.'); dot != NULL && !OidIsValid(relid); dot = strchr(dot + 1, '.'))
	{
		Oid			namespace;

		*dot = '\0';
		namespace = get_namespace_oid(name, true);
		if (OidIsValid(namespace))
			relid = get_relname_relid(dot + 1, namespace);
		*dot = '.';
	}
	return relid;
}

void
mdl_model_pin(const char *model, int version, Jsonb *data_commits)
{
	char	   *holder = psprintf("%s/%d", model, version);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	Oid			relid = InvalidOid;

	if (data_commits == NULL || !JB_ROOT_IS_OBJECT(data_commits))
		return;
	iterator = JsonbIteratorInit(&data_commits->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			relid = named_table(&value);
		else if (token == WJB_VALUE && value.type == jbvNumeric && OidIsValid(relid) && mdl_is_versioned(relid))
			mdl_pin_add(HOLDER_KIND, holder, relid,
						DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value.val.numeric))));
	}
}

void
mdl_model_unpin(const char *model, int version)
{
	mdl_pin_remove(HOLDER_KIND, version > 0 ? psprintf("%s/%d", model, version) : model, InvalidOid);
}

/* The model of a reference model or model/version. */
static char *
model_of(const char *reference)
{
	const char *slash = strchr(reference, '/');

	return slash ? pnstrdup(reference, slash - reference) : pstrdup(reference);
}

/* unpin_model(model, relation): who manages the model, or owns the table. */
MDL_FUNCTION(mdl_unpin_model);
Datum
mdl_unpin_model(PG_FUNCTION_ARGS)
{
	char	   *reference = mdl_required_text(fcinfo, 0, "model");
	Oid			relid = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1);
	MdlModelRow model;
	int64		count;

	PreventCommandIfReadOnly("medallion.unpin_model()");
	if (OidIsValid(relid))
		mdl_require_table_owner(relid);
	else if (!superuser())
	{
		/* Of a model that is gone (as after DROP EXTENSION) a superuser can let go. */
		mdl_model_get(model_of(reference), &model);
		mdl_model_require(&model, MDL_MODEL_MANAGE);
	}
	count = mdl_pin_remove(HOLDER_KIND, reference, relid);
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" pins no version%s", reference,
						OidIsValid(relid) ? psprintf(" of \"%s\"", mdl_display_name(relid)) : ""),
				 errhint("The view medallion.pins lists what is pinned.")));
	mdl_audit("unpin", model_of(reference), 0, OidIsValid(relid) ? mdl_display_name(relid) : NULL, count, NULL);
	PG_RETURN_INT64(count);
}
