/*
 * lineage_layout.c: where the nodes and links of a picture of lineage are.
 *
 * The layers and crossings follow Sugiyama, Tagawa & Toda, "Methods for visual understanding of hierarchical system
 * structures" (1981): columns by longest path, links that skip columns take spots in them, spots are put in order by the mean
 * of their neighbours, back and forth.  Here a spot stays in its lane, which is that of its node or of the node the link
 * goes to.  Nothing depends on OIDs or chance: the same graph gives the same picture.
 */
#include "pipeline/definition_int.h"
#include "pipeline/lineage_layout_int.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#define SWEEPS 12

typedef struct Ranking
{
	LineageGraph *graph;
	const bool *selected;
	int		   *rank;			/* per node; -1: not yet */
	bool	   *open;			/* per node: on the way to the one being ranked */
} Ranking;

/* ---- labels -------------------------------------------------------------------------------------------------------- */

char *
mdl_lineage_cut(char *label)
{
	if (pg_mbstrlen(label) <= MAX_LABEL)
		return label;
	return psprintf("%.*s...", pg_mbcharcliplen(label, strlen(label), MAX_LABEL - 3), label);
}

/* Of a file the end is kept, directory and name, of anything else the beginning. */
char *
mdl_lineage_label(const LineageNode *node)
{
	char	   *label = OidIsValid(node->relid) ? get_rel_name(node->relid) : pstrdup(node->name);
	bool		is_file = strcmp(node->kind, "files") == 0;
	int			length;

	if (is_file)
	{
		char	   *slash = strrchr(label, '/');

		while (slash && slash > label && slash[-1] != '/')
			slash--;
		if (slash && slash > label && slash[1] != '\0')
			label = slash;
	}
	length = pg_mbstrlen(label);
	if (is_file && length > MAX_LABEL)
		return psprintf("...%s", label + pg_mbcharcliplen(label, strlen(label), length - MAX_LABEL + 3));
	return mdl_lineage_cut(label);
}

/* An estimate that leaves room in the usual sans-serif fonts. */
double
mdl_lineage_text_width(const char *text, double size)
{
	double		width = 0;

	for (const char *c = text; *c; c += pg_mblen(c))
		width += strchr("iljtfr.,:;|/!'", *c) ? 0.38 : strchr("mwMW@", *c) ? 0.95 : *c >= 'A' && *c <= 'Z' ? 0.72 : 0.62;
	return width * size;
}

/* ---- columns ------------------------------------------------------------------------------------------------------- */

/* Links back to a node that is being ranked do not count. */
static int
rank_node(Ranking *ranking, const LineageNode *node)
{
	int			rank = 0;
	ListCell   *cell;

	if (ranking->rank[node->id] >= 0)
		return ranking->rank[node->id];
	check_stack_depth();
	ranking->open[node->id] = true;
	foreach(cell, node->up)
	{
		int			id = lfirst_int(cell);

		if (ranking->selected[id] && !ranking->open[id])
			rank = Max(rank, rank_node(ranking, ranking->graph->nodes[id]) + 1);
	}
	ranking->open[node->id] = false;
	ranking->rank[node->id] = rank;
	return rank;
}

/* What is made from nothing stands beside the first that is made from it. */
static int
rank_source(Ranking *ranking, const LineageNode *node)
{
	int			rank = PG_INT32_MAX;
	ListCell   *cell;

	foreach(cell, node->up)
		if (ranking->selected[lfirst_int(cell)])
			return rank_node(ranking, node);
	foreach(cell, node->down)
		if (ranking->selected[lfirst_int(cell)])
			rank = Min(rank, rank_node(ranking, ranking->graph->nodes[lfirst_int(cell)]) - 1);
	return rank == PG_INT32_MAX ? 0 : Max(rank, 0);
}

/* ---- lanes --------------------------------------------------------------------------------------------------------- */

static const char *
lane_name(const LineageNode *node)
{
	if (OidIsValid(node->relid))
		return node->layer;
	if (strcmp(node->kind, "files") == 0)
		return node->kind;
	return psprintf("%ss", node->kind);
}

static const char *
lane_colour(const LineageNode *node)
{
	static const char *const colours[][2] = {{"bronze", "#f5e6d8"}, {"silver", "#e9ecf0"}, {"gold", "#fbf1cc"},
	{"files", "#e6f1e6"}, {"remote table", "#dfeeea"}, {"feature view", "#e1eefa"}, {"model", "#ece5f8"}, {"monitor", "#fae4e4"}};
	const char *word = OidIsValid(node->relid) ? node->layer : node->kind;

	for (int i = 0; i < lengthof(colours); i++)
		if (strcmp(colours[i][0], word) == 0)
			return colours[i][1];
	return "#edf2f2";
}

static int
lane_of(Layout *layout, const LineageNode *node, int rank)
{
	const char *name = lane_name(node);
	int			group = OidIsValid(node->relid) ? 1 :
		strcmp(node->kind, "files") == 0 || strcmp(node->kind, "remote table") == 0 ? 0 :
		strcmp(node->kind, "feature view") == 0 ? 2 : strcmp(node->kind, "model") == 0 ? 3 : 4;
	int			i;

	for (i = 0; i < layout->lane_count; i++)
		if (layout->lanes[i].group == group && strcmp(layout->lanes[i].name, name) == 0)
			break;
	if (i == layout->lane_count)
	{
		layout->lanes = i == 0 ? palloc(sizeof(Lane)) : repalloc(layout->lanes, sizeof(Lane) * (i + 1));
		layout->lanes[i] = (Lane) {.name = name, .group = group, .colour = lane_colour(node)};
		layout->lane_count++;
	}
	layout->lanes[i].place += rank;
	layout->lanes[i].members++;
	return i;
}

static int
compare_lanes(const void *a, const void *b, void *lanes)
{
	const Lane *x = &((const Lane *) lanes)[*(const int *) a];
	const Lane *y = &((const Lane *) lanes)[*(const int *) b];

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Whatever the ranks say, bronze is above silver, and silver above gold. */
static void
order_medals(Layout *layout, int *order)
{
	static const char *const medals[] = {"bronze", "silver", "gold"};
	int			places[lengthof(medals)];
	int			lanes[lengthof(medals)];
	int			count = 0;

	for (int m = 0; m < lengthof(medals); m++)
		for (int i = 0; i < layout->lane_count; i++)
			if (layout->lanes[i].group == 1 && strcmp(layout->lanes[i].name, medals[m]) == 0)
				lanes[count++] = i;
	for (int i = 0, found = 0; i < layout->lane_count; i++)
		for (int m = 0; m < count; m++)
			if (order[i] == lanes[m])
				places[found++] = i;
	for (int m = 0; m < count; m++)
		order[places[m]] = lanes[m];
}

static void
sort_lanes(Layout *layout)
{
	int		   *order = palloc(sizeof(int) * (layout->lane_count + 1));
	int		   *place = palloc(sizeof(int) * (layout->lane_count + 1));
	Lane	   *lanes = palloc(sizeof(Lane) * (layout->lane_count + 1));

	for (int i = 0; i < layout->lane_count; i++)
	{
		layout->lanes[i].place /= layout->lanes[i].members;
		order[i] = i;
	}
	qsort_arg(order, layout->lane_count, sizeof(int), compare_lanes, layout->lanes);
	order_medals(layout, order);
	for (int i = 0; i < layout->lane_count; i++)
	{
		place[order[i]] = i;
		lanes[i] = layout->lanes[order[i]];
	}
	for (int i = 0; i < layout->spot_count; i++)
		layout->spots[i].lane = place[layout->spots[i].lane];
	layout->lanes = lanes;
}

/* ---- columns in boxes ---------------------------------------------------------------------------------------------- */

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

static bool
has_name(List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

/* Those of a relation as they stand in it, others by name. */
static List *
shown_columns(const LineageNode *node)
{
	List	   *names = NIL;
	List	   *ordered = NIL;
	TupleDesc	columns;
	ListCell   *cell;

	foreach(cell, node->columns_up)
	{
		const LineageColumn *edge = lfirst(cell);

		if (edge->seen && edge->output_column && !has_name(names, edge->output_column))
			names = lappend(names, (char *) edge->output_column);
	}
	foreach(cell, node->columns_down)
	{
		const LineageColumn *edge = lfirst(cell);

		if (edge->seen && edge->input_column && !has_name(names, edge->input_column))
			names = lappend(names, (char *) edge->input_column);
	}
	if (names == NIL || !OidIsValid(node->relid))
	{
		list_sort(names, compare_names);
		return names;
	}
	columns = mdl_relation_columns(node->relid);
	for (int i = 0; i < columns->natts; i++)
		if (has_name(names, NameStr(TupleDescAttr(columns, i)->attname)))
			ordered = lappend(ordered, NameStr(TupleDescAttr(columns, i)->attname));
	return ordered;
}

double
mdl_lineage_row(const Spot *spot, const char *column)
{
	double		row = spot->y - spot->height / 2 + BOX_HEIGHT + ROW_HEIGHT / 2.0;
	ListCell   *cell;

	foreach(cell, spot->columns)
	{
		if (strcmp(lfirst(cell), column) == 0)
			return row;
		row += ROW_HEIGHT;
	}
	return spot->y;
}

/* ---- spots and links ----------------------------------------------------------------------------------------------- */

static int
add_spot(Layout *layout, const LineageNode *node, int rank, int lane)
{
	if (layout->spot_count == layout->spot_size)
	{
		layout->spot_size = Max(64, layout->spot_size * 2);
		layout->spots = layout->spot_count ? repalloc(layout->spots, sizeof(Spot) * layout->spot_size) :
			palloc(sizeof(Spot) * layout->spot_size);
	}
	layout->spots[layout->spot_count] = (Spot) {.node = node, .rank = rank, .lane = lane, .height = node ? BOX_HEIGHT : PASS_HEIGHT};
	return layout->spot_count++;
}

static void
add_link(Layout *layout, int from, int to)
{
	Link	   *link = &layout->links[layout->link_count++];
	int			first = layout->spots[from].rank;
	int			last = layout->spots[to].rank;

	link->back = last <= first;
	link->count = link->back ? 2 : last - first + 1;
	link->spots = palloc(sizeof(int) * link->count);
	link->spots[0] = from;
	for (int i = 1; i < link->count - 1; i++)
		link->spots[i] = add_spot(layout, NULL, first + i, layout->spots[to].lane);
	link->spots[link->count - 1] = to;
	for (int i = 1; i < link->count && !link->back; i++)
	{
		Spot	   *left = &layout->spots[link->spots[i - 1]];
		Spot	   *right = &layout->spots[link->spots[i]];

		left->right = lappend_int(left->right, link->spots[i]);
		right->left = lappend_int(right->left, link->spots[i - 1]);
	}
}

static void
place_nodes(Layout *layout, LineageGraph *graph, const bool *selected, bool with_columns)
{
	LineageNode **nodes = mdl_lineage_sorted_nodes(graph);
	int		   *spot_of = palloc0(sizeof(int) * (graph->count + 1));
	Ranking		ranking = {.graph = graph, .selected = selected};
	int			links = 0;

	ranking.rank = palloc(sizeof(int) * (graph->count + 1));
	ranking.open = palloc0(sizeof(bool) * (graph->count + 1));
	memset(ranking.rank, -1, sizeof(int) * graph->count);
	for (int i = 0; i < graph->count; i++)
	{
		const LineageNode *node = nodes[i];
		int			rank;

		if (!selected[node->id])
			continue;
		rank = rank_source(&ranking, node);
		layout->ranks = Max(layout->ranks, rank + 1);
		spot_of[node->id] = add_spot(layout, node, rank, lane_of(layout, node, rank));
		if (with_columns)
		{
			Spot	   *spot = &layout->spots[spot_of[node->id]];

			spot->columns = shown_columns(node);
			spot->height += ROW_HEIGHT * list_length(spot->columns) + (spot->columns ? 4 : 0);
		}
		links += list_length(node->up);
	}
	sort_lanes(layout);
	layout->links = palloc0(sizeof(Link) * (links + 1));
	for (int i = 0; i < graph->count; i++)
	{
		ListCell   *cell;

		if (selected[nodes[i]->id])
			foreach(cell, nodes[i]->up)
				if (selected[lfirst_int(cell)])
					add_link(layout, spot_of[lfirst_int(cell)], spot_of[nodes[i]->id]);
	}
}

/* ---- order and height ---------------------------------------------------------------------------------------------- */

/* The spots of one column in one lane, from top to bottom. */
typedef struct Cell
{
	int			count;
	int		   *spots;
} Cell;

static double
distance(const Spot *above, const Spot *below)
{
	return (above->height + below->height) / 2 + BOX_GAP;
}

static double
cell_height(const Layout *layout, const Cell *cell)
{
	double		height = 0;

	for (int i = 0; i < cell->count; i++)
		height += layout->spots[cell->spots[i]].height + (i > 0 ? BOX_GAP : 0);
	return height;
}

static Cell *
make_cells(Layout *layout)
{
	Cell	   *cells = palloc0(sizeof(Cell) * (layout->lane_count * layout->ranks + 1));

	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < layout->spot_count; i++)
		{
			Cell	   *cell = &cells[layout->spots[i].lane * layout->ranks + layout->spots[i].rank];

			if (pass == 1 && cell->spots == NULL)
			{
				cell->spots = palloc(sizeof(int) * cell->count);
				cell->count = 0;
			}
			if (pass == 1)
				cell->spots[cell->count] = i;
			cell->count++;
		}
	return cells;
}

static void
stack_lanes(Layout *layout, const Cell *cells)
{
	double		top = MARGIN;

	for (int i = 0; i < layout->lane_count; i++)
	{
		Lane	   *lane = &layout->lanes[i];

		lane->top = top;
		for (int rank = 0; rank < layout->ranks; rank++)
			lane->height = Max(lane->height, cell_height(layout, &cells[i * layout->ranks + rank]));
		lane->height += 2 * LANE_PADDING;
		top += lane->height + LANE_GAP;
	}
	layout->total_height = top - LANE_GAP + MARGIN;
}

static int
compare_wishes(const void *a, const void *b, void *spots)
{
	const Spot *x = &((const Spot *) spots)[*(const int *) a];
	const Spot *y = &((const Spot *) spots)[*(const int *) b];

	if (x->wish != y->wish)
		return x->wish < y->wish ? -1 : 1;
	return *(const int *) a - *(const int *) b;
}

static double
mean_height(const Layout *layout, List *neighbours, double otherwise)
{
	double		sum = 0;
	ListCell   *cell;

	if (neighbours == NIL)
		return otherwise;
	foreach(cell, neighbours)
		sum += layout->spots[lfirst_int(cell)].y;
	return sum / list_length(neighbours);
}

/* Puts the spots of a cell as near to where they wish to be as their order, their size and the lane allow. */
static void
settle_cell(Layout *layout, const Cell *cell, const Lane *lane)
{
	double		edge = lane->top + LANE_PADDING;

	for (int i = 0; i < cell->count; i++)
	{
		Spot	   *spot = &layout->spots[cell->spots[i]];

		edge = i == 0 ? edge + spot->height / 2 : edge + distance(&layout->spots[cell->spots[i - 1]], spot);
		spot->y = edge = Max(edge, spot->wish);
	}
	edge = lane->top + lane->height - LANE_PADDING;
	for (int i = cell->count - 1; i >= 0; i--)
	{
		Spot	   *spot = &layout->spots[cell->spots[i]];

		edge = i == cell->count - 1 ? edge - spot->height / 2 : edge - distance(spot, &layout->spots[cell->spots[i + 1]]);
		spot->y = edge = Min(edge, spot->y);
	}
}

/* Orders each column by its neighbours to the left, or to the right; the last sweeps look to both sides. */
static void
sweep(Layout *layout, Cell *cells, int number)
{
	bool		leftward = number % 2 == 1;
	bool		is_late = number >= SWEEPS - 4;

	for (int step = 0; step < layout->ranks; step++)
		for (int i = 0; i < layout->lane_count; i++)
		{
			int			rank = leftward ? layout->ranks - 1 - step : step;
			Cell	   *cell = &cells[i * layout->ranks + rank];

			for (int k = 0; k < cell->count; k++)
			{
				Spot	   *spot = &layout->spots[cell->spots[k]];
				double		left = mean_height(layout, spot->left, spot->y);
				double		right = mean_height(layout, spot->right, spot->y);

				if (!is_late)
					spot->wish = leftward ? right : left;
				else if (spot->node == NULL)
					spot->wish = right; /* straight to where the link goes */
				else
					spot->wish = spot->left && spot->right ? (left + right) / 2 : spot->left ? left : right;
			}
			if (!is_late && cell->count > 1)
				qsort_arg(cell->spots, cell->count, sizeof(int), compare_wishes, layout->spots);
			settle_cell(layout, cell, &layout->lanes[i]);
		}
}

static void
place_heights(Layout *layout)
{
	Cell	   *cells = make_cells(layout);

	stack_lanes(layout, cells);
	for (int i = 0; i < layout->spot_count; i++)
		layout->spots[i].wish = layout->lanes[layout->spots[i].lane].top;
	for (int i = 0; i < layout->lane_count; i++)
		for (int rank = 0; rank < layout->ranks; rank++)
			settle_cell(layout, &cells[i * layout->ranks + rank], &layout->lanes[i]);
	for (int i = 0; i < SWEEPS; i++)
	{
		CHECK_FOR_INTERRUPTS();
		sweep(layout, cells, i);
	}
}

static void
place_columns(Layout *layout)
{
	double		left = 0;

	layout->left = palloc0(sizeof(double) * (layout->ranks + 1));
	layout->width = palloc0(sizeof(double) * (layout->ranks + 1));
	for (int i = 0; i < layout->lane_count; i++)
		left = Max(left, mdl_lineage_text_width(layout->lanes[i].name, 14));
	layout->lanes_left = MARGIN + ceil(left) + 24;
	for (int i = 0; i < layout->spot_count; i++)
	{
		const Spot *spot = &layout->spots[i];
		double		width;
		ListCell   *cell;

		if (spot->node == NULL)
			continue;
		width = Max(mdl_lineage_text_width(mdl_lineage_label(spot->node), 12.5), 80);
		foreach(cell, spot->columns)
			width = Max(width, mdl_lineage_text_width(mdl_lineage_cut(lfirst(cell)), 11) + 6);
		layout->width[spot->rank] = Max(layout->width[spot->rank], ceil(width + 20));
	}
	left = layout->lanes_left;
	for (int rank = 0; rank < layout->ranks; rank++)
	{
		layout->left[rank] = left;
		left += layout->width[rank] + COLUMN_GAP;
	}
	layout->total_width = left - COLUMN_GAP + 2 * MARGIN;
}

Layout *
mdl_lineage_layout(LineageGraph *graph, const bool *selected, bool with_columns)
{
	Layout	   *layout = palloc0_object(Layout);

	layout->graph = graph;
	place_nodes(layout, graph, selected, with_columns);
	place_heights(layout);
	place_columns(layout);
	return layout;
}
