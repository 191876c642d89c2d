/*
 * lineage_graph_int.h: what the files that fill the graph of lineage share.
 */
#ifndef MDL_LINEAGE_GRAPH_INT_H
#define MDL_LINEAGE_GRAPH_INT_H

#include "pipeline/lineage_int.h"

/* ---- lineage_graph.c: adds what is not there yet -------------------------------------------------------------------- */

/* Something that is no relation. */
extern LineageNode *mdl_lineage_other_node(LineageGraph *graph, const char *kind, const char *name);

extern void mdl_lineage_add_edge(LineageNode *output, LineageNode *input);

/* The edge between the nodes too; `output_column` NULL: all rows. */
extern void mdl_lineage_add_column(LineageGraph *graph, LineageNode *output, const char *output_column, LineageNode *input,
								   const char *input_column, ColumnUse use, bool masking);
extern void mdl_lineage_add_query(LineageGraph *graph, LineageNode *output, const QueryLineage *lineage);

/* ---- lineage_records.c ----------------------------------------------------------------------------------------------- */

extern void mdl_lineage_load_records(LineageGraph *graph);
extern void mdl_lineage_load_queries(LineageGraph *graph);

#endif							/* MDL_LINEAGE_GRAPH_INT_H */
