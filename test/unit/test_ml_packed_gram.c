/*
 * test_ml_packed_gram.c: packed Grams against Grams: there and back, merged, far from zero, with parts that have no rows.
 */
#include "unit.h"

#include "ml/ml_packed_gram.h"

enum
{
	N = 4,
	ROWS = 500
};

static double data[ROWS][N];
static double weights[ROWS];

static void
gram_of(ml_gram *gram, int first, int count)
{
	static ml_gram_source sources[N];
	ml_moments_shape shape = {N, 0, 0};
	ml_moments *m = malloc(ml_moments_size(&shape));

	for (int i = 0; i < N; i++)
		sources[i] = (ml_gram_source) {i, -1};
	ml_moments_init(m, &shape);
	for (int i = first; i < first + count; i++)
		ml_moments_add(m, data[i], NULL, weights[i]);
	ml_gram_attach(gram, N, calloc(ml_gram_doubles(N), sizeof(double)));
	ml_gram_from_moments(gram, m, sources);
	free(m);
}

static double
largest_difference(const ml_gram *a, const ml_gram *b)
{
	double		largest = fmax(fabs((double) (a->rows - b->rows)), fabs(a->weight / b->weight - 1));

	for (int i = 0; i < N; i++)
	{
		largest = fmax(largest, fabs((a->mean[i] - b->mean[i]) + (a->mean_rest[i] - b->mean_rest[i])));
		for (int j = 0; j < N; j++)
			largest = fmax(largest, fabs(a->moments[i * N + j] - b->moments[i * N + j]) / sqrt(b->moments[i * N + i] * b->moments[j * N + j]));
	}
	return largest;
}

int
main(void)
{
	ml_gram		whole;
	ml_gram		back;
	double		packed[ml_packed_doubles(N)];
	double		sum[ml_packed_doubles(N)];
	double		weight = 0;

	srand(3);
	for (int i = 0; i < ROWS; i++)
	{
		data[i][0] = 1e9 + (double) rand() / RAND_MAX;
		data[i][1] = (double) rand() / RAND_MAX;
		data[i][2] = data[i][1] + 0.1 * rand() / RAND_MAX;
		data[i][3] = i;
		weights[i] = 0.5 + (double) rand() / RAND_MAX;
	}
	gram_of(&whole, 0, ROWS);
	ml_gram_pack(&whole, packed);
	ml_gram_attach(&back, N, calloc(ml_gram_doubles(N), sizeof(double)));
	ml_gram_unpack(packed, whole.rows, whole.weight, &back);
	unit_ok(largest_difference(&back, &whole) == 0, "there and back");

	memset(sum, 0, sizeof(sum));
	for (int first = 0; first < ROWS; first += 10)
	{
		ml_gram		part;

		gram_of(&part, first, 10);
		ml_gram_pack(&part, packed);
		ml_packed_add(sum, weight, packed, part.weight, N);
		weight += part.weight;
		free(part.mean);
	}
	memcpy(packed, sum, sizeof(sum));
	ml_packed_add(sum, weight, packed, 0, N);
	unit_ok(memcmp(packed, sum, sizeof(sum)) == 0, "a part without rows changes nothing");
	ml_gram_unpack(sum, ROWS, weight, &back);
	unit_near(largest_difference(&back, &whole), 0, 0, 1e-12, "50 parts are the whole");
	free(whole.mean);
	free(back.mean);
	return unit_done();
}
