/*
 * cdc_apply.c: medallion.apply_changes and its companions.
 *
 * The first call for a target declares the flow and applies all events the source has; later ones apply what is new.  One
 * call is one transaction: events that were read, the target and what is known of its keys change together or not at all.
 * All runs as the owner of the target, as a refresh does.
 */
#include "pipeline/cdc_int.h"
#include "pipeline/definition_int.h"
#include "pipeline/refresh_int.h"
#include "base/background.h"
#include "base/progress.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* ---- applying --------------------------------------------------------------------------------------------------------------- */

static void
check_flow(const Flow *flow)
{
	if (get_rel_relkind(flow->state) != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("what was known of the changes of \"%s\" is gone", mdl_display_name(flow->target)),
				 errhint("Call medallion.drop_flow, and declare the changes again for an empty table.")));
	if (!OidIsValid(flow->source) || get_rel_name(flow->source) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the source of the changes of \"%s\" was dropped", mdl_display_name(flow->target)),
				 errhint("Name another one: apply_changes('%s', source => …).", mdl_display_name(flow->target))));
	if (check_enable_rls(flow->target, mdl_relation_owner(flow->target), true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot apply changes to \"%s\": row-level security is forced on its owner", mdl_display_name(flow->target)),
				 errhint("ALTER TABLE … NO FORCE ROW LEVEL SECURITY: all rows of the table must be seen.")));
}

/* In a transaction whose snapshot is older than another's application, what that one did would not be seen. */
static void
check_snapshot_is_fresh(const Flow *flow, Snapshot snapshot)
{
	if (IsolationUsesXactSnapshot() && mdl_flow_last_logged(flow, snapshot) != mdl_flow_last_logged(flow, GetLatestSnapshot()))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not apply changes to \"%s\": others were applied after this transaction took its snapshot",
						mdl_display_name(flow->target)),
				 errhint("Run the transaction again, or apply changes in READ COMMITTED.")));
}

/* The type that a column of the target must have for those of the source, if columns may be changed; NULL: it may stay. */
static const char *
type_outgrown(const Flow *flow, Form_pg_attribute column)
{
	AttrNumber	number = get_attnum(flow->target, NameStr(column->attname));
	Oid			type,
				collation;
	int32		typmod;

	if (flow->new_field != NEW_FIELD_APPEND || number == InvalidAttrNumber)
		return NULL;
	get_atttypetypmodcoll(flow->target, number, &type, &typmod, &collation);
	return mdl_wider_type(type, typmod, column->atttypid, column->atttypmod);
}

/* Columns that the source has come to have, or with another type, where the values are columns. */
static void
take_source_columns(Flow *flow)
{
	TupleDesc	source = mdl_relation_columns(flow->source);
	List	   *names = NIL;
	List	   *types = NIL;

	for (int i = 0; i < source->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(source, i);
		char	   *name = pstrdup(NameStr(column->attname));
		bool		is_known = mdl_is_one_of(name, flow->columns, flow->column_count);
		const char *type;

		if (column->attisdropped || (!is_known && (flow->chosen || mdl_is_one_of(name, flow->except, flow->except_count))))
			continue;
		type = is_known ? type_outgrown(flow, column)
			: format_type_extended(column->atttypid, column->atttypmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
		if (type == NULL)
			continue;
		if (!is_known && flow->new_field == NEW_FIELD_FAIL && get_attnum(flow->target, name) == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("source \"%s\" has the column \"%s\", for which the flow of \"%s\" has none", mdl_display_name(flow->source),
							name, mdl_display_name(flow->target)),
					 errhint("Add the column to the table, let on_schema_change be append_columns, or name it in except_column_list.")));
		names = lappend(names, name);
		types = lappend(types, (char *) type);
	}
	if (names)
		mdl_flow_add_columns(flow, names, types);
}

static void
follow_sequence(const Flow *flow)
{
	OwnerWorld	world;
	const char *type;

	mdl_enter_owner_world(mdl_flow_as_table(flow), &world);
	type = mdl_flow_sequence_outgrown(flow);
	mdl_leave_owner_world(&world);
	if (type)
		mdl_flow_retype_sequence(flow, type);
}

/* Reads; if there are fields that become columns, makes them and reads again. */
static Events *
read_events(Flow *flow, FlowShape **shape, ReadWhat what, Snapshot snapshot, Applied *applied)
{
	for (;;)
	{
		OwnerWorld	world;
		Events	   *events;

		*shape = mdl_flow_shape(flow);
		mdl_enter_owner_world(mdl_flow_as_table(flow), &world);
		events = mdl_flow_read(flow, *shape, what, snapshot, applied);
		mdl_leave_owner_world(&world);
		if (events->new_names == NIL)
			return events;
		tuplestore_end(events->rows);
		mdl_flow_add_columns(flow, events->new_names, events->new_types);
		CommandCounterIncrement();
	}
}

/* Says which flow an error is about. */
static void
tell_flow(void *name)
{
	errcontext("changes of \"%s\"", (char *) name);
}

static Applied
apply_flow(Flow *flow, ReadWhat what)
{
	TimestampTz started = GetCurrentTimestamp();
	Applied		applied = {0};
	Snapshot	snapshot;
	int64		settled;
	FlowShape  *shape;
	Events	   *events;
	OwnerWorld	world;
	ErrorContextCallback callback = {
		.callback = tell_flow,
		.arg = mdl_display_name(flow->target),
		.previous = error_context_stack
	};

	error_context_stack = &callback;
	mdl_progress_begin("apply_changes", mdl_display_name(flow->target));
	settled = mdl_settled_version();
	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	check_snapshot_is_fresh(flow, snapshot);
	mdl_flow_follow(flow);
	follow_sequence(flow);
	if (flow->format == FLOW_COLUMNS)
		take_source_columns(flow);
	CommandCounterIncrement();
	events = read_events(flow, &shape, what, snapshot, &applied);
	mdl_enter_owner_world(mdl_flow_as_table(flow), &world);
	mdl_flow_merge(shape, events, snapshot, &applied);
	mdl_leave_owner_world(&world);
	tuplestore_end(events->rows);
	if (what != READ_QUARANTINE)
		mdl_flow_seen_write(flow, snapshot, settled);
	UnregisterSnapshot(snapshot);
	mdl_flow_log(flow, &applied, started);
	mdl_progress_end();
	error_context_stack = callback.previous;
	applied.seconds = (double) (GetCurrentTimestamp() - started) / USECS_PER_SEC;
	return applied;
}

/* The same by itself, not as a part of medallion.refresh, which logs it: it is a refresh all the same. */
static Applied
apply_logged(Flow *flow, ReadWhat what)
{
	TimestampTz started = GetCurrentTimestamp();
	int64		id;
	Reading		reading;
	Applied		applied;
	Outcome		outcome;

	mdl_refresh_read(&reading);
	applied = apply_flow(flow, what);

	/* A number drawn before may give this transaction an id, and what has a later one is read again: see mdl_flow_seen_write. */
	id = mdl_refresh_next_id();
	outcome = (Outcome) {.mode = applied.mode, .reason = applied.reason, .rows = -1, .published = applied.published,
		.dropped = applied.dropped, .quarantined = applied.quarantined, .is_idle = mdl_applied_nothing(&applied)};
	outcome.refresh_id = mdl_refresh_log_kept(id, mdl_pipeline_table(mdl_kept_tables(), flow->target), &outcome, started, &reading);
	outcome.is_continued = outcome.refresh_id != id;
	if (applied.judged && !outcome.is_idle)
		mdl_refresh_log_rules(outcome.refresh_id, applied.judged);
	mdl_flow_judge(flow->target, &outcome, reading.snapshot);
	UnregisterSnapshot(reading.snapshot);
	return applied;
}

/* ---- arguments ---------------------------------------------------------------------------------------------------------------- */

/* Arguments that declare, in the order of the function, from the third on. */
static const struct
{
	const char *name;
	char		type;			/* t text, l list of text, b bool, i int, j jsonb */
	const char *without;		/* what it is if it is not given; NULL: nothing */
	bool		may_change;		/* by a later call, for events read from then on */
}			declaring[] =
{
	{"keys", 'l'},
	{"sequence_by", 't'},
	{"apply_as_deletes", 't', NULL, true},
	{"apply_as_truncates", 't', NULL, true},
	{"column_list", 'l'},
	{"except_column_list", 'l', NULL, true},
	{"scd_type", 'i', "1"},
	{"track_history_column_list", 'l'},
	{"track_history_except_column_list", 'l'},
	{"ignore_null_updates", 'b', "false", true},
	{"format", 't', "\"columns\""},
	{"payload", 't', NULL, true},
	{"source_table", 't', NULL, true},
	{"on_schema_change", 't', "\"fail\"", true},
	{"on_invalid", 't', "\"fail\"", true},
	{"decoding", 'j', NULL, true},
};

#define FIRST_DECLARING 2
#define DECLARE_ONLY	(FIRST_DECLARING + lengthof(declaring) + 1)

static Jsonb *
json_of(const char *text)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

static void
push_value(JsonbParseState **state, char type, Datum value)
{
	JsonbValue	json;
	int			count;
	char	  **texts;

	switch (type)
	{
		case 'l':
			texts = mdl_pipeline_text_array(value, "keys", &count);
			pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
			for (int i = 0; i < count; i++)
			{
				json = (JsonbValue) {.type = jbvString, .val.string = {.val = texts[i], .len = strlen(texts[i])}};
				pushJsonbValue(state, WJB_ELEM, &json);
			}
			pushJsonbValue(state, WJB_END_ARRAY, NULL);
			return;
		case 'b':
			json = (JsonbValue) {.type = jbvBool, .val.boolean = DatumGetBool(value)};
			break;
		case 'i':
			json = (JsonbValue) {.type = jbvNumeric, .val.numeric = int64_to_numeric(DatumGetInt32(value))};
			break;
		case 'j':
			JsonbToJsonbValue(DatumGetJsonbP(value), &json);
			break;
		default:
			json = (JsonbValue) {.type = jbvString};
			json.val.string.val = TextDatumGetCString(value);
			json.val.string.len = strlen(json.val.string.val);
			break;
	}
	pushJsonbValue(state, WJB_VALUE, &json);
}

/* The declaring arguments as an object; with what those not given are, if wanted. */
static Jsonb *
given_arguments(FunctionCallInfo fcinfo, bool complete)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < lengthof(declaring); i++)
	{
		JsonbValue	key = {.type = jbvString, .val.string = {.val = (char *) declaring[i].name, .len = strlen(declaring[i].name)}};
		JsonbValue	value;
		bool		is_given = !PG_ARGISNULL(FIRST_DECLARING + i);

		if (!is_given && (!complete || declaring[i].without == NULL))
			continue;
		pushJsonbValue(&state, WJB_KEY, &key);
		if (is_given)
			push_value(&state, declaring[i].type, PG_GETARG_DATUM(FIRST_DECLARING + i));
		else
		{
			JsonbExtractScalar(&json_of(declaring[i].without)->root, &value);
			pushJsonbValue(&state, WJB_VALUE, &value);
		}
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static bool
may_change(const char *name)
{
	for (int i = 0; i < lengthof(declaring); i++)
		if (strcmp(declaring[i].name, name) == 0)
			return declaring[i].may_change;
	return false;
}

/* Later calls may repeat what was declared, and change what does not touch what is known already. */
static void
take_later_arguments(Flow *flow, Jsonb *given)
{
	int			count;
	char	  **names = mdl_jsonb_keys(given, &count);
	bool		changed = false;

	for (int i = 0; i < count; i++)
	{
		JsonbValue	now,
					then;

		if (mdl_json_member(&given->root, names[i], &now) && mdl_json_member(&flow->declaration->root, names[i], &then) &&
			DatumGetBool(DirectFunctionCall2(jsonb_eq, JsonbPGetDatum(JsonbValueToJsonb(&now)), JsonbPGetDatum(JsonbValueToJsonb(&then)))))
			continue;
		if (!may_change(names[i]))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("changes of \"%s\" were declared with another \"%s\"", mdl_display_name(flow->target), names[i]),
					 errhint("Later calls need the target alone.  To declare other changes call medallion.drop_flow first.")));
		changed = true;
	}
	if (!changed)
		return;
	flow->declaration = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(flow->declaration), JsonbPGetDatum(given)));
	mdl_flow_take_declaration(flow);
	mdl_flow_check(flow);
	mdl_flow_change(flow);
}

/* ---- apply_changes ---------------------------------------------------------------------------------------------------------- */

static Flow *
declare_flow(FunctionCallInfo fcinfo, const char *target)
{
	Flow	   *flow = palloc0_object(Flow);
	char	  **column_list = NULL;
	int			column_list_count = 0;

	if (PG_ARGISNULL(1) && PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no changes are declared for \"%s\"", target),
				 errhint("The first call names at least source and keys; the view medallion.flows lists what is declared.")));
	mdl_require_argument(fcinfo, 1, "source");
	mdl_require_argument(fcinfo, 2, "keys");
	flow->source = mdl_relation_by_name(text_to_cstring(PG_GETARG_TEXT_PP(1)), false);
	flow->declaration = given_arguments(fcinfo, true);
	mdl_flow_take_declaration(flow);
	mdl_jsonb_text_list(flow->declaration, "declaration", "column_list", &column_list, &column_list_count);
	mdl_flow_declare(flow, target, column_list, column_list_count);
	CommandCounterIncrement();
	return flow;
}

/* The flow of a target, locked against other applications, as it is then. */
static Flow *
lock_flow(Oid target)
{
	Flow	   *flow;

	mdl_require_table_owner(target);
	LockRelationOid(target, ShareRowExclusiveLock);
	flow = mdl_flow_find(target);
	if (flow == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no changes are declared for \"%s\"", mdl_display_name(target)),
				 errhint("The view medallion.flows lists the tables that changes are applied to.")));
	return flow;
}

/* A flow whose source was dropped takes another one. */
static void
take_source(Flow *flow, const char *source)
{
	Oid			relation = mdl_relation_by_name(source, false);

	if (relation == flow->source)
		return;
	if (OidIsValid(flow->source) && get_rel_name(flow->source) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("changes of \"%s\" were declared with another \"source\"", mdl_display_name(flow->target)),
				 errhint("Later calls need the target alone.  To declare other changes call medallion.drop_flow first.")));
	mdl_require_privilege(relation, ACL_SELECT);
	flow->source = relation;
	mdl_flow_seen_forget(flow);
	mdl_flow_change(flow);
}

static void
return_applied(FunctionCallInfo fcinfo, const Flow *flow, const Applied *applied)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		counts[] = {applied->events, applied->published.inserted, applied->published.updated, applied->published.deleted,
	applied->skipped, applied->repeated, applied->late, applied->unresolved, applied->quarantined};
	Datum		values[13];
	bool		nulls[13] = {0};

	values[0] = CStringGetTextDatum(mdl_pipeline_relation_name(flow->target));
	values[1] = CStringGetTextDatum(applied->mode);
	for (int i = 0; i < lengthof(counts); i++)
		values[2 + i] = Int64GetDatum(counts[i]);
	values[11] = CStringGetTextDatum(applied->reason);
	values[12] = Float8GetDatum(applied->seconds);
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

MDL_FUNCTION(mdl_apply_changes);
Datum
mdl_apply_changes(PG_FUNCTION_ARGS)
{
	char	   *name;
	Oid			target;
	Flow	   *flow = NULL;
	bool		again;
	Applied		applied;

	mdl_require_argument(fcinfo, 0, "target");
	mdl_require_argument(fcinfo, FIRST_DECLARING + lengthof(declaring), "again");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	mdl_require_argument(fcinfo, DECLARE_ONLY, "declare_only");
	again = PG_GETARG_BOOL(FIRST_DECLARING + lengthof(declaring));
	PreventCommandIfReadOnly("medallion.apply_changes()");
	mdl_refuse_while_travelling("apply changes");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	target = mdl_relation_by_name(name, true);
	if (OidIsValid(target) && mdl_flow_find(target) != NULL)
	{
		flow = lock_flow(target);
		if (!PG_ARGISNULL(1))
			take_source(flow, text_to_cstring(PG_GETARG_TEXT_PP(1)));
		take_later_arguments(flow, given_arguments(fcinfo, false));
	}
	else
		flow = declare_flow(fcinfo, name);
	check_flow(flow);
	if (PG_GETARG_BOOL(DECLARE_ONLY))
	{
		SPI_finish();
		return (Datum) 0;
	}
	applied = apply_logged(flow, again ? READ_ALL : READ_NEW);
	return_applied(fcinfo, flow, &applied);
	SPI_finish();
	return (Datum) 0;
}

/* ---- the rest ------------------------------------------------------------------------------------------------------------------- */

Applied
mdl_flow_retry(Oid target)
{
	Flow	   *flow;

	PreventCommandIfReadOnly("medallion.retry_quarantine()");
	mdl_refuse_while_travelling("apply changes");
	flow = lock_flow(target);
	check_flow(flow);
	mdl_flow_quarantine_ensure(flow);
	return apply_logged(flow, READ_QUARANTINE);
}

MDL_FUNCTION(mdl_retry_changes);
Datum
mdl_retry_changes(PG_FUNCTION_ARGS)
{
	Oid			target;
	Applied		applied;

	mdl_require_argument(fcinfo, 0, "target");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	target = mdl_relation_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	applied = mdl_flow_retry(target);
	return_applied(fcinfo, mdl_flow_find(target), &applied);
	SPI_finish();
	return (Datum) 0;
}

static void
drop_state(Oid state)
{
	ObjectAddress object;

	if (get_rel_relkind(state) != RELKIND_RELATION || get_rel_namespace(state) != get_namespace_oid(MDL_CHANGES_SCHEMA, true))
		return;
	ObjectAddressSet(object, RelationRelationId, state);
	performDeletion(&object, DROP_CASCADE, PERFORM_DELETION_INTERNAL | PERFORM_DELETION_QUIETLY);
}

MDL_FUNCTION(mdl_drop_flow);
Datum
mdl_drop_flow(PG_FUNCTION_ARGS)
{
	Flow	   *flow;
	bool		with_table;

	mdl_require_argument(fcinfo, 0, "target");
	with_table = mdl_required_bool(fcinfo, 1, "drop_table");
	SPI_connect();
	flow = lock_flow(mdl_relation_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)), false));
	mdl_flow_remove(flow->target);
	mdl_job_forget_target(flow->target);
	drop_state(flow->state);
	if (with_table)
		mdl_run(psprintf("DROP TABLE %s", mdl_qualified_name(flow->target)), NULL, false);
	SPI_finish();
	PG_RETURN_VOID();
}

/* Keeps the records true when relations are dropped; the quarantine stays, as an ordinary table. */
MDL_FUNCTION(mdl_flows_sql_drop);
Datum
mdl_flows_sql_drop(PG_FUNCTION_ARGS)
{
	static const char dropped[] = "SELECT d.objid FROM pg_catalog.pg_event_trigger_dropped_objects() d"
		" WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid OPERATOR(pg_catalog.=) 0";
	Oid			schema = get_namespace_oid(MDL_SCHEMA, true);
	MemoryContext context = CurrentMemoryContext;
	List	   *states = NIL;
	ListCell   *cell;
	MdlUser		saved;
	uint64		rows;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("medallion._flows_sql_drop can only be called as an event trigger")));
	if (!OidIsValid(schema) || !OidIsValid(get_relname_relid("_flows", schema)) || !OidIsValid(get_relname_relid("_flow_runs", schema)))
		PG_RETURN_VOID();
	SPI_connect();
	if (!mdl_dropped_relations())
	{
		SPI_finish();
		PG_RETURN_VOID();
	}
	mdl_owner_begin(&saved);
	rows = mdl_run(psprintf("DELETE FROM medallion._flows WHERE target::pg_catalog.oid IN (%s) RETURNING state::pg_catalog.oid", dropped),
				   NULL, false);
	for (uint64 i = 0; i < rows; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		states = lappend_oid(states, DatumGetObjectId(mdl_field(i, 0, NULL)));
		MemoryContextSwitchTo(old);
	}
	mdl_run(psprintf("DELETE FROM medallion._expectations WHERE target::pg_catalog.oid IN (%s)", dropped), NULL, false);
	mdl_run(psprintf("UPDATE medallion._flow_runs SET target = NULL WHERE target::pg_catalog.oid IN (%s)", dropped), NULL, false);
	mdl_run(psprintf("UPDATE medallion._refreshes SET target = NULL WHERE target::pg_catalog.oid IN (%s)", dropped), NULL, false);
	mdl_run(psprintf("UPDATE medallion._refresh_failures SET target = NULL WHERE target::pg_catalog.oid IN (%s)", dropped), NULL, false);
	mdl_run(psprintf("UPDATE medallion._flows SET quarantine = NULL WHERE quarantine::pg_catalog.oid IN (%s)", dropped), NULL, false);
	mdl_run(psprintf("UPDATE medallion._flows SET source = NULL WHERE source::pg_catalog.oid IN (%s)", dropped), NULL, false);
	mdl_owner_end(&saved);
	foreach(cell, states)
		drop_state(lfirst_oid(cell));
	SPI_finish();
	PG_RETURN_VOID();
}

/* ---- for medallion.refresh ------------------------------------------------------------------------------------------------------ */

Applied
mdl_flow_apply(Oid target, ReadWhat what)
{
	Flow	   *flow;

	mdl_refuse_while_travelling("apply changes");
	flow = lock_flow(target);
	check_flow(flow);
	return apply_flow(flow, what);
}
