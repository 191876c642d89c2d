/*
 * drift_bins.c: the bins of a numeric column, from its sample.
 *
 * Ten bins of equal frequency, but: values are never split, so edges that fall together are one; a value that makes up
 * a tenth of the sample is a *point mass* and has a bin of its own, since otherwise a default value that is on the rise would
 * hide among its neighbours.  Between two point masses there is a bin even if the sample has nothing there.
 */
#include "ml/drift_int.h"

#include <math.h>

typedef struct edge_list
{
	double	   *edges;
	int			count;
} edge_list;

static void
add_edge(edge_list *list, double edge)
{
	if (list->count == 0 || edge > list->edges[list->count - 1])
		list->edges[list->count++] = edge;
}

/*
 * Edges inside a stretch of n values without point masses: k - 1 of them for k bins.  The stretch gets bins by its
 * share of all values; its last value never is an edge, as what follows it belongs to its last bin.
 */
static void
add_light(edge_list *list, const double *sorted, size_t n, size_t n_all)
{
	int			bins = (int) floor((double) n * DRIFT_TARGET_BINS / (double) n_all + 0.5);

	for (int i = 1; i < bins; i++)
	{
		double		edge = sorted[n * (size_t) i / (size_t) bins - 1];

		if (edge < sorted[n - 1])
			add_edge(list, edge);
	}
}

int
drift_make_edges(const double *sorted, size_t n, double *edges)
{
	edge_list	list = {edges, 0};
	size_t		light = 0;		/* where the current stretch without point masses began */
	size_t		heavy = (n + DRIFT_TARGET_BINS - 1) / DRIFT_TARGET_BINS;	/* equal values that are a point mass */

	for (size_t i = 0; i < n && i + heavy <= n;)
	{
		size_t		end = i + heavy;

		if (sorted[end - 1] != sorted[i])
		{
			i++;
			continue;
		}
		while (end < n && sorted[end] == sorted[i])
			end++;
		if (i > light)
			add_light(&list, sorted + light, i - light, n);
		add_edge(&list, nextafter(sorted[i], -INFINITY));
		add_edge(&list, sorted[i]);
		i = light = end;
	}
	if (n > light)
		add_light(&list, sorted + light, n - light, n);
	return list.count;
}
