/*
 * train_source.c: the columns of a training source: which are features, and of which kind.
 *
 * The source is never run to find its columns: the analysed statement tells them.
 */
#include "train/train_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* ---- types --------------------------------------------------------------------------------------------------- */

/* Decides how a column of this type arrives; false if it cannot be a feature. cast is what to write behind it. */
static bool
wire_of(Oid type, MdlWire *wire, ml_kind *kind, const char **cast)
{
	Oid			base = getBaseType(type);

	*cast = type == base ? "" : psprintf("::%s", mdl_type_name(base));
	*kind = ML_NUMERIC;
	switch (base)
	{
		case FLOAT8OID:
			*wire = MDL_WIRE_FLOAT8;
			return true;
		case FLOAT4OID:
			*wire = MDL_WIRE_FLOAT4;
			return true;
		case INT2OID:
			*wire = MDL_WIRE_INT2;
			return true;
		case INT4OID:
			*wire = MDL_WIRE_INT4;
			return true;
		case INT8OID:
			*wire = MDL_WIRE_INT8;
			return true;
		case NUMERICOID:
			*wire = MDL_WIRE_FLOAT8;
			*cast = "::pg_catalog.float8";
			return true;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			*wire = MDL_WIRE_FLOAT8;
			*kind = ML_TIME;
			return true;
		case FLOAT8ARRAYOID:
		case FLOAT4ARRAYOID:
		case INT2ARRAYOID:
		case INT4ARRAYOID:
		case INT8ARRAYOID:
		case NUMERICARRAYOID:
			*wire = MDL_WIRE_VECTOR;
			*kind = ML_VECTOR;
			*cast = "::pg_catalog.float8[]";
			return true;
		case BOOLOID:
			*wire = MDL_WIRE_BOOL;
			*kind = ML_BOOLEAN;
			return true;
		case TEXTOID:
			*wire = MDL_WIRE_TEXT;
			*kind = ML_CATEGORICAL;
			return true;
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case CHAROID:
			break;
		default:
			if (get_typtype(base) != TYPTYPE_ENUM)
				return false;
	}
	*wire = MDL_WIRE_TEXT;
	*kind = ML_CATEGORICAL;
	*cast = "::pg_catalog.text";
	return true;
}

static void
refuse_feature(const char *name, Oid type)
{
	Oid			base = getBaseType(type);
	const char *hint = "Exclude the column, or derive numbers, booleans, text or arrays of numbers from it in the source query.";

	if (base == TIMEOID || base == TIMETZOID || base == INTERVALOID)
		hint = "Exclude the column, or take numbers out of it in the source query, as extract(epoch from …) does.";
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of type %s cannot be a feature", name, format_type_be(type)),
			 errhint("%s", hint)));
}

/* ---- columns ------------------------------------------------------------------------------------------------- */

/* Copies what it returns out of the plan. */
TupleDesc
mdl_source_columns(const char *from, List **relations)
{
	SPIPlanPtr	plan;
	char	   *sql = psprintf("SELECT * FROM %s AS source", from);
	MemoryContext caller = CurrentMemoryContext;
	CachedPlanSource *source;
	TupleDesc	columns;

	plan = SPI_prepare(sql, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	source = linitial(SPI_plan_get_plan_sources(plan));
	/* SPI leaves its own context, which ends with the connection, while a training in the background goes on. */
	MemoryContextSwitchTo(caller);
	columns = CreateTupleDescCopy(source->resultDesc);
	*relations = list_copy(source->relationOids);
	SPI_freeplan(plan);
	return columns;
}

static char *
column_names(TupleDesc columns)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < columns->natts; i++)
		if (!TupleDescAttr(columns, i)->attisdropped)
			appendStringInfo(&text, "%s%s", text.len ? ", " : "", NameStr(TupleDescAttr(columns, i)->attname));
	return text.data;
}

Form_pg_attribute
mdl_source_find_column(TupleDesc columns, const char *name, const char *argument)
{
	Form_pg_attribute found = NULL;

	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(columns, i);

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), name) != 0)
			continue;
		if (found != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("the source has more than one column \"%s\"", name),
					 errhint("Give the columns of the source query different names.")));
		found = attribute;
	}
	if (found == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the source has no column \"%s\", named in argument \"%s\"", name, argument),
				 errhint("Its columns are: %s.", column_names(columns))));
	return found;
}

static bool
is_named(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void
add_column(MdlSource *source, Form_pg_attribute attribute, MdlRole role, MdlWire wire, ml_kind kind, const char *cast)
{
	MdlSourceColumn *column = &source->columns[source->n_columns++];

	column->name = pstrdup(NameStr(attribute->attname));
	column->type = attribute->atttypid;
	column->type_name = format_type_be(attribute->atttypid);
	column->expression = psprintf("source.%s%s", quote_identifier(column->name), cast);
	column->role = role;
	column->wire = wire;
	column->kind = kind;
	column->length = 1;
	column->has_clock = kind == ML_TIME && getBaseType(attribute->atttypid) != DATEOID;
	if (kind == ML_TIME)
		column->expression = psprintf("%s(%s)", mdl_seconds_function(getBaseType(attribute->atttypid)), column->expression);
}

/* The number of elements of a vector, from the first that there is; training makes sure that all have as many. */
static int
vector_length(const MdlSource *source, const MdlSourceColumn *column)
{
	char	   *sql = psprintf("SELECT pg_catalog.cardinality(%s) FROM %s AS source WHERE %s IS NOT NULL LIMIT 1", column->expression,
							   source->from, column->expression);
	MemoryContext caller = CurrentMemoryContext;
	int			length = 0;

	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "SPI could not run \"%s\"", sql);
	if (SPI_processed == 1)
	{
		bool		is_null;

		length = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
	}
	if (length < 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("feature \"%s\" has no elements", column->name),
				 errhint("Exclude the column.")));
	MemoryContextSwitchTo(caller);
	return length;
}

static void
add_feature(MdlSource *source, Form_pg_attribute attribute)
{
	MdlWire		wire;
	ml_kind		kind;
	const char *cast;

	if (!wire_of(attribute->atttypid, &wire, &kind, &cast))
		refuse_feature(NameStr(attribute->attname), attribute->atttypid);
	add_column(source, attribute, MDL_ROLE_FEATURE, wire, kind, cast);
	if (kind == ML_VECTOR && !source->looks_only)
		source->columns[source->n_columns - 1].length = vector_length(source, &source->columns[source->n_columns - 1]);
	source->n_features++;
}

/* Names of the parameters that make a column an offset, by MdlOffset. */
static const char *const offset_params[] = {"feature", "offset", "exposure"};

const char *
mdl_offset_name(MdlOffset offset)
{
	return offset_params[offset];
}

/* The column that is such an offset, NULL if there is none. */
static char *
offset_column(const MdlTrainRequest *request, const ml_estimator *estimator, MdlOffset offset)
{
	return ml_estimator_param(estimator, offset_params[offset]) < 0 ? NULL : mdl_params_column(request->params, offset_params[offset]);
}

static bool
is_offset(const MdlTrainRequest *request, const ml_estimator *estimator, const char *name)
{
	for (MdlOffset offset = MDL_OFFSET_PLAIN; offset <= MDL_OFFSET_EXPOSURE; offset++)
	{
		const char *column = offset_column(request, estimator, offset);

		if (column != NULL && strcmp(column, name) == 0)
			return true;
	}
	return false;
}

/* Offsets are features that nothing is learnt of: predictions need them. */
static void
add_offsets(const MdlTrainRequest *request, TupleDesc columns, const ml_estimator *estimator, MdlSource *source)
{
	for (MdlOffset offset = MDL_OFFSET_PLAIN; offset <= MDL_OFFSET_EXPOSURE; offset++)
	{
		const char *name = offset_column(request, estimator, offset);
		Form_pg_attribute attribute;
		MdlWire		wire;
		ml_kind		kind;
		const char *cast;

		if (name == NULL)
			continue;
		attribute = mdl_source_find_column(columns, name, psprintf("params.%s", offset_params[offset]));
		if ((request->target != NULL && strcmp(name, request->target) == 0) || !wire_of(attribute->atttypid, &wire, &kind, &cast) ||
			kind != ML_NUMERIC)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of type %s cannot be the %s", name, format_type_be(attribute->atttypid), offset_params[offset]),
					 errhint("An %s is a number in a column of its own.", offset_params[offset])));
		for (int i = 0; i < source->n_features; i++)
			if (strcmp(source->columns[i].name, name) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("column \"%s\" cannot be both %s%s and the %s", name, source->columns[i].offset ? "the " : "a ",
								offset_params[source->columns[i].offset], offset_params[offset]),
						 errhint("Leave it out of argument \"features\", or give a copy of it another name in the source query.")));
		add_column(source, attribute, MDL_ROLE_FEATURE, wire, kind, cast);
		source->columns[source->n_columns - 1].offset = offset;
		source->n_features++;
	}
}

static void
add_features(const MdlTrainRequest *request, TupleDesc columns, const ml_estimator *estimator, const MdlSplit *split, MdlSource *source)
{
	if (request->n_features >= 0)
	{
		for (int i = 0; i < request->n_features; i++)
		{
			const char *name = request->features[i];

			if (is_named(request->features, i, name))
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("argument \"features\" names column \"%s\" twice", name)));
			if (request->target != NULL && strcmp(name, request->target) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("the target \"%s\" cannot be a feature", name)));
			if (!is_named(request->exclude, request->n_exclude, name))
				add_feature(source, mdl_source_find_column(columns, name, "features"));
		}
	}
	else
		for (int i = 0; i < columns->natts; i++)
		{
			Form_pg_attribute attribute = TupleDescAttr(columns, i);
			const char *name = NameStr(attribute->attname);

			if (attribute->attisdropped || (request->target != NULL && strcmp(name, request->target) == 0) ||
				is_named(request->exclude, request->n_exclude, name) ||
				(request->weight != NULL && strcmp(name, request->weight) == 0) || is_offset(request, estimator, name) ||
				(split->column != NULL && strcmp(name, split->column) == 0) ||
				is_named((const char *const *) split->group, split->n_group, name))
				continue;
			mdl_source_find_column(columns, name, "source");	/* raises for a name that comes twice */
			add_feature(source, attribute);
		}
	if (source->n_features == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the source has no feature columns"),
				 errhint("Its columns are: %s.", column_names(columns))));
}

/* ---- the task ------------------------------------------------------------------------------------------------ */

#define SUPERVISED (ML_TASK_BIT(ML_REGRESSION) | ML_TASK_BIT(ML_BINARY) | ML_TASK_BIT(ML_MULTICLASS))
#define CLASSIFICATION (ML_TASK_BIT(ML_BINARY) | ML_TASK_BIT(ML_MULTICLASS))

/* What the parameter "task" asks for; NULL: nothing, or the algorithm has no such parameter. */
static const char *
wanted_task(const ml_estimator *estimator, const double *params)
{
	int			index = ml_estimator_param(estimator, "task");
	const char *word = index < 0 ? "auto" : estimator->params[index].choices[(int) params[index]];

	return strcmp(word, "auto") == 0 ? NULL : word;
}

/* A task without target; raises if the algorithm has none, or several and nobody said which. */
static ml_task
task_without_target(const ml_estimator *estimator, const char *wanted)
{
	for (ml_task task = ML_CLUSTERING; task <= ML_N_TASKS; task++)
		if ((estimator->tasks & ML_TASK_BIT(task)) != 0 && (wanted == NULL || strcmp(wanted, ml_task_name(task)) == 0))
			return task;
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"target\" must not be NULL for algorithm \"%s\"", estimator->name),
			 errhint("Name the column to be predicted.")));
	return 0;
}

/*
 * With a target: an algorithm that can do both takes numbers for a quantity and everything else for labels, unless the
 * parameter "task" says what they are.
 */
static ml_task
task_with_target(const ml_estimator *estimator, const char *wanted, bool is_numeric)
{
	unsigned	tasks = estimator->tasks & SUPERVISED;
	bool		classes = (tasks & ML_TASK_BIT(ML_REGRESSION)) == 0;

	if (tasks == 0 || (wanted != NULL && strcmp(wanted, ml_task_name(ML_OUTLIER)) == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("algorithm \"%s\" takes no target", estimator->name),
				 errhint("Give NULL for argument \"target\", and the column in argument \"exclude\" if it is no feature.")));
	if ((tasks & CLASSIFICATION) != 0 && (tasks & ML_TASK_BIT(ML_REGRESSION)) != 0)
		classes = wanted != NULL ? strcmp(wanted, "classification") == 0 : !is_numeric;
	return classes ? ML_BINARY : ML_REGRESSION;
}

static ml_task
add_target(const MdlTrainRequest *request, TupleDesc columns, const ml_estimator *estimator, const double *params,
		   MdlSource *source)
{
	const char *wanted = wanted_task(estimator, params);
	Form_pg_attribute attribute;
	MdlWire		wire;
	ml_kind		kind;
	const char *cast;
	bool		is_numeric;

	if (request->target == NULL)
		return task_without_target(estimator, wanted);
	attribute = mdl_source_find_column(columns, request->target, "target");
	is_numeric = wire_of(attribute->atttypid, &wire, &kind, &cast) && kind == ML_NUMERIC;
	if (task_with_target(estimator, wanted, is_numeric) != ML_REGRESSION)
	{
		MdlSourceColumn *column = &source->columns[source->n_columns];

		/* Any type: labels are compared as text. */
		add_column(source, attribute, MDL_ROLE_TARGET, MDL_WIRE_TEXT, ML_CATEGORICAL, "");
		column->expression = mdl_wording_sql(column->expression, column->type);
		return ML_BINARY;
	}
	if (!is_numeric)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the target \"%s\" of type %s is not numeric, as a regression needs", request->target,
						format_type_be(attribute->atttypid)),
				 errhint("Choose an algorithm for classification, such as logistic, or cast the target to a number.")));
	add_column(source, attribute, MDL_ROLE_TARGET, wire, kind, cast);
	return ML_REGRESSION;
}

const MdlSourceColumn *
mdl_source_target(const MdlSource *source)
{
	const MdlSourceColumn *target = &source->columns[source->n_features];

	return source->n_columns > source->n_features && target->role == MDL_ROLE_TARGET ? target : NULL;
}

static void
add_weight(const MdlTrainRequest *request, TupleDesc columns, MdlSource *source)
{
	Form_pg_attribute attribute = mdl_source_find_column(columns, request->weight, "weight");
	MdlWire		wire;
	ml_kind		kind;
	const char *cast;

	if ((request->target != NULL && strcmp(request->weight, request->target) == 0) || !wire_of(attribute->atttypid, &wire, &kind, &cast) ||
		kind != ML_NUMERIC)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s cannot be the weight", request->weight,
						format_type_be(attribute->atttypid)),
				 errhint("Weights are numbers of at least 0 in a column of their own.")));
	add_column(source, attribute, MDL_ROLE_WEIGHT, wire, kind, cast);
}

ml_task
mdl_train_source_open(const MdlTrainRequest *request, const ml_estimator *estimator, const double *params,
					  const MdlSplit *split, int folds, MdlSource *source)
{
	TupleDesc	columns;
	ml_task		task;

	memset(source, 0, sizeof(*source));
	source->looks_only = folds == 0;
	source->from = mdl_source_from(request->source, &source->relid);
	columns = mdl_source_columns(source->from, &source->relations);
	source->columns = palloc0(sizeof(MdlSourceColumn) * (columns->natts + 5));
	for (int i = 0; i < request->n_exclude; i++)
		mdl_source_find_column(columns, request->exclude[i], "exclude");
	if (request->target != NULL)
		mdl_source_find_column(columns, request->target, "target");
	add_features(request, columns, estimator, split, source);
	add_offsets(request, columns, estimator, source);
	task = add_target(request, columns, estimator, params, source);
	if (request->weight != NULL && estimator->no_weights)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("algorithm \"%s\" takes no row weights", estimator->name)));
	if (request->weight != NULL)
		add_weight(request, columns, source);
	mdl_split_columns(split, columns, folds, source);
	return task;
}
