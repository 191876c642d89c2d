/*
 * incremental_delta_int.h: aggregates that follow the changes, for the files they are made of.
 *
 * A table whose query groups its source by the key can follow what is added and taken away, if of each aggregate enough is
 * known: of sum(x) and avg(x) also the number of values and their sum, of stddev(x) the sum of their squares too, and of
 * each group the number of rows.  What the query shows of this is in the table.  The rest is *hidden*: a refresh computes it
 * along with the query, and keeps it in medallion._aggregate_states, a row per group.
 */
#ifndef MDL_INCREMENTAL_DELTA_INT_H
#define MDL_INCREMENTAL_DELTA_INT_H

#include "pipeline/definition_int.h"
#include "pipeline/incremental_int.h"

#include "nodes/primnodes.h"

/* ---- incremental_aggregate.c: what the aggregates of a query are and need ------------------------------------------------ */

typedef enum ColumnKind
{
	COLUMN_KEY,
	COLUMN_COUNT,
	COLUMN_SUM,
	COLUMN_SQUARES,				/* sum(x * x), always hidden */
	COLUMN_AVG,
	COLUMN_SPREAD,				/* variance or standard deviation */
	COLUMN_MIN,
	COLUMN_MAX
} ColumnKind;

typedef struct DeltaColumn
{
	ColumnKind	kind;
	int			hidden;			/* place among the hidden ones, from 1; 0: a column of the query */
	char	   *name;			/* of a column of the query */
	char	   *type;			/* as written in SQL */
	Aggref	   *aggregate;		/* NULL for a key */
	Expr	   *argument;		/* NULL for count(*) */
	Expr	   *filter;			/* NULL: none */
	int			counter;		/* sum, avg, spread: the column that counts the values */
	int			summer;			/* avg, spread: the column that sums them */
	int			squarer;		/* spread: the column that sums their squares */
	bool		is_numeric;		/* the sum may be NaN */
	bool		is_sample;		/* of a spread: divides by n - 1 */
	bool		is_root;		/* of a spread: a standard deviation */
} DeltaColumn;

typedef struct Aggregates
{
	Query	   *block;			/* the query of the definition, within the one that reads it */
	int			count;
	DeltaColumn *columns;		/* (count): those of the definition, in order, then the hidden ones */
	int			shown;
	int			rows_column;	/* count(*) */
	char	   *hidden;			/* what the hidden ones are, in words; NULL: there are none */
} Aggregates;

/* Whether the aggregates of "SELECT columns FROM definition", prepared, can follow changes. */
extern bool mdl_aggregates_describe(const DerivedTable *table, TupleDesc columns, Query *query, Aggregates *aggregates);

/* Makes the query return, behind its columns, the key as text and the hidden aggregates. */
extern void mdl_aggregates_add_hidden(const DerivedTable *table, const Aggregates *aggregates, Query *query);

/* "ROW(n.a, n.b)::text", by which hidden values are found again. */
extern char *mdl_aggregates_key(const DerivedTable *table, const char *prefix);

#endif							/* MDL_INCREMENTAL_DELTA_INT_H */
