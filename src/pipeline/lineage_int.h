/*
 * lineage_int.h: what the files about lineage share.
 *
 * Words are those of OpenLineage.  A column *comes from* another directly (its values are made from those) or indirectly
 * (they decide about it: a join, a filter, …).  What decides about all rows of a relation concerns the *whole* of it.
 */
#ifndef MDL_LINEAGE_INT_H
#define MDL_LINEAGE_INT_H

#include "pipeline/definition_int.h"

/* Transformations of OpenLineage's column lineage facet; the order of the direct ones is used. */
typedef enum ColumnUse
{
	USE_IDENTITY,
	USE_TRANSFORMATION,
	USE_AGGREGATION,
	USE_JOIN,					/* the first indirect one */
	USE_GROUP_BY,
	USE_FILTER,
	USE_SORT,
	USE_WINDOW,
	USE_CONDITIONAL
} ColumnUse;

#define USE_IS_DIRECT(use) ((use) < USE_JOIN)

extern const char *mdl_column_use_name(ColumnUse use);

/* ---- lineage_columns.c: where the columns of a query come from ----------------------------------------------------- */

typedef struct ColumnOrigin
{
	Oid			relid;
	AttrNumber	column;
	ColumnUse	use;
	bool		masking;		/* the values cannot be told from the result, as with count and hashes */
} ColumnOrigin;

typedef struct OriginSet
{
	int			count;
	int			size;
	ColumnOrigin *origins;		/* (count), in order of relation, column and use once finished */
} OriginSet;

typedef struct QueryLineage
{
	int			column_count;
	char	  **names;			/* (column_count) */
	OriginSet  *columns;		/* (column_count) */
	OriginSet	whole;
} QueryLineage;

/* Of an analysed SELECT; views are origins, or, `through_views`, what they read. */
extern QueryLineage *mdl_query_lineage(Query *query, bool through_views);

/* Of a view, materialised view or derived table; NULL if the relation is none. */
extern QueryLineage *mdl_relation_lineage(Oid relid, const DerivedTable *table, bool through_views);

/* ---- lineage_graph.c: everything that is known, as a graph --------------------------------------------------------- */

/* What data is in: a relation, or something that has columns but is none, such as a model. */
typedef struct LineageNode
{
	int			id;				/* position in the graph */
	const char *kind;			/* "table", "derived table", "model", … */
	const char *name;
	const char *layer;			/* schema of a relation; else NULL */
	Oid			relid;			/* InvalidOid if it is no relation */
	bool		is_made;		/* from something else than its partitions or table */
	List	   *up;				/* ids of nodes it is made from, in the order of compare_nodes */
	List	   *down;
	List	   *columns_up;		/* of LineageColumn: those whose output is here */
	List	   *columns_down;
} LineageNode;

typedef struct LineageColumn
{
	int			output;			/* ids of nodes */
	int			input;
	const char *output_column;	/* NULL: all rows of the output */
	const char *input_column;
	ColumnUse	use;
	bool		masking;
	bool		seen;			/* for whoever walks the graph */
} LineageColumn;

typedef struct LineageGraph
{
	int			count;
	int			size;
	LineageNode **nodes;		/* (count) */
	struct HTAB *by_key;
	List	   *tables;			/* of DerivedTable */
	List	   *columns;		/* of LineageColumn */
} LineageGraph;

/* Reads views, definitions and records, as the current user may see them.  Lives in the current context; needs SPI. */
extern LineageGraph *mdl_lineage_load(void);

/* The node that a user names: a relation, or "model:delay", "feature view:recent"; an error if there is none. */
extern LineageNode *mdl_lineage_find(LineageGraph *graph, const char *name);

/* All nodes: relations first, then by name and kind. */
extern LineageNode **mdl_lineage_sorted_nodes(LineageGraph *graph);

extern LineageNode *mdl_lineage_relation(LineageGraph *graph, Oid relid);

/* ---- lineage.c ----------------------------------------------------------------------------------------------------- */

/* Which way to go from a node, and how far. */
typedef struct LineageWalk
{
	bool		up;
	bool		down;
	int			depth;
} LineageWalk;

/* Reads two arguments of a function, by their positions. */
extern LineageWalk mdl_lineage_walk_arguments(FunctionCallInfo fcinfo, int direction, int depth);

/* Which nodes a walk meets, its start included: (count); `start` NULL: all that have an edge. */
extern bool *mdl_lineage_select(const LineageGraph *graph, const LineageNode *start, const LineageWalk *walk);

/*
 * Marks as seen the edges of columns whose values a picture shows: all direct ones between selected nodes, or, from `start`,
 * those that lead to or from one of its columns; then only nodes that these touch stay selected.
 */
extern void mdl_lineage_mark_columns(LineageGraph *graph, LineageNode *start, const char *column, const LineageWalk *walk,
									 bool *selected);

#endif							/* MDL_LINEAGE_INT_H */
