/*
 * incremental_fixed.c: whether the answer of a query depends on its sources alone, and a fingerprint of what it means.
 *
 * An incremental refresh leaves rows alone whose sources did not change, so it must not meet a function whose answer
 * changes by itself.  IMMUTABLE functions do not.  STABLE ones may, now() for one; but many are only STABLE because they
 * depend on TimeZone, DateStyle or IntervalStyle, and those are kept with the definition.  They are listed here by name.
 * Text read as a date or time is among them: 'now' or 'today' as a value of a source means the time of the refresh that read it.
 */
#include "pipeline/incremental_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_class.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/md5.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* STABLE functions of pg_catalog that depend on nothing but their arguments and the settings kept; in order. */
static const char *const steady[] = {
	"anyarray_out", "anycompatiblearray_out", "anyenum_out", "anytextcat", "array_in", "array_out", "array_to_json",
	"array_to_string", "concat", "concat_ws", "convert", "convert_from", "convert_to", "date", "date_cmp_timestamptz",
	"date_eq_timestamptz", "date_ge_timestamptz", "date_gt_timestamptz", "date_in", "date_le_timestamptz",
	"date_lt_timestamptz", "date_ne_timestamptz", "date_out", "date_part", "date_trunc", "domain_in", "enum_in", "enum_out",
	"extract", "format", "generate_series", "in_range", "interval_in", "interval_out", "interval_pl_timestamptz",
	"json_agg", "json_agg_transfn", "json_build_array", "json_build_object", "json_object_agg", "json_object_agg_transfn",
	"json_populate_record", "json_populate_recordset", "json_to_record", "json_to_recordset", "jsonb_agg",
	"jsonb_agg_finalfn", "jsonb_agg_transfn", "jsonb_build_array", "jsonb_build_object", "jsonb_object_agg",
	"jsonb_object_agg_finalfn", "jsonb_object_agg_transfn", "jsonb_path_exists_tz", "jsonb_path_match_tz",
	"jsonb_path_query_array_tz", "jsonb_path_query_first_tz", "jsonb_path_query_tz", "jsonb_populate_record",
	"jsonb_populate_recordset", "jsonb_to_record", "jsonb_to_recordset", "length", "make_timestamptz", "multirange_in",
	"multirange_out", "numeric", "overlaps", "quote_literal", "quote_nullable", "range_in", "range_out", "record_in",
	"record_out", "row_to_json", "textanycat", "time", "time_in", "timestamp", "timestamp_cmp_timestamptz",
	"timestamp_eq_timestamptz", "timestamp_ge_timestamptz", "timestamp_gt_timestamptz", "timestamp_in",
	"timestamp_le_timestamptz", "timestamp_lt_timestamptz", "timestamp_ne_timestamptz", "timestamp_out", "timestamptz",
	"timestamptz_cmp_date", "timestamptz_cmp_timestamp", "timestamptz_eq_date", "timestamptz_eq_timestamp",
	"timestamptz_ge_date", "timestamptz_ge_timestamp", "timestamptz_gt_date", "timestamptz_gt_timestamp", "timestamptz_in",
	"timestamptz_le_date", "timestamptz_le_timestamp", "timestamptz_lt_date", "timestamptz_lt_timestamp",
	"timestamptz_mi_interval", "timestamptz_ne_date", "timestamptz_ne_timestamp", "timestamptz_out", "timestamptz_pl_interval",
	"timetz", "timezone", "to_char", "to_date", "to_json", "to_jsonb", "to_number", "to_timestamp"
};

/* Functions of medallion of which the same is true. */
static const char *const own_steady[] = {"try_cast", "try_timestamp"};

static bool
is_own_steady(Oid function)
{
	if (get_func_namespace(function) != get_namespace_oid(MDL_SCHEMA, true))
		return false;
	for (int i = 0; i < lengthof(own_steady); i++)
		if (strcmp(get_func_name(function), own_steady[i]) == 0)
			return true;
	return false;
}

static int
compare_names(const void *name, const void *entry)
{
	return strcmp((const char *) name, *(const char *const *) entry);
}

/* Calls `visit` for the functions an aggregate is made of, also where it is computed in parts or over a moving frame. */
static bool
visit_aggregate(Oid function, bool (*visit) (Oid function, void *context), void *context)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(function));
	Form_pg_aggregate form;
	bool		result = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	for (int i = 0; i < 8 && !result; i++)
	{
		Oid			part = ((Oid[]) {form->aggtransfn, form->aggfinalfn, form->aggcombinefn, form->aggserialfn, form->aggdeserialfn,
									 form->aggmtransfn, form->aggminvtransfn, form->aggmfinalfn})[i];

		result = OidIsValid(part) && visit(part, context);
	}
	ReleaseSysCache(tuple);
	return result;
}

/* ---- what may change by itself -------------------------------------------------------------------------------- */

static bool
is_unsteady(Oid function, void *context)
{
	char	  **found = context;
	char		volatility = func_volatile(function);

	if (volatility == PROVOLATILE_IMMUTABLE)
		return get_func_prokind(function) == PROKIND_AGGREGATE && visit_aggregate(function, is_unsteady, context);
	if (volatility == PROVOLATILE_STABLE && function < FirstNormalObjectId &&
		!(get_func_nargs(function) == 1 && strcmp(get_func_name(function), "age") == 0) &&
		bsearch(get_func_name(function), steady, lengthof(steady), sizeof(char *), compare_names) != NULL)
		return false;
	if (volatility == PROVOLATILE_STABLE && is_own_steady(function))
		return false;
	*found = psprintf("%s is not IMMUTABLE, so its answer may change while the sources do not", format_procedure(function));
	return true;
}

/* System columns tell where a row is and who wrote it, which may change while the row does not. */
static bool
find_unsteady(Node *node, char **found)
{
	check_stack_depth();
	if (node == NULL)
		return false;
	if (IsA(node, SQLValueFunction))
	{
		*found = pstrdup("current_date, current_user and the like change while the sources do not");
		return true;
	}
	if (IsA(node, Var) && ((Var *) node)->varattno < 0)
	{
		*found = pstrdup("a system column is read");
		return true;
	}
	if (check_functions_in_node(node, is_unsteady, found))
		return true;
	if (IsA(node, RangeTblEntry))
	{
		if (((RangeTblEntry *) node)->tablesample != NULL)
		{
			*found = psprintf("a sample of \"%s\" is read, which depends on where its rows are", mdl_display_name(((RangeTblEntry *) node)->relid));
			return true;
		}
		if (((RangeTblEntry *) node)->securityQuals != NIL)
		{
			*found = psprintf("row-level security of \"%s\" applies", mdl_display_name(((RangeTblEntry *) node)->relid));
			return true;
		}
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_unsteady, found, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, find_unsteady, found);
}

char *
mdl_query_unsteady(Query *query)
{
	char	   *found = NULL;

	find_unsteady((Node *) query, &found);
	return found;
}

/* ---- fingerprint -------------------------------------------------------------------------------------------------- */

/*
 * What a query means beside what it says: the functions it calls, and what values look like as text or JSON, labels of enums and
 * names of attributes, which may be renamed.  Each is added once, and nothing for what is part of the server.
 */
typedef struct Meaning
{
	StringInfoData text;
	List	   *functions;		/* that were added */
	List	   *types;
} Meaning;

static bool add_meaning(Node *node, Meaning *meaning);

/* A function that is replaced gets another row in pg_proc; so do those that its body calls, where the server keeps that analysed. */
static bool
add_function(Oid function, void *context)
{
	Meaning    *meaning = context;
	HeapTuple	tuple;
	Datum		body;
	bool		is_null;

	check_stack_depth();
	if (function < FirstNormalObjectId || list_member_oid(meaning->functions, function))
		return false;
	meaning->functions = lappend_oid(meaning->functions, function);
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return false;
	appendStringInfo(&meaning->text, " %u:%u:%u:%u", function, HeapTupleHeaderGetRawXmin(tuple->t_data),
					 ItemPointerGetBlockNumber(&tuple->t_self), ItemPointerGetOffsetNumber(&tuple->t_self));
	body = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosqlbody, &is_null);
	if (!is_null)
		add_meaning(stringToNode(TextDatumGetCString(body)), meaning);
	ReleaseSysCache(tuple);
	if (get_func_prokind(function) == PROKIND_AGGREGATE)
		visit_aggregate(function, add_function, context);
	return false;
}

static void
add_labels(Oid type, StringInfo text)
{
	Relation	catalog = table_open(EnumRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_enum_enumtypid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(type));
	scan = systable_beginscan(catalog, EnumTypIdLabelIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		appendStringInfo(text, " %u=%s", ((Form_pg_enum) GETSTRUCT(tuple))->oid,
						 quote_identifier(NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel)));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

static void add_type(Oid type, Meaning *meaning);

static void
add_attributes(Oid type, Meaning *meaning)
{
	TupleDesc	attributes = lookup_rowtype_tupdesc_copy(type, -1);

	for (int i = 0; i < attributes->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(attributes, i);

		if (attribute->attisdropped)
			continue;
		appendStringInfo(&meaning->text, " %u.%s", type, quote_identifier(NameStr(attribute->attname)));
		add_type(attribute->atttypid, meaning);
	}
}

static void
add_type(Oid type, Meaning *meaning)
{
	Oid			inner = getBaseType(type);

	check_stack_depth();
	if (OidIsValid(get_element_type(inner)))
		inner = getBaseType(get_element_type(inner));
	else if (type_is_range(inner))
		inner = getBaseType(get_range_subtype(inner));
	else if (type_is_multirange(inner))
		inner = getBaseType(get_range_subtype(get_multirange_range(inner)));
	if (inner < FirstNormalObjectId || list_member_oid(meaning->types, inner))
		return;
	meaning->types = lappend_oid(meaning->types, inner);
	if (type_is_enum(inner))
		add_labels(inner, &meaning->text);
	else if (get_typtype(inner) == TYPTYPE_COMPOSITE)
		add_attributes(inner, meaning);
}

/* Where values of a type come into a query: everywhere else they are handed on. */
static void
add_types_of(Node *node, Meaning *meaning)
{
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
		case T_FuncExpr:
		case T_OpExpr:
		case T_Aggref:
		case T_WindowFunc:
		case T_CoerceViaIO:
		case T_RowExpr:
			add_type(exprType(node), meaning);
			break;
		default:
			break;
	}
}

static bool
add_meaning(Node *node, Meaning *meaning)
{
	if (node == NULL)
		return false;
	check_functions_in_node(node, add_function, meaning);
	add_types_of(node, meaning);
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, add_meaning, meaning, 0);
	return expression_tree_walker(node, add_meaning, meaning);
}

char *
mdl_query_fingerprint(Query *query)
{
	Meaning		meaning = {0};
	char	   *sum = palloc(33);
	const char *error = NULL;

	initStringInfo(&meaning.text);
	appendStringInfoString(&meaning.text, nodeToString(query));
	add_meaning((Node *) query, &meaning);
	if (!pg_md5_hash(meaning.text.data, meaning.text.len, sum, &error))
		elog(ERROR, "could not compute a checksum: %s", error);
	pfree(meaning.text.data);
	return sum;
}
