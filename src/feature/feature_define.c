/*
 * feature_define.c: definitions of feature views: the jsonb that says which features there are, and what they mean
 * against the source as it is now.
 *
 * A definition is parsed (mdl_feature_parse: the keys and their values) and resolved (mdl_feature_resolve: columns,
 * types, filters).  Parsing needs no table; resolving is done again whenever a stored view is used, so that a column
 * that was renamed or dropped since is an error that says so, never a wrong value.
 */
#include "feature/feature_int.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

static const char *const aggregate_names[] = {
	[AGG_COUNT] = "count",
	[AGG_SUM] = "sum",
	[AGG_MEAN] = "mean",
	[AGG_MIN] = "min",
	[AGG_MAX] = "max",
	[AGG_STDDEV] = "stddev",
	[AGG_COUNT_DISTINCT] = "count_distinct",
	[AGG_LAST] = "last",
	[AGG_FIRST] = "first",
	[AGG_TREND] = "trend",
	[AGG_RATE] = "rate",
};

static const char *const feature_keys[] = {"agg", "column", "window", "filter", "per", "default", NULL};

const char *
mdl_aggregate_name(MdlAggregate aggregate)
{
	return aggregate_names[aggregate];
}

/* Which feature of which view an error is about. */
typedef struct FeatureContext
{
	const char *view;
	const char *feature;
	const char *sql;			/* text being parsed, NULL if none */
} FeatureContext;

static void
feature_error_context(void *arg)
{
	FeatureContext *context = arg;

	/* A cursor position that the parser reported is one in our text, not in the user's statement. */
	if (context->sql != NULL && geterrposition() > 0)
	{
		internalerrposition(geterrposition());
		internalerrquery(context->sql);
		errposition(0);
	}
	errcontext("feature \"%s\" of feature view \"%s\"", context->feature, context->view);
}

static void
push_context(ErrorContextCallback *callback, FeatureContext *context)
{
	callback->callback = feature_error_context;
	callback->arg = context;
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

int64
mdl_interval_length(const Interval *interval, const char *what)
{
	int64		days,
				length;

	if (interval->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is in months or years, which have no fixed length", what),
				 errhint("Write it in days, for example 30 days or 365 days; a day is 24 hours here.")));
	if (pg_mul_s64_overflow((int64) interval->day, USECS_PER_DAY, &days) ||
		pg_add_s64_overflow(days, interval->time, &length))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("%s is out of range", what)));
	return length;
}

/* Reads an interval longer than zero out of a definition. */
static int64
positive_interval(const char *text, const char *key)
{
	Datum		interval = DirectFunctionCall3(interval_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1));
	int64		length = mdl_interval_length(DatumGetIntervalP(interval), psprintf("\"%s\" (%s)", key, text));

	if (length <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be longer than zero, but is %s", key, text)));
	return length;
}

static MdlAggregate
aggregate_by_name(const char *name)
{
	for (int i = 0; i < lengthof(aggregate_names); i++)
		if (strcmp(name, aggregate_names[i]) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("aggregate \"%s\" does not exist", name),
			 errhint("Aggregates are: count, sum, mean, min, max, stddev, count_distinct, last, first, trend, rate.")));
}

/* The text form of a JSON scalar; NULL for an absent key or null. */
static char *
scalar_text(Jsonb *object, const char *what, const char *key)
{
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(&object->root, key, strlen(key), &value) == NULL)
		return NULL;
	switch (value.type)
	{
		case jbvNull:
			return NULL;
		case jbvString:
			return pnstrdup(value.val.string.val, value.val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
		case jbvBool:
			return pstrdup(value.val.boolean ? "true" : "false");
		default:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" in argument \"%s\" must be a number, a string or a boolean", key, what)));
	}
}

static void
parse_one(MdlFeature *feature, const JsonbValue *definition)
{
	const char *what = psprintf("features.%s", feature->name);
	char	   *aggregate = NULL;
	Jsonb	   *object;

	if (definition->type != jbvBinary || !JsonContainerIsObject(definition->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a feature must be a JSON object"),
				 errhint("For example {\"agg\": \"count\", \"window\": \"30 days\"}.")));
	object = JsonbValueToJsonb((JsonbValue *) definition);
	mdl_jsonb_check_keys(object, what, feature_keys);
	mdl_jsonb_text(object, what, "agg", &aggregate);
	mdl_jsonb_text(object, what, "column", &feature->column);
	mdl_jsonb_text(object, what, "filter", &feature->filter);
	feature->aggregate = aggregate ? aggregate_by_name(aggregate) : AGG_LAST;
	if (mdl_jsonb_text(object, what, "window", &feature->window_text))
		feature->window = positive_interval(feature->window_text, "window");
	feature->per = USECS_PER_DAY;
	if (mdl_jsonb_text(object, what, "per", &feature->per_text))
		feature->per = positive_interval(feature->per_text, "per");
	feature->default_text = scalar_text(object, what, "default");

	if (feature->column == NULL && feature->aggregate != AGG_COUNT && feature->aggregate != AGG_RATE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("aggregate \"%s\" needs a column", aggregate_names[feature->aggregate]),
				 errhint("Add \"column\" to the definition.")));
	if (feature->aggregate == AGG_RATE && feature->window == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("aggregate \"rate\" needs a window"),
				 errhint("A rate is a count or a sum divided by the length of the window.")));
	if (feature->per_text != NULL && feature->aggregate != AGG_RATE && feature->aggregate != AGG_TREND)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"per\" has no meaning for aggregate \"%s\"", aggregate_names[feature->aggregate]),
				 errhint("Only rate and trend have a unit of time.")));
}

static int
compare_features(const void *a, const void *b)
{
	return strcmp(((const MdlFeature *) a)->name, ((const MdlFeature *) b)->name);
}

/* Names become column names, and "view:feature" and "view__feature" must be readable. */
static void
check_name(const char *name, int length, const char *what)
{
	if (length == 0 || length >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("%s name \"%.*s\" must have 1 to %d bytes", what, length, name, NAMEDATALEN - 1)));
	if (memchr(name, ':', length) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("%s name \"%.*s\" contains a colon", what, length, name),
				 errhint("The colon separates view and feature where features are asked for.")));
}

void
mdl_feature_parse(MdlFeatureView *view, Jsonb *definitions)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	check_name(view->name, strlen(view->name), "feature view");
	if (!JB_ROOT_IS_OBJECT(definitions) || JB_ROOT_COUNT(definitions) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"features\" must be a JSON object with at least one feature"),
				 errhint("For example {\"orders_30d\": {\"agg\": \"count\", \"window\": \"30 days\"}}.")));
	view->features = palloc0(sizeof(MdlFeature) * JB_ROOT_COUNT(definitions));
	view->feature_count = 0;
	iterator = JsonbIteratorInit(&definitions->root);
	(void) JsonbIteratorNext(&iterator, &value, true);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) == WJB_KEY)
	{
		MdlFeature *feature = &view->features[view->feature_count++];
		ErrorContextCallback callback;
		FeatureContext context = {.view = view->name};

		check_name(value.val.string.val, value.val.string.len, "feature");
		feature->name = pnstrdup(value.val.string.val, value.val.string.len);
		context.feature = feature->name;
		push_context(&callback, &context);
		(void) JsonbIteratorNext(&iterator, &value, true);
		parse_one(feature, &value);
		error_context_stack = callback.previous;
	}
	qsort(view->features, view->feature_count, sizeof(MdlFeature), compare_features);
}

static void
push_pair(JsonbParseState **state, const char *key, const char *text)
{
	JsonbValue	value = {.type = jbvString};

	if (text == NULL)
		return;
	value.val.string.val = (char *) key;
	value.val.string.len = strlen(key);
	pushJsonbValue(state, WJB_KEY, &value);
	value.val.string.val = (char *) text;
	value.val.string.len = strlen(text);
	pushJsonbValue(state, WJB_VALUE, &value);
}

Jsonb *
mdl_feature_unparse(const MdlFeatureView *view)
{
	JsonbParseState *state = NULL;
	JsonbValue *result;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < view->feature_count; i++)
	{
		const MdlFeature *feature = &view->features[i];
		JsonbValue	name = {.type = jbvString};

		name.val.string.val = feature->name;
		name.val.string.len = strlen(feature->name);
		pushJsonbValue(&state, WJB_KEY, &name);
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_pair(&state, "agg", aggregate_names[feature->aggregate]);
		push_pair(&state, "column", feature->column);
		push_pair(&state, "window", feature->window_text);
		push_pair(&state, "filter", feature->filter);
		push_pair(&state, "per", feature->per_text);
		push_pair(&state, "default", feature->default_text);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(result);
}

/* A column of the source: its base type, type modifier and collation; an error naming `use` if there is none. */
static void
source_column(const MdlFeatureView *view, Relation source, const char *column, const char *use, Oid *type, int32 *typmod, Oid *collation)
{
	TupleDesc	desc = RelationGetDescr(source);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), column) != 0)
			continue;
		*typmod = attribute->atttypmod;
		*type = getBaseTypeAndTypmod(attribute->atttypid, typmod);
		*collation = attribute->attcollation;
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of %s, used as %s, does not exist", column,
					mdl_display_name(RelationGetRelid(source)), use),
			 view->stored ? errhint("It was renamed or dropped; create feature view \"%s\" again with replace => true.",
									view->name) : 0));
}

/* Analyses a filter as a WHERE clause over the source. */
static Node *
analyse_filter(Relation source, const char *sql, List **rtable_context)
{
	ParseState *pstate = make_parsestate(NULL);
	List	   *raw = raw_parser(sql, RAW_PARSE_DEFAULT);
	SelectStmt *select = list_length(raw) == 1 ? (SelectStmt *) linitial_node(RawStmt, raw)->stmt : NULL;
	ParseNamespaceItem *item;
	Node	   *expression;

	if (select == NULL || !IsA(select, SelectStmt) || select->op != SETOP_NONE || select->valuesLists != NIL ||
		list_length(select->targetList) != 1 || select->fromClause != NIL || select->whereClause != NULL ||
		select->groupClause != NIL || select->havingClause != NULL || select->windowClause != NIL ||
		select->sortClause != NIL || select->limitCount != NULL || select->limitOffset != NULL ||
		select->lockingClause != NIL || select->withClause != NULL || select->distinctClause != NIL ||
		select->intoClause != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("\"filter\" must be one boolean expression")));
	pstate->p_sourcetext = sql;
	item = addRangeTableEntryForRelation(pstate, source, AccessShareLock, NULL, false, true);
	addNSItemToQuery(pstate, item, true, true, true);
	expression = transformExpr(pstate, ((ResTarget *) linitial(select->targetList))->val, EXPR_KIND_WHERE);
	expression = coerce_to_boolean(pstate, expression, "filter");
	assign_expr_collations(pstate, expression);
	if (pstate->p_hasSubLinks)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"filter\" contains a subquery"),
				 errhint("A filter may use the columns of its own row only; join the other table in a view.")));
	if (contain_mutable_functions(expression))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"filter\" contains a function or cast that is not immutable"),
				 errdetail("Its value could change from session to session, or from one day to the next."),
				 errhint("For parts of a timestamptz column, take them from (column AT TIME ZONE 'UTC').")));
	*rtable_context = deparse_context_for(RelationGetRelationName(source), RelationGetRelid(source));
	return expression;
}

/* Checks a filter; returns its text with every name outside pg_catalog qualified if `canonical`, else as it is. */
static char *
check_filter(Relation source, char *filter, bool canonical, FeatureContext *context)
{
	const char *sql = psprintf("SELECT (%s\n)", filter);
	OverrideSearchPath *path;
	List	   *deparse_context;
	Node	   *expression;
	char	   *text;

	context->sql = sql;
	expression = analyse_filter(source, sql, &deparse_context);
	context->sql = NULL;
	if (!canonical)
		return filter;
	path = GetOverrideSearchPath(CurrentMemoryContext);
	path->schemas = NIL;
	path->addCatalog = true;
	path->addTemp = false;
	PushOverrideSearchPath(path);
	text = deparse_expression(expression, deparse_context, false, false);
	PopOverrideSearchPath();
	return text;
}

static bool
is_number(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == FLOAT4OID || type == FLOAT8OID ||
		type == NUMERICOID || type == BOOLOID;
}

/* Sets the type of a feature's values from the aggregate and the column's type. */
static void
result_type(MdlFeature *feature, int32 typmod, Oid collation)
{
	Oid			type = feature->column_type;
	TypeCacheEntry *entry;

	feature->typmod = -1;
	feature->collation = InvalidOid;
	switch (feature->aggregate)
	{
		case AGG_COUNT:
		case AGG_COUNT_DISTINCT:
			feature->type = INT8OID;
			break;
		case AGG_SUM:
			feature->type = type == INT8OID || type == NUMERICOID ? NUMERICOID :
				type == FLOAT4OID || type == FLOAT8OID ? FLOAT8OID : INT8OID;
			break;
		case AGG_MEAN:
		case AGG_STDDEV:
		case AGG_TREND:
		case AGG_RATE:
			feature->type = FLOAT8OID;
			break;
		case AGG_MIN:
		case AGG_MAX:
		case AGG_LAST:
		case AGG_FIRST:
			feature->type = type;
			feature->typmod = typmod;
			feature->collation = collation;
			break;
	}
	switch (feature->aggregate)
	{
		case AGG_SUM:
		case AGG_MEAN:
		case AGG_STDDEV:
		case AGG_TREND:
		case AGG_RATE:
			if (feature->column != NULL && !is_number(type))
				ereport(ERROR,
						(errcode(ERRCODE_DATATYPE_MISMATCH),
						 errmsg("aggregate \"%s\" needs a number, but column \"%s\" has type %s",
								aggregate_names[feature->aggregate], feature->column, format_type_be(type)),
						 errhint("Numbers are smallint, integer, bigint, numeric, real, double precision and boolean (as 0 and 1).")));
			break;
		case AGG_MIN:
		case AGG_MAX:
		case AGG_COUNT_DISTINCT:
			entry = lookup_type_cache(type, TYPECACHE_LT_OPR);
			if (!OidIsValid(entry->lt_opr))
				ereport(ERROR,
						(errcode(ERRCODE_DATATYPE_MISMATCH),
						 errmsg("aggregate \"%s\" needs a type that can be sorted, but column \"%s\" has type %s",
								aggregate_names[feature->aggregate], feature->column, format_type_be(type))));
			break;
		default:
			break;
	}
}

static void
resolve_feature(MdlFeatureView *view, MdlFeature *feature, Relation source, bool canonical)
{
	ErrorContextCallback callback;
	FeatureContext context = {.view = view->name, .feature = feature->name};
	int32		typmod = -1;
	Oid			collation = InvalidOid;

	push_context(&callback, &context);
	for (int i = 0; i < view->entity_count; i++)
		if (strcmp(feature->name, view->entity[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("feature \"%s\" has the name of an entity column", feature->name)));
	if (feature->column != NULL)
		source_column(view, source, feature->column, psprintf("column of feature \"%s\"", feature->name),
					  &feature->column_type, &typmod, &collation);
	result_type(feature, typmod, collation);
	if (feature->filter != NULL)
		feature->filter = check_filter(source, feature->filter, canonical, &context);
	if (feature->default_text != NULL)
	{
		Oid			input,
					io_param;

		getTypeInputInfo(feature->type, &input, &io_param);
		feature->default_value = OidInputFunctionCall(input, feature->default_text, io_param, feature->typmod);
	}
	error_context_stack = callback.previous;
}

static void
check_time_column(Relation source, const MdlFeatureView *view)
{
	const char *column = view->at;
	Oid			type,
				collation;
	int32		typmod;

	source_column(view, source, column, "event time", &type, &typmod, &collation);
	if (type != TIMESTAMPTZOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("event time \"%s\" of %s must be timestamp with time zone, but is %s", column,
						mdl_display_name(RelationGetRelid(source)), format_type_be(type)),
				 type == TIMESTAMPOID ?
				 errhint("A time without zone is not an instant: use a view with (%s AT TIME ZONE 'UTC'), or the zone in which it was written.", column) :
				 type == DATEOID ?
				 errhint("A day is not an instant: use a view that says when the day's values were known, for example ((%s + 1)::timestamp AT TIME ZONE 'UTC').", column) : 0));
}

static void
check_key_columns(Relation source, const MdlFeatureView *view)
{
	Oid			type,
				collation;
	int32		typmod;

	for (int i = 0; i < view->entity_count; i++)
	{
		TypeCacheEntry *entry;

		source_column(view, source, view->entity[i], "entity", &type, &typmod, &collation);
		entry = lookup_type_cache(mdl_entity_canonical_type(type), TYPECACHE_HASH_PROC | TYPECACHE_EQ_OPR);
		if (!OidIsValid(entry->hash_proc) || !OidIsValid(entry->eq_opr))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("entity \"%s\" of %s has type %s, which cannot be hashed", view->entity[i],
							mdl_display_name(RelationGetRelid(source)), format_type_be(type))));
		for (int j = 0; j < i; j++)
			if (strcmp(view->entity[i], view->entity[j]) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("entity \"%s\" is named twice", view->entity[i])));
	}
	for (int i = 0; i < view->tiebreak_count; i++)
	{
		source_column(view, source, view->tiebreak[i], "tie breaker", &type, &typmod, &collation);
		if (!OidIsValid(lookup_type_cache(type, TYPECACHE_LT_OPR)->lt_opr))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("tie breaker \"%s\" of %s has type %s, which cannot be sorted", view->tiebreak[i],
							mdl_display_name(RelationGetRelid(source)), format_type_be(type))));
	}
}

void
mdl_feature_resolve(MdlFeatureView *view, bool canonical)
{
	Relation	source;
	char		kind = get_rel_relkind(view->source);

	if (kind == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the source of feature view \"%s\" does not exist any more", view->name),
				 errhint("Create the feature view again with replace => true, or drop it with medallion.drop_feature_view.")));
	if (kind != RELKIND_RELATION && kind != RELKIND_VIEW && kind != RELKIND_MATVIEW &&
		kind != RELKIND_PARTITIONED_TABLE && kind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("source %s of feature view \"%s\" is not a table or view", mdl_display_name(view->source), view->name)));
	if (pg_class_aclcheck(view->source, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(view->source, GetUserId(), ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(kind), mdl_display_name(view->source));

	source = relation_open(view->source, AccessShareLock);
	check_time_column(source, view);
	check_key_columns(source, view);
	for (int i = 0; i < view->feature_count; i++)
		resolve_feature(view, &view->features[i], source, canonical);
	relation_close(source, NoLock);
}
