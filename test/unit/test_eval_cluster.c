/*
 * test_eval_cluster.c: agreement and separation by hand, threads, failing allocations, cancelling.
 */
#include "ml/eval_cluster.h"

#include "alloc_fail.h"
#include "unit.h"

#define N 700
#define WIDTH 3

typedef ml_status (*points_metric) (const ml_ctx *ctx, const ml_points *points, double *value, ml_error *err);

static double
of_table(const double *counts, int n, double (*metric) (const ml_contingency *table))
{
	double		classes[4],
				clusters[4];
	ml_contingency table = {counts, n, n, classes, clusters, 0};

	return ml_contingency_sums(&table) ? metric(&table) : NAN;
}

static double
ami_of(const ml_ctx *ctx, const double *counts, int n)
{
	double		classes[4],
				clusters[4],
				value;
	ml_contingency table = {counts, n, n, classes, clusters, 0};
	ml_error	error;

	ml_contingency_sums(&table);
	return ml_adjusted_mutual_information(ctx, &table, ML_MEAN_ARITHMETIC, &value, &error) == ML_OK ? value : NAN;
}

static double
silhouette_by_hand(const ml_points *p)
{
	double		sum = 0;

	for (size_t i = 0; i < p->n; i++)
	{
		double		totals[8] = {0},
					counts[8] = {0},
					other = INFINITY,
					own;

		for (size_t j = 0; j < p->n; j++)
		{
			double		squared = 0;

			for (int k = 0; k < p->width; k++)
			{
				double		apart = p->x[i * p->stride + k] - p->x[j * p->stride + k];

				squared += apart * apart;
			}
			totals[p->clusters[j]] += sqrt(squared);
			counts[p->clusters[j]]++;
		}
		if (counts[p->clusters[i]] == 1)
			continue;
		own = totals[p->clusters[i]] / (counts[p->clusters[i]] - 1);
		for (int c = 0; c < p->n_clusters; c++)
			if (c != p->clusters[i])
				other = fmin(other, totals[c] / counts[c]);
		sum += (other - own) / fmax(other, own);
	}
	return sum / (double) p->n;
}

typedef struct metric_case
{
	points_metric metric;
	const ml_points *points;
	double		expected;
} metric_case;

static ml_status
attempt_metric(const ml_ctx *ctx, void *arg, ml_error *err)
{
	const metric_case *c = arg;
	double		value = NAN;
	ml_status	status = c->metric(ctx, c->points, &value, err);

	return status == ML_OK && value != c->expected ? ML_BAD_DATA : status;
}

static void
test_failures(points_metric metric, const char *name, const ml_points *points, double expected)
{
	fail_each_allocation(attempt_metric, &(metric_case) {metric, points, expected}, 2, name);
}

int
main(void)
{
	const double same[] = {3, 0, 0, 2};
	const double turned[] = {0, 3, 2, 0};
	const double mixed[] = {1, 1, 1, 1};
	const double single[] = {4, 0, 0, 0};
	const double none[] = {0, 0, 0, 0};
	ml_ctx		ctx = ml_ctx_default();
	ml_error	error;
	static double x[N * WIDTH];
	static int	clusters[N];
	ml_points	points = {x, WIDTH, N, WIDTH, clusters, 3};
	double		value,
				again;
	fail_state	state = {-1, 0, 0, 0};
	ml_ctx		failing = fail_ctx(&state);
	const double line[] = {0, 2, 10, 14};
	const int	pairs[] = {0, 0, 1, 1};
	const int	alone[] = {0, 1, 2, 3};
	ml_points	four = {line, 1, 4, 1, pairs, 2};

	unit_near(of_table(same, 2, ml_adjusted_rand), 1, 0, 0, "ari of the same");
	unit_near(of_table(turned, 2, ml_adjusted_rand), 1, 0, 0, "names do not matter");
	unit_near(of_table(mixed, 2, ml_adjusted_rand), -0.5, 1e-15, 0, "ari below chance");
	unit_near(of_table(single, 2, ml_adjusted_rand), 1, 0, 0, "one class, one cluster");
	unit_near(of_table(none, 2, ml_adjusted_rand), NAN, 0, 0, "no rows");
	unit_near(of_table(same, 2, ml_homogeneity), 1, 1e-15, 0, "homogeneity");
	unit_near(of_table(mixed, 2, ml_completeness), 0, 0, 0, "completeness");
	unit_near(of_table(mixed, 2, ml_v_measure), 0, 0, 0, "v of nothing shared");
	unit_near(ami_of(&ctx, same, 2), 1, 1e-14, 0, "ami of the same");
	unit_near(ami_of(&ctx, mixed, 2), -0.5, 1e-14, 0, "ami below chance");
	state.until_failure = 0;
	unit_ok(isnan(ami_of(&failing, same, 2)) && state.live == 0, "ami without memory");
	state.until_failure = -1;
	state.until_cancel = 0;
	unit_ok(isnan(ami_of(&failing, same, 2)) && state.live == 0, "ami cancelled");

	/* centres 1 and 12: inertia 1 + 1 + 4 + 4; spreads 1 and 2, 11 apart */
	unit_ok(ml_inertia(&ctx, &four, &value, &error) == ML_OK && value == 10, "inertia by hand");
	unit_ok(ml_davies_bouldin(&ctx, &four, &value, &error) == ML_OK && fabs(value - 3.0 / 11) < 1e-15, "davies_bouldin by hand");
	unit_ok(ml_calinski_harabasz(&ctx, &four, &value, &error) == ML_OK && fabs(value - 121.0 * 2 / 10) < 1e-12,
			"calinski_harabasz by hand");
	unit_ok(ml_silhouette(&ctx, &four, &value, &error) == ML_OK && fabs(value - silhouette_by_hand(&four)) < 1e-15, "silhouette by hand");
	four.clusters = alone;
	four.n_clusters = 4;
	unit_ok(ml_silhouette(&ctx, &four, &value, &error) == ML_OK && isnan(value), "each point its own cluster: no value");

	for (int i = 0; i < N; i++)
	{
		clusters[i] = i == 0 ? 2 : i % 2;
		for (int k = 0; k < WIDTH; k++)
			x[i * WIDTH + k] = sin(i * 12.9898 + k * 78.233) + 2 * clusters[i];
	}
	ml_silhouette(&ctx, &points, &value, &error);
	unit_near(value, silhouette_by_hand(&points), 1e-12, 0, "silhouette of %d points, one alone", N);
	ctx.nthreads = 3;
	ml_silhouette(&ctx, &points, &again, &error);
	unit_bytes(&value, &again, sizeof(double), "three threads, the same bits");
	test_failures(ml_silhouette, "silhouette", &points, value);
	ml_inertia(&ctx, &points, &value, &error);
	test_failures(ml_inertia, "inertia", &points, value);
	ml_davies_bouldin(&ctx, &points, &value, &error);
	test_failures(ml_davies_bouldin, "davies_bouldin", &points, value);
	ml_calinski_harabasz(&ctx, &points, &value, &error);
	test_failures(ml_calinski_harabasz, "calinski_harabasz", &points, value);
	state.until_failure = -1;
	state.until_cancel = 0;
	unit_ok(ml_silhouette(&failing, &points, &value, &error) == ML_CANCELLED && state.live == 0, "silhouette stops when cancelled");
	state.until_cancel = 0;
	unit_ok(ml_davies_bouldin(&failing, &points, &value, &error) == ML_CANCELLED && state.live == 0, "davies_bouldin stops when cancelled");
	return unit_done();
}
