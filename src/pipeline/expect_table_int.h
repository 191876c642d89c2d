/*
 * expect_table_int.h: rules about a table as a whole, between the files that declare them and that judge them.
 *
 * Words: a *row kind* of rule finds rows of the table that are wrong (unique, accepted_values, relationships), and `mostly`
 * applies to it; a *value kind* finds one value that must lie within bounds (row_count, distribution, freshness).
 */
#ifndef MDL_EXPECT_TABLE_INT_H
#define MDL_EXPECT_TABLE_INT_H

#include "pipeline/definition_int.h"
#include "pipeline/result_int.h"

#include "datatype/timestamp.h"

typedef enum TableRuleKind
{
	TABLE_ROW_COUNT,
	TABLE_UNIQUE,
	TABLE_ACCEPTED_VALUES,
	TABLE_RELATIONSHIPS,
	TABLE_FRESHNESS,
	TABLE_DISTRIBUTION
} TableRuleKind;

typedef struct TableRule
{
	char	   *name;
	TableRuleKind kind;
	char	   *text;			/* the rule as shown: kind and options */
	Jsonb	   *options;
	RuleAction	action;			/* warn or fail */
	bool		null_ok;
	double		mostly;
	char	  **columns;		/* of the table */
	int			column_count;
	char	  **values;			/* accepted_values */
	int			value_count;
	Oid			reference;		/* relationships: the table referred to, and its columns */
	char	  **reference_columns;
	char	   *statistic;		/* distribution */
	double		quantile;
	double		minimum;		/* bounds of the value; NaN: none */
	double		maximum;
	double		max_decrease;	/* of the value against the last refresh, as a share; NaN: any */
	double		max_increase;
	Interval   *max_age;		/* freshness */
} TableRule;

extern TableRuleKind mdl_table_rule_kind(const char *name);
extern const char *mdl_table_rule_kind_name(TableRuleKind kind);

/* The rules of a table, in the order of their names, in the current context, which stays the current one. */
extern TableRule *mdl_table_rules(Oid target, int *count);

/* Fills what the options say, from kind and options; raises what is wrong with them. */
extern void mdl_table_rule_parse(TableRule *rule);

/* Raises, as a violation of the rule, that a column or a table it is about is no longer there. */
extern void mdl_table_rule_check_names(const TableRule *rule, const DerivedTable *table);

/* What a rule of a value kind, or accepted_values, computes over the rows t of the table. */
extern char *mdl_table_rule_aggregate(const TableRule *rule, const DerivedTable *table);

/* A statement that counts the rows that are wrong, for unique and relationships. */
extern char *mdl_table_rule_count(const TableRule *rule, const DerivedTable *table);

/* One that returns the keys of some of them, for all row kinds. */
extern char *mdl_table_rule_keys(const TableRule *rule, const DerivedTable *table);

extern bool mdl_table_rule_is_aggregate(const TableRule *rule);
extern bool mdl_table_rule_is_about_rows(const TableRule *rule);

/* ---- expect_table_stream.c ---- */

/* What a rule finds. */
typedef struct TableFound
{
	bool		has_value;
	double		value;			/* of distributions */
	TimestampTz latest;			/* of freshness */
	int64		failed;			/* rows, of accepted values */
} TableFound;

/* What the rows told of a rule; false if it has to be asked of the table.  Runs in the owner's world. */
extern bool mdl_table_stream_found(const struct TableStream *stream, const TableRule *rule, TableFound *found);

#endif							/* MDL_EXPECT_TABLE_INT_H */
