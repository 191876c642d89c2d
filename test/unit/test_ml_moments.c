/*
 * test_ml_moments.c: moments and exact moments against a plain calculation; merged, in any order, far from zero.
 */
#include "unit.h"
#include "alloc_fail.h"

#include "ml/ml_moments.h"

enum
{
	NUMBERS = 5,
	CATS = 2,
	FIRST_LEVELS = 3,
	LEVELS = 7,
	MAX_ROWS = 3000,
	VARIABLES = NUMBERS + LEVELS
};

typedef struct rows
{
	int			n;
	double		numbers[MAX_ROWS][NUMBERS];
	int32_t		levels[MAX_ROWS][CATS];
	double		weight[MAX_ROWS];
} rows;

static rows data;
static ml_gram_source sources[VARIABLES];
static const ml_moments_shape shape = {NUMBERS, CATS, LEVELS};

static double
uniform(void)
{
	return (double) rand() / RAND_MAX;
}

static void
make_rows(int n, bool weighted)
{
	srand(11);
	data.n = n;
	for (int i = 0; i < n; i++)
	{
		data.numbers[i][0] = 1e9 + uniform();
		data.numbers[i][1] = (uniform() - 0.5) * 1e-9;
		data.numbers[i][2] = exp(12 * uniform());
		data.numbers[i][3] = i == 0 ? 1e7 : rand() % 5;	/* the first row is far from all others */
		data.numbers[i][4] = 2 * (data.numbers[i][0] - 1e9) + data.numbers[i][3];
		data.levels[i][0] = rand() % FIRST_LEVELS;
		data.levels[i][1] = FIRST_LEVELS + rand() % (LEVELS - FIRST_LEVELS);
		data.weight[i] = weighted ? 0.1 + uniform() * 3 : 1;
	}
	for (int k = 0; k < VARIABLES; k++)
		sources[k] = k < NUMBERS ? (ml_gram_source) {k, -1} : (ml_gram_source) {-1, k - NUMBERS};
}

static long double
variable(int row, int k)
{
	if (k < NUMBERS)
		return data.numbers[row][k];
	return data.levels[row][0] == k - NUMBERS || data.levels[row][1] == k - NUMBERS;
}

/* Two passes in extended precision over rows from … to. */
static void
plain_gram(ml_gram *gram, int from, int to)
{
	static long double mean[VARIABLES];
	long double weight = 0;

	gram->rows = to - from;
	for (int i = from; i < to; i++)
		weight += data.weight[i];
	gram->weight = (double) weight;
	for (int k = 0; k < VARIABLES; k++)
	{
		mean[k] = 0;
		for (int i = from; i < to; i++)
			mean[k] += data.weight[i] * variable(i, k);
		mean[k] /= weight;
		gram->mean[k] = (double) mean[k];
	}
	for (int k = 0; k < VARIABLES; k++)
		for (int l = 0; l < VARIABLES; l++)
		{
			long double sum = 0;

			for (int i = from; i < to; i++)
				sum += data.weight[i] * (variable(i, k) - mean[k]) * (variable(i, l) - mean[l]);
			gram->moments[k * VARIABLES + l] = (double) sum;
		}
}

/* Relative to the root of the product of the variances, which is what a fit notices. */
static double
worst_difference(const ml_gram *got, const ml_gram *expected)
{
	double		worst = 0;

	for (int k = 0; k < VARIABLES; k++)
		for (int l = 0; l < VARIABLES; l++)
		{
			double		scale = sqrt(expected->moments[k * VARIABLES + k] * expected->moments[l * VARIABLES + l]);
			double		error = fabs(got->moments[k * VARIABLES + l] - expected->moments[k * VARIABLES + l]) /
				(scale > 0 ? scale : 1);

			worst = error > worst || isnan(error) ? error : worst;
		}
	for (int k = 0; k < VARIABLES; k++)
	{
		double		error = fabs(got->mean[k] - expected->mean[k]) / fmax(fabs(expected->mean[k]), 1e-300);

		worst = error > worst && error > 1e-15 ? fmax(worst, error / 100) : worst;
	}
	return worst;
}

static ml_moments *
moments_of(int from, int to)
{
	ml_moments *m = malloc(ml_moments_size(&shape));

	ml_moments_init(m, &shape);
	for (int i = from; i < to; i++)
		ml_moments_add(m, data.numbers[i], data.levels[i], data.weight[i]);
	return m;
}

static void
test_moments(int n, bool weighted)
{
	static double memory[3][VARIABLES * (VARIABLES + 2)];
	ml_gram		got,
				expected,
				added;
	ml_moments *m,
			   *part;

	make_rows(n, weighted);
	ml_gram_attach(&got, VARIABLES, memory[0]);
	ml_gram_attach(&expected, VARIABLES, memory[1]);
	ml_gram_attach(&added, VARIABLES, memory[2]);
	ml_gram_clear(&expected);
	plain_gram(&expected, 0, n);
	m = moments_of(0, n);
	ml_gram_from_moments(&got, m, sources);
	unit_int(got.rows, n, "%d rows %s", n, weighted ? "with weights" : "");
	unit_near(got.weight, expected.weight, 1e-13, 0, "their weight");
	unit_ok(worst_difference(&got, &expected) < 2e-14, "moments: off by %.1e", worst_difference(&got, &expected));
	free(m);

	m = moments_of(0, n / 3);
	part = moments_of(n / 3, n);
	ml_moments_merge(m, part);
	free(part);
	part = moments_of(n, n);
	ml_moments_merge(m, part);
	ml_moments_merge(part, m);
	ml_gram_attach(&got, VARIABLES, memory[0]);
	ml_gram_from_moments(&got, part, sources);
	unit_ok(worst_difference(&got, &expected) < 2e-14, "merged, with nothing and into nothing: off by %.1e",
			worst_difference(&got, &expected));
	free(m);
	free(part);

	m = moments_of(0, n / 2);
	ml_gram_attach(&got, VARIABLES, memory[0]);
	ml_gram_from_moments(&got, m, sources);
	free(m);
	m = moments_of(n / 2, n);
	ml_gram_from_moments(&added, m, sources);
	free(m);
	ml_gram_add(&got, &added);
	unit_ok(worst_difference(&got, &expected) < 1e-13, "Grams added: off by %.1e", worst_difference(&got, &expected));
}

/* Rows in another order and in other parts. */
static ml_exact *
exact_of(const ml_grid *grid, int parts, bool backwards)
{
	ml_exact   *total = malloc(ml_exact_size(&shape));
	ml_exact   *part = malloc(ml_exact_size(&shape));

	ml_exact_init(total, &shape);
	for (int p = 0; p < parts; p++)
	{
		ml_exact_init(part, &shape);
		for (int i = p; i < data.n; i += parts)
		{
			int			row = backwards ? data.n - 1 - i : i;

			ml_exact_add(part, grid, data.numbers[row], data.levels[row], data.weight[row]);
		}
		ml_exact_merge(total, part);
	}
	free(part);
	return total;
}

static void
test_exact(int n, bool weighted)
{
	static double memory[3][VARIABLES * (VARIABLES + 2)];
	double		shift[NUMBERS],
				scale[NUMBERS];
	int32_t		exponent[NUMBERS];
	ml_grid		grid = {NUMBERS, shift, exponent, scale, 0, 1};
	double		largest_weight = 0;
	double		far[NUMBERS] = {1e12, 0, 0, 0, 0};
	ml_gram		one,
				two,
				expected;
	ml_exact   *a,
			   *b;

	make_rows(n, weighted);
	for (int i = 0; i < n; i++)
		largest_weight = fmax(largest_weight, data.weight[i]);
	for (int j = 0; j < NUMBERS; j++)
	{
		double		least = INFINITY,
					largest = -INFINITY;

		for (int i = 0; i < n; i++)
		{
			least = fmin(least, data.numbers[i][j]);
			largest = fmax(largest, data.numbers[i][j]);
		}
		ml_grid_fit(least, largest, largest_weight, &shift[j], &exponent[j]);
		scale[j] = ldexp(1, exponent[j]);
	}
	grid.root_exponent = ml_grid_root_exponent(largest_weight);
	grid.root_scale = ldexp(1, grid.root_exponent);
	ml_gram_attach(&one, VARIABLES, memory[0]);
	ml_gram_attach(&two, VARIABLES, memory[1]);
	ml_gram_attach(&expected, VARIABLES, memory[2]);
	plain_gram(&expected, 0, n);
	a = exact_of(&grid, 1, false);
	b = exact_of(&grid, 7, true);
	unit_int(a->outside, 0, "every row fits the grid");
	ml_gram_from_exact(&one, a, &grid, sources);
	ml_gram_from_exact(&two, b, &grid, sources);
	unit_bytes(memory[0], memory[1], sizeof(memory[0]), "exact moments: the same bits in another order and other parts");
	unit_near(one.weight, expected.weight, 1e-12, 0, "their weight");
	unit_ok(worst_difference(&one, &expected) < 1e-11, "exact moments: off by %.1e", worst_difference(&one, &expected));
	ml_exact_add(a, &grid, far, data.levels[0], 1);
	unit_int(a->outside, 1, "a row outside the grid is left out and counted");
	free(a);
	free(b);
}

static void
test_columns(void)
{
	static double columns[NUMBERS][MAX_ROWS];
	static int32_t levels[CATS][MAX_ROWS];
	static double memory[2][VARIABLES * (VARIABLES + 2)];
	ml_gram		got,
				expected;
	ml_moments *m = malloc(ml_moments_size(&shape));
	ml_moments *rows_added;

	make_rows(1000, true);
	data.weight[10] = data.weight[70] = 0;
	for (int i = 0; i < data.n; i++)
	{
		for (int j = 0; j < NUMBERS; j++)
			columns[j][i] = data.numbers[i][j];
		for (int c = 0; c < CATS; c++)
			levels[c][i] = data.levels[i][c];
	}
	ml_moments_init(m, &shape);
	for (int first = 0; first < data.n; first += ML_MOMENTS_BLOCK)
	{
		const double *starts[NUMBERS];
		const int32_t *level_starts[CATS];
		int			here = data.n - first < ML_MOMENTS_BLOCK ? data.n - first : ML_MOMENTS_BLOCK;

		for (int j = 0; j < NUMBERS; j++)
			starts[j] = columns[j] + first;
		for (int c = 0; c < CATS; c++)
			level_starts[c] = levels[c] + first;
		ml_moments_add_columns(m, starts, level_starts, data.weight + first, here);
	}
	rows_added = malloc(ml_moments_size(&shape));
	ml_moments_init(rows_added, &shape);
	for (int i = 0; i < data.n; i++)
		if (data.weight[i] > 0)
			ml_moments_add(rows_added, data.numbers[i], data.levels[i], data.weight[i]);
	ml_gram_attach(&got, VARIABLES, memory[0]);
	ml_gram_attach(&expected, VARIABLES, memory[1]);
	ml_gram_from_moments(&got, m, sources);
	ml_gram_from_moments(&expected, rows_added, sources);
	unit_int(got.rows, 998, "rows without weight are left out");
	unit_ok(worst_difference(&got, &expected) < 2e-14, "column by column as row by row");
	free(m);
	free(rows_added);
}

static void
test_small(void)
{
	ml_moments_shape bare = {2, 0, 0};
	ml_moments *m = malloc(ml_moments_size(&bare));
	ml_gram_source two[2] = {{0, -1}, {1, -1}};
	double		memory[8];
	ml_gram		gram;
	const double points[3][2] = {{1, 2}, {2, 4}, {6, 0}};

	ml_moments_init(m, &bare);
	ml_gram_attach(&gram, 2, memory);
	ml_gram_from_moments(&gram, m, two);
	unit_int(gram.rows, 0, "no rows");
	for (int i = 0; i < 3; i++)
		ml_moments_add(m, points[i], NULL, 1);
	unit_ok(ml_moments_valid(m, ml_moments_size(&bare), &bare), "a state is valid");
	unit_ok(!ml_moments_valid(m, ml_moments_size(&bare) - 1, &bare) && !ml_moments_valid(m, ml_moments_size(&bare), &shape),
			"a state of another size or shape is not");
	ml_gram_from_moments(&gram, m, two);
	unit_near(gram.mean[0], 3, 0, 0, "a mean by hand");
	unit_near(gram.moments[0], 14, 0, 0, "a variance by hand");
	unit_near(gram.moments[1], -8, 0, 0, "a covariance by hand");
	unit_near(gram.moments[2], -8, 0, 0, "… symmetric");
	free(m);
}

/* Two columns of many categories: what that costs is of the order of their pairs, not of their triples, which were minutes. */
static void
test_many_levels(void)
{
	enum
	{
		LEVELS = 1200,
		N = 2 * LEVELS + 1
	};
	ml_moments_shape wide = {1, 2, 2 * LEVELS};
	ml_moments *m = calloc(1, ml_moments_size(&wide));
	ml_gram_source *sources = malloc(sizeof(ml_gram_source) * N);
	double	   *memory = malloc(sizeof(double) * ml_gram_doubles(N));
	ml_gram		gram;
	double		worst = 0;

	ml_moments_init(m, &wide);
	for (int i = 0; i < 5 * LEVELS; i++)
	{
		double		x = i % 17;
		int32_t		own[2] = {i % LEVELS, LEVELS + (i * 7) % LEVELS};

		ml_moments_add(m, &x, own, 1);
	}
	for (int i = 0; i < 2 * LEVELS; i++)
		sources[i] = (ml_gram_source) {-1, i};
	sources[2 * LEVELS] = (ml_gram_source) {0, -1};
	ml_gram_attach(&gram, N, memory);
	ml_gram_from_moments(&gram, m, sources);
	for (int i = 0; i < N; i++)
	{
		double		sum = 0;

		for (int j = 0; j < LEVELS; j++)
			sum += gram.moments[(size_t) i * N + j];
		worst = fmax(worst, fabs(sum));
	}
	unit_near(worst, 0, 0, 1e-9, "co-moments with all categories of a column add up to 0");
	free(m);
	free(sources);
	free(memory);
}

int
main(void)
{
	test_small();
	test_moments(1, false);
	test_moments(64, false);
	test_moments(65, true);
	test_moments(MAX_ROWS, false);
	test_moments(MAX_ROWS, true);
	test_exact(2, false);
	test_exact(MAX_ROWS, false);
	test_exact(MAX_ROWS, true);
	test_columns();
	test_many_levels();
	return unit_done();
}
