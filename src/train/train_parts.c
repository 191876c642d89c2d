/*
 * train_parts.c: argument "partition_by" of train(): a model for each group of rows, all under one name.
 *
 * The source is read once, ordered by the key columns, into one store of rows per group; then each group is trained as if
 * it were a source of its own, so that a part is to the bit the model that train() makes of the group alone.  What is
 * registered is a model made of models (ml/ml_model_parts.h).  Metrics of the whole are means over the parts, weighted by rows;
 * those of each part are in medallion._model_parts.
 */
#include "train/train_parts.h"

#include <math.h>

#include "base/progress.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "ml/ml_model_parts.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#define STORE_NAME	"medallion_part"
#define FETCH_ROWS	1000
#define MOST_PARTS	10000
#define LEAST_ROOM	64			/* kB */
#define ROW_OVERHEAD	32		/* bytes that a row in memory takes beside itself, about */

typedef struct Part
{
	char	   *key;			/* as ml_part_key writes it */
	char	   *key_json;		/* for people */
	Tuplestorestate *rows;
	unsigned char *bytes;		/* the model, once trained … */
	size_t		length;
	int64		trained_rows;
	Jsonb	   *metrics;
	MdlCoefficients coefficients;
} Part;

struct MdlPartsTraining
{
	const MdlTrainRequest *request;
	MdlTrainRequest part_request;
	MemoryContext memory;
	MdlTraining *whole;
	TupleDesc	columns;
	AttrNumber *keys;			/* (n_partition) */
	FmgrInfo   *outputs;		/* (n_partition) */
	int			n_parts;
	int			allocated;
	Part	   *parts;
	int			room;			/* kB that the rows of the part at hand may take in memory … */
	Size		bytes;			/* … and those that they are */
	Size		kept;			/* bytes of the rows of parts before it that are in memory */
	int			next;			/* to be trained */
	int			n_facts;
	char	  **facts;			/* (n_facts) names of numbers that describe how parts were fitted */
};

/* ---- key columns ---------------------------------------------------------------------------------------------------- */

/* Types whose text is the same whatever the settings, and different for different values. */
static bool
can_be_key(Oid type)
{
	switch (getBaseType(type))
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case CHAROID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case BOOLOID:
		case UUIDOID:
			return true;
		default:
			return type_is_enum(getBaseType(type));
	}
}

static bool
is_among(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void
find_keys(MdlPartsTraining *p)
{
	const MdlTrainRequest *r = p->request;

	p->keys = palloc(sizeof(AttrNumber) * r->n_partition);
	p->outputs = palloc(sizeof(FmgrInfo) * r->n_partition);
	for (int i = 0; i < r->n_partition; i++)
	{
		const char *name = r->partition[i];
		Form_pg_attribute column = mdl_source_find_column(p->columns, name, "partition_by");
		Oid			output;
		bool		varlena;

		if (is_among(r->partition, i, name))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("argument \"partition_by\" names column \"%s\" twice", name)));
		if ((r->target != NULL && strcmp(r->target, name) == 0) || (r->weight != NULL && strcmp(r->weight, name) == 0) ||
			is_among(r->features, r->n_features, name))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" of argument \"partition_by\" is the same in all rows of a part, so it cannot be a feature, the target or the weight too",
							name)));
		if (!can_be_key(column->atttypid))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("rows cannot be divided by column \"%s\" of type %s", name, format_type_be(column->atttypid)),
					 errhint("Divide by text, integers, booleans, enums or uuid: cast the column in the source query.")));
		p->keys[i] = column->attnum;
		getTypeOutputInfo(column->atttypid, &output, &varlena);
		fmgr_info(output, &p->outputs[i]);
	}
}

/* The texts of a row's key, as predictions find them: blanks at the end of character(n) mean nothing. */
static void
key_values(const MdlPartsTraining *p, HeapTuple row, ml_text *values)
{
	for (int i = 0; i < p->request->n_partition; i++)
	{
		bool		is_null;
		Datum		value = heap_getattr(row, p->keys[i], p->columns, &is_null);

		values[i] = (ml_text) {NULL, 0};
		if (is_null)
			continue;
		values[i].data = OutputFunctionCall(&p->outputs[i], value);
		values[i].length = strlen(values[i].data);
		if (getBaseType(TupleDescAttr(p->columns, p->keys[i] - 1)->atttypid) == BPCHAROID)
			while (values[i].length > 0 && values[i].data[values[i].length - 1] == ' ')
				values[i].length--;
	}
}

static char *
key_json(const MdlPartsTraining *p, const ml_text *values)
{
	JsonbParseState *state = NULL;
	Jsonb	   *object;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < p->request->n_partition; i++)
	{
		JsonbValue	none = {.type = jbvNull};

		if (values[i].data != NULL)
			mdl_jsonb_push_text(&state, p->request->partition[i], pnstrdup(values[i].data, values[i].length));
		else
		{
			mdl_jsonb_push_key(&state, p->request->partition[i]);
			pushJsonbValue(&state, WJB_VALUE, &none);
		}
	}
	object = mdl_jsonb_finish(&state);
	return JsonbToCString(NULL, &object->root, VARSIZE(object));
}

/* ---- reading the rows ------------------------------------------------------------------------------------------------ */

/*
 * How much of a new part's rows may stay in memory, in kB: all parts together take work_mem, and each the least that a store
 * of rows can have.  One that outgrows its room has all its rows in a file.
 */
static int
room_for_part(MdlPartsTraining *p)
{
	if (p->n_parts > 0 && p->bytes <= (Size) p->room * 1024)
		p->kept += p->bytes;
	p->bytes = 0;
	return Max(LEAST_ROOM, work_mem - (int) Min(p->kept / 1024, INT_MAX));
}

static Part *
add_part(MdlPartsTraining *p, const char *key, const ml_text *values)
{
	Part	   *part;

	if (p->n_parts == MOST_PARTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("argument \"partition_by\" divides the source into more than %d parts", MOST_PARTS),
				 errhint("Divide by fewer columns, or make one model with them as features.")));
	if (p->n_parts == p->allocated)
	{
		p->allocated = Max(64, 2 * p->allocated);
		p->parts = p->parts ? repalloc(p->parts, sizeof(Part) * p->allocated) : palloc(sizeof(Part) * p->allocated);
	}
	p->room = room_for_part(p);
	part = &p->parts[p->n_parts++];
	memset(part, 0, sizeof(Part));
	part->key = pstrdup(key);
	part->key_json = key_json(p, values);
	/* What does not fit into memory must outlive the transaction that reads it. */
	part->rows = tuplestore_begin_heap(false, true, p->room);
	return part;
}

/* Puts a row to those of its part; rows of one part come one after the other. */
static void
take_row(MdlPartsTraining *p, HeapTuple row, StringInfo key, MemoryContext scratch)
{
	Part	   *part = p->n_parts > 0 ? &p->parts[p->n_parts - 1] : NULL;
	MemoryContext memory = MemoryContextSwitchTo(scratch);
	ml_text    *values = palloc(sizeof(ml_text) * p->request->n_partition);
	size_t		length;

	key_values(p, row, values);
	length = ml_part_key(values, p->request->n_partition, key->data, key->maxlen);
	if (length >= key->maxlen)
	{
		enlargeStringInfo(key, length + 1);
		ml_part_key(values, p->request->n_partition, key->data, key->maxlen);
	}
	MemoryContextSwitchTo(memory);
	if (part == NULL || strcmp(part->key, key->data) != 0)
		part = add_part(p, key->data, values);
	MemoryContextReset(scratch);
	tuplestore_puttuple(part->rows, row);
	p->bytes += row->t_len + ROW_OVERHEAD;
}

/* The rows ordered by the texts of their keys, as strcmp orders them: NULL before all. */
static char *
ordered_query(const MdlPartsTraining *p, const char *from)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT * FROM %s AS source ORDER BY ", from);
	for (int i = 0; i < p->request->n_partition; i++)
		appendStringInfo(&sql, "%s(source.%s)::pg_catalog.text COLLATE \"C\" NULLS FIRST", i ? ", " : "",
						 quote_identifier(p->request->partition[i]));
	return sql.data;
}

static int
compare_parts(const void *a, const void *b)
{
	return strcmp(((const Part *) a)->key, ((const Part *) b)->key);
}

static void
read_rows(MdlPartsTraining *p, const char *from)
{
	MemoryContext scratch = AllocSetContextCreate(p->memory, "key of a part", ALLOCSET_SMALL_SIZES);
	StringInfoData key;
	SPIPlanPtr	plan = SPI_prepare(ordered_query(p, from), 0, NULL);
	Portal		portal;
	int64		rows = 0;

	if (plan == NULL)
		elog(ERROR, "SPI could not prepare the rows of parts: %s", SPI_result_code_string(SPI_result));
	MemoryContextSwitchTo(p->memory);
	initStringInfo(&key);
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		MemoryContextSwitchTo(p->memory);
		for (uint64 i = 0; i < SPI_processed; i++)
			take_row(p, SPI_tuptable->vals[i], &key, scratch);
		rows += SPI_processed;
		SPI_freetuptable(SPI_tuptable);
		mdl_progress_update(rows);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_freetuptable(SPI_tuptable);
	SPI_cursor_close(portal);
	MemoryContextSwitchTo(p->memory);
	if (rows == 0)
		mdl_training_too_few(p->whole, 0);
	qsort(p->parts, p->n_parts, sizeof(Part), compare_parts);
	for (int i = 1; i < p->n_parts; i++)
		if (strcmp(p->parts[i - 1].key, p->parts[i].key) == 0)
			elog(ERROR, "rows of one part came apart");
}

MdlPartsTraining *
mdl_parts_begin(const MdlTrainRequest *request, MemoryContext parent)
{
	MdlTraining *whole = mdl_training_begin(request, parent);
	MemoryContext caller = MemoryContextSwitchTo(whole->memory);
	MdlPartsTraining *p = palloc0(sizeof(MdlPartsTraining));
	const char **exclude = palloc(sizeof(char *) * (request->n_exclude + request->n_partition + 1));

	p->request = request;
	p->memory = whole->memory;
	p->whole = whole;
	p->part_request = *request;
	p->part_request.source = "SELECT * FROM " STORE_NAME;
	p->part_request.told_source = request->source;
	p->part_request.n_partition = 0;
	for (int i = 0; i < request->n_exclude; i++)
		exclude[i] = request->exclude[i];
	for (int i = 0; i < request->n_partition; i++)
		exclude[request->n_exclude + i] = request->partition[i];
	p->part_request.exclude = exclude;
	p->part_request.n_exclude = request->n_exclude + request->n_partition;
	MemoryContextSwitchTo(caller);
	return p;
}

void
mdl_parts_read(MdlPartsTraining *p)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *from;

	mdl_training_check_request(p->request);
	p->whole->data_version = mdl_training_push_snapshot();
	MemoryContextSwitchTo(p->memory);
	p->whole->estimator = mdl_estimator_by_name(p->request->algorithm);
	mdl_params_read(p->whole->estimator, p->request->params, p->whole->params);
	from = mdl_source_from(p->request->source, &p->whole->source.relid);
	p->columns = mdl_source_columns(from, &p->whole->source.relations);
	MemoryContextSwitchTo(p->memory);	/* SPI has left its own */
	find_keys(p);
	mdl_training_phase(p->whole, "reading", -1);
	read_rows(p, from);
	p->whole->data_commits = mdl_training_data_commits(p->whole);
	MemoryContextSwitchTo(caller);
	PopActiveSnapshot();
}

/* ---- training the parts ---------------------------------------------------------------------------------------------- */

/* Says which part an error is about. */
static void
tell_part(void *argument)
{
	const Part *part = argument;

	errcontext("training of the part %s", part->key_json);
}

static void
offer_rows(const MdlPartsTraining *p, const Part *part)
{
	EphemeralNamedRelation offered = palloc0(sizeof(EphemeralNamedRelationData));
	int			code;

	offered->md.name = STORE_NAME;
	offered->md.reliddesc = InvalidOid;
	offered->md.tupdesc = p->columns;
	offered->md.enrtype = ENR_NAMED_TUPLESTORE;
	offered->md.enrtuples = (double) tuplestore_tuple_count(part->rows);
	offered->reldata = part->rows;
	code = SPI_register_relation(offered);
	if (code != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI could not register the rows of a part: %s", SPI_result_code_string(code));
}

MdlTraining *
mdl_parts_next(MdlPartsTraining *p)
{
	ErrorContextCallback callback = {error_context_stack, tell_part, &p->parts[p->next]};
	MdlTraining *t;

	if (p->next == p->n_parts)
		return NULL;
	error_context_stack = &callback;
	t = mdl_training_begin(&p->part_request, p->memory);
	offer_rows(p, &p->parts[p->next]);
	mdl_training_read(t);
	SPI_unregister_relation(STORE_NAME);
	tuplestore_end(p->parts[p->next].rows);
	p->parts[p->next].rows = NULL;
	error_context_stack = callback.previous;
	return t;
}

/* Notes what a part has that all have: columns, and names of numbers that describe the fit. */
static void
note_common(MdlPartsTraining *p, const MdlTraining *t)
{
	MdlSource  *source = &p->whole->source;
	const MdlSourceColumn *target = mdl_source_target(&t->source);

	source->n_features = t->source.n_features;
	source->n_columns = t->source.n_features + (target ? 1 : 0);
	source->columns = palloc(sizeof(MdlSourceColumn) * (source->n_columns + 1));
	for (int i = 0; i < source->n_columns; i++)
	{
		source->columns[i] = t->source.columns[i];
		source->columns[i].name = pstrdup(t->source.columns[i].name);
		source->columns[i].type_name = pstrdup(t->source.columns[i].type_name);
		source->columns[i].expression = NULL;
	}
	p->whole->split.holdout = t->split.holdout;
	p->n_facts = t->report.n_facts;
	p->facts = palloc(sizeof(char *) * (p->n_facts + 1));
	for (int i = 0; i < p->n_facts; i++)
		p->facts[i] = pstrdup(t->report.facts[i].name);
}

void
mdl_parts_fit(MdlPartsTraining *p, MdlTraining *t)
{
	Part	   *part = &p->parts[p->next];
	ErrorContextCallback callback = {error_context_stack, tell_part, part};
	MemoryContext caller;
	unsigned char *bytes;
	ml_error	err;
	ml_status	status;

	error_context_stack = &callback;
	mdl_training_fit(t);
	caller = MemoryContextSwitchTo(t->memory);
	status = ml_model_save(&t->ctx, t->model, &bytes, &part->length, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	MemoryContextSwitchTo(p->memory);
	part->bytes = MemoryContextAllocHuge(p->memory, part->length);
	memcpy(part->bytes, bytes, part->length);
	part->trained_rows = t->rows;
	part->metrics = (Jsonb *) pg_detoast_datum_copy((struct varlena *) mdl_training_finish_metrics(t));
	mdl_training_collect_coefficients(t, &part->coefficients);
	if (p->next == 0)
		note_common(p, t);
	MemoryContextSwitchTo(caller);
	mdl_training_end(t);
	error_context_stack = callback.previous;
	p->next++;
	mdl_progress_phase("training parts", p->n_parts);
	mdl_progress_update(p->next);
}

/* ---- the whole --------------------------------------------------------------------------------------------------------- */

/* Whether a number says how good predictions are, and so has a mean over the parts; others describe the fit. */
static bool
is_metric(const MdlPartsTraining *p, const char *name)
{
	if (strncmp(name, "train_", 6) == 0)
		return true;
	for (int i = 0; i < p->n_facts; i++)
		if (strcmp(p->facts[i], name) == 0)
			return false;
	return strcmp(name, "iterations") != 0;
}

static bool
ends_with(const char *name, const char *end)
{
	return strlen(name) >= strlen(end) && strcmp(name + strlen(name) - strlen(end), end) == 0;
}

/* How many rows of a part a metric measures: those held out, or those trained on of which a number may stand for all. */
static double
measured_rows(const MdlPartsTraining *p, int part, const char *name)
{
	double		measured;

	if (mdl_jsonb_float8(p->parts[part].metrics, "metrics",
						 strncmp(name, "train_", 6) == 0 ? "train_rows_scored" : "validation_rows", &measured))
		return measured;
	return (double) p->parts[part].trained_rows;
}

/*
 * One metric of the whole from those of the parts; false: a part lacks it.  Numbers of rows are added up, of the largest error
 * it is the largest, the rest are means by rows, roots of a mean square through the mean square.
 */
static bool
metric_of_whole(const MdlPartsTraining *p, const char *name, double *value)
{
	bool		is_count = ends_with(name, "_rows") || ends_with(name, "_rows_scored");
	bool		is_largest = ends_with(name, "max_error");
	bool		is_root = ends_with(name, "rmse");
	double		sum = 0;
	double		rows = 0;

	*value = 0;
	for (int i = 0; i < p->n_parts; i++)
	{
		double		number;
		double		measured = measured_rows(p, i, name);

		if (!mdl_jsonb_float8(p->parts[i].metrics, "metrics", name, &number))
			return false;
		*value = Max(*value, number);
		sum += is_count ? number : measured * number * (is_root ? number : 1);
		rows += measured;
	}
	if (is_count)
		*value = sum;
	else if (!is_largest)
		*value = is_root ? sqrt(sum / rows) : sum / rows;
	return isfinite(*value);
}

/* Every metric that all parts have. */
static void
mean_metrics(MdlPartsTraining *p)
{
	JsonbIterator *it = JsonbIteratorInit(&p->parts[0].metrics->root);
	JsonbValue	value;
	JsonbIteratorToken token;
	char	   *name = NULL;
	double		number;

	pushJsonbValue(&p->whole->metrics, WJB_BEGIN_OBJECT, NULL);
	mdl_jsonb_push_number(&p->whole->metrics, "parts", p->n_parts);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		if (token == WJB_VALUE && value.type == jbvNumeric && is_metric(p, name) && metric_of_whole(p, name, &number))
			mdl_jsonb_push_number(&p->whole->metrics, name, number);
	}
}

static void
assemble(MdlPartsTraining *p)
{
	const MdlTrainRequest *r = p->request;
	MdlTraining *whole = p->whole;
	ml_model  **models = palloc(sizeof(ml_model *) * p->n_parts);
	const char **keys = palloc(sizeof(char *) * p->n_parts);
	const char **types = palloc(sizeof(char *) * r->n_partition);
	ml_status	status;
	ml_error	err;

	whole->ctx = mdl_ml_ctx(p->memory, (uint64) r->seed);
	for (int i = 0; i < r->n_partition; i++)
		types[i] = format_type_be(TupleDescAttr(p->columns, p->keys[i] - 1)->atttypid);
	for (int i = 0; i < p->n_parts; i++)
	{
		keys[i] = p->parts[i].key;
		whole->rows += p->parts[i].trained_rows;
		status = ml_model_load(&whole->ctx, p->parts[i].bytes, p->parts[i].length, &models[i], &err);
		if (status != ML_OK)
			mdl_ml_raise(status, &err);
		pfree(p->parts[i].bytes);
	}
	status = ml_model_of_parts(&whole->ctx, r->n_partition, r->partition, types, p->n_parts, keys, models, &whole->model, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	whole->task = ml_model_task(whole->model);
	whole->n_classes = ml_model_n_classes(whole->model);
	whole->classes = palloc(sizeof(char *) * (whole->n_classes + 1));
	for (int i = 0; i < whole->n_classes; i++)
		whole->classes[i] = ml_model_class(whole->model, i);
	mean_metrics(p);
}

static void
record_parts(const MdlPartsTraining *p)
{
	MdlUser		user;
	int			position = 0;

	mdl_owner_begin(&user);
	for (int i = 0; i < p->n_parts; i++)
	{
		const Part *part = &p->parts[i];
		MdlArgs		args = {0};

		mdl_arg_int8(&args, p->whole->version_id);
		mdl_arg(&args, INT4OID, Int32GetDatum(i + 1), false);
		mdl_arg_text(&args, part->key_json);
		mdl_arg_int8(&args, part->trained_rows);
		mdl_arg(&args, JSONBOID, JsonbPGetDatum(part->metrics), false);
		mdl_run("INSERT INTO medallion._model_parts (version_id, part, key, rows, metrics)"
				" VALUES ($1, $2, $3::pg_catalog.jsonb, $4, $5)", &args, false);
	}
	mdl_owner_end(&user);
	for (int i = 0; i < p->n_parts; i++)
	{
		mdl_training_record_coefficients(p->whole->version_id, i + 1, position, &p->parts[i].coefficients);
		position += p->parts[i].coefficients.count;
	}
}

void
mdl_parts_register(MdlPartsTraining *p, MdlTrainResult *result)
{
	MemoryContext caller = MemoryContextSwitchTo(p->memory);

	assemble(p);
	mdl_training_register(p->whole, result);
	MemoryContextSwitchTo(p->memory);
	PushCopiedSnapshot(GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	record_parts(p);
	PopActiveSnapshot();
	MemoryContextSwitchTo(caller);
}

void
mdl_parts_end(MdlPartsTraining *p)
{
	mdl_training_end(p->whole);
}
