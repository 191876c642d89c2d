/*
 * incremental_trace_int.h: what incremental_trace.c, incremental_branch.c and incremental_known.c share.
 */
#ifndef MDL_INCREMENTAL_TRACE_INT_H
#define MDL_INCREMENTAL_TRACE_INT_H

#include "pipeline/incremental_int.h"

/* Of one call of mdl_trace. */
typedef struct TraceContext
{
	List	   *changed;		/* of ChangedSource */
	char	   *obstacle;
	List	   *blocks;			/* struct TraceBlock * that the part at hand is in, innermost first; NULL: a set operation */
} TraceContext;

/* D of a part; query is NULL if nothing beneath it changed, or after an obstacle. */
typedef struct TracePart
{
	Query	   *query;
	Bitmapset  *known;
	Bitmapset  *exact;			/* of these, known to the byte */
	Bitmapset  *varying;		/* of these, not constant */
	bool		begun;			/* known is that of one branch at least */
} TracePart;

/* A SELECT without set operations. */
typedef struct TraceBlock
{
	TraceContext *context;
	Query	   *query;
	TracePart  *parts;			/* (number of range table entries + 1) D of a changed subquery */
	Bitmapset  *changed;		/* items with changed sources beneath */
	List	   *links;			/* SubLinks with changed sources beneath */
} TraceBlock;

/* What one changed item, or one changed SubLink, leads to. */
typedef struct Branch
{
	TraceBlock *block;
	int			target;			/* the changed item */
	List	   *items;			/* jointree nodes */
	List	   *conjuncts;
	List	   *lefts;			/* JoinExpr of left joins whose right side did not change */
	Bitmapset  *present;		/* items whose columns may be used */
} Branch;

/* ---- incremental_branch.c ------------------------------------------------------------------------------------------ */

/* Notes why the query cannot be traced; the first reason stays. */
extern void mdl_trace_stop(TraceContext *context, char *obstacle);

/* Collects the items and conditions of a join tree; returns the items whose columns can be used above it. */
extern Bitmapset *mdl_branch_collect(Branch *branch, Node *node);

/* The items that conditions and lateral references connect with the target, those of `start` included. */
extern Bitmapset *mdl_branch_component(Branch *branch, Bitmapset *start);

extern bool mdl_trace_quals_read_changed(Node *node, TraceContext *context);	/* any condition of a join tree */
extern void mdl_trace_join_ids(Node *node, Bitmapset **ids);	/* the entries of the joins themselves */

/* Items outside a set that its entries refer to from the side (LATERAL). */
extern Bitmapset *mdl_trace_lateral_refs(Query *query, Bitmapset *relids);

/* ---- incremental_known.c ------------------------------------------------------------------------------------------ */

/* The source that an entry is, if it has changed. */
extern ChangedSource *mdl_trace_changed_source(TraceContext *context, const RangeTblEntry *entry);
extern bool mdl_trace_reads_changed(Node *node, TraceContext *context);

/* Collects SubLinks that read changed sources, not those inside others, in block->links. */
extern bool mdl_trace_collect_links(Node *node, TraceBlock *block);

/*
 * Whether an expression can be told from the columns known of the items present.  *exact (may be NULL): to the byte;
 * *varies (may be NULL): is not the same for all rows.
 */
extern bool mdl_trace_is_usable(TraceBlock *block, Bitmapset *present, Node *node, bool *varies, bool *exact);

/* Whether an item refers, from the side or further out, to a column that is not known. */
extern bool mdl_trace_refers_to_unknown(TraceBlock *block, int rtindex);

/* Whether an expression is made of those given; *exact is cleared if equal values of it may differ. */
extern bool mdl_trace_is_over(Node *node, List *expressions, bool *exact);

/* What a block does to its rows: lists of expressions over which an output column must be to be known. */
extern List *mdl_trace_stages_of(Query *query);

#endif							/* MDL_INCREMENTAL_TRACE_INT_H */
