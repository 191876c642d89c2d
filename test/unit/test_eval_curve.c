/*
 * test_eval_curve.c: thresholds, curves, bins and quantiles against counting by hand.
 */
#include "ml/eval_curve.h"

#include "unit.h"

#define N 400

static double
noise(unsigned *state)
{
	*state = *state * 1664525u + 1013904223u;
	return (double) (*state >> 8) / 16777216.0;
}

/* The weight of pairs won, one by one. */
static double
count_pairs(const ml_scored *rows, size_t n)
{
	double		won = 0,
				all = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			if (rows[i].weight > 0 && rows[j].weight < 0)
			{
				double		weight = rows[i].weight * -rows[j].weight;

				all += weight;
				won += rows[i].score > rows[j].score ? weight : rows[i].score == rows[j].score ? weight / 2 : 0;
			}
	return won / all;
}

static int
by_score(const void *a, const void *b)
{
	const ml_scored *x = a,
			   *y = b;

	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return (x->weight > y->weight) - (x->weight < y->weight);
}

static void
test_sort(size_t n, bool weighted)
{
	ml_scored  *rows = malloc(sizeof(ml_scored) * (n + 1));
	ml_scored  *copy = malloc(sizeof(ml_scored) * (n + 1));
	ml_scored  *scratch = malloc(sizeof(ml_scored) * (n + 1));
	unsigned	state = (unsigned) n;
	bool		same = true;

	for (size_t i = 0; i < n; i++)
	{
		double		score = floor(noise(&state) * 50) * (i % 7 == 0 ? -1e200 : 1e-3);

		rows[i] = (ml_scored) {i == 3 ? -0.0 : i == 4 ? INFINITY : score, weighted ? noise(&state) - 0.5 : i % 2 ? 1 : -1};
	}
	for (size_t i = 0; i < n; i++)
	{
		copy[i] = rows[i];
		copy[i].score += 0.0;
	}
	ml_scored_sort(NULL, rows, scratch, n);
	qsort(copy, n, sizeof(ml_scored), by_score);
	for (size_t i = 0; i < n; i++)
		same = same && rows[i].score == copy[i].score && (!weighted || rows[i].weight == copy[i].weight);
	unit_ok(same, "%zu rows %s sorted as qsort sorts", n, weighted ? "with weights" : "");
	free(rows);
	free(copy);
	free(scratch);
}

static void
test_areas(void)
{
	static ml_scored rows[N],
				scratch[N];
	static ml_step steps[N];
	unsigned	state = 5;
	size_t		n;
	double		value,
				cornered,
				previous;
	bool		rises = true;

	for (int i = 0; i < N; i++)
		rows[i] = (ml_scored) {floor(noise(&state) * 40), (noise(&state) - 0.6) * 3};
	ml_scored_sort(NULL, rows, scratch, N);
	n = ml_steps(rows, N, steps);
	unit_ok(n == 40, "a step per distinct score");
	previous = INFINITY;
	for (size_t i = 0; i < n; i++)
	{
		rises = rises && steps[i].threshold < previous && (i == 0 || steps[i].tp >= steps[i - 1].tp);
		previous = steps[i].threshold;
	}
	unit_ok(rises, "from the highest down");
	unit_near(ml_steps_roc_auc(steps, n, &value) ? value : NAN, count_pairs(rows, N), 1e-12, 0, "area = weight of pairs won");
	n = ml_steps_corners(steps, n);
	unit_near(ml_steps_roc_auc(steps, n, &cornered) ? cornered : NAN, value, 1e-14, 0, "leaving out points on lines keeps the area");
}

static void
test_by_hand(void)
{
	ml_scored	rows[] = {{0.1, -1}, {0.4, -1}, {0.4, 1}, {0.4, 1}, {0.8, 1}};
	ml_scored	scratch[5];
	ml_step		steps[5];
	ml_step		line[] = {{4, 1, 1}, {3, 2, 2}, {2, 3, 3}, {1, 4, 3}};
	ml_scored	one[] = {{0.5, 1}, {0.6, 1}};
	size_t		n;
	double		value,
				threshold;

	ml_scored_sort(NULL, rows, scratch, 5);
	n = ml_steps(rows, 5, steps);
	unit_int(n, 3, "three scores");
	unit_near(ml_steps_roc_auc(steps, n, &value) ? value : NAN, 5.0 / 6, 1e-15, 0, "area by hand");
	unit_near(ml_steps_average_precision(steps, n, &value) ? value : NAN, 1.0 / 3 + 2.0 / 3 * 0.75, 1e-15, 0, "average precision by hand");
	unit_near(ml_steps_gained(steps, n, 0.2, &threshold), 1, 1e-15, 0, "the best fifth");
	unit_near(threshold, 0.8, 0, 0, "and its threshold");
	unit_near(ml_steps_gained(steps, n, 0.4, &threshold), 1 + 2.0 / 3, 1e-15, 0, "ties in parts");
	unit_near(ml_steps_gained(steps, n, 1, &threshold), 3, 1e-15, 0, "all");
	unit_int(ml_best_threshold(steps, n, ML_THRESHOLD_F1, 0, 0, &value), 1, "best by f1");
	unit_near(value, 6.0 / 7, 1e-15, 0, "its f1");
	unit_int(ml_best_threshold(steps, n, ML_THRESHOLD_COST, 100, 1, &value), 0, "alarms cost: only the sure one");
	unit_near(value, 2, 0, 0, "its cost");
	unit_int(ml_best_threshold(steps, n, ML_THRESHOLD_COST, 1, 100, &value), 1, "misses cost: all that may be");
	unit_int(ml_steps_corners(line, 4), 3, "straight points go, ends and corners stay");
	n = ml_steps(one, 2, steps);
	unit_ok(!ml_steps_roc_auc(steps, n, &value) && !ml_steps_roc_auc(steps, 0, &value), "one class or none: no area");
	unit_ok(!ml_steps_average_precision(steps, 0, &value) && ml_steps_average_precision(steps, n, &value) && value == 1,
			"only positives: precision 1");
	unit_near(ml_threshold_value(ML_THRESHOLD_MCC, 0, 0, 0, 0, 0, 0), 0, 0, 0, "mcc of nothing");
	unit_near(ml_threshold_value(ML_THRESHOLD_F1, 0, 0, 0, 5, 0, 0), 0, 0, 0, "f1 of nothing");
	unit_near(ml_threshold_value(ML_THRESHOLD_BALANCED_ACCURACY, 2, 0, 4, 0, 0, 0), 0.5, 0, 0, "balanced accuracy of one class");
}

static void
test_bins(void)
{
	ml_scored	rows[] = {{0, -1}, {0.1, 1}, {0.5, -2}, {0.5, 2}, {0.6, 1}, {1, 3}};
	double		edges[] = {0, 0.5, 1};
	ml_bin		bins[2];

	ml_calibration(rows, 6, edges, 2, bins);
	unit_near(bins[0].weight, 6, 0, 0, "a score on an edge belongs below");
	unit_near(bins[0].share, 0.5, 1e-15, 0, "share of positives");
	unit_near(bins[0].mean, (0.1 + 4 * 0.5) / 6, 1e-15, 0, "mean score");
	unit_near(bins[1].mean, 0.9, 1e-15, 0, "of the upper bin");
	unit_near(ml_scored_quantile(rows, 6, 0), 0, 0, 0, "least");
	unit_near(ml_scored_quantile(rows, 6, 1), 1, 0, 0, "most");
	unit_near(ml_scored_quantile(rows, 6, 0.9), 0.8, 1e-15, 0, "between");
	unit_near(ml_scored_quantile(rows, 1, 0.7), 0, 0, 0, "of one row");
}

int
main(void)
{
	for (size_t n = 0; n <= 1; n++)
		test_sort(n, true);
	test_sort(10, true);
	test_sort(63, false);
	test_sort(64, true);
	test_sort(5000, true);
	test_sort(5000, false);
	test_areas();
	test_by_hand();
	test_bins();
	return unit_done();
}
