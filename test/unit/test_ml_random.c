/*
 * test_ml_random.c: ml_random.h gives the published sequence, and its numbers pass for chance: even, as uneven as they
 * should be, unrelated within a stream and between streams.
 *
 * Everything is the same at every run; limits are at 4 or more standard deviations of what chance would give.
 */
#include "unit.h"

#include "ml/ml_random.h"

#define SEEDS 4
#define STREAMS 16

/* Chi-square of counts against equal shares, as standard deviations from what is expected of it. */
static double
chi_square(const uint32_t *counts, int buckets, double total)
{
	double		expected = total / buckets;
	double		sum = 0;

	for (int i = 0; i < buckets; i++)
		sum += (counts[i] - expected) * (counts[i] - expected) / expected;
	return (sum - (buckets - 1)) / sqrt(2.0 * (buckets - 1));
}

/* The first numbers of splitmix64.c for the seed 1234567. */
static void
test_sequence(void)
{
	static const uint64_t expected[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
		UINT64_C(9817491932198370423), UINT64_C(4593380528125082431), UINT64_C(16408922859458223821)};
	ml_random	r = {1234567, 0};

	for (int i = 0; i < 5; i++)
		unit_ok(ml_random_bits(&r) == expected[i], "number %d of SplitMix64", i + 1);
}

/* Buckets of the high bits, the low bits and of ml_random_below, in every stream and over all of them. */
static void
test_buckets(void)
{
	static uint32_t high[256],
				low[256],
				below[1000];
	double		worst = 0,
				sum[3] = {0};

	for (uint64_t seed = 0; seed < SEEDS; seed++)
		for (uint64_t stream = 0; stream < STREAMS; stream++)
		{
			ml_random	r = ml_random_stream(seed, 77, stream);
			double		z[3];

			memset(high, 0, sizeof(high));
			memset(low, 0, sizeof(low));
			memset(below, 0, sizeof(below));
			for (int i = 0; i < 100000; i++)
			{
				uint64_t	bits = ml_random_bits(&r);

				high[bits >> 56]++;
				low[bits & 255]++;
				below[ml_random_below(&r, 1000)]++;
			}
			z[0] = chi_square(high, 256, 100000);
			z[1] = chi_square(low, 256, 100000);
			z[2] = chi_square(below, 1000, 100000);
			for (int k = 0; k < 3; k++)
			{
				worst = fmax(worst, fabs(z[k]));
				sum[k] += z[k] / sqrt(SEEDS * STREAMS);
			}
		}
	unit_ok(worst < 5, "buckets of each stream (worst chi-square at %.1f standard deviations)", worst);
	for (int k = 0; k < 3; k++)
		unit_ok(fabs(sum[k]) < 4, "chi-squares of all streams are neither too large nor too small (%.1f)", sum[k]);
}

/* Variance of sums of `length` numbers of consecutive counters: too little where numbers are spread too evenly. */
static void
test_sums(int length, int n_sums)
{
	double		sum = 0,
				squares = 0,
				ratio,
				deviation;

	for (int i = 0; i < n_sums; i++)
	{
		ml_random	r = ml_random_stream(5, 1, (uint64_t) i);
		double		total = 0;

		for (int k = 0; k < length; k++)
			total += ml_random_unit(&r) - 0.5;
		total /= sqrt(length / 12.0);
		sum += total;
		squares += total * total;
	}
	ratio = squares / n_sums;
	deviation = sqrt(2.0 / n_sums);
	unit_ok(fabs(sum / sqrt(n_sums)) < 4, "mean of sums of %d (%.2f standard deviations)", length, sum / sqrt(n_sums));
	unit_ok(fabs(ratio - 1) < 4 * deviation, "variance of sums of %d (%.4f of what it should be)", length, ratio);
}

/* How often rows are drawn with replacement, as the bootstrap does: variance 1 - 1 / n, and n / e are not drawn. */
static void
test_resamples(void)
{
	enum {ROWS = 500, ROUNDS = 400};
	double		squares = 0,
				missed = 0;

	for (uint64_t round = 0; round < ROUNDS; round++)
	{
		uint32_t	counts[ROWS] = {0};
		ml_random	r = ml_random_stream(1, 2, round);

		for (int i = 0; i < ROWS; i++)
			counts[ml_random_below(&r, ROWS)]++;
		for (int i = 0; i < ROWS; i++)
		{
			squares += (counts[i] - 1.0) * (counts[i] - 1.0);
			missed += counts[i] == 0;
		}
	}
	unit_near(squares / (ROWS * ROUNDS), 1 - 1.0 / ROWS, 0.015, 0, "variance of how often a row is drawn");
	unit_near(missed / (ROWS * ROUNDS), exp(-1), 0.01, 0, "share of rows that are not drawn");
}

/* Correlation of numbers `lag` apart in a stream, and of numbers at one place in streams with neighbouring numbers. */
static void
test_correlations(void)
{
	enum {N = 200000};
	double		worst = 0,
				between = 0,
				seeds = 0;
	static double values[N];
	ml_random	r = ml_random_stream(3, 4, 5);

	for (int i = 0; i < N; i++)
		values[i] = (ml_random_unit(&r) - 0.5) * sqrt(12);
	for (int lag = 1; lag <= 32; lag++)
	{
		double		sum = 0;

		for (int i = lag; i < N; i++)
			sum += values[i] * values[i - lag];
		worst = fmax(worst, fabs(sum) / sqrt(N - lag));
	}
	unit_ok(worst < 4, "serial correlation at lags 1 to 32 (worst at %.1f standard deviations)", worst);
	for (uint64_t i = 0; i < N; i++)
	{
		ml_random	a = ml_random_stream(0, 9, i),
					b = ml_random_stream(0, 9, i + 1),
					c = ml_random_stream(i, 9, 0),
					d = ml_random_stream(i + 1, 9, 0);

		between += (ml_random_unit(&a) - 0.5) * (ml_random_unit(&b) - 0.5) * 12;
		seeds += (ml_random_unit(&c) - 0.5) * (ml_random_unit(&d) - 0.5) * 12;
	}
	unit_ok(fabs(between) / sqrt(N) < 4, "neighbouring streams (%.1f standard deviations)", between / sqrt(N));
	unit_ok(fabs(seeds) / sqrt(N) < 4, "neighbouring seeds (%.1f standard deviations)", seeds / sqrt(N));
}

/* Each bit is set half of the time, and flips half of the time from one number to the next. */
static void
test_bits(void)
{
	enum {N = 100000};
	double		worst_set = 0,
				worst_flip = 0;
	uint32_t	set[64] = {0},
				flipped[64] = {0};
	ml_random	r = ml_random_stream(11, 12, 13);
	uint64_t	before = 0;

	for (int i = 0; i < N; i++)
	{
		uint64_t	bits = ml_random_bits(&r);

		for (int k = 0; k < 64; k++)
		{
			set[k] += bits >> k & 1;
			flipped[k] += (bits ^ before) >> k & 1;
		}
		before = bits;
	}
	for (int k = 0; k < 64; k++)
	{
		worst_set = fmax(worst_set, fabs(set[k] - N / 2.0) / sqrt(N / 4.0));
		worst_flip = fmax(worst_flip, fabs(flipped[k] - N / 2.0) / sqrt(N / 4.0));
	}
	unit_ok(worst_set < 4.5, "bits are set half of the time (worst at %.1f standard deviations)", worst_set);
	unit_ok(worst_flip < 4.5, "bits flip half of the time (worst at %.1f standard deviations)", worst_flip);
}

/* Nothing outside its range, and small ranges are even. */
static void
test_ranges(void)
{
	ml_random	r = ml_random_stream(1, 1, 1);
	uint32_t	counts[3] = {0};
	bool		inside = true;

	for (int i = 0; i < 100000; i++)
	{
		double		unit = ml_random_unit(&r);

		inside &= unit >= 0 && unit < 1 && ml_random_below(&r, 1) == 0 && ml_random_below(&r, UINT32_MAX) < UINT32_MAX;
		counts[ml_random_below(&r, 3)]++;
	}
	unit_ok(inside, "numbers are within their range");
	unit_ok(fabs(chi_square(counts, 3, 100000)) < 4, "thirds");
}

int
main(void)
{
	test_sequence();
	test_ranges();
	test_buckets();
	test_sums(2, 100000);
	test_sums(10, 100000);
	test_sums(1000, 20000);
	test_resamples();
	test_correlations();
	test_bits();
	return unit_done();
}
