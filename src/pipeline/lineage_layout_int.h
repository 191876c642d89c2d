/*
 * lineage_layout_int.h: what lineage_layout.c (where things are in the picture) and lineage_svg.c (drawing them) share.
 *
 * Data flows from left to right: the *rank* of a node, its column, is the length of the longest way to it.  *Lanes* are
 * horizontal bands, one per schema and per kind of what is no relation.  A *spot* is a place of a column that a node takes,
 * or a *link* between nodes that are further apart than neighbouring columns, so that no line crosses a box.
 */
#ifndef MDL_LINEAGE_LAYOUT_INT_H
#define MDL_LINEAGE_LAYOUT_INT_H

#include "pipeline/lineage_int.h"

/* In pixels. */
#define BOX_HEIGHT		36
#define ROW_HEIGHT		16		/* of a column in a box */
#define BOX_GAP			10
#define PASS_HEIGHT		6		/* of a spot that only lets a link pass */
#define COLUMN_GAP		60
#define LANE_PADDING	12
#define LANE_GAP		4
#define MARGIN			10

typedef struct Spot
{
	const LineageNode *node;	/* NULL: lets a link pass */
	int			rank;
	int			lane;
	double		y;				/* of its middle */
	double		height;
	List	   *columns;		/* of char *: the node's columns that are shown below its name */
	List	   *left;			/* positions of the spots that links come from */
	List	   *right;
	double		wish;			/* where it had best be */
} Spot;

typedef struct Link
{
	int			count;
	int		   *spots;			/* (count) from one node's to the other's, a spot per column */
	bool		back;			/* closes a cycle: goes from right to left */
} Link;

typedef struct Lane
{
	const char *name;
	const char *colour;
	int			group;			/* files come before schemas, those before all else */
	double		place;			/* mean rank */
	int			members;
	double		top;
	double		height;
} Lane;

typedef struct Layout
{
	const LineageGraph *graph;
	int			spot_count;
	int			spot_size;
	Spot	   *spots;			/* (spot_count) */
	int			link_count;
	Link	   *links;			/* (link_count) */
	int			lane_count;
	Lane	   *lanes;			/* (lane_count) from top to bottom */
	int			ranks;
	double	   *left;			/* (ranks) of each column */
	double	   *width;			/* (ranks) */
	double		lanes_left;		/* where the names of the lanes end */
	double		total_width;
	double		total_height;
} Layout;

/* `with_columns`: boxes show the columns that edges which are `seen` lead to or come from. */
extern Layout *mdl_lineage_layout(LineageGraph *graph, const bool *selected, bool with_columns);

/* Where in a box a column is; in the middle of the box if it is not shown. */
extern double mdl_lineage_row(const Spot *spot, const char *column);

/* What is written in the box of a node, at most MAX_LABEL characters. */
#define MAX_LABEL		32
extern char *mdl_lineage_label(const LineageNode *node);
extern char *mdl_lineage_cut(char *label);
extern double mdl_lineage_text_width(const char *text, double size);

#endif							/* MDL_LINEAGE_LAYOUT_INT_H */
