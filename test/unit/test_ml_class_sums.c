/*
 * test_ml_class_sums.c: means and squares by row and merged, against two passes in extended precision.
 */
#include "unit.h"

#include "ml/ml_class_sums.h"

#define ROWS 1000
#define N 11					/* a whole vector and a rest */

static double data[ROWS][N];
static double weights[ROWS];

/* Rows first … end - 1 about their first one. */
static double
gather(int first, int end, double *means, double *squares)
{
	double		total = 0;

	memset(means, 0, N * sizeof(double));
	memset(squares, 0, N * sizeof(double));
	for (int i = first; i < end; i++)
		if (weights[i] > 0)
			ml_class_add_moments(means, squares, data[i], data[first], weights[i], total += weights[i], N);
	return total;
}

static double
worst(const double *means, const double *squares, const double *base)
{
	double		largest = 0;

	for (int j = 0; j < N; j++)
	{
		long double total = 0,
					mean = 0,
					square = 0;

		for (int i = 0; i < ROWS; i++)
		{
			total += weights[i];
			mean += weights[i] * ((long double) data[i][j] - base[j]);
		}
		mean /= total;
		for (int i = 0; i < ROWS; i++)
			square += weights[i] * (data[i][j] - (long double) base[j] - mean) * (data[i][j] - (long double) base[j] - mean);
		largest = fmax(largest, fabs((double) ((means[j] - mean) / sqrtl(square / total))));
		largest = fmax(largest, fabs((double) (squares[j] / square - 1)));
	}
	return largest;
}

static void
test_moments(void)
{
	double		means[N];
	double		squares[N];
	double		other_means[N];
	double		other_squares[N];
	double		shift[N];
	double		weight;
	double		other;

	gather(0, ROWS, means, squares);
	unit_ok(worst(means, squares, data[0]) < 1e-12, "means and squares by row");
	weight = gather(0, 1, means, squares);
	for (int first = 1; first < ROWS; first += 111)
	{
		other = gather(first, first + 111, other_means, other_squares);
		for (int j = 0; j < N; j++)
			shift[j] = data[first][j] - data[0][j];
		ml_class_merge_moments(means, squares, weight, other_means, other_squares, other, shift, N);
		weight += other;
	}
	unit_ok(worst(means, squares, data[0]) < 1e-12, "the same from ten parts");
	ml_class_merge_moments(means, squares, weight, other_means, other_squares, 0, shift, N);
	unit_ok(worst(means, squares, data[0]) < 1e-12, "nothing is added by a part without weight");
}

static void
test_sums(void)
{
	double		base[4] = {0, 1, -1, 0.5};
	double		row[4] = {0, 0, -1, 2};
	double		sums[4] = {0};
	unsigned char seen[4] = {0};

	ml_class_add_sums(ML_CLASS_MULTINOMIAL, 0, sums, seen, base, base, 2, 4);
	ml_class_add_sums(ML_CLASS_MULTINOMIAL, 0, sums, seen, row, base, 1, 4);
	unit_ok(sums[0] == 0 && sums[1] == 2 && sums[2] == -3 && sums[3] == 3, "weighted sums");
	unit_ok(seen[0] == 0 && seen[1] == ML_SEEN_ANOTHER && seen[2] == (ML_SEEN_NEGATIVE | ML_SEEN_FRACTIONAL) &&
	   seen[3] == (ML_SEEN_FRACTIONAL | ML_SEEN_ANOTHER), "what was seen of the numbers");
	memset(sums, 0, sizeof(sums));
	ml_class_add_sums(ML_CLASS_BERNOULLI, 0.5, sums, seen, base, base, 2, 4);
	unit_ok(sums[0] == 0 && sums[1] == 2 && sums[2] == 0 && sums[3] == 0, "above the threshold, not at it");
}

int
main(void)
{
	for (int i = 0; i < ROWS; i++)
	{
		weights[i] = i % 7 == 3 && i > 1 ? 0.25 : 1 + i % 3;
		for (int j = 0; j < N; j++)
			data[i][j] = (j % 3 == 0 ? 1e6 : 0) + sin(i * (j + 1.0)) * pow(10, j - 5) * (i % 50 == 0 ? 30 : 1);
	}
	test_moments();
	test_sums();
	return unit_done();
}
