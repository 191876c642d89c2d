/*
 * lineage_svg.c: medallion.lineage_svg, the graph as a picture: boxes in lanes, links between them.
 *
 * The picture stands alone: no scripts, fonts or styles from elsewhere.  Boxes tell their full name and columns when pointed at.
 */
#include "pipeline/definition_int.h"
#include "pipeline/lineage_layout_int.h"

#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define FONT "font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\""

static void
draw_head(const Layout *layout, StringInfo out)
{
	appendStringInfo(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" " FONT ">\n",
					 layout->total_width, layout->total_height, layout->total_width, layout->total_height);
	appendStringInfoString(out, "<title>Lineage</title>\n"
						   "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">"
						   "<path d=\"M0,0.8 L8,4 L0,7.2 z\" fill=\"#5b6770\"/></marker></defs>\n");
	appendStringInfo(out, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n", layout->total_width, layout->total_height);
}

static void
draw_lanes(const Layout *layout, StringInfo out)
{
	for (int i = 0; i < layout->lane_count; i++)
	{
		const Lane *lane = &layout->lanes[i];

		appendStringInfo(out, "<rect x=\"%d\" y=\"%.1f\" width=\"%.0f\" height=\"%.1f\" rx=\"6\" fill=\"%s\"/>\n",
						 MARGIN, lane->top, layout->total_width - 2 * MARGIN, lane->height, lane->colour);
		appendStringInfo(out, "<text x=\"%d\" y=\"%.1f\" font-size=\"14\" font-weight=\"bold\" fill=\"#4a5560\">",
						 MARGIN + 10, lane->top + lane->height / 2 + 5);
		mdl_put_xml(out, lane->name);
		appendStringInfoString(out, "</text>\n");
	}
}

/* From box to box, or from row to row in them, level through the spots in between. */
static void
draw_line(const Layout *layout, const Link *link, double from_y, double to_y, const char *style, StringInfo out)
{
	const Spot *from = &layout->spots[link->spots[0]];

	appendStringInfo(out, "<path%s d=\"M%.1f,%.1f", style, layout->left[from->rank] + layout->width[from->rank], from_y);
	for (int i = 1; i < link->count; i++)
	{
		const Spot *left = &layout->spots[link->spots[i - 1]];
		const Spot *right = &layout->spots[link->spots[i]];
		double		start = layout->left[left->rank] + layout->width[left->rank];
		double		end = layout->left[right->rank] - (right->node ? 1 : 0);
		double		bend = link->back ? COLUMN_GAP : (end - start) / 2;
		double		start_y = i == 1 ? from_y : left->y;
		double		end_y = i == link->count - 1 ? to_y : right->y;

		appendStringInfo(out, " C%.1f,%.1f %.1f,%.1f %.1f,%.1f", start + bend, start_y, end - bend, end_y, end, end_y);
		if (right->node == NULL)
			appendStringInfo(out, " H%.1f", layout->left[right->rank] + layout->width[right->rank]);
	}
	appendStringInfoString(out, "\" marker-end=\"url(#arrow)\"/>\n");
}

/* A line per edge of columns that is shown; else one for the boxes, thin and dotted where others show their columns. */
static void
draw_link(const Layout *layout, const Link *link, bool with_columns, StringInfo out)
{
	const Spot *from = &layout->spots[link->spots[0]];
	const Spot *to = &layout->spots[link->spots[link->count - 1]];
	bool		any = false;
	ListCell   *cell;

	foreach(cell, with_columns ? to->node->columns_up : NIL)
	{
		const LineageColumn *edge = lfirst(cell);

		if (!edge->seen || edge->input != from->node->id || edge->output_column == NULL || edge->input_column == NULL)
			continue;
		draw_line(layout, link, mdl_lineage_row(from, edge->input_column), mdl_lineage_row(to, edge->output_column),
				  link->back ? " stroke-dasharray=\"4 3\"" : "", out);
		any = true;
	}
	if (!any)
		draw_line(layout, link, from->y, to->y, link->back ? " stroke-dasharray=\"4 3\"" :
				  with_columns ? " stroke-dasharray=\"1 4\"" : "", out);
}

static void
draw_title(const LineageNode *node, StringInfo out)
{
	appendStringInfoString(out, "<title>");
	mdl_put_xml(out, node->kind);
	appendStringInfoChar(out, ' ');
	mdl_put_xml(out, node->name);
	if (OidIsValid(node->relid))
	{
		TupleDesc	columns = mdl_relation_columns(node->relid);

		for (int i = 0; i < columns->natts; i++)
		{
			if (TupleDescAttr(columns, i)->attisdropped)
				continue;
			appendStringInfoChar(out, '\n');
			mdl_put_xml(out, NameStr(TupleDescAttr(columns, i)->attname));
		}
	}
	appendStringInfoString(out, "</title>");
}

static void
draw_box(const Layout *layout, const Spot *spot, const LineageNode *start, StringInfo out)
{
	static const char *const borders[][2] = {{"derived table", "#2f6f4f"}, {"view", "#7a8a96"}, {"materialized view", "#2f6f4f"},
	{"model", "#6b46b5"}, {"feature view", "#2569a8"}, {"monitor", "#b33f3f"}, {"files", "#4d7a4d"}, {"quarantine", "#b3702f"}};
	const LineageNode *node = spot->node;
	const char *border = "#5b6770";
	double		x = layout->left[spot->rank];
	double		top = spot->y - spot->height / 2;
	double		row = top + BOX_HEIGHT + 11;
	ListCell   *cell;

	for (int i = 0; i < lengthof(borders); i++)
		if (strcmp(borders[i][0], node->kind) == 0)
			border = borders[i][1];
	appendStringInfoString(out, "<g>");
	draw_title(node, out);
	appendStringInfo(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\" rx=\"%d\" fill=\"#ffffff\" stroke=\"%s\" stroke-width=\"%s\"%s/>",
					 x, top, layout->width[spot->rank], spot->height, OidIsValid(node->relid) ? 4 : 12, border,
					 node == start ? "3" : "1.3", strcmp(node->kind, "view") == 0 ? " stroke-dasharray=\"5 3\"" : "");
	appendStringInfo(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"12.5\" fill=\"#1c2329\">", x + 10, top + 16);
	mdl_put_xml(out, mdl_lineage_label(node));
	appendStringInfo(out, "</text><text x=\"%.1f\" y=\"%.1f\" font-size=\"10\" fill=\"#5b6770\">", x + 10, top + 29);
	mdl_put_xml(out, node->kind);
	appendStringInfoString(out, "</text>");
	foreach(cell, spot->columns)
	{
		appendStringInfo(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"11\" fill=\"#1c2329\">", x + 16, row);
		mdl_put_xml(out, mdl_lineage_cut(lfirst(cell)));
		appendStringInfoString(out, "</text>");
		row += ROW_HEIGHT;
	}
	appendStringInfoString(out, "</g>\n");
}

MDL_FUNCTION(mdl_lineage_svg);
Datum
mdl_lineage_svg(PG_FUNCTION_ARGS)
{
	char	   *relation = mdl_optional_text(fcinfo, 0);
	LineageWalk walk = mdl_lineage_walk_arguments(fcinfo, 1, 2);
	MemoryContext caller = CurrentMemoryContext;
	bool		with_columns = mdl_required_bool(fcinfo, 3, "with_columns");
	char	   *column = mdl_optional_text(fcinfo, 4);
	bool	   *selected;
	StringInfoData out;
	LineageGraph *graph;
	LineageNode *start;
	Layout	   *layout;
	text	   *result;

	if (column && relation == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column_name is given without a relation"),
				 errhint("Name the relation that has the column.")));
	with_columns |= column != NULL;
	SPI_connect();
	graph = mdl_lineage_load();
	start = relation ? mdl_lineage_find(graph, relation) : NULL;
	selected = mdl_lineage_select(graph, start, &walk);
	if (with_columns)
		mdl_lineage_mark_columns(graph, start, column, &walk, selected);
	layout = mdl_lineage_layout(graph, selected, with_columns);
	initStringInfo(&out);
	draw_head(layout, &out);
	draw_lanes(layout, &out);
	appendStringInfoString(&out, "<g fill=\"none\" stroke=\"#5b6770\" stroke-width=\"1.2\" stroke-opacity=\"0.75\">\n");
	for (int i = 0; i < layout->link_count; i++)
		draw_link(layout, &layout->links[i], with_columns, &out);
	appendStringInfoString(&out, "</g>\n");
	for (int i = 0; i < layout->spot_count; i++)
		if (layout->spots[i].node)
			draw_box(layout, &layout->spots[i], start, &out);
	appendStringInfoString(&out, "</svg>\n");
	MemoryContextSwitchTo(caller);
	result = cstring_to_text_with_len(out.data, out.len);
	SPI_finish();
	PG_RETURN_TEXT_P(result);
}
