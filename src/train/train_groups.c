/*
 * train_groups.c: which fold or side each group of rows belongs to, from how many rows the groups have.
 *
 * A hash of the group, which is what divides other rows, leaves folds empty where groups are few and makes them unequal where
 * some are large.  So the groups are counted first and divided by ml/ml_groups.h; rows find their group's *block* (its fold, or
 * the one behind the folds: the holdout) in a table that goes with the plan.  Only the MOST_GROUPS largest are in it: what
 * the others lack to fill the blocks evenly is given them by ranges of their hash.
 */
#include "train/train_int.h"

#include "executor/spi.h"
#include "ml/ml_groups.h"
#include "ml/ml_hash.h"
#include "utils/builtins.h"

#define MOST_GROUPS		100000
#define HASH_NULL		0x4e756c6cULL
#define HASH_DRAW		0x47726f75ULL

/* ---- a row's group ------------------------------------------------------------------------------------------------ */

uint64
mdl_group_hash(uint64 hash, MdlWire wire, NullableDatum value)
{
	text	   *bytes;

	if (value.isnull)
		return ml_hash_word(hash, HASH_NULL);
	if (wire != MDL_WIRE_TEXT)
		return ml_hash_word(hash, (uint64) DatumGetInt64(value.value));
	bytes = DatumGetTextPP(value.value);
	return ml_hash_bytes(hash, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

/* Hashes are evenly spread, so a hash is near that share of the entries that it is of the largest number. */
static inline uint32
slot_of(uint64 hash, uint32 count)
{
	__extension__ unsigned __int128 product = (unsigned __int128) hash * count;

	return (uint32) (product >> 64);
}

int
mdl_group_block(const MdlGroupTable *table, uint64 seed, uint64 hash)
{
	double		fraction;
	int			block = 0;

	if (table->count > 0)
	{
		uint32		slot = slot_of(hash, table->count);

		for (uint32 i = table->starts[slot]; i < table->starts[slot + 1]; i++)
			if (table->hashes[i] == hash)
				return table->blocks[i];
	}
	if (table->n_cuts == 0)
		return -1;
	fraction = ml_hash_fraction(ml_hash_word(hash, seed ^ HASH_DRAW));
	while (block < table->n_cuts - 1 && fraction >= table->cuts[block])
		block++;
	return block;
}

void
mdl_groups_index(MdlGroupTable *table)
{
	uint32		at = 0;

	table->starts = palloc(sizeof(uint32) * ((Size) table->count + 1));
	for (uint32 slot = 0; slot < table->count; slot++)
	{
		table->starts[slot] = at;
		while (at < table->count && slot_of(table->hashes[at], table->count) == slot)
			at++;
	}
	table->starts[table->count] = table->count;
}

/* ---- counting ----------------------------------------------------------------------------------------------------- */

/* The columns of the groups as they are told. */
static char *
group_names(const MdlSplit *split)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < split->n_group; i++)
		appendStringInfo(&text, "%s\"%s\"", i ? ", " : "", split->group[i]);
	return text.data;
}

/* The rows of each group that are trained on, from the largest on. */
static char *
counting_sql(const MdlSource *source)
{
	StringInfoData sql;
	StringInfoData keys;
	const char *weight = NULL;
	int			n = 0;

	initStringInfo(&sql);
	initStringInfo(&keys);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < source->n_columns; i++)
	{
		const MdlSourceColumn *column = &source->columns[i];

		if (column->role == MDL_ROLE_WEIGHT)
			weight = column->expression;
		if (column->role != MDL_ROLE_GROUP)
			continue;
		appendStringInfo(&sql, "(%s)%s, ", column->expression, column->wire == MDL_WIRE_TEXT ? " COLLATE pg_catalog.\"C\"" : "");
		appendStringInfo(&keys, "%s%d", n ? ", " : "", n + 1);
		n++;
	}
	appendStringInfo(&sql, "pg_catalog.count(*), pg_catalog.sum(pg_catalog.count(*)) OVER ()::pg_catalog.int8 FROM %s AS source",
					 source->from);
	if (weight != NULL)
		appendStringInfo(&sql, " WHERE (%s)::pg_catalog.float8 OPERATOR(pg_catalog.>) 0::pg_catalog.float8", weight);
	appendStringInfo(&sql, " GROUP BY %s ORDER BY %d DESC LIMIT %d", keys.data, n + 1, MOST_GROUPS + 1);
	return sql.data;
}

/*
 * Reads the largest groups into `groups`; returns how many, and how many rows there are in all.  Where not all are read those
 * as small as the first that is not are left to the others too, so that the order of equals does not matter.
 */
static uint32
count_groups(const MdlSource *source, uint64 seed, ml_group **groups, uint64 *rows, bool *all)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *sql = counting_sql(source);
	int			first = source->n_columns;
	uint32		count;

	while (first > 0 && source->columns[first - 1].role == MDL_ROLE_GROUP)
		first--;
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI could not run \"%s\"", sql);
	MemoryContextSwitchTo(caller);
	count = (uint32) SPI_processed;
	*groups = palloc(sizeof(ml_group) * ((Size) count + 1));
	*rows = 0;
	for (uint32 i = 0; i < count; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		int			n = 0;
		uint64		hash = 0;
		bool		isnull;

		for (int column = first; column < source->n_columns; column++)
		{
			NullableDatum value;

			value.value = SPI_getbinval(tuple, SPI_tuptable->tupdesc, ++n, &value.isnull);
			hash = mdl_group_hash(hash, source->columns[column].wire, value);
		}
		(*groups)[i] = (ml_group) {hash, ml_hash_word(hash, seed ^ HASH_DRAW),
			(uint64) DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, n + 1, &isnull)), 0};
		*rows = (uint64) DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, n + 2, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	*all = count <= MOST_GROUPS;
	if (!*all)
		for (uint64 smallest = (*groups)[count - 1].rows; count > 0 && (*groups)[count - 1].rows == smallest;)
			count--;
	return count;
}

/* ---- dividing ------------------------------------------------------------------------------------------------------ */

static int
by_hash(const void *a, const void *b)
{
	uint64		left = ((const ml_group *) a)->hash;
	uint64		right = ((const ml_group *) b)->hash;

	return (left > right) - (left < right);
}

/* Where the ranges of hashes end, so that groups that are not in the table fill each block up to its share. */
static void
cut(MdlGroupTable *table, const MdlSplit *split, int folds, const uint64 *loads, double held, uint64 all, double rest)
{
	double		hold_out = split->holdout ? Max(Min(split->fraction * all - held, rest), 0) : 0;
	double		target = (all - held - hold_out) / folds;
	double		lacking = 0;
	double		end = 0;

	table->n_cuts = folds + (split->holdout ? 1 : 0);
	table->cuts = palloc(sizeof(double) * table->n_cuts);
	for (int fold = 0; fold < folds; fold++)
		lacking += Max(target - (double) loads[fold], 0);
	for (int fold = 0; fold < folds; fold++)
	{
		if (lacking > 0)
			end += Max(target - (double) loads[fold], 0) / lacking * (1 - hold_out / rest);
		table->cuts[fold] = end;
	}
	if (split->holdout)
		table->cuts[folds] = 1;
}

static void
too_few_groups(const MdlSplit *split, int64 groups, int64 left, int folds)
{
	if (split->holdout && groups < 2)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("all rows are of one group by %s, so none can be held out", group_names(split)),
				 errhint("Hold out rows by another column, or leave \"group\" out of argument \"%s\".", split->argument)));
	if (split->holdout)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("of %lld groups by %s the holdout leaves %lld to train on, but the parameters ask for %d folds of them",
						(long long) groups, group_names(split), (long long) left, folds),
				 errhint("Ask for fewer folds in argument \"params\", or hold out a smaller share.")));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg_plural("there are %d folds, but only %lld group by %s", "there are %d folds, but only %lld groups by %s", groups,
						   folds, (long long) groups, group_names(split)),
			 errhint("Use at most as many folds as there are groups, or divide the rows by another column.")));
}

MdlGroupTable *
mdl_groups_divide(const MdlSplit *split, const MdlSource *source, int folds, uint64 seed)
{
	MdlGroupTable *table = palloc0(sizeof(MdlGroupTable));
	uint64	   *loads = palloc0(sizeof(uint64) * folds);
	ml_group   *groups;
	uint64		rows;
	bool		all;
	uint64		in_table = 0;
	uint64		held = 0;
	uint32		n_held = 0;
	uint32		count = count_groups(source, seed, &groups, &rows, &all);

	if (all && count == 0)
		return table;			/* whoever reads the rows says that there are none */
	if (split->holdout && count >= 2)
		ml_groups_hold_out(groups, count, split->fraction);
	else if (split->holdout && all)
		too_few_groups(split, count, 0, folds);
	for (uint32 i = 0; i < count; i++)
	{
		in_table += groups[i].rows;
		held += groups[i].block == ML_HELD_OUT ? groups[i].rows : 0;
		n_held += groups[i].block == ML_HELD_OUT;
	}
	if (all && count - n_held < (uint32) folds)
		too_few_groups(split, count, count - n_held, folds);
	ml_groups_balance(groups, count, folds, loads);
	if (!all)
		cut(table, split, folds, loads, held, rows, rows - in_table);
	qsort(groups, count, sizeof(ml_group), by_hash);
	table->hashes = palloc(sizeof(uint64) * ((Size) count + 1));
	table->blocks = palloc(sizeof(int16) * ((Size) count + 1));
	for (uint32 i = 0; i < count; i++)
	{
		/* Groups of one hash, if ever, are one: the first's block is theirs. */
		if (table->count > 0 && table->hashes[table->count - 1] == groups[i].hash)
			continue;
		table->hashes[table->count] = groups[i].hash;
		table->blocks[table->count++] = (int16) (groups[i].block == ML_HELD_OUT ? folds : groups[i].block);
	}
	pfree(groups);
	pfree(loads);
	mdl_groups_index(table);
	return table;
}
