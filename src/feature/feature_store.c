/*
 * feature_store.c: feature views in medallion._feature_views: stored, loaded, dropped.
 */
#include "feature/feature_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

char **
mdl_text_array(ArrayType *array, const char *what, int *count)
{
	Datum	   *elements;
	bool	   *nulls;
	char	  **texts;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, count);
	texts = palloc(sizeof(char *) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not contain NULL", what)));
		texts[i] = TextDatumGetCString(elements[i]);
	}
	return texts;
}

static Datum
text_array_datum(char **texts, int count)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = CStringGetTextDatum(texts[i]);
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* An interval of whole microseconds, shown in days and time. */
static Datum
interval_datum(int64 length)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->day = length / USECS_PER_DAY;
	interval->time = length % USECS_PER_DAY;
	return IntervalPGetDatum(interval);
}

bool
mdl_feature_view_exists(const char *name, int *version, char **owner)
{
	MdlArgs		args = {0};
	MdlUser		user;
	bool		found;

	mdl_arg_text(&args, name);
	mdl_owner_begin(&user);
	found = mdl_run("SELECT version::pg_catalog.int8, owner FROM medallion._feature_views WHERE name OPERATOR(pg_catalog.=) $1",
					&args, false) > 0;
	mdl_owner_end(&user);
	if (found)
	{
		*version = (int) mdl_field_int8(0, 0);
		*owner = mdl_field_text(0, 1);
	}
	return found;
}

void
mdl_feature_view_require_owner(const char *name, const char *owner)
{
	Oid			role = get_role_oid(owner, true);

	if (superuser() || (OidIsValid(role) && has_privs_of_role(GetUserId(), role)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of feature view \"%s\"", name),
			 errdetail("It belongs to role \"%s\".", owner)));
}

void
mdl_feature_view_store(const MdlFeatureView *view)
{
	MdlArgs		args = {0};
	MdlUser		user;
	char	   *owner = GetUserNameFromId(GetUserId(), false);

	mdl_arg_text(&args, view->name);
	mdl_arg(&args, INT4OID, Int32GetDatum(view->version), false);
	mdl_arg(&args, REGCLASSOID, ObjectIdGetDatum(view->source), false);
	mdl_arg(&args, TEXTARRAYOID, text_array_datum(view->entity, view->entity_count), false);
	mdl_arg_text(&args, view->at);
	mdl_arg(&args, TEXTARRAYOID, text_array_datum(view->tiebreak, view->tiebreak_count), false);
	mdl_arg(&args, INTERVALOID, interval_datum(view->ttl), !view->has_ttl);
	mdl_arg(&args, INTERVALOID, interval_datum(view->delay), false);
	mdl_arg_jsonb(&args, mdl_feature_unparse(view));
	mdl_arg_text(&args, owner);
	mdl_owner_begin(&user);
	mdl_run("INSERT INTO medallion._feature_views (name, version, source, entity, event_time, tiebreak, ttl, delay, features, owner) "
			"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
			"ON CONFLICT (name) DO UPDATE SET version = excluded.version, source = excluded.source, entity = excluded.entity, "
			"event_time = excluded.event_time, tiebreak = excluded.tiebreak, ttl = excluded.ttl, delay = excluded.delay, "
			"features = excluded.features, owner = excluded.owner, created_at = pg_catalog.now()", &args, false);
	mdl_owner_end(&user);
}

bool
mdl_feature_view_delete(const char *name)
{
	MdlArgs		args = {0};
	MdlUser		user;
	bool		deleted;

	mdl_arg_text(&args, name);
	mdl_owner_begin(&user);
	deleted = mdl_run("DELETE FROM medallion._feature_views WHERE name OPERATOR(pg_catalog.=) $1", &args, false) > 0;
	mdl_owner_end(&user);
	return deleted;
}

MdlFeatureView *
mdl_feature_view_load(const char *name)
{
	MdlFeatureView *view = palloc0(sizeof(MdlFeatureView));
	MdlArgs		args = {0};
	MdlUser		user;
	bool		found,
				is_null;
	Datum		ttl;

	mdl_arg_text(&args, name);
	mdl_owner_begin(&user);
	found = mdl_run("SELECT version::pg_catalog.int8, source::pg_catalog.oid, entity, event_time, tiebreak, ttl, delay, features "
					"FROM medallion._feature_views WHERE name OPERATOR(pg_catalog.=) $1", &args, false) > 0;
	mdl_owner_end(&user);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("feature view \"%s\" does not exist", name),
				 errhint("The view medallion.feature_views lists them; medallion.create_feature_view makes one.")));
	view->name = pstrdup(name);
	view->stored = true;
	view->version = (int) mdl_field_int8(0, 0);
	view->source = DatumGetObjectId(mdl_field(0, 1, NULL));
	view->entity = mdl_text_array(DatumGetArrayTypePCopy(mdl_field(0, 2, NULL)), "entity", &view->entity_count);
	view->at = mdl_field_text(0, 3);
	view->tiebreak = mdl_text_array(DatumGetArrayTypePCopy(mdl_field(0, 4, NULL)), "tiebreak", &view->tiebreak_count);
	ttl = mdl_field(0, 5, &is_null);
	view->has_ttl = !is_null;
	if (view->has_ttl)
		view->ttl = mdl_interval_length(DatumGetIntervalP(ttl), "ttl");
	view->delay = mdl_interval_length(DatumGetIntervalP(mdl_field(0, 6, NULL)), "delay");
	mdl_feature_parse(view, DatumGetJsonbPCopy(mdl_field(0, 7, NULL)));
	mdl_feature_resolve(view, false);
	return view;
}
