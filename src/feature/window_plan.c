/*
 * window_plan.c: which columns and filters the features of a view need of each event, and how far back they look.
 */
#include "feature/feature_int.h"

#include "common/int.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

static int
plan_column(MdlWindowPlan *plan, const char *name, Oid type, Oid collation)
{
	for (int i = 0; i < plan->column_count; i++)
		if (strcmp(plan->column_names[i], name) == 0)
			return i;
	plan->column_names[plan->column_count] = pstrdup(name);
	plan->column_types[plan->column_count] = type;
	plan->column_collations[plan->column_count] = collation;
	return plan->column_count++;
}

static int
plan_filter(MdlWindowPlan *plan, const char *filter)
{
	for (int i = 0; i < plan->filter_count; i++)
		if (strcmp(plan->filters[i], filter) == 0)
			return i;
	plan->filters[plan->filter_count] = pstrdup(filter);
	return plan->filter_count++;
}

MdlWindowPlan *
mdl_window_plan(const MdlFeatureView *view, int64 delay)
{
	MdlWindowPlan *plan = palloc0(sizeof(MdlWindowPlan));
	int			most = view->feature_count + view->tiebreak_count + 1;
	bool		ordered = false;

	plan->view = view;
	plan->delay = delay;
	plan->column_names = palloc(sizeof(char *) * most);
	plan->column_types = palloc(sizeof(Oid) * most);
	plan->column_collations = palloc(sizeof(Oid) * most);
	plan->filters = palloc(sizeof(char *) * most);
	plan->feature_column = palloc(sizeof(int) * most);
	plan->feature_filter = palloc(sizeof(int) * most);
	for (int i = 0; i < view->feature_count; i++)
	{
		const MdlFeature *feature = &view->features[i];
		Oid			collation = InvalidOid;

		if (feature->column != NULL)
			collation = get_typcollation(feature->column_type);
		if (OidIsValid(feature->collation))
			collation = feature->collation;
		plan->feature_column[i] = feature->column ?
			plan_column(plan, feature->column, feature->column_type, collation) : -1;
		plan->feature_filter[i] = feature->filter ? plan_filter(plan, feature->filter) : -1;
		ordered |= feature->aggregate == AGG_LAST || feature->aggregate == AGG_FIRST;
	}
	plan->first_tiebreak = plan->column_count;
	for (int i = 0; ordered && i < view->tiebreak_count; i++)
	{
		AttrNumber	number = get_attnum(view->source, view->tiebreak[i]);
		Oid			type,
					collation;
		int32		typmod;

		get_atttypetypmodcoll(view->source, number, &type, &typmod, &collation);
		plan->column_names[plan->column_count] = view->tiebreak[i];
		plan->column_types[plan->column_count] = getBaseType(type);
		plan->column_collations[plan->column_count++] = collation;
	}
	if (plan->column_count + plan->filter_count > MDL_MAX_EVENT_BITS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("feature view \"%s\" has %d columns and filters, more than %d", view->name,
						plan->column_count + plan->filter_count, MDL_MAX_EVENT_BITS),
				 errhint("Split it into several feature views.")));
	return plan;
}

int64
mdl_time_before(int64 time, int64 length)
{
	int64		result;

	if (TIMESTAMP_NOT_FINITE(time))
		return time;
	if (pg_sub_s64_overflow(time, length, &result))
		return length > 0 ? DT_NOBEGIN : DT_NOEND;
	return result;
}

bool
mdl_feature_back(const MdlFeatureView *view, const MdlFeature *feature, int64 delay, int64 *back)
{
	if (feature->window == 0 && !view->has_ttl)
		return false;
	*back = PG_INT64_MAX;
	if (feature->window != 0 && pg_add_s64_overflow(feature->window, delay, back))
		*back = PG_INT64_MAX;
	if (view->has_ttl)
		*back = Min(*back, view->ttl);
	return true;
}
