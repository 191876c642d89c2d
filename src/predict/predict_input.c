/*
 * predict_input.c: from a row of any shape to the columns of a model.
 *
 * Columns are found by name.  Extra columns are ignored; a missing one, or one whose type could change the meaning of
 * its values, is an error that names it: numbers of any type go into numeric columns, booleans into boolean ones, texts
 * and enums into categorical ones, dates and timestamps into times; nothing is parsed or guessed.
 */
#include "predict/predict_int.h"

#include "access/htup_details.h"
#include "base/number.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

typedef enum Conversion
{
	FROM_INT2 = 1, FROM_INT4, FROM_INT8, FROM_FLOAT4, FROM_FLOAT8, FROM_NUMERIC, FROM_BOOL,
	FROM_VARLENA,				/* text, varchar: the bytes */
	FROM_BPCHAR,				/* without the blanks at the end */
	FROM_DATE, FROM_TIMESTAMP,	/* with and without time zone alike */
	FROM_VECTOR,				/* an array of numbers, by its element type */
	FROM_OUTPUT					/* enum, name, or the very type of training: its text */
} Conversion;

/* 0 when a value of that type cannot stand for the model's column. */
static Conversion
choose_conversion(ml_kind kind, const char *trained_type, Oid type)
{
	if (kind == ML_NUMERIC)
		switch (type)
		{
			case INT2OID:
				return FROM_INT2;
			case INT4OID:
				return FROM_INT4;
			case INT8OID:
				return FROM_INT8;
			case FLOAT4OID:
				return FROM_FLOAT4;
			case FLOAT8OID:
				return FROM_FLOAT8;
			case NUMERICOID:
				return FROM_NUMERIC;
			default:
				return 0;
		}
	if (kind == ML_BOOLEAN)
		return type == BOOLOID ? FROM_BOOL : 0;
	if (kind == ML_TIME)
	{
		/* With a time zone and without one are different things. */
		if ((type == TIMESTAMPTZOID) != (strcmp(trained_type, "timestamp with time zone") == 0))
			return 0;
		return type == DATEOID ? FROM_DATE : type == TIMESTAMPOID || type == TIMESTAMPTZOID ? FROM_TIMESTAMP : 0;
	}
	if (kind == ML_VECTOR)
		return mdl_is_number(get_element_type(type)) ? FROM_VECTOR : 0;
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
			return FROM_VARLENA;
		case BPCHAROID:
			return FROM_BPCHAR;
		case NAMEOID:
		case CHAROID:
			return FROM_OUTPUT;
		default:
			if (type_is_enum(type) || strcmp(format_type_be(type), trained_type) == 0)
				return FROM_OUTPUT;
			return 0;
	}
}

static void
missing_column(const ml_model *model, const char *name, const char *column, TupleDesc desc)
{
	bool		anonymous = desc->natts > 0;

	for (int i = 0; i < desc->natts; i++)
	{
		char		generated[16];

		snprintf(generated, sizeof(generated), "f%d", i + 1);
		anonymous = anonymous && strcmp(NameStr(TupleDescAttr(desc, i)->attname), generated) == 0;
	}
	if (anonymous)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("input for model \"%s\" has no column names, so column \"%s\" cannot be found", name, column),
				 errhint("Instead of ROW(…) pass a table's row, a row cast to a named type, or the alias of a subquery: "
						 "SELECT medallion.predict('%s', q) FROM (SELECT 1 AS \"%s\", …) q.", name, column)));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("input for model \"%s\" has no column \"%s\"", name, column),
			 errhint_plural("The model needs %d column, found by name; see signature in the view medallion.model_versions.",
							"The model needs %d columns, found by name; see signature in the view medallion.model_versions.",
							ml_model_n_columns(model), ml_model_n_columns(model))));
}

/* The index of the column in the row. */
static int
find_column(const ml_model *model, const char *name, int column, TupleDesc desc)
{
	const char *wanted = ml_model_column_name(model, column);
	int			found = -1;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), wanted) != 0)
			continue;
		if (found >= 0)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("input for model \"%s\" has more than one column \"%s\"", name, wanted)));
		found = i;
	}
	if (found < 0)
		missing_column(model, name, wanted, desc);
	return found;
}

static void
map_column(MdlInputMap *map, const ml_model *model, const char *name, int column, MemoryContext context)
{
	int			attribute = find_column(model, name, column, map->desc);
	Oid			type = getBaseType(TupleDescAttr(map->desc, attribute)->atttypid);
	ml_kind		kind = ml_model_column_kind(model, column);

	map->attributes[column] = attribute;
	map->names[column] = pstrdup(ml_model_column_name(model, column));
	map->conversions[column] = choose_conversion(kind, ml_model_column_type(model, column), type);
	if (map->conversions[column] == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" has type %s, but model \"%s\" was trained with type %s",
						ml_model_column_name(model, column), format_type_be(type), name, ml_model_column_type(model, column)),
				 errhint("Cast the column.")));
	if (map->conversions[column] == FROM_OUTPUT)
	{
		Oid			output;
		bool		varlena;

		getTypeOutputInfo(type, &output, &varlena);
		fmgr_info_cxt(output, &map->outputs[column], context);
	}
	if (kind == ML_CATEGORICAL)
		map->values[column].texts = &map->texts[column];
	else if (kind == ML_VECTOR)
	{
		map->lengths[column] = ml_model_column_length(model, column);
		map->vectors[column] = palloc0(sizeof(double) * map->lengths[column]);
		map->values[column].numbers = map->vectors[column];
	}
	else
		map->values[column].numbers = &map->numbers[column];
	map->values[column].nulls = &map->nulls[column];
}

MdlInputMap *
mdl_input_map(const ml_model *model, const char *name, TupleDesc desc, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	MdlInputMap *map = palloc0(sizeof(MdlInputMap));
	int			n = ml_model_n_columns(model);

	map->desc = CreateTupleDescCopy(desc);
	map->n_columns = n;
	map->attributes = palloc0(sizeof(int) * Max(n, 1));
	map->conversions = palloc0(sizeof(int) * Max(n, 1));
	map->outputs = palloc0(sizeof(FmgrInfo) * Max(n, 1));
	map->datums = palloc(sizeof(Datum) * Max(desc->natts, 1));
	map->isnull = palloc(sizeof(bool) * Max(desc->natts, 1));
	map->values = palloc0(sizeof(ml_values) * Max(n, 1));
	map->numbers = palloc0(sizeof(double) * Max(n, 1));
	map->texts = palloc0(sizeof(ml_text) * Max(n, 1));
	map->nulls = palloc0(Max(n, 1));
	map->vectors = palloc0(sizeof(double *) * Max(n, 1));
	map->lengths = palloc0(sizeof(int) * Max(n, 1));
	map->names = palloc0(sizeof(char *) * Max(n, 1));
	for (int column = 0; column < n; column++)
		map_column(map, model, name, column, context);
	MemoryContextSwitchTo(old);
	return map;
}

static void
read_text(MdlInputMap *map, int column, Datum value)
{
	ml_text    *text = &map->texts[column];

	if (map->conversions[column] == FROM_OUTPUT)
	{
		text->data = OutputFunctionCall(&map->outputs[column], value);
		text->length = strlen(text->data);
	}
	else
	{
		struct varlena *stored = PG_DETOAST_DATUM_PACKED(value);

		text->data = VARDATA_ANY(stored);
		text->length = VARSIZE_ANY_EXHDR(stored);
		if (map->conversions[column] == FROM_BPCHAR)
			text->length = bpchartruelen((char *) text->data, text->length);
	}
}

/* The elements of an array, which must be as many as in training, none of them NULL. */
static void
read_vector(MdlInputMap *map, int column, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Oid			type = ARR_ELEMTYPE(array);
	int			length = map->lengths[column];
	int16		size;
	bool		by_value;
	char		align;
	Datum	   *elements;
	int			count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	if (ARR_NDIM(array) != 1 || count != length || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("column \"%s\" has an array of %d elements, but the model was trained with %d, none of them NULL",
						map->names[column], count, length)));
	if (type == FLOAT8OID)
	{
		memcpy(map->vectors[column], ARR_DATA_PTR(array), sizeof(double) * length);
		return;
	}
	get_typlenbyvalalign(type, &size, &by_value, &align);
	deconstruct_array(array, type, size, by_value, align, &elements, NULL, &count);
	for (int k = 0; k < length; k++)
		map->vectors[column][k] = mdl_number_of(type, elements[k]);
	pfree(elements);
}

void
mdl_input_read(MdlInputMap *map, HeapTupleHeader row)
{
	HeapTupleData tuple;

	tuple.t_len = HeapTupleHeaderGetDatumLength(row);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = row;
	heap_deform_tuple(&tuple, map->desc, map->datums, map->isnull);
	for (int column = 0; column < map->n_columns; column++)
	{
		int			attribute = map->attributes[column];
		Datum		value = map->datums[attribute];
		double		number = 0;

		map->nulls[column] = map->isnull[attribute];
		if (map->isnull[attribute])
		{
			map->texts[column].data = "";
			map->texts[column].length = 0;
			map->numbers[column] = 0;
			continue;
		}
		switch ((Conversion) map->conversions[column])
		{
			case FROM_INT2:
				number = DatumGetInt16(value);
				break;
			case FROM_INT4:
				number = DatumGetInt32(value);
				break;
			case FROM_INT8:
				number = (double) DatumGetInt64(value);
				break;
			case FROM_FLOAT4:
				number = DatumGetFloat4(value);
				break;
			case FROM_FLOAT8:
				number = DatumGetFloat8(value);
				break;
			case FROM_NUMERIC:
				number = mdl_number_of(NUMERICOID, value);
				break;
			case FROM_BOOL:
				number = DatumGetBool(value) ? 1 : 0;
				break;
			case FROM_DATE:
				number = mdl_date_seconds(DatumGetDateADT(value));
				break;
			case FROM_TIMESTAMP:
				number = mdl_timestamp_seconds(DatumGetTimestamp(value));
				break;
			case FROM_VECTOR:
				read_vector(map, column, value);
				break;
			default:
				read_text(map, column, value);
				break;
		}
		map->numbers[column] = number;
	}
}
