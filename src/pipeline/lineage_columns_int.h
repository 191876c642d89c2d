/*
 * lineage_columns_int.h: what lineage_columns.c (query levels) and lineage_expression.c (what they contain) share.
 */
#ifndef MDL_LINEAGE_COLUMNS_INT_H
#define MDL_LINEAGE_COLUMNS_INT_H

#include "pipeline/lineage_int.h"

/* A CTE; one that is recursive reads what is known of itself so far, until that no longer grows. */
typedef struct CteState
{
	CommonTableExpr *cte;
	struct Scope *scope;
	bool		settling;
	bool		settled;
	OriginSet  *columns;		/* of a recursive one */
	OriginSet	whole;
} CteState;

typedef struct Scope
{
	Query	   *query;
	struct Scope *parent;		/* of the query around, for outer references */
	bool		through_views;
	struct Scope **inner;		/* per range table entry: of a subquery or view, made when needed */
	CteState   *ctes;			/* per element of cteList */
	OriginSet **columns;		/* per output column, NULL until asked for */
	OriginSet  *whole;			/* NULL until asked for */
	Oid			function;		/* whose body this is */
	List	   *arguments;		/* of that call */
	struct Scope *caller;		/* in which they are to be read */
} Scope;

/* Where expressions are taken apart: what is found is added to `found` as being used so. */
typedef struct ExprReading
{
	Scope	   *scope;
	ColumnUse	use;
	bool		masking;
	OriginSet  *found;
} ExprReading;


/* ---- lineage_columns.c --------------------------------------------------------------------------------------------- */

/* What comes of a column that is used as `inner` by something that is used as `outer`. */
extern ColumnUse mdl_compose_use(ColumnUse outer, ColumnUse inner);

extern void mdl_add_origin(OriginSet *set, Oid relid, AttrNumber column, ColumnUse use, bool masking);
extern void mdl_add_origins(OriginSet *set, const OriginSet *other, ColumnUse use, bool masking);

extern Scope *mdl_make_scope(Query *query, Scope *parent, bool through_views);
extern Scope *mdl_outer_scope(Scope *scope, Index levels);
extern Scope *mdl_inner_scope(Scope *scope, Index index);	/* behind a range table entry that is a query, or NULL */
extern const OriginSet *mdl_scope_column(Scope *scope, int number);
extern const OriginSet *mdl_scope_whole(Scope *scope);	/* what decides which rows there are */

extern CteState *mdl_find_cte(Scope *scope, const RangeTblEntry *entry);
extern const OriginSet *mdl_cte_column(CteState *state, int number);

/* ---- lineage_expression.c ------------------------------------------------------------------------------------------ */

/* Adds all columns that an expression reads, as being used so in what is being read. */
extern void mdl_read_as(Node *node, const ExprReading *reading, ColumnUse use);

/* Adds where a column of a range table entry comes from; 0 is the whole row. */
extern void mdl_read_entry_column(Scope *scope, Index index, int number, const ExprReading *reading);

/* The scope of a call's body, in which the parameters are the arguments; NULL if the function is to be taken as it is. */
extern Scope *mdl_call_scope(Scope *scope, const FuncExpr *call);

#endif							/* MDL_LINEAGE_COLUMNS_INT_H */
