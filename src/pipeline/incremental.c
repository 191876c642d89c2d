/*
 * incremental.c: what has changed since the last refresh of a table, and which units that concerns.
 *
 * The changes of each source are the difference between what the last refresh saw of it and what this one sees
 * (versioning/net_changes.c).  They lead to rows of the result (incremental_trace.c), whose values in the key columns that
 * are known are the units.  The table itself and its quarantine table count as well: what others wrote there is undone.
 *
 * A table is refreshed in full when that cannot be told, or when so much has changed that it is no less work.
 */
#include "pipeline/definition_int.h"
#include "pipeline/incremental_int.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/plancat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

/* This many changed rows, or units, are always few. */
#define FEW 1000

/* And this many of a source of unknown size. */
#define FEW_OF_UNKNOWN 100000

/* No more rows are looked at to find units. */
#define MANY 10000000

/* Finding the units may cost this much, in units of the planner, and twice what computing everything costs. */
#define CHEAP 1000000

/* More unit columns than this are not used: units are then coarser. */
#define MAX_UNIT_COLUMNS 8

/* ---- sources ------------------------------------------------------------------------------------------------ */

static bool
collect_relations(Node *node, List **relations)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, collect_relations, relations, QTW_EXAMINE_RTES_BEFORE);
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;

		if (entry->rtekind == RTE_RELATION && entry->relkind != RELKIND_VIEW)
			*relations = list_append_unique_oid(*relations, entry->relid);
		return false;
	}
	return expression_tree_walker(node, collect_relations, relations);
}

/* Why changes of a relation cannot be told; NULL if they can. */
static char *
source_obstacle(Oid relid)
{
	char	   *name = mdl_pipeline_relation_name(relid);

	switch (get_rel_relkind(relid))
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
			break;
		case RELKIND_FOREIGN_TABLE:
			return psprintf("%s is a foreign table, whose changes are not known", name);
		case RELKIND_MATVIEW:
			return psprintf("%s is a materialized view, whose changes are not known", name);
		default:
			return psprintf("%s is no table", name);
	}
	if (!mdl_is_versioned(relid))
		return psprintf("%s is not versioned, so its changes are not known", name);
	return NULL;
}

static char *
sources_obstacle(List *sources, List *cursors)
{
	ListCell   *cell;

	foreach(cell, sources)
	{
		SourceCursor *cursor = mdl_cursor_of(cursors, lfirst_oid(cell));
		char	   *why = cursor ? mdl_cursor_obstacle(cursor) : source_obstacle(lfirst_oid(cell));

		if (why)
			return why;
	}
	return NULL;
}

/* As the planner estimates it; of a partitioned table, that of its partitions. */
static double
estimated_rows(Oid relid)
{
	double		all = 0;
	ListCell   *cell;

	foreach(cell, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Relation	relation = table_open(lfirst_oid(cell), NoLock);
		BlockNumber pages;
		double		rows = 0,
					visible;

		if (RELKIND_HAS_TABLE_AM(relation->rd_rel->relkind))
			estimate_rel_size(relation, NULL, &pages, &rows, &visible);
		all += rows;
		table_close(relation, NoLock);
	}
	return all;
}

static void
take_image(void *state, Datum *values, bool *nulls, int sign)
{
	ChangedSource *source = state;
	int			count = source->columns->natts;

	memcpy(source->values, values, sizeof(Datum) * count);
	memcpy(source->nulls, nulls, sizeof(bool) * count);
	source->values[count] = Int32GetDatum(sign);
	source->nulls[count] = false;
	tuplestore_putvalues(source->images, source->image_columns, source->values, source->nulls);
}

/* The columns of a table and the sign. */
static TupleDesc
with_sign(TupleDesc columns)
{
	TupleDesc	extended = CreateTemplateTupleDesc(columns->natts + 1);

	for (int i = 1; i <= columns->natts; i++)
		TupleDescCopyEntry(extended, i, columns, i);
	TupleDescInitEntry(extended, columns->natts + 1, "_sign", INT4OID, -1, 0);
	return extended;
}

ChangedSource *
mdl_changed_source_begin(Oid relid)
{
	ChangedSource *source = palloc0_object(ChangedSource);

	source->relid = relid;
	source->columns = mdl_relation_columns(relid);
	source->image_columns = with_sign(source->columns);
	source->values = palloc_array(Datum, source->image_columns->natts);
	source->nulls = palloc_array(bool, source->image_columns->natts);
	source->name = psprintf("medallion_changes_%u", relid);
	source->images = tuplestore_begin_heap(true, false, work_mem);
	return source;
}

/* The changed rows of a relation; NULL, with *why set, if they are not known or too many. */
static ChangedSource *
collect_changes(Oid relid, const MdlSeen *seen, Snapshot snapshot, double limit, char **why)
{
	ChangedSource *source = mdl_changed_source_begin(relid);
	const char *obstacle;

	limit = Max(limit * estimated_rows(relid), FEW);
	source->count = mdl_rows_changed_since(relid, seen, snapshot, (int64) limit, take_image, source,
										   &source->exact, &obstacle);
	if (source->count < 0)
		*why = psprintf("%s %s", mdl_pipeline_relation_name(relid), obstacle);
	else if (source->count > (int64) limit)
		*why = psprintf("so much of %s has changed that computing everything is no more work", mdl_pipeline_relation_name(relid));
	else
		return source;
	tuplestore_end(source->images);
	return NULL;
}

/* ---- units -------------------------------------------------------------------------------------------------- */

/* The key columns that can be unit columns: compared by the default equality of their type. */
static Bitmapset *
usable_keys(const DerivedTable *table, TupleDesc columns, const KeyColumn *keys)
{
	Bitmapset  *usable = NULL;

	for (int i = 0; i < table->key_count; i++)
	{
		AttrNumber	column = get_attnum(table->definition, table->keys[i]);
		Oid			type = TupleDescAttr(columns, column - 1)->atttypid;

		if (keys[i].operator == lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr &&
			OidIsValid(get_array_type(getBaseType(type))))
			usable = bms_add_member(usable, column);
	}
	return usable;
}

/* Leaves not too many columns, those that vary first. */
static Bitmapset *
cut_columns(Bitmapset *columns, Bitmapset *varying)
{
	Bitmapset  *kept = NULL;

	for (int pass = 0; pass < 2; pass++)
		for (int column = -1; (column = bms_next_member(columns, column)) >= 0;)
			if (bms_num_members(kept) < MAX_UNIT_COLUMNS && (pass > 0 || bms_is_member(column, varying)))
				kept = bms_add_member(kept, column);
	return kept;
}

typedef struct UnitReceiver
{
	DestReceiver dest;			/* must be first */
	Tuplestorestate *rows;
	TupleDesc	columns;
	int		   *sources;		/* (natts) column of what comes, from 0 */
} UnitReceiver;

static void
put_unit(UnitReceiver *receiver, const Datum *values, const bool *nulls)
{
	Datum		unit[INDEX_MAX_KEYS];
	bool		unit_nulls[INDEX_MAX_KEYS];

	for (int i = 0; i < receiver->columns->natts; i++)
	{
		unit[i] = values[receiver->sources[i]];
		unit_nulls[i] = nulls[receiver->sources[i]];
	}
	tuplestore_putvalues(receiver->rows, receiver->columns, unit, unit_nulls);
}

static bool
receive_unit(TupleTableSlot *slot, DestReceiver *self)
{
	if (tuplestore_tuple_count(((UnitReceiver *) self)->rows) >= MANY)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("they are too many")));
	slot_getallattrs(slot);
	put_unit((UnitReceiver *) self, slot->tts_values, slot->tts_isnull);
	return true;
}

static UnitReceiver *
unit_receiver(TupleDesc columns, Bitmapset *wanted)
{
	UnitReceiver *receiver = palloc0_object(UnitReceiver);
	int			count = bms_num_members(wanted);
	int			column = -1;

	receiver->dest = mdl_row_receiver(receive_unit);
	receiver->rows = tuplestore_begin_heap(false, false, work_mem);
	receiver->columns = CreateTemplateTupleDesc(count);
	receiver->sources = palloc_array(int, count);
	for (int i = 0; (column = bms_next_member(wanted, column)) >= 0; i++)
	{
		TupleDescCopyEntry(receiver->columns, i + 1, columns, column);
		TupleDescAttr(receiver->columns, i)->attnotnull = false;
		receiver->sources[i] = column - 1;
	}
	return receiver;
}

typedef struct GuardedQuery
{
	Query	   *query;
	QueryEnvironment *environment;
	double		limit;
	DestReceiver *dest;
	PlannedStmt *plan;
	char	   *unplanned;		/* why there is none */
} GuardedQuery;

static void
plan_query(void *argument)
{
	GuardedQuery *guarded = argument;

	guarded->plan = mdl_query_plan(guarded->query, NULL, guarded->limit);
}

/* Where parts of a query refer to each other from the side in ways that nobody writes by hand, the planner may give up. */
static void
run_query(void *argument)
{
	GuardedQuery *guarded = argument;
	ErrorData  *error = mdl_try(plan_query, guarded);

	if (error == NULL)
		mdl_query_execute(guarded->plan, NULL, guarded->environment, guarded->dest);
	else if (error->sqlerrcode == ERRCODE_INTERNAL_ERROR)
		guarded->unplanned = error->message;
	else
		ReThrowError(error);
}

char *
mdl_run_guarded(Query *query, List *changed, double limit, DestReceiver *dest)
{
	GuardedQuery guarded = {.query = query, .environment = create_queryEnv(), .limit = limit, .dest = dest};
	ErrorData  *error;
	ListCell   *cell;

	foreach(cell, changed)
	{
		ChangedSource *source = lfirst(cell);

		mdl_offer_to(guarded.environment, source->name, source->images, source->image_columns);
	}
	error = mdl_guarded(run_query, &guarded);
	return error == NULL ? guarded.unplanned : error->message;
}

/* Takes the unit of a row whose correction was made or taken back. */
static void
take_corrected_unit(void *receiver, const Datum *values, const bool *nulls)
{
	put_unit(receiver, values, nulls);
}

/* Adds the units of rows that others wrote to the table or its quarantine table. */
static void
add_units_of(const ChangedSource *written, UnitReceiver *receiver)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(written->image_columns, &TTSOpsMinimalTuple);
	int			saved[INDEX_MAX_KEYS];

	memcpy(saved, receiver->sources, sizeof(int) * receiver->columns->natts);
	for (int i = 0; i < receiver->columns->natts; i++)
		receiver->sources[i] = get_attnum(written->relid, NameStr(TupleDescAttr(receiver->columns, i)->attname)) - 1;
	tuplestore_rescan(written->images);
	while (tuplestore_gettupleslot(written->images, true, false, slot))
		receive_unit(slot, &receiver->dest);
	ExecDropSingleTupleTableSlot(slot);
	memcpy(receiver->sources, saved, sizeof(int) * receiver->columns->natts);
}

/* Turns the rows received into units; NULL if there are none. */
static Units *
make_units(UnitReceiver *receiver, const DerivedTable *table, const KeyColumn *keys, Snapshot snapshot)
{
	int			count = receiver->columns->natts;
	Units	   *units = palloc0_object(Units);

	if (tuplestore_tuple_count(receiver->rows) == 0)
		return NULL;
	units->columns = palloc_array(char *, count);
	units->operators = palloc_array(Oid, count);
	units->types = palloc_array(Oid, count);
	units->values = palloc_array(Datum, count);
	units->with_null = palloc_array(bool, count);
	units->count = count;
	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute column = TupleDescAttr(receiver->columns, i);
		const char *name = quote_identifier(NameStr(column->attname));
		Oid			base = getBaseType(column->atttypid);
		char	   *type = mdl_type_name(base);
		MemoryContext context = CurrentMemoryContext;

		units->columns[i] = pstrdup(NameStr(column->attname));
		units->types[i] = get_array_type(base);
		for (int k = 0; k < table->key_count; k++)
			if (strcmp(table->keys[k], units->columns[i]) == 0)
				units->operators[i] = keys[k].operator;
		mdl_offer_rows("medallion_units", receiver->rows, receiver->columns);
		mdl_run_under_snapshot(psprintf("SELECT COALESCE(pg_catalog.array_agg(DISTINCT u.%s::%s) FILTER (WHERE u.%s IS DISTINCT FROM NULL), '{}'),"
										" pg_catalog.bool_or(u.%s IS NOT DISTINCT FROM NULL) FROM medallion_units u", name, type, name, name),
							   NULL, snapshot);
		SPI_unregister_relation("medallion_units");
		MemoryContextSwitchTo(context);
		units->values[i] = PointerGetDatum(DatumGetArrayTypePCopy(mdl_field(0, 0, NULL)));
		units->with_null[i] = DatumGetBool(mdl_field(0, 1, NULL));
		SPI_freetuptable(SPI_tuptable);
	}
	return units;
}

static double
units_count(const Units *units)
{
	double		count = 1;

	for (int i = 0; i < units->count; i++)
	{
		ArrayType  *values = DatumGetArrayTypeP(units->values[i]);

		count *= ArrayGetNItems(ARR_NDIM(values), ARR_DIMS(values)) + units->with_null[i];
	}
	return count;
}

/* ---- the plan ----------------------------------------------------------------------------------------------- */

/* The query and its rules, as what they mean is compared with the last time. */
static Query *
query_with_rules(const DerivedTable *table, TupleDesc columns, StringInfo rules)
{
	StringInfoData sql;
	int			count;
	Rule	   *rule = mdl_pipeline_rules(table->target, &count);

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s", mdl_column_list(columns, ""));
	for (int i = 0; i < count; i++)
	{
		appendStringInfo(&sql, ", (%s)", rule[i].expression);
		appendStringInfo(rules, " %s %s %d %.17g;", quote_identifier(rule[i].name), mdl_pipeline_action_name(rule[i].action),
						 rule[i].null_ok, rule[i].mostly);
	}
	appendStringInfo(&sql, " FROM %s AS d", mdl_qualified_name(table->definition));
	return mdl_query_analyse(sql.data, NULL);
}

static void
add_settings(const DerivedTable *table, StringInfo text)
{
	for (int i = 0; i < table->setting_count; i++)
		appendStringInfo(text, " %s", table->settings[i]);
}

static char *
names_of(List *changed)
{
	StringInfoData names;
	ListCell   *cell;

	initStringInfo(&names);
	foreach(cell, changed)
		appendStringInfo(&names, "%s%s", names.len ? ", " : "",
						 mdl_pipeline_relation_name(((ChangedSource *) lfirst(cell))->relid));
	return names.data;
}

/*
 * Finds the units that changes of the sources, of the table itself, and of corrections, lead to; *why is set if they cannot be
 * told.  Where `followed` is given and aggregates follow the changes, *followed is the result and no units are looked for.
 */
static Units *
find_units(const DerivedTable *table, TupleDesc columns, List *changed, List *written, const CorrectionChanges *corrected,
		   Snapshot snapshot, DerivedResult **followed, const char *hidden, char **why)
{
	KeyColumn  *keys = mdl_key_columns(table);
	Bitmapset  *wanted = usable_keys(table, columns, keys);
	Query	   *query = mdl_query_analyse(psprintf("SELECT %s FROM %s AS d", mdl_column_list(columns, ""),
												 mdl_qualified_name(table->definition)), NULL);
	UnitReceiver *receiver;
	Units	   *units;
	ListCell   *cell;

	mdl_query_prepare(query);
	if (changed != NIL)
	{
		Traced		traced = mdl_trace(query, changed, NULL);

		*why = traced.obstacle;
		wanted = cut_columns(bms_intersect(wanted, traced.known), traced.varying);
		if (*why == NULL && !bms_overlap(wanted, traced.varying))
			*why = psprintf("no key column tells which rows depend on what has changed in %s", names_of(changed));
	}
	else if (bms_is_empty(wanted = cut_columns(wanted, wanted)))
		*why = "no key column is compared by the equality of its type";
	if (*why)
		return NULL;
	if (followed && (*followed = mdl_deltas_follow(table, columns, keys, query, changed, hidden)) != NULL)
		return NULL;
	receiver = unit_receiver(columns, wanted);
	if (changed != NIL)
	{
		Traced		traced = mdl_trace(query, changed, wanted);
		char	   *message = traced.obstacle ? traced.obstacle : mdl_run_guarded(traced.query, changed, CHEAP + 2 * mdl_query_cost(query),
																		 &receiver->dest);

		if (message)
			*why = psprintf("which rows depend on what has changed could not be found: %s", message);
	}
	foreach(cell, written)
		add_units_of(lfirst(cell), receiver);
	mdl_correction_changes_rows(corrected, table, columns, take_corrected_unit, receiver);
	units = *why ? NULL : make_units(receiver, table, keys, snapshot);
	tuplestore_end(receiver->rows);
	return units;
}

static void
end_changes(List *changes)
{
	ListCell   *cell;

	foreach(cell, changes)
		tuplestore_end(((ChangedSource *) lfirst(cell))->images);
}

/* What a refresh says of what it found. */
static char *
describe_changes(List *changed, List *written, const CorrectionChanges *corrected)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, changed)
		appendStringInfo(&text, "%s%s", text.len ? ", " : "changed: ",
						 mdl_pipeline_relation_name(((ChangedSource *) lfirst(cell))->relid));
	if (written != NIL)
		appendStringInfo(&text, "%sthe table was written by others", text.len ? "; " : "");
	if (corrected->count > 0)
		appendStringInfo(&text, "%scorrections were made or taken back", text.len ? "; " : "");
	return text.len ? text.data : "no source has changed";
}

static int64
count_rows(const DerivedTable *table, Snapshot snapshot)
{
	mdl_run_under_snapshot(psprintf("SELECT pg_catalog.count(*) FROM ONLY %s", mdl_qualified_name(table->target)), NULL, snapshot);
	return mdl_field_int8(0, 0);
}

/* Of a foreign table that was never analysed nobody knows the size. */
static double
cursor_limit(const SourceCursor *cursor)
{
	Relation	relation = table_open(cursor->source, AccessShareLock);
	double		rows = RELKIND_HAS_TABLE_AM(relation->rd_rel->relkind) || relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE
		? estimated_rows(cursor->source) : relation->rd_rel->reltuples;

	table_close(relation, NoLock);
	return rows < 0 ? FEW_OF_UNKNOWN : Max(mdl_incremental_limit * rows, FEW);
}

/* Collects what has changed; false, with the reason set, if that is not known or too much. */
static bool
collect_all(Incremental *plan, const DerivedTable *table, Snapshot snapshot, List **changed, List **written)
{
	ListCell   *cell;

	foreach(cell, plan->relations)
	{
		bool		is_ours = lfirst_oid(cell) == table->target || lfirst_oid(cell) == table->quarantine;
		SourceCursor *cursor = mdl_cursor_of(plan->cursors, lfirst_oid(cell));
		ChangedSource *source = cursor ? mdl_cursor_changes(cursor, cursor_limit(cursor), &plan->reason)
			: collect_changes(lfirst_oid(cell), &plan->state.seen, snapshot, is_ours ? 1 : mdl_incremental_limit, &plan->reason);

		if (source == NULL)
			return false;
		if (source->count == 0)
			tuplestore_end(source->images);
		else if (is_ours)
			*written = lappend(*written, source);
		else
			*changed = lappend(*changed, source);
	}
	return true;
}

/*
 * The file of the table and the places of its columns: where these are others, it was rewritten or columns were taken away
 * and added again, of which its history need not tell.
 */
static void
add_shape(const DerivedTable *table, TupleDesc columns, StringInfo text)
{
	Relation	target = table_open(table->target, AccessShareLock);

	appendStringInfo(text, " %u", target->rd_node.relNode);
	table_close(target, NoLock);
	for (int i = 0; i < columns->natts; i++)
		appendStringInfo(text, " %d", get_attnum(table->target, NameStr(TupleDescAttr(columns, i)->attname)));
}

static bool
same_transaction(const RefreshState *state, Snapshot snapshot)
{
	MdlSeen		now;

	return mdl_seen_by(snapshot, &now) && now.own == state->seen.own;
}

/* Whether the state that the last refresh kept is one to go on from; else the reason is set. */
static bool
find_state(Incremental *plan, const DerivedTable *table, Snapshot snapshot)
{
	if (!mdl_refresh_state_read(table->target, &plan->state))
		plan->reason = "what the last refresh saw is not known";
	else if (strcmp(plan->state.fingerprint, plan->fingerprint) != 0)
		plan->reason = "the query, its rules or something it calls is not as at the last refresh";
	else if (same_transaction(&plan->state, snapshot))
		plan->reason = "this transaction has refreshed the table before";
	return plan->reason == NULL;
}

/* Finds what has changed and what that concerns, and whether it is worth it to compute that alone. */
static void
find_changes(Incremental *plan, const DerivedTable *table, TupleDesc columns, Snapshot snapshot, bool has_rules)
{
	List	   *changed = NIL;
	List	   *written = NIL;
	double		most = Max(FEW, plan->state.rows / 2);

	if (collect_all(plan, table, snapshot, &changed, &written))
	{
		if (changed != NIL || written != NIL || plan->corrected.count > 0)
			plan->units = find_units(table, columns, changed, written, &plan->corrected, snapshot,
									 has_rules || written || plan->corrected.count > 0 ? NULL : &plan->followed, plan->state.hidden,
									 &plan->reason);
		if ((plan->units && units_count(plan->units) > most) || (plan->followed && plan->followed->rows > most))
			plan->reason = "what has changed concerns so much of the table that computing everything is no more work";
		if (plan->reason == NULL && written != NIL && has_rules)
			plan->reason = "the table was written by others, so what its rules found is to be counted anew";
		if (plan->reason == NULL)
		{
			plan->possible = true;
			plan->with_hidden &= plan->state.hidden != NULL;
			plan->rows_before = written ? count_rows(table, snapshot) : plan->state.rows;
			plan->reason = describe_changes(changed, written, &plan->corrected);
		}
	}
	end_changes(changed);
	end_changes(written);
}

Incremental
mdl_incremental_plan(const DerivedTable *table, Snapshot snapshot)
{
	Incremental plan = {0};
	TupleDesc	columns = mdl_relation_columns(table->definition);
	StringInfoData rules;
	bool		has_rules;
	Query	   *query;

	plan.corrected = mdl_correction_changes_read(table->target);
	initStringInfo(&rules);
	query = query_with_rules(table, columns, &rules);
	has_rules = rules.len > 0;
	add_settings(table, &rules);
	add_shape(table, columns, &rules);
	mdl_query_check_rights(query);
	collect_relations((Node *) query, &plan.relations);
	plan.relations = lappend_oid(plan.relations, table->target);
	if (OidIsValid(table->quarantine))
		plan.relations = lappend_oid(plan.relations, table->quarantine);
	plan.reason = mdl_incremental_limit == 0 ? "medallion.incremental_limit is 0" : mdl_query_unsteady(query);
	if (plan.reason == NULL)
	{
		plan.cursors = mdl_cursors_read(table, plan.relations);
		plan.reason = sources_obstacle(plan.relations, plan.cursors);
	}
	if (plan.reason == NULL)
		plan.reason = plan.corrected.changes_key ? "a correction gave a row another key" : mdl_corrections_obstacle(table->target);
	if (plan.reason)
	{
		plan.cursors = NIL;
		return plan;
	}
	mdl_cursors_fingerprint(plan.cursors, &rules);
	plan.fingerprint = psprintf("%s%s", mdl_query_fingerprint(query), rules.data);
	plan.with_hidden = !has_rules;
	if (find_state(&plan, table, snapshot))
		find_changes(&plan, table, columns, snapshot, has_rules);
	mdl_cursors_look(plan.cursors);
	plan.reason = psprintf("%s%s", plan.reason, mdl_cursors_describe(plan.cursors));
	return plan;
}
