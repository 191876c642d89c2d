/*
 * train_scan.h: rows straight from the scans of tables.
 *
 * A row that comes as the arguments of an aggregate is first taken apart by the executor and then moved argument by
 * argument, which costs more than adding it up.  Where the plan is an aggregate directly over a scan of a table (a plain table;
 * also a view or a query that only selects and names its columns), or over an Append of such scans (partitions, inheritance),
 * the leader *takes over*: of the Aggref in the plan it takes the columns away and leaves a note which attributes of which
 * tables they were.  The transition function finds the note, and the scan's slot below its own node, and reads the numbers
 * where they lie in the page.
 *
 * What was parsed, checked for rights and planned is the query with all columns, so rights, row-level security, views and
 * WHERE are what they are for any query.  The note is in a place of the Aggref that no SQL can fill (the direct arguments of
 * what is no ordered-set aggregate), so nobody can make the aggregates read columns that a query does not name.
 */
#ifndef MDL_TRAIN_SCAN_H
#define MDL_TRAIN_SCAN_H

#include "train/train_int.h"

#include "executor/executor.h"
#include "nodes/plannodes.h"

/* train_takeover.c: changes the plan of a query made by train_query.c if the columns, from argument `leading` on, can be read from scans. */
extern void mdl_scan_take_over(PlannedStmt *statement, const MdlSource *source, int leading);

/* A value that is looked for in a row: any column but the numbers in runs. */
typedef struct MdlScanItem
{
	int			column;			/* of the row plan */
	int			attribute;		/* of the table, from 0; n_attributes: none, what is made of it is a constant */
	int32		offset;			/* in a tuple without NULLs; -1: it differs */
	int16		length;			/* of the attribute, as pg_type says … */
	bool		by_value;
	ExprState  *convert;		/* what the query makes of it; NULL: nothing */
	struct MdlScanText *texts;	/* of values lately converted; NULL: not kept */
} MdlScanItem;

/* What a transition function keeps of the scans below it; from `slot` on it is of the one that gives rows just now. */
typedef struct MdlScan
{
	List	   *note;
	const MdlRowPlan *plan;
	PlanState  *below;			/* the node below the aggregate */
	bool		several;		/* scans, by turns */
	ExprContext *context;		/* of one row */
	int			n_columns;
	ScanState  *leaf;
	MemoryContext memory;		/* of what follows */
	TupleTableSlot *slot;		/* has the row */
	bool		on_page;		/* the slot has tuples of the heap */
	int		   *attributes;		/* (n_columns) from 0; -1: none */
	int			n_attributes;	/* up to the last that is needed */
	int			n_runs;			/* as those of the row plan, with offsets */
	MdlRowRun  *runs;
	int			n_items;
	MdlScanItem *items;
	bool		all_items;		/* also numbers in runs are in `values`, as a row with NULLs left them */
	int			first_loose;	/* attributes from here on lie behind one of variable length … */
	int32		loose_at;		/* … from this offset on … */
	Datum	   *loose;			/* … (n_attributes + 1), the last 0 … */
	bool		has_loose;		/* … and are needed */
	NullableDatum *values;		/* (n_columns) */
} MdlScan;

/* The scan that the calls of a transition function read; NULL: rows come as arguments.  In the current context. */
extern MdlScan *mdl_scan_open(FunctionCallInfo fcinfo, const MdlRowPlan *plan);

/* Turns to the scan that gives rows now, if that is another one. */
extern void mdl_scan_turn(MdlScan *scan);

static inline void
mdl_scan_follow(MdlScan *scan)
{
	if (unlikely(scan->several))
		mdl_scan_turn(scan);
}

/*
 * Finds the row of the scan.  Returns the data of its tuple, where the runs with an offset lie while all else is in
 * `values`; or NULL: everything is in `values`.
 */
extern const char *mdl_scan_row(MdlScan *scan);

#endif							/* MDL_TRAIN_SCAN_H */
