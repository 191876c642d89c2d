/*
 * train_split.c: which rows are held out, and which fold a row belongs to.
 *
 * Rows are divided by a hash of what identifies them: the primary key of the source, or, where it has none, the content of
 * the row.  So a row stays on its side when others come or go.  Groups, whose rows are never on both sides, are counted and
 * balanced, see train_groups.c.  Or a column says it; or time does, the latest rows being held out.  Whatever it is becomes
 * further columns of the query that is read: MDL_ROLE_GROUP, hashed, or MDL_ROLE_FOLD, the number of the fold itself.
 */
#include "train/train_int.h"

#include <math.h>

#include "access/stratnum.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/typcache.h"

#define MOST_MOMENTS 100000		/* different values of a time that are looked at one by one */

/* ---- what the user asks for --------------------------------------------------------------------------------------- */

static void
wrong(const char *argument, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" %s", argument, detail),
			 hint ? errhint("%s", hint) : 0));
}

void
mdl_split_read(Jsonb *object, const char *argument, bool with_fraction, MdlSplit *split)
{
	static const char *const keys[] = {"column", "fraction", "group", "stratify", "time", NULL};
	static const char *const fold_keys[] = {"column", "group", "stratify", "time", NULL};
	bool		has_fraction;

	memset(split, 0, sizeof(*split));
	split->argument = argument;
	if (object == NULL)
		return;
	mdl_jsonb_check_keys(object, argument, with_fraction ? keys : fold_keys);
	mdl_jsonb_text(object, argument, "column", &split->column);
	mdl_jsonb_text(object, argument, "time", &split->time);
	mdl_jsonb_text_list(object, argument, "group", &split->group, &split->n_group);
	mdl_jsonb_bool(object, argument, "stratify", &split->stratify);
	if ((split->column != NULL) + (split->time != NULL) + (split->n_group > 0) + split->stratify > 1)
		wrong(argument, "has more than one of the keys \"column\", \"group\", \"stratify\", \"time\"", NULL);
	if (!with_fraction)
		return;
	has_fraction = mdl_jsonb_float8(object, argument, "fraction", &split->fraction);
	if (split->column != NULL && has_fraction)
		wrong(argument, "has both \"column\" and \"fraction\"", "The column says which rows are held out: those where it is true.");
	if (split->column == NULL && !has_fraction)
		wrong(argument, "lacks the key \"fraction\"", "Give the share of rows to hold out, as in {\"fraction\": 0.2}.");
	if (has_fraction && !(split->fraction > 0 && split->fraction < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"fraction\" in argument \"%s\" must be above 0 and below 1, but is %g", argument, split->fraction)));
	split->holdout = true;
}

/* ---- columns that are read for it --------------------------------------------------------------------------------- */

/* The value at each share of the rows in ascending order, as literals of the column's type. */
static char **
quantiles(const MdlSource *source, const char *column, const char *type, const double *shares, int count)
{
	StringInfoData sql;
	MemoryContext caller = CurrentMemoryContext;
	char	  **values = palloc(sizeof(char *) * count);

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < count; i++)
		appendStringInfo(&sql, "%spg_catalog.percentile_disc(%.17g) WITHIN GROUP (ORDER BY source.%s)::pg_catalog.text", i ? ", " : "",
						 shares[i], column);
	appendStringInfo(&sql, " FROM %s AS source", source->from);
	if (SPI_execute(sql.data, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI could not run \"%s\"", sql.data);
	MemoryContextSwitchTo(caller);	/* SPI leaves its own, which ends before a training in the background does */
	for (int i = 0; i < count; i++)
	{
		char	   *value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1);

		values[i] = value ? psprintf("%s::%s", quote_literal_cstr(value), type) : NULL;
	}
	return values;
}

static void
add(MdlSource *source, const char *name, MdlRole role, MdlWire wire, char *expression)
{
	MdlSourceColumn *column;

	source->columns = repalloc(source->columns, sizeof(MdlSourceColumn) * (source->n_columns + 1));
	column = &source->columns[source->n_columns++];
	memset(column, 0, sizeof(*column));
	column->name = pstrdup(name);
	column->type_name = "";
	column->role = role;
	column->wire = wire;
	column->kind = wire == MDL_WIRE_TEXT ? ML_CATEGORICAL : ML_NUMERIC;
	column->expression = expression;
	column->length = 1;
}

/* "OPERATOR(schema.<=)": the order that the type is sorted in, whatever operators the search_path leads to. */
static char *
not_after(Form_pg_attribute attribute)
{
	TypeCacheEntry *entry = lookup_type_cache(getBaseType(attribute->atttypid), TYPECACHE_BTREE_OPFAMILY);
	Oid			operator = InvalidOid;

	if (OidIsValid(entry->btree_opf))
		operator = get_opfamily_member(entry->btree_opf, entry->btree_opintype, entry->btree_opintype, BTLessEqualStrategyNumber);
	if (!OidIsValid(operator))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s has no order", NameStr(attribute->attname), format_type_be(attribute->atttypid)),
				 errhint("Divide by a date, a timestamp or a number.")));
	return mdl_operator_sql(operator);
}

/* Values of a column in ascending order, as literals, and how many rows are not after each. */
typedef struct Moments
{
	uint32		count;
	char	  **values;
	double	   *rows;
} Moments;

/* The different values of the column; false if there are more than MOST_MOMENTS. */
static bool
read_moments(const MdlSource *source, const char *column, const char *type, Moments *moments)
{
	MemoryContext caller = CurrentMemoryContext;
	double		rows = 0;

	if (SPI_execute(psprintf("SELECT source.%s::pg_catalog.text, pg_catalog.count(*) FROM %s AS source WHERE source.%s IS NOT NULL "
							 "GROUP BY source.%s ORDER BY source.%s LIMIT %d", column, source->from, column, column, column,
							 MOST_MOMENTS + 1), true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI could not count the rows of each time");
	MemoryContextSwitchTo(caller);
	moments->count = (uint32) SPI_processed;
	if (moments->count > MOST_MOMENTS)
	{
		SPI_freetuptable(SPI_tuptable);
		return false;
	}
	moments->values = palloc(sizeof(char *) * (moments->count + 1));
	moments->rows = palloc(sizeof(double) * (moments->count + 1));
	for (uint32 i = 0; i < moments->count; i++)
	{
		bool		isnull;

		rows += (double) DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));
		moments->rows[i] = rows;
		moments->values[i] = psprintf("%s::%s", quote_literal_cstr(SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1)), type);
	}
	SPI_freetuptable(SPI_tuptable);
	return true;
}

static void
too_few_moments(const MdlSplit *split, uint32 moments, int stretches)
{
	if (split->holdout)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("column \"%s\" has the same value in all rows, so none is later than the others", split->time),
				 errhint("Hold out rows by another column, or without \"time\" in argument \"%s\".", split->argument)));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg_plural("%d folds that follow one another need %d different values of column \"%s\", but it has only %u",
						   "%d folds that follow one another need %d different values of column \"%s\", but it has only %u", moments,
						   stretches - 1, stretches, split->time, moments),
			 errhint("Use fewer folds, or divide the rows by another column.")));
}

/*
 * The last value of each stretch but the last: the first that has its share of the rows behind it, as percentile_disc says, but none so
 * late or early that a stretch gets no rows.  A holdout begins one value earlier where that comes nearer to its share.
 */
static void
cut_moments(const MdlSplit *split, const Moments *moments, const double *shares, int count, char **values)
{
	double		all = moments->count > 0 ? moments->rows[moments->count - 1] : 0;
	uint32		at = 0;

	if (moments->count > 0 && moments->count <= (uint32) count)
		too_few_moments(split, moments->count, count + 1);
	for (int i = 0; i < count; i++)
	{
		uint32		latest = moments->count - (uint32) (count - i) - 1;

		values[i] = NULL;
		if (moments->count == 0)
			continue;			/* whoever reads the rows says what is wrong with them */
		while (at < latest && moments->rows[at] < ceil(shares[i] * all))
			at++;
		if (split->holdout && at > 0 &&
			fabs(all - moments->rows[at - 1] - split->fraction * all) < fabs(all - moments->rows[at] - split->fraction * all))
			at--;
		values[i] = moments->values[at++];
	}
}

/* Holdout by time: the rows later than all but a fraction; folds by time: stretches of about the same number of rows. */
static void
split_by_time(const MdlSplit *split, Form_pg_attribute attribute, int folds, MdlSource *source)
{
	const char *column = quote_identifier(split->time);
	char	   *type = format_type_extended(attribute->atttypid, attribute->atttypmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
	int			count = split->holdout ? 1 : folds - 1;
	double	   *shares = palloc(sizeof(double) * (count + 1));
	char	   *order = not_after(attribute);
	char	  **values = palloc(sizeof(char *) * (count + 1));
	Moments		moments;
	StringInfoData sql;

	for (int i = 0; i < count; i++)
		shares[i] = split->holdout ? 1 - split->fraction : (double) (i + 1) / folds;
	if (read_moments(source, column, type, &moments))
		cut_moments(split, &moments, shares, count, values);
	else
		values = quantiles(source, column, type, shares, count);
	initStringInfo(&sql);
	appendStringInfo(&sql, "CASE WHEN source.%s IS NULL THEN NULL", column);
	for (int i = 0; i < count; i++)
		if (values[i] != NULL)
			appendStringInfo(&sql, " WHEN source.%s %s %s THEN %d", column, order, values[i], i);
	appendStringInfo(&sql, " ELSE %d END::pg_catalog.int8", split->holdout ? -1 : folds - 1);
	add(source, split->time, MDL_ROLE_FOLD, MDL_WIRE_INT8, sql.data);
}

/* A column that says it: true where a row is held out, or the number of its fold, from 1. */
static void
split_by_column(const MdlSplit *split, Form_pg_attribute attribute, MdlSource *source)
{
	const char *column = quote_identifier(split->column);
	Oid			type = getBaseType(attribute->atttypid);

	if (split->holdout && type == BOOLOID)
		add(source, split->column, MDL_ROLE_FOLD, MDL_WIRE_INT8,
			psprintf("CASE WHEN source.%s THEN -1 WHEN NOT source.%s THEN 0 END::pg_catalog.int8", column, column));
	else if (!split->holdout && (type == INT2OID || type == INT4OID || type == INT8OID))
		add(source, split->column, MDL_ROLE_FOLD, MDL_WIRE_INT8, psprintf("source.%s::pg_catalog.int8 OPERATOR(pg_catalog.-) 1", column));
	else
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s cannot divide the rows", split->column, format_type_be(attribute->atttypid)),
				 split->holdout ? errhint("It must be boolean: true where a row is held out.")
				 : errhint("It must be an integer: the number of the fold, from 1.")));
}

static void
add_group(Form_pg_attribute attribute, MdlSource *source)
{
	const char *column = quote_identifier(NameStr(attribute->attname));

	switch (getBaseType(attribute->atttypid))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			add(source, NameStr(attribute->attname), MDL_ROLE_GROUP, MDL_WIRE_INT8, psprintf("source.%s::pg_catalog.int8", column));
			break;
		default:
			add(source, NameStr(attribute->attname), MDL_ROLE_GROUP, MDL_WIRE_TEXT, mdl_wording_sql(psprintf("source.%s", column), attribute->atttypid));
	}
}

/* The columns of the source's primary key; 0: it is no table, or has none. */
static int
primary_key(Oid relid, AttrNumber *keys)
{
	Relation	relation;
	Oid			index;
	int			count = 0;

	if (!OidIsValid(relid) || get_rel_relkind(relid) == RELKIND_VIEW)
		return 0;
	relation = RelationIdGetRelation(relid);
	if (relation == NULL)
		return 0;
	index = RelationGetPrimaryKeyIndex(relation);
	if (OidIsValid(index))
	{
		Relation	key = RelationIdGetRelation(index);

		count = IndexRelationGetNumberOfKeyAttributes(key);
		for (int i = 0; i < count; i++)
			keys[i] = key->rd_index->indkey.values[i];
		RelationClose(key);
	}
	RelationClose(relation);
	return count;
}

void
mdl_split_columns(const MdlSplit *split, TupleDesc columns, int folds, MdlSource *source)
{
	AttrNumber	keys[INDEX_MAX_KEYS];
	int			count;

	if (!split->holdout && folds == 1)
		return;
	if (split->time != NULL && source->looks_only)
		(void) not_after(mdl_source_find_column(columns, split->time, split->argument));
	else if (split->time != NULL)
		split_by_time(split, mdl_source_find_column(columns, split->time, split->argument), folds, source);
	else if (split->column != NULL)
		split_by_column(split, mdl_source_find_column(columns, split->column, split->argument), source);
	else if (split->n_group > 0)
		for (int i = 0; i < split->n_group; i++)
			add_group(mdl_source_find_column(columns, split->group[i], split->argument), source);
	else
	{
		count = primary_key(source->relid, keys);
		for (int i = 0; i < count; i++)
			add_group(mdl_source_find_column(columns, get_attname(source->relid, keys[i], false), split->argument), source);
	}
}
