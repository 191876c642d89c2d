/*
 * cdc_catalog.c: reads and writes the records of flows.
 *
 * What was declared is kept as it was given, a JSON object by argument; what follows from it is worked out on each reading.
 */
#include "pipeline/cdc_int.h"
#include "pipeline/definition_int.h"
#include "pipeline/incremental_int.h"
#include "pipeline/refresh_int.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/base64.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* ---- what was declared --------------------------------------------------------------------------------------------------- */

static const char *const format_names[] = {"columns", "debezium", "wal2json"};
static const char *const new_field_names[] = {"fail", "append_columns", "rescue"};
static const char *const invalid_names[] = {"fail", "quarantine"};

static int
choice(const char *argument, const char *given, const char *const *names, int count, const char *hint)
{
	for (int i = 0; i < count; i++)
		if (strcmp(given, names[i]) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s cannot be \"%s\"", argument, given),
			 errhint("%s", hint)));
}

static char *
encoded(const char *text, bool as_hex)
{
	int			length = strlen(text);
	int			size = as_hex ? length * 2 : pg_b64_enc_len(length);
	char	   *result = palloc0(size + 1);

	if (as_hex)
		hex_encode(text, length, result);
	else
	{
		int			written = pg_b64_encode(text, length, result, size);

		if (written < 0)
			elog(ERROR, "could not encode \"%s\"", text);
		result[written] = '\0';
	}
	return result;
}

/* What stands in an array of uuid: the UUID of the first 16 bytes' MD5 is of the placeholder in Java (nameUUIDFromBytes). */
static char *
placeholder_uuid(const char *placeholder)
{
	unsigned char digest[16];
	char	   *hex = text_to_cstring(DatumGetTextPP(DirectFunctionCall1(md5_text, CStringGetTextDatum(placeholder))));

	for (int i = 0; i < 16; i++)
	{
		unsigned int byte;

		sscanf(hex + 2 * i, "%2x", &byte);
		digest[i] = (unsigned char) byte;
	}
	digest[6] = (digest[6] & 0x0f) | 0x30;
	digest[8] = (digest[8] & 0x3f) | 0x80;
	return psprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", digest[0], digest[1], digest[2],
					digest[3], digest[4], digest[5], digest[6], digest[7], digest[8], digest[9], digest[10], digest[11],
					digest[12], digest[13], digest[14], digest[15]);
}

/* The settings of the connector, by their names there with underscores, that decide how values are written. */
static void
take_decoding(Jsonb *given, Decoding *decoding)
{
	static const char *const allowed[] = {"unavailable_value_placeholder", "decimal_handling_mode", "binary_handling_mode",
	"time_precision_mode", NULL};
	static const char *const decimals[] = {"precise", "double", "string"};
	static const char *const binaries[] = {"bytes", "base64", "hex"};
	static const char *const times[] = {"adaptive", "adaptive_time_microseconds", "connect", "microseconds", "nanoseconds"};
	static const int units[] = {0, 0, 1000, 1000000, 1000000000};
	char	   *value = "__debezium_unavailable_value";

	if (given)
		mdl_jsonb_check_keys(given, "decoding", allowed);
	mdl_jsonb_text(given, "decoding", "unavailable_value_placeholder", &value);
	if (strncmp(value, "hex:", 4) == 0 || value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"unavailable_value_placeholder\" in argument \"decoding\" must be a text, not bytes or empty")));
	decoding->placeholder = value;
	decoding->placeholder_base64 = encoded(value, false);
	decoding->placeholder_hex = encoded(value, true);
	decoding->placeholder_uuid = placeholder_uuid(value);
	value = "precise";
	mdl_jsonb_text(given, "decoding", "decimal_handling_mode", &value);
	decoding->decimals_base64 = choice("decimal_handling_mode", value, decimals, lengthof(decimals), "Use precise, double or string.") == 0;
	value = "bytes";
	mdl_jsonb_text(given, "decoding", "binary_handling_mode", &value);
	decoding->binary_hex = choice("binary_handling_mode", value, binaries, lengthof(binaries), "Use bytes, base64 or hex.") == 2;
	value = "adaptive";
	mdl_jsonb_text(given, "decoding", "time_precision_mode", &value);
	decoding->time_unit = units[choice("time_precision_mode", value, times, lengthof(times),
									   "Use adaptive, adaptive_time_microseconds, connect, microseconds or nanoseconds.")];
}

void
mdl_flow_take_declaration(Flow *flow)
{
	static const char what[] = "declaration";
	Jsonb	   *given = flow->declaration;
	char	   *text = NULL;
	int64		type = 1;

	mdl_jsonb_text_list(given, what, "keys", &flow->keys, &flow->key_count);
	mdl_jsonb_text(given, what, "sequence_by", &flow->sequence_by);
	mdl_jsonb_text(given, what, "apply_as_deletes", &flow->deletes);
	mdl_jsonb_text(given, what, "apply_as_truncates", &flow->truncates);
	mdl_jsonb_bool(given, what, "ignore_null_updates", &flow->ignore_nulls);
	mdl_jsonb_text(given, what, "payload", &flow->payload);
	mdl_jsonb_text(given, what, "source_table", &flow->source_table);
	mdl_jsonb_text_list(given, what, "except_column_list", &flow->except, &flow->except_count);
	mdl_jsonb_text_list(given, what, "track_history_column_list", &flow->tracked, &flow->tracked_count);
	mdl_jsonb_text_list(given, what, "track_history_except_column_list", &flow->untracked, &flow->untracked_count);
	flow->chosen = mdl_jsonb_text_list(given, what, "column_list", &(char **) {NULL}, &(int) {0});
	mdl_jsonb_int8(given, what, "scd_type", &type);
	if (type != 1 && type != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scd_type must be 1 or 2, but is " INT64_FORMAT, type),
				 errhint("1 keeps the newest state of each key, 2 all its versions.")));
	flow->scd_type = (int) type;
	mdl_jsonb_text(given, what, "format", &text);
	flow->format = choice("format", text, format_names, lengthof(format_names), "Use columns, debezium or wal2json.");
	mdl_jsonb_text(given, what, "on_schema_change", &text);
	flow->new_field = choice("on_schema_change", text, new_field_names, lengthof(new_field_names), "Use fail, append_columns or rescue.");
	mdl_jsonb_text(given, what, "on_invalid", &text);
	flow->quarantines = choice("on_invalid", text, invalid_names, lengthof(invalid_names), "Use fail or quarantine.") == 1;
	take_decoding(mdl_jsonb_object(given, what, "decoding"), &flow->decoding);
}

/* ---- records ---------------------------------------------------------------------------------------------------------------- */

static Datum
texts(char **values, int count)
{
	Datum	   *elements = palloc_array(Datum, count + 1);

	for (int i = 0; i < count; i++)
		elements[i] = CStringGetTextDatum(values[i]);
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static Oid
field_relation(int column)
{
	bool		is_null;
	Datum		value = mdl_field(0, column, &is_null);

	return is_null ? InvalidOid : DatumGetObjectId(value);
}

Flow *
mdl_flow_find(Oid target)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	MdlArgs		args = {0};
	MdlUser		saved;
	Flow	   *flow;
	uint64		rows;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	rows = mdl_run("SELECT flow_id, target::pg_catalog.oid, source::pg_catalog.oid, state::pg_catalog.oid, quarantine::pg_catalog.oid,"
				   " declaration, columns, settings FROM medallion._flows WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
	if (rows == 0)
		return NULL;
	old = MemoryContextSwitchTo(context);
	flow = palloc0_object(Flow);
	flow->id = mdl_field_int8(0, 0);
	flow->target = field_relation(1);
	flow->source = field_relation(2);
	flow->state = field_relation(3);
	flow->quarantine = field_relation(4);
	flow->declaration = DatumGetJsonbPCopy(mdl_field(0, 5, NULL));
	flow->columns = mdl_pipeline_text_array(mdl_field(0, 6, NULL), "columns", &flow->column_count);
	flow->settings = mdl_pipeline_text_array(mdl_field(0, 7, NULL), "settings", &flow->setting_count);
	mdl_flow_take_declaration(flow);
	MemoryContextSwitchTo(old);
	SPI_freetuptable(SPI_tuptable);
	return flow;
}

static void
store_flow(const Flow *flow, const char *sql)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg_int8(&args, flow->id);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(flow->target), false);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(flow->source), !OidIsValid(flow->source));
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(flow->state), false);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(flow->quarantine), !OidIsValid(flow->quarantine));
	mdl_arg_jsonb(&args, flow->declaration);
	mdl_arg(&args, TEXTARRAYOID, texts(flow->columns, flow->column_count), false);
	mdl_arg(&args, TEXTARRAYOID, texts(flow->settings, flow->setting_count), false);
	mdl_owner_begin(&saved);
	mdl_run(sql, &args, false);
	mdl_owner_end(&saved);
}

/* The number of a new flow; DROP EXTENSION may have left states with numbers of before. */
int64
mdl_flow_next_id(void)
{
	Oid			schema = get_namespace_oid(MDL_CHANGES_SCHEMA, false);
	MdlUser		saved;
	int64		id;

	mdl_owner_begin(&saved);
	do
	{
		mdl_run("SELECT pg_catalog.nextval('medallion._flows_flow_id_seq'::pg_catalog.regclass)", NULL, false);
		id = mdl_field_int8(0, 0);
	} while (OidIsValid(get_relname_relid(psprintf("flow_" INT64_FORMAT, id), schema)));
	mdl_owner_end(&saved);
	return id;
}

void
mdl_flow_add(const Flow *flow)
{
	store_flow(flow, "INSERT INTO medallion._flows (flow_id, target, source, state, quarantine, declaration, columns, settings)"
			   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
}

void
mdl_flow_change(const Flow *flow)
{
	store_flow(flow, "UPDATE medallion._flows SET target = $2, source = $3, state = $4, quarantine = $5, declaration = $6, columns = $7,"
			   " settings = $8 WHERE flow_id OPERATOR(pg_catalog.=) $1");
}

void
mdl_flow_remove(Oid target)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	mdl_run("DELETE FROM medallion._expectations WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_run("DELETE FROM medallion._flows WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
}

/* ---- what was read ------------------------------------------------------------------------------------------------------------ */

bool
mdl_flow_seen_read(const Flow *flow, MdlSeen *seen)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	MdlArgs		args = {0};
	MdlUser		saved;
	uint64		rows;

	mdl_arg_int8(&args, flow->id);
	mdl_owner_begin(&saved);
	rows = mdl_run("SELECT era, version, low, high, running, exact FROM medallion._flow_states"
				   " WHERE flow_id OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
	if (rows == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	memset(seen, 0, sizeof(MdlSeen));
	seen->era = mdl_field_int8(0, 0);
	seen->version = mdl_field_int8(0, 1);
	seen->low = mdl_field_int8(0, 2);
	seen->high = mdl_field_int8(0, 3);
	mdl_seen_take_running(seen, mdl_field(0, 4, NULL));
	seen->exact = DatumGetBool(mdl_field(0, 5, NULL));
	MemoryContextSwitchTo(old);
	SPI_freetuptable(SPI_tuptable);
	return true;
}

/*
 * The current transaction may go on to change the source after it was read, so what it wrote counts as not seen: reading an
 * event twice changes nothing.  Its ids are at least that of the transaction itself.
 */
void
mdl_flow_seen_write(const Flow *flow, Snapshot snapshot, int64 settled)
{
	MdlSeen		seen;
	MdlArgs		args = {0};
	MdlUser		saved;
	int			count = 0;

	mdl_flow_seen_forget(flow);
	if (!mdl_seen_by(snapshot, &seen))
		return;

	/*
	 * A commit that was under way when the log was asked has a number that need not be greater than those found there, so
	 * what had ended before the snapshot was taken is all that counts.
	 */
	seen.version = Min(seen.version, settled);
	seen.high = Min(seen.high, seen.own);
	seen.low = Min(seen.low, seen.high);
	for (int i = 0; i < seen.nrunning; i++)
		if (seen.running[i] < seen.high)
			seen.running[count++] = seen.running[i];
	seen.nrunning = count;
	mdl_arg_int8(&args, flow->id);
	mdl_arg_int8(&args, seen.era);
	mdl_arg_int8(&args, seen.version);
	mdl_arg_int8(&args, seen.low);
	mdl_arg_int8(&args, seen.high);
	mdl_arg(&args, INT8ARRAYOID, mdl_seen_running(&seen), false);
	mdl_arg_bool(&args, seen.exact);
	mdl_owner_begin(&saved);
	mdl_run("INSERT INTO medallion._flow_states (flow_id, era, version, low, high, running, exact) VALUES ($1, $2, $3, $4, $5, $6, $7)",
			&args, false);
	mdl_owner_end(&saved);
}

void
mdl_flow_seen_forget(const Flow *flow)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg_int8(&args, flow->id);
	mdl_owner_begin(&saved);
	mdl_run("DELETE FROM medallion._flow_states WHERE flow_id OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
}

/* ---- the log ----------------------------------------------------------------------------------------------------------------- */

bool
mdl_applied_nothing(const Applied *applied)
{
	return applied->events == 0 && strcmp(applied->mode, "incremental") == 0;
}

/* Writes over the last record if that, too, is of a run that found nothing new; false if it is of another. */
static bool
log_once_more(const Flow *flow, TimestampTz started)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	bool		found;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(flow->target), false);
	mdl_arg_text(&args, GetUserNameFromId(GetUserId(), false));
	mdl_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(started), false);
	mdl_owner_begin(&saved);
	found = mdl_run("UPDATE medallion._flow_runs SET role_name = $2, started_at = $3, finished_at = pg_catalog.clock_timestamp()"
					" WHERE run_id OPERATOR(pg_catalog.=) (SELECT r.run_id FROM medallion._flow_runs r"
					" WHERE r.target OPERATOR(pg_catalog.=) $1 ORDER BY r.run_id DESC LIMIT 1)"
					" AND events OPERATOR(pg_catalog.=) 0 AND mode OPERATOR(pg_catalog.=) 'incremental'", &args, false) > 0;
	mdl_owner_end(&saved);
	return found;
}

void
mdl_flow_log(const Flow *flow, const Applied *applied, TimestampTz started)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	if (mdl_applied_nothing(applied) && log_once_more(flow, started))
		return;
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(flow->target), false);
	mdl_arg_text(&args, mdl_pipeline_relation_name(flow->target));
	mdl_arg_text(&args, GetUserNameFromId(GetUserId(), false));
	mdl_arg_text(&args, applied->mode);
	mdl_arg_text(&args, applied->reason);
	mdl_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(started), false);
	mdl_arg_int8(&args, applied->events);
	mdl_arg_int8(&args, applied->skipped);
	mdl_arg_int8(&args, applied->repeated);
	mdl_arg_int8(&args, applied->late);
	mdl_arg_int8(&args, applied->unresolved);
	mdl_arg_int8(&args, applied->quarantined);
	mdl_arg_int8(&args, applied->published.inserted);
	mdl_arg_int8(&args, applied->published.updated);
	mdl_arg_int8(&args, applied->published.deleted);
	mdl_owner_begin(&saved);
	mdl_run("INSERT INTO medallion._flow_runs (target, target_name, role_name, mode, reason, started_at, finished_at, events, skipped,"
			" repeated, late, unresolved, quarantined, inserted, updated, deleted)"
			" VALUES ($1, $2, $3, $4, $5, $6, pg_catalog.clock_timestamp(), $7, $8, $9, $10, $11, $12, $13, $14, $15)", &args, false);
	mdl_owner_end(&saved);
}

int64
mdl_flow_last_logged(const Flow *flow, Snapshot snapshot)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	int64		last;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(flow->target), false);
	mdl_owner_begin(&saved);
	mdl_run_under_snapshot("SELECT pg_catalog.max(run_id) FROM medallion._flow_runs WHERE target OPERATOR(pg_catalog.=) $1", &args, snapshot);
	last = mdl_field_int8(0, 0);
	mdl_owner_end(&saved);
	return last;
}
