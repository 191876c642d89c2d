/*
 * training_set.c: medallion.training_set: label rows with the features as they were at each row's own time.
 *
 * The spine is read once into a tuple store, in its own order, and each row gets a number there: nothing is ever joined
 * on the values of keys, so every spine row gives exactly one row, duplicates and rows with NULLs included.  Each feature
 * view fills a matrix of values by row number (event_reader.c, window_agg.c), and the rows are written with them.
 *
 * Spine and sources are read as the calling user, all with the snapshot of the calling statement.
 */
#include "feature/feature_int.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/progress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "versioning/versioning.h"

#define BATCH_ROWS 512

/* A feature view with those of its features that are asked for. */
typedef struct ViewUse
{
	MdlFeatureView *view;		/* features reduced to the chosen ones, in the order asked for */
	MdlWindowPlan *plan;
	char	  **columns;		/* (features): names in the target */
	MdlEntityTable *entities;
	int		   *key_attributes; /* of the spine, from 0 */
	Oid		   *key_types;
	int32	   *entity_of;		/* per spine row */
	MdlFeatureMatrix *matrix;
} ViewUse;

typedef struct TrainingSet
{
	const char *target;			/* quoted, with the schema */
	char	   *target_name;	/* as the user wrote it */
	char	   *spine;			/* as the user wrote it */
	char	   *spine_query;	/* what follows FROM */
	char	   *spine_at;
	int			key_count;
	char	  **keys;			/* of the target's primary key; none: no key */
	bool		full_names;
	bool		has_delay;
	int64		delay;
	int			use_count;
	ViewUse   **uses;
	TupleDesc	spine_desc;
	List	   *sources;		/* OIDs of what the spine and the views read */
	int			at_attribute;
	MemoryContext context;		/* of everything here */
} TrainingSet;

/* ---- which features --------------------------------------------------------------------------------------------- */

static MdlFeature *
find_feature(const MdlFeatureView *view, const char *name)
{
	for (int i = 0; i < view->feature_count; i++)
		if (strcmp(view->features[i].name, name) == 0)
			return &view->features[i];
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("feature view \"%s\" has no feature \"%s\"", view->name, name),
			 errhint("The view medallion.features lists them.")));
}

/* Adds what one reference ("view" or "view:feature") asks for. */
static void
add_reference(TrainingSet *set, List **chosen, const char *reference)
{
	char	   *colon = strchr(reference, ':');
	char	   *name = colon ? pnstrdup(reference, colon - reference) : pstrdup(reference);
	ViewUse    *use = NULL;
	int			number;

	for (number = 0; number < set->use_count && use == NULL; number++)
		if (strcmp(set->uses[number]->view->name, name) == 0)
			use = set->uses[number];
	if (use == NULL)
	{
		use = palloc0(sizeof(ViewUse));
		use->view = mdl_feature_view_load(name);
		set->uses[set->use_count] = use;
		chosen[set->use_count++] = NIL;
		number = set->use_count;
	}
	number--;
	for (int i = 0; i < use->view->feature_count; i++)
	{
		MdlFeature *feature = colon ? find_feature(use->view, colon + 1) : &use->view->features[i];

		chosen[number] = list_append_unique_ptr(chosen[number], feature);
		if (colon)
			break;
	}
}

static void
choose_features(TrainingSet *set, ArrayType *references)
{
	int			count;
	char	  **texts = mdl_text_array(references, "features", &count);
	List	  **chosen = palloc0(sizeof(List *) * (count + 1));

	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"features\" is empty"),
				 errhint("Name feature views, or single features as view:feature.")));
	set->uses = palloc0(sizeof(ViewUse *) * count);
	for (int i = 0; i < count; i++)
		add_reference(set, chosen, texts[i]);
	for (int i = 0; i < set->use_count; i++)
	{
		ViewUse    *use = set->uses[i];
		MdlFeature *features = palloc(sizeof(MdlFeature) * list_length(chosen[i]));
		ListCell   *cell;
		int			n = 0;

		foreach(cell, chosen[i])
			features[n++] = *(MdlFeature *) lfirst(cell);
		use->view->features = features;
		use->view->feature_count = n;
		use->plan = mdl_window_plan(use->view, set->has_delay ? set->delay : use->view->delay);
	}
}

/* ---- the spine's shape ------------------------------------------------------------------------------------------- */

/* Whether a text is a query rather than the name of a table. */
static bool
is_query(const char *text)
{
	static const char *const words[] = {"select", "with", "values", "table", NULL};

	for (;;)
	{
		while (isspace((unsigned char) *text))
			text++;
		if (text[0] == '-' && text[1] == '-')
			text += strcspn(text, "\n");
		else if (text[0] == '/' && text[1] == '*' && strstr(text, "*/") != NULL)
			text = strstr(text, "*/") + 2;
		else
			break;
	}
	if (*text == '(')
		return true;
	for (int i = 0; words[i] != NULL; i++)
		if (pg_strncasecmp(text, words[i], strlen(words[i])) == 0 && isspace((unsigned char) text[strlen(words[i])]))
			return true;
	return false;
}

static char *
spine_source(const char *spine)
{
	size_t		length = strlen(spine);

	if (!is_query(spine) && strpbrk(spine, " \t\n") != NULL && strchr(spine, '"') == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"spine\" is neither the name of a table nor a query"),
				 errhint("A query begins with SELECT, WITH, VALUES or TABLE.")));
	if (!is_query(spine))
		return mdl_qualified_name(mdl_relation_by_name(spine, false));
	while (length > 0 && (isspace((unsigned char) spine[length - 1]) || spine[length - 1] == ';'))
		length--;
	return psprintf("(\n%.*s\n)", (int) length, spine);
}

/* A column of the spine, from 0; an error that says what it is needed for. */
static int
spine_column(const TrainingSet *set, const char *name, const char *use)
{
	int			found = -1;

	for (int i = 0; i < set->spine_desc->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(set->spine_desc, i)->attname), name) != 0)
			continue;
		if (found >= 0)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("the spine has two columns \"%s\"", name)));
		found = i;
	}
	if (found < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the spine has no column \"%s\", %s", name, use)));
	return found;
}

static void
check_spine_time(TrainingSet *set)
{
	Form_pg_attribute attribute;
	Oid			type;

	set->at_attribute = spine_column(set, set->spine_at, "the time of a label row (argument \"spine_at\")");
	attribute = TupleDescAttr(set->spine_desc, set->at_attribute);
	type = getBaseType(attribute->atttypid);
	if (type != TIMESTAMPTZOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("time \"%s\" of the spine must be timestamp with time zone, but is %s", set->spine_at, format_type_be(type)),
				 type == TIMESTAMPOID || type == DATEOID ?
				 errhint("It is not an instant: write (%s AT TIME ZONE 'UTC'), or the zone in which it was written.", set->spine_at) : 0));
}

/* Finds the entity columns of a view in the spine. */
static void
bind_entity(TrainingSet *set, ViewUse *use)
{
	MdlFeatureView *view = use->view;
	Oid			types[INDEX_MAX_KEYS],
				canonical[INDEX_MAX_KEYS],
				collations[INDEX_MAX_KEYS];

	mdl_view_entity_types(view, types, canonical, collations);
	use->key_attributes = palloc(sizeof(int) * Max(view->entity_count, 1));
	use->key_types = palloc(sizeof(Oid) * Max(view->entity_count, 1));
	for (int i = 0; i < view->entity_count; i++)
	{
		use->key_attributes[i] = spine_column(set, view->entity[i], psprintf("an entity of feature view \"%s\"", view->name));
		use->key_types[i] = getBaseType(TupleDescAttr(set->spine_desc, use->key_attributes[i])->atttypid);
		if (mdl_entity_canonical_type(use->key_types[i]) != canonical[i])
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("entity \"%s\" has type %s in the spine, but %s in feature view \"%s\"", view->entity[i],
							format_type_be(use->key_types[i]), format_type_be(types[i]), view->name),
					 errhint("Cast it in the spine.")));
	}
	use->entities = mdl_entity_table_create(view->entity_count, canonical, collations);
}

static void
name_columns(TrainingSet *set)
{
	int			most = set->spine_desc->natts;
	const char **names;
	int			count = 0;

	for (int i = 0; i < set->use_count; i++)
		most += set->uses[i]->view->feature_count;
	names = palloc(sizeof(char *) * most);
	for (int i = 0; i < set->spine_desc->natts; i++)
		names[count++] = NameStr(TupleDescAttr(set->spine_desc, i)->attname);
	for (int i = 0; i < set->use_count; i++)
	{
		MdlFeatureView *view = set->uses[i]->view;

		set->uses[i]->columns = palloc(sizeof(char *) * view->feature_count);
		for (int j = 0; j < view->feature_count; j++)
		{
			char	   *name = set->full_names ? psprintf("%s__%s", view->name, view->features[j].name) : view->features[j].name;

			if (strlen(name) >= NAMEDATALEN)
				ereport(ERROR,
						(errcode(ERRCODE_NAME_TOO_LONG),
						 errmsg("column name \"%s\" has more than %d bytes", name, NAMEDATALEN - 1)));
			for (int k = 0; k < count; k++)
				if (strcmp(names[k], name) == 0)
					ereport(ERROR,
							(errcode(ERRCODE_DUPLICATE_COLUMN),
							 errmsg("feature \"%s\" of feature view \"%s\" has the name of another column", view->features[j].name, view->name),
							 set->full_names ? errhint("Rename the column in the spine.") :
							 errhint("Use full_names => true to name the columns view__feature, or rename the column in the spine.")));
			names[count++] = name;
			set->uses[i]->columns[j] = name;
		}
	}
}

/* Looks at the spine without running it. */
static void
describe_spine(TrainingSet *set)
{
	char	   *sql = psprintf("SELECT * FROM %s AS spine", set->spine_query);
	SPIPlanPtr	plan = SPI_prepare(sql, 0, NULL);
	List	   *sources;
	MemoryContext saved;

	if (plan == NULL)
		elog(ERROR, "SPI could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	sources = SPI_plan_get_plan_sources(plan);
	saved = MemoryContextSwitchTo(set->context);
	set->spine_desc = CreateTupleDescCopy(((CachedPlanSource *) linitial(sources))->resultDesc);
	set->sources = list_concat_unique_oid(NIL, ((CachedPlanSource *) linitial(sources))->relationOids);
	MemoryContextSwitchTo(saved);
	SPI_freeplan(plan);
}

/* ---- reading the spine -------------------------------------------------------------------------------------------- */

typedef struct SpineReader
{
	DestReceiver receiver;		/* must be first */
	TrainingSet *set;
	Tuplestorestate *rows;
	int64		count;
	int64		capacity;
	int64	   *times;
} SpineReader;

static void
grow_spine(SpineReader *reader)
{
	TrainingSet *set = reader->set;
	MemoryContext saved = MemoryContextSwitchTo(set->context);
	bool		first = reader->capacity == 0;

	reader->capacity = first ? 1024 : reader->capacity * 2;
	reader->times = first ? palloc(sizeof(int64) * reader->capacity) :
		repalloc_huge(reader->times, sizeof(int64) * reader->capacity);
	for (int i = 0; i < set->use_count; i++)
	{
		ViewUse    *use = set->uses[i];

		use->entity_of = first ? palloc(sizeof(int32) * reader->capacity) :
			repalloc_huge(use->entity_of, sizeof(int32) * reader->capacity);
	}
	MemoryContextSwitchTo(saved);
}

static bool
receive_spine(TupleTableSlot *slot, DestReceiver *self)
{
	SpineReader *reader = (SpineReader *) self;
	TrainingSet *set = reader->set;
	bool		has_time;

	if (reader->count == reader->capacity)
		grow_spine(reader);
	slot_getallattrs(slot);
	has_time = !slot->tts_isnull[set->at_attribute];
	reader->times[reader->count] = has_time ? DatumGetTimestampTz(slot->tts_values[set->at_attribute]) : 0;
	for (int i = 0; i < set->use_count; i++)
	{
		ViewUse    *use = set->uses[i];
		Datum		keys[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		for (int j = 0; j < use->view->entity_count; j++)
		{
			nulls[j] = slot->tts_isnull[use->key_attributes[j]];
			keys[j] = nulls[j] ? (Datum) 0 :
				mdl_entity_canonical(slot->tts_values[use->key_attributes[j]], use->key_types[j]);
		}
		use->entity_of[reader->count] = has_time ? mdl_entity_lookup(use->entities, keys, nulls, true) : -1;
	}
	tuplestore_puttupleslot(reader->rows, slot);
	if ((++reader->count & 0xffff) == 0)
		mdl_progress_update(reader->count);
	return true;
}

static void
spine_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
spine_end(DestReceiver *self)
{
}

static void
read_spine(TrainingSet *set, SpineReader *reader)
{
	SPIExecuteOptions options = {.read_only = true, .dest = &reader->receiver};
	char	   *sql = psprintf("SELECT * FROM %s AS spine", set->spine_query);
	MemoryContext saved = MemoryContextSwitchTo(set->context);
	int			code;

	memset(reader, 0, sizeof(*reader));
	reader->receiver.receiveSlot = receive_spine;
	reader->receiver.rStartup = spine_startup;
	reader->receiver.rShutdown = spine_end;
	reader->receiver.rDestroy = spine_end;
	reader->receiver.mydest = DestTuplestore;	/* any but DestNone, which would discard */
	reader->set = set;
	reader->rows = tuplestore_begin_heap(false, false, work_mem);
	MemoryContextSwitchTo(saved);
	mdl_progress_phase("spine", -1);
	code = SPI_execute_extended(sql, &options);
	if (code != SPI_OK_SELECT)
		elog(ERROR, "SPI could not run \"%s\": %s", sql, SPI_result_code_string(code));
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

/* CREATE TABLE in the shape of spine and features, empty.  `what` is TABLE or TEMPORARY TABLE. */
static void
create_table(const TrainingSet *set, const char *what, const char *name)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE %s %s AS SELECT spine.*", what, name);
	for (int i = 0; i < set->use_count; i++)
	{
		const ViewUse *use = set->uses[i];

		for (int j = 0; j < use->view->feature_count; j++)
		{
			const MdlFeature *feature = &use->view->features[j];

			appendStringInfo(&sql, ", CAST(NULL AS %s)", format_type_extended(feature->type, feature->typmod,
																			FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
			if (OidIsValid(feature->collation))
				appendStringInfo(&sql, " COLLATE %s", generate_collation_name(feature->collation));
			appendStringInfo(&sql, " AS %s", quote_identifier(use->columns[j]));
		}
	}
	appendStringInfo(&sql, " FROM %s AS spine WITH NO DATA", set->spine_query);
	mdl_run(sql.data, NULL, false);
}

static void
fill_row(const TrainingSet *set, TupleTableSlot *from, int64 row, TupleTableSlot *to)
{
	int			attribute = set->spine_desc->natts;

	slot_getallattrs(from);
	ExecClearTuple(to);
	memcpy(to->tts_values, from->tts_values, sizeof(Datum) * attribute);
	memcpy(to->tts_isnull, from->tts_isnull, sizeof(bool) * attribute);
	for (int i = 0; i < set->use_count; i++)
	{
		const MdlFeatureMatrix *matrix = set->uses[i]->matrix;

		memcpy(&to->tts_values[attribute], &matrix->values[row * matrix->features], sizeof(Datum) * matrix->features);
		memcpy(&to->tts_isnull[attribute], &matrix->nulls[row * matrix->features], sizeof(bool) * matrix->features);
		attribute += matrix->features;
	}
	ExecStoreVirtualTuple(to);
	ExecMaterializeSlot(to);
}

/* Writes all rows into a table that this transaction made: it has no index, trigger or policy yet. */
static void
fill_table(const TrainingSet *set, SpineReader *reader, Oid relid)
{
	Relation	relation = table_open(relid, RowExclusiveLock);
	BulkInsertState bulk = GetBulkInsertState();
	TupleTableSlot *from = MakeSingleTupleTableSlot(set->spine_desc, &TTSOpsMinimalTuple);
	TupleTableSlot *slots[BATCH_ROWS];
	int			made = 0,
				used = 0;
	int64		row = 0;

	mdl_progress_phase("writing", reader->count);
	while (tuplestore_gettupleslot(reader->rows, true, false, from))
	{
		if (used == made)
			slots[made++] = table_slot_create(relation, NULL);
		fill_row(set, from, row++, slots[used++]);
		if (used == BATCH_ROWS)
		{
			CHECK_FOR_INTERRUPTS();
			table_multi_insert(relation, slots, used, GetCurrentCommandId(true), TABLE_INSERT_SKIP_FSM, bulk);
			mdl_progress_update(row);
			used = 0;
		}
	}
	if (used > 0)
		table_multi_insert(relation, slots, used, GetCurrentCommandId(true), TABLE_INSERT_SKIP_FSM, bulk);
	for (int i = 0; i < made; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	ExecDropSingleTupleTableSlot(from);
	FreeBulkInsertState(bulk);
	table_finish_bulk_insert(relation, TABLE_INSERT_SKIP_FSM);
	table_close(relation, NoLock);
	CommandCounterIncrement();
}

static void
add_key(const TrainingSet *set)
{
	StringInfoData sql;

	if (set->key_count == 0)
		return;
	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ADD PRIMARY KEY (", set->target);
	for (int i = 0; i < set->key_count; i++)
		appendStringInfo(&sql, "%s%s", i ? ", " : "", quote_identifier(set->keys[i]));
	appendStringInfoString(&sql, ")");
	mdl_run(sql.data, NULL, false);
}

/* Whether a table has the columns of the shape, and the primary key that is asked for. */
static bool
same_shape(const TrainingSet *set, Oid existing, Oid shape)
{
	Relation	a = table_open(existing, AccessShareLock);
	Relation	b = table_open(shape, AccessShareLock);
	Bitmapset  *key = RelationGetIndexAttrBitmap(a, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	bool		same = RelationGetDescr(a)->natts == RelationGetDescr(b)->natts && bms_num_members(key) == set->key_count;

	for (int i = 0; same && i < RelationGetDescr(a)->natts; i++)
	{
		Form_pg_attribute left = TupleDescAttr(RelationGetDescr(a), i);
		Form_pg_attribute right = TupleDescAttr(RelationGetDescr(b), i);

		same = !left->attisdropped && strcmp(NameStr(left->attname), NameStr(right->attname)) == 0 &&
			left->atttypid == right->atttypid && left->atttypmod == right->atttypmod &&
			left->attcollation == right->attcollation && left->attgenerated == '\0';
	}
	for (int i = 0; i < set->key_count && same; i++)
		same = bms_is_member(get_attnum(existing, set->keys[i]) - FirstLowInvalidHeapAttributeNumber, key);
	table_close(a, NoLock);
	table_close(b, NoLock);
	return same;
}

#define STAGING "pg_temp._medallion_training_set"

/* A target that did not exist before. */
static Oid
write_new(TrainingSet *set, SpineReader *reader)
{
	Oid			relid;

	create_table(set, "TABLE", set->target);
	relid = mdl_relation_by_name(set->target, false);
	fill_table(set, reader, relid);
	add_key(set);
	if (set->key_count > 0)
		mdl_enable_versioning(relid);
	return relid;
}

/*
 * A target that exists.  With the same columns and key its rows are replaced, so that grants, dependent views and past
 * versions stay; else the table is dropped and made anew.
 */
static Oid
write_over(TrainingSet *set, SpineReader *reader, Oid existing)
{
	Oid			staging;

	if (get_rel_relkind(existing) != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a table", mdl_display_name(existing))));
	mdl_require_table_owner(existing);
	create_table(set, "TEMPORARY TABLE", STAGING);
	staging = mdl_relation_by_name(STAGING, false);
	if (!same_shape(set, existing, staging))
	{
		mdl_run("DROP TABLE " STAGING, NULL, false);
		mdl_run(psprintf("DROP TABLE %s", set->target), NULL, false);
		return write_new(set, reader);
	}
	fill_table(set, reader, staging);
	mdl_run(psprintf("DELETE FROM %s", set->target), NULL, false);
	mdl_run(psprintf("INSERT INTO %s SELECT * FROM " STAGING, set->target), NULL, false);
	mdl_run("DROP TABLE " STAGING, NULL, false);
	if (set->key_count > 0)
		mdl_enable_versioning(existing);
	return existing;
}

/* ---- lineage -------------------------------------------------------------------------------------------------------- */

static void
push_key(JsonbParseState **state, const char *key)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = (char *) key;
	value.val.string.len = strlen(key);
	pushJsonbValue(state, WJB_KEY, &value);
}

static void
push_string(JsonbParseState **state, const char *key, const char *text)
{
	JsonbValue	value = {.type = jbvString};

	push_key(state, key);
	value.val.string.val = (char *) text;
	value.val.string.len = strlen(text);
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* [{"view": …, "version": …, "source": …, "features": {column: definition}}, …] */
static Jsonb *
describe_uses(const TrainingSet *set)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < set->use_count; i++)
	{
		const MdlFeatureView *view = set->uses[i]->view;
		JsonbValue	number = {.type = jbvNumeric};
		JsonbValue	features = {.type = jbvBinary};
		Jsonb	   *definitions = mdl_feature_unparse(view);

		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_string(&state, "view", view->name);
		push_key(&state, "version");
		number.val.numeric = int64_to_numeric(view->version);
		pushJsonbValue(&state, WJB_VALUE, &number);
		push_string(&state, "source", mdl_display_name(view->source));
		push_key(&state, "features");
		features.val.binary.data = &definitions->root;
		features.val.binary.len = VARSIZE(definitions) - VARHDRSZ;
		pushJsonbValue(&state, WJB_VALUE, &features);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static Datum
source_array(const TrainingSet *set)
{
	List	   *sources = set->sources;
	Datum	   *elements;
	ListCell   *cell;
	int			count = 0;

	for (int i = 0; i < set->use_count; i++)
		sources = list_append_unique_oid(sources, set->uses[i]->view->source);
	elements = palloc(sizeof(Datum) * Max(list_length(sources), 1));
	foreach(cell, sources)
		elements[count++] = ObjectIdGetDatum(lfirst_oid(cell));
	return PointerGetDatum(construct_array(elements, count, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT));
}

static void
record_training_set(const TrainingSet *set, Oid relid, int64 rows, int64 version, bool exact)
{
	MdlArgs		args = {0};
	MdlUser		user;

	mdl_arg(&args, REGCLASSOID, ObjectIdGetDatum(relid), false);
	mdl_arg_text(&args, set->spine);
	mdl_arg_text(&args, set->spine_at);
	mdl_arg(&args, REGCLASSARRAYOID, source_array(set), false);
	mdl_arg_jsonb(&args, describe_uses(set));
	mdl_arg_int8(&args, rows);
	mdl_arg(&args, INT8OID, Int64GetDatum(version), version == 0);
	mdl_arg_bool(&args, exact);
	mdl_arg_text(&args, GetUserNameFromId(GetUserId(), false));
	mdl_owner_begin(&user);
	mdl_run("INSERT INTO medallion._training_sets (target, spine, spine_at, sources, feature_views, row_count, data_version, data_version_exact, owner) "
			"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", &args, false);
	mdl_owner_end(&user);
}

/* ---- the function --------------------------------------------------------------------------------------------------- */

static void
read_arguments(TrainingSet *set, FunctionCallInfo fcinfo)
{
	static const char *const required[] = {"target_table", "spine", "features", "spine_at"};
	char	   *schema,
			   *relation;

	for (int i = 0; i < lengthof(required); i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be NULL", required[i])));
	set->target_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	mdl_split_name(set->target_name, &schema, &relation);
	set->target = quote_qualified_identifier(schema, relation);
	set->spine = text_to_cstring(PG_GETARG_TEXT_PP(1));
	set->spine_at = text_to_cstring(PG_GETARG_TEXT_PP(3));
	if (!PG_ARGISNULL(4))
		set->keys = mdl_text_array(PG_GETARG_ARRAYTYPE_P(4), "keys", &set->key_count);
	set->full_names = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
	set->has_delay = !PG_ARGISNULL(7);
	if (set->has_delay)
		set->delay = mdl_interval_length(PG_GETARG_INTERVAL_P(7), "argument \"delay\"");
	if (set->delay < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"delay\" must not be negative"),
				 errhint("A negative delay would let features see the future.")));
}

static Oid
existing_target(const TrainingSet *set, bool replace)
{
	Oid			relid = mdl_relation_by_name(set->target, true);

	if (OidIsValid(relid) && !replace)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("table %s already exists", mdl_display_name(relid)),
				 errhint("Use replace => true to replace its rows, or choose another target_table.")));
	return relid;
}

/* training_set(target_table, spine, features, spine_at, keys, full_names, replace, delay) -> (target, rows) */
MDL_FUNCTION(mdl_training_set);
Datum
mdl_training_set(PG_FUNCTION_ARGS)
{
	TrainingSet set = {0};
	SpineReader reader;
	TupleDesc	desc;
	Oid			existing,
				relid;
	int64		version;
	bool		exact = true;
	Datum		values[2];
	bool		nulls[2] = {0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	read_arguments(&set, fcinfo);
	SPI_connect();
	set.context = CurrentMemoryContext;
	existing = existing_target(&set, !PG_ARGISNULL(6) && PG_GETARG_BOOL(6));
	set.spine_query = spine_source(set.spine);
	choose_features(&set, PG_GETARG_ARRAYTYPE_P(2));
	describe_spine(&set);
	check_spine_time(&set);
	for (int i = 0; i < set.use_count; i++)
		bind_entity(&set, set.uses[i]);
	name_columns(&set);
	for (int i = 0; i < set.key_count; i++)
		(void) spine_column(&set, set.keys[i], "a key of the target (argument \"keys\")");

	mdl_progress_begin("training_set", set.target_name);
	version = mdl_snapshot_version(GetActiveSnapshot(), &exact);
	read_spine(&set, &reader);
	for (int i = 0; i < set.use_count; i++)
	{
		ViewUse    *use = set.uses[i];

		use->matrix = mdl_point_in_time(use->plan, use->entities, use->entity_of, reader.times, reader.count, NULL, NULL);
	}
	relid = OidIsValid(existing) ? write_over(&set, &reader, existing) : write_new(&set, &reader);
	record_training_set(&set, relid, reader.count, version, exact);
	tuplestore_end(reader.rows);
	mdl_progress_end();
	SPI_finish();

	values[0] = CStringGetTextDatum(set.target_name);
	values[1] = Int64GetDatum(reader.count);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
