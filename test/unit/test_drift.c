/*
 * test_drift.c: drift statistics against NumPy and SciPy (test/golden/drift_reference.py), bins, windows, and baselines
 * as bytes: damaged, truncated, and with every allocation failing.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "ml/drift_int.h"
#include "ml/ml_bytes.h"
#include "unit.h"

#define GOLDEN "test/golden/drift_cases.csv"

/* ---- golden cases -------------------------------------------------------------------------------------------- */

typedef struct golden_case
{
	char		name[64];
	double		values[2][1000];	/* reference, current */
	size_t		n[2];
	bool		is_counts;
} golden_case;

static golden_case one;

static ml_baseline *
numeric_baseline(const double *values, size_t n)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_baseline_column column = {.name = "x", .kind = ML_NUMERIC, .values = {.numbers = values}};
	ml_baseline *baseline;

	if (ml_baseline_make(&ctx, 1, &column, n, n, &baseline, NULL) != ML_OK)
		abort();
	return baseline;
}

static ml_drift_window *
new_window(const ml_baseline *baseline)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_drift_window *window;

	if (ml_drift_window_new(&ctx, baseline, &window, NULL) != ML_OK)
		abort();
	return window;
}

static ml_drift
drift_of_numbers(const double *reference, size_t n, const double *current, size_t m)
{
	ml_baseline *baseline = numeric_baseline(reference, n);
	ml_drift_window *window = new_window(baseline);
	ml_drift	drift;

	for (size_t i = 0; i < m; i++)
		ml_drift_add_number(window, 0, current[i]);
	ml_drift_compute(window, 0, &drift);
	ml_drift_window_free(window);
	ml_baseline_free(baseline);
	return drift;
}

/* What we compute for a statistic of the current case, and how near it must be. */
static double
our_value(const char *statistic, double *relative)
{
	uint64_t	counts[2][64];
	double		p_value,
				chi2;

	*relative = 1e-12;
	if (one.is_counts)
	{
		int			n = (int) one.n[0];

		for (int side = 0; side < 2; side++)
			for (int i = 0; i < n; i++)
				counts[side][i] = (uint64_t) one.values[side][i];
		chi2 = ml_drift_chi2(counts[0], counts[1], n, &p_value);
		if (strcmp(statistic, "psi") == 0)
			return ml_drift_psi(counts[0], counts[1], n);
		if (strcmp(statistic, "js") == 0)
			return ml_drift_js(counts[0], counts[1], n);
		if (strcmp(statistic, "chi2") == 0)
			return chi2;
		return p_value;
	}
	else
	{
		ml_drift	drift = drift_of_numbers(one.values[0], one.n[0], one.values[1], one.n[1]);

		if (strcmp(statistic, "ks") == 0)
			return drift.ks;
		if (strcmp(statistic, "ks_p") == 0)
		{
			*relative = 1e-9;	/* the distance, good to 1e-16, is squared and multiplied by n in an exponent */
			return drift.ks_p;
		}
		if (strcmp(statistic, "wasserstein") == 0)
		{
			*relative = 1e-2;	/* cells where the distribution functions cross are taken as even */
			return drift.wasserstein;
		}
		if (strcmp(statistic, "mean") == 0)
			return drift.mean;
		if (strcmp(statistic, "std") == 0)
			return drift.std;
		if (strcmp(statistic, "mean_reference") == 0)
			return drift.mean_reference;
		return drift.std_reference;
	}
}

static void
golden_line(char *line)
{
	char	   *sort = strtok(line, ",\n"),
			   *name = strtok(NULL, ",\n"),
			   *what = strtok(NULL, ",\n"),
			   *field;
	double		expected,
				relative;
	int			n,
				m;
	double		distance;

	if (sort == NULL || sort[0] == '#')
		return;
	if (strcmp(sort, "expect") == 0)
	{
		expected = strtod(strtok(NULL, ",\n"), NULL);
		if (sscanf(name, "ks %lf %d %d", &distance, &n, &m) == 3)
			unit_near(ml_drift_ks_p(distance, n, m), expected, 1e-10, 0, "golden %s", name);
		else
		{
			double		got = our_value(what, &relative);

			unit_near(got, expected, relative, 1e-15, "golden %s: %s", name, what);
		}
		return;
	}
	snprintf(one.name, sizeof(one.name), "%s", name);
	one.is_counts = strcmp(sort, "counts") == 0;
	n = strcmp(what, "current") == 0;
	one.n[n] = 0;
	while ((field = strtok(NULL, ",\n")) != NULL)
		one.values[n][one.n[n]++] = strtod(field, NULL);
}

static void
test_golden(void)
{
	FILE	   *file = fopen(GOLDEN, "r");
	static char line[1 << 16];

	if (!unit_ok(file != NULL, "%s can be read", GOLDEN))
		return;
	while (fgets(line, sizeof(line), file) != NULL)
		golden_line(line);
	fclose(file);
}

/* ---- bins ---------------------------------------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
test_edges(void)
{
	double		values[1000],
				edges[DRIFT_MAX_BINS];
	double		mass[] = {0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
	double		two[] = {0, 0, 1, 1};
	double		infinite[] = {-INFINITY, 1, 2, INFINITY};
	uint64_t	widest = 0;
	int			n;

	for (int i = 0; i < 1000; i++)
		values[i] = i;
	n = drift_make_edges(values, 1000, edges);
	unit_int(n, 9, "distinct values: ten bins");
	unit_near(edges[0], 99, 0, 0, "of equal frequency");
	unit_near(edges[8], 899, 0, 0, "the last one open");

	qsort(mass, 15, sizeof(double), compare);
	n = drift_make_edges(mass, 15, edges);
	unit_ok(edges[0] < 0 && edges[0] > -1e-300 && edges[1] == 0, "a point mass has a bin of its own");
	unit_int(drift_make_edges(values, 0, edges), 0, "no value: no edge");
	n = drift_make_edges(values + 7, 1, edges);
	unit_int(n, 2, "one value: below, itself, above");
	unit_ok(edges[1] == 7 && edges[0] < 7, "which its edges say");
	n = drift_make_edges(two, 4, edges);
	unit_int(n, 4, "two point masses: below, 0, between, 1, above");
	n = drift_make_edges(infinite, 4, edges);
	unit_ok(n > 0 && n < DRIFT_MAX_BINS, "infinite values are values");
	for (int i = 0; i < 1000; i++)
		values[i] = (i * i) % 37;	/* few values, uneven */
	qsort(values, 1000, sizeof(double), compare);
	n = drift_make_edges(values, 1000, edges);
	for (int i = 1; i < n; i++)
		unit_ok(edges[i] > edges[i - 1], "edges ascend (%d)", i);
	{
		ml_baseline *baseline = numeric_baseline(values, 1000);
		drift_column *column = &baseline->columns[0];
		uint64_t	sum = 0;

		for (int i = 0; i < column->n_bins; i++)
		{
			sum += column->counts[i];
			widest = column->counts[i] > widest ? column->counts[i] : widest;
		}
		unit_int(sum, 1000, "every value is in a bin");
		unit_ok(widest <= 200, "and no bin has much more than a tenth");
		ml_baseline_free(baseline);
	}
}

/* ---- windows ------------------------------------------------------------------------------------------------- */

static double
noise(int i)
{
	return fmod(sin(i + 1.0) * 43758.5453, 1.0);
}

static void
test_missing(void)
{
	double		values[1000];
	unsigned char nulls[1000];
	ml_ctx		ctx = ml_ctx_default();
	ml_baseline_column column = {.name = "x", .kind = ML_NUMERIC, .values = {.numbers = values, .nulls = nulls}, .n_nulls = 7000};
	ml_baseline *baseline;
	ml_drift_window *window;
	ml_drift	drift;

	for (int i = 0; i < 1000; i++)
	{
		values[i] = i;
		nulls[i] = i % 10 == 0;
	}
	ml_baseline_make(&ctx, 1, &column, 1000, 100000, &baseline, NULL);
	window = new_window(baseline);
	ml_drift_compute(window, 0, &drift);
	unit_ok(isnan(drift.psi) && isnan(drift.ks) && isnan(drift.null_rate), "an empty window has no statistics");
	for (int i = 0; i < 1000; i++)
	{
		if (i % 20 == 0)
			ml_drift_add_number(window, 0, i);
		else if (i % 20 == 1)
			ml_drift_add_number(window, 0, NAN);
		else
			ml_drift_add_null(window, 0);
	}
	ml_drift_compute(window, 0, &drift);
	unit_near(drift.null_rate, 0.95, 1e-15, 0, "NaN and NULL are missing");
	unit_near(drift.null_rate_reference, 0.07, 1e-15, 0, "the reference's rate is that of all rows");
	unit_ok(drift.psi > 2, "95 %% missing is drift by PSI (%g)", drift.psi);
	unit_ok(drift.ks < 0.1, "while what is present has not moved (%g)", drift.ks);
	unit_int(drift.n_present, 50, "present values are counted");
	ml_drift_window_clear(window);
	for (int i = 0; i < 100; i++)
		ml_drift_add_null(window, 0);
	ml_drift_compute(window, 0, &drift);
	unit_ok(isnan(drift.ks) && isnan(drift.wasserstein) && drift.null_rate == 1 && drift.psi > 3,
			"all missing: no distance, but drift");
	ml_drift_window_free(window);
	ml_baseline_free(baseline);
}

static void
test_distances(void)
{
	static double reference[10000],
				current[500];
	double		infinite[] = {1, 2, 3, INFINITY, -INFINITY, -INFINITY, 4, 5};
	ml_drift	drift;

	for (int i = 0; i < 10000; i++)
		reference[i] = i / 10000.0;
	for (int i = 0; i < 500; i++)
		current[i] = 0.25 + i / 1000.0;
	drift = drift_of_numbers(reference, 10000, current, 500);
	unit_near(drift.ks, 0.25, 0, 2e-3, "beyond its size the sketch is within 1 / 1000");
	unit_near(drift.wasserstein * drift.std_reference, 0.125, 5e-3, 0, "and so is the area between the functions");
	for (int i = 0; i < 500; i++)
		current[i] = 5 + i;
	drift = drift_of_numbers(reference, 10000, current, 500);
	unit_near(drift.wasserstein * drift.std_reference, 5 + 499 / 2.0 - 0.5, 1e-12, 0, "apart, it is the distance of the means");
	for (int i = 0; i < 500; i++)
		current[i] = 1e9 + i % 2;
	drift = drift_of_numbers(reference, 10000, current, 500);
	unit_near(drift.mean, 1e9 + 0.5, 1e-15, 0, "the mean of a window far away");
	unit_near(drift.std, 0.5, 1e-9, 0, "and its standard deviation");
	drift = drift_of_numbers(infinite, 8, infinite, 8);
	unit_near(drift.ks, 0, 0, 0, "infinite values are equal to themselves");
	unit_near(drift.wasserstein, 0, 0, 0, "and have no distance");
	drift = drift_of_numbers(infinite, 8, infinite + 3, 1);
	unit_near(drift.ks, 7 / 8.0, 1e-15, 0, "+infinity is above all");
	unit_ok(isnan(drift.wasserstein) && isnan(drift.mean), "but has no mean");
	for (int i = 0; i < 500; i++)
		current[i] = noise(i);
	for (int i = 0; i < 10000; i++)
		reference[i] = noise(i + 1000);
	drift = drift_of_numbers(reference, 10000, current, 500);
	unit_ok(drift.psi < 0.1 && drift.ks < 0.1 && drift.wasserstein < 0.1 && drift.js < 0.1,
			"of one distribution: psi %g ks %g wasserstein %g js %g", drift.psi, drift.ks, drift.wasserstein, drift.js);
}

static const char *const carriers[] = {"AA", "B6", "DL", "UA", "WN"};

/* Row i is of category 0 half of the time, 1 a quarter … */
static int
carrier(int i)
{
	int			code = 0;

	while (i % 2 == 1 && code < 4)
	{
		i /= 2;
		code++;
	}
	return code;
}

static void
test_categories(void)
{
	int32_t		codes[1024];
	ml_text		texts[1024];
	char		names[1024][16];
	ml_ctx		ctx = ml_ctx_default();
	ml_baseline_column column = {.name = "carrier", .kind = ML_CATEGORICAL, .values = {.codes = codes}, .n_categories = 5,
	.categories = carriers};
	ml_baseline *baseline;
	ml_drift_window *window;
	ml_drift	drift;

	for (int i = 0; i < 1024; i++)
		codes[i] = carrier(i);
	unit_int(ml_baseline_make(&ctx, 1, &column, 1024, 1024, &baseline, NULL), ML_OK, "categories by code");
	window = new_window(baseline);
	for (int i = 0; i < 512; i++)
		ml_drift_add_text(window, 0, carriers[carrier(i)], 2);
	ml_drift_compute(window, 0, &drift);
	unit_ok(drift.psi < 1e-3 && drift.chi2_p > 0.99 && drift.new_category_rate == 0 && drift.new_category_expected == 0,
			"the same shares are no drift (%g)", drift.psi);
	unit_ok(isnan(drift.ks) && isnan(drift.mean), "categories have no distance");
	for (int i = 0; i < 512; i++)
		ml_drift_add_text(window, 0, i % 2 ? "A" : "AAA", i % 2 ? 1 : 3);
	ml_drift_compute(window, 0, &drift);
	unit_near(drift.new_category_rate, 0.5, 1e-15, 0, "new categories are counted");
	unit_ok(drift.psi > 1, "and are drift (%g)", drift.psi);
	ml_drift_window_free(window);
	ml_baseline_free(baseline);

	codes[3] = 5;
	unit_int(ml_baseline_make(&ctx, 1, &column, 1024, 1024, &baseline, NULL), ML_BAD_PARAM, "a code outside the dictionary");
	codes[3] = -1;
	unit_int(ml_baseline_make(&ctx, 1, &column, 1024, 1024, &baseline, NULL), ML_BAD_PARAM, "a negative code");

	/* No dictionary: 24 categories with 32 rows each, and 256 that are alone. */
	for (int i = 0; i < 1024; i++)
	{
		snprintf(names[i], sizeof(names[i]), "c%d", i < 768 ? i % 24 : i);
		texts[i] = (ml_text) {names[i], strlen(names[i])};
	}
	column = (ml_baseline_column) {.name = "city", .kind = ML_CATEGORICAL, .values = {.texts = texts}};
	unit_int(ml_baseline_make(&ctx, 1, &column, 1024, 5000, &baseline, NULL), ML_OK, "categories of the sample");
	unit_int(baseline->columns[0].categories.count, 280, "all of them are known");
	unit_int(baseline->columns[0].n_bins, ML_DRIFT_CATEGORY_BINS + 3, "the rare ones share a bin");
	unit_int(baseline->columns[0].counts[ML_DRIFT_CATEGORY_BINS], 1024 - 20 * 32, "which has their rows");
	window = new_window(baseline);
	ml_drift_add_text(window, 0, "c5", 2);
	ml_drift_compute(window, 0, &drift);
	unit_near(drift.new_category_expected, 0.25, 1e-15, 0, "as many new ones are expected as were alone");
	ml_drift_window_free(window);
	ml_baseline_free(baseline);
}

static void
test_many_categories(void)
{
	enum
	{
		n = ML_DRIFT_CATEGORIES + 500
	};
	static char names[n][16];
	static ml_text texts[n];
	ml_ctx		ctx = ml_ctx_default();
	ml_baseline_column column = {.name = "id", .kind = ML_CATEGORICAL, .values = {.texts = texts}};
	ml_baseline *baseline;

	for (int i = 0; i < n; i++)
	{
		snprintf(names[i], sizeof(names[i]), "%d", i);
		texts[i] = (ml_text) {names[i], strlen(names[i])};
	}
	unit_int(ml_baseline_make(&ctx, 1, &column, n, n, &baseline, NULL), ML_OK, "more categories than are kept");
	unit_int(baseline->columns[0].categories.count, ML_DRIFT_CATEGORIES, "the rest is left out");
	unit_int(baseline->columns[0].counts[drift_unseen_bin(&baseline->columns[0])], 500, "and counts as unseen on both sides");
	ml_baseline_free(baseline);
}

/* ---- bytes --------------------------------------------------------------------------------------------------- */

static ml_status
make_mixed(const ml_ctx *ctx, ml_baseline **baseline)
{
	double		values[50];
	unsigned char nulls[50];
	int32_t		codes[50];
	ml_text		texts[50];
	ml_baseline_column columns[] = {
		{.name = "x", .kind = ML_NUMERIC, .values = {.numbers = values, .nulls = nulls}, .n_nulls = 5},
		{.name = "flag", .kind = ML_BOOLEAN, .values = {.numbers = values}},
		{.name = "carrier", .kind = ML_CATEGORICAL, .values = {.codes = codes}, .n_categories = 5, .categories = carriers},
		{.name = "city", .kind = ML_CATEGORICAL, .values = {.texts = texts, .nulls = nulls}, .n_nulls = 5}
	};

	for (int i = 0; i < 50; i++)
	{
		values[i] = i % 7;
		nulls[i] = i % 10 == 3;
		codes[i] = i % 5;
		texts[i] = (ml_text) {carriers[i % 3], 2};
	}
	return ml_baseline_make(ctx, 4, columns, 50, 100, baseline, NULL);
}

/* A window over whatever the baseline holds must not go out of bounds. */
static void
use(const ml_baseline *baseline)
{
	ml_drift_window *window = new_window(baseline);
	ml_drift	drift;

	for (int i = 0; i < ml_baseline_n_columns(baseline); i++)
	{
		for (int j = -3; j < 12; j++)
		{
			if (ml_baseline_column_kind(baseline, i) == ML_CATEGORICAL)
				ml_drift_add_text(window, i, "UA", j > 0 ? 2 : 0);
			else
				ml_drift_add_number(window, i, j == -3 ? -INFINITY : j == 11 ? INFINITY : j);
			ml_drift_add_null(window, i);
		}
		ml_drift_compute(window, i, &drift);
	}
	ml_drift_window_free(window);
}

static void
test_bytes(void)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_baseline *baseline,
			   *loaded;
	ml_error	err;
	unsigned char *bytes,
			   *again;
	size_t		length,
				length_again;
	int			accepted = 0,
				mutated = 0;
	uint64_t	random = 42;

	unit_int(make_mixed(&ctx, &baseline), ML_OK, "a baseline of all kinds");
	unit_int(ml_baseline_find_column(baseline, "flag"), 1, "columns are found by name");
	unit_int(ml_baseline_find_column(baseline, "none"), -1, "or not");
	unit_int(ml_baseline_save(&ctx, baseline, &bytes, &length, &err), ML_OK, "is saved");
	unit_int(ml_baseline_load(&ctx, bytes, length, &loaded, &err), ML_OK, "and loaded");
	unit_int(ml_baseline_save(&ctx, loaded, &again, &length_again, &err), ML_OK, "and saved again");
	unit_ok(length == length_again && memcmp(bytes, again, length) == 0, "to the same bytes");
	unit_int(ml_baseline_n_rows(loaded), 100, "knowing its rows");
	use(loaded);
	ml_baseline_free(loaded);
	free(again);

	for (size_t cut = 0; cut < length; cut++)
	{
		unsigned char *copy = malloc(cut ? cut : 1);	/* of this size, so that reading on is noticed */

		memcpy(copy, bytes, cut);
		accepted += ml_baseline_load(&ctx, copy, cut, &loaded, &err) == ML_OK;
		free(copy);
	}
	unit_int(accepted, 0, "cut short anywhere it is refused");
	for (size_t i = 0; i < length; i++)
	{
		bytes[i] ^= 0x20;
		accepted += ml_baseline_load(&ctx, bytes, length, &loaded, &err) == ML_OK;
		bytes[i] ^= 0x20;
	}
	unit_int(accepted, 0, "with one byte changed it is refused");

	/* With the checksum made right again the reader itself must notice, or what it accepts must be safe to use. */
	for (int round = 0; round < 20000; round++)
	{
		unsigned char *copy = malloc(length);
		int			changes = 1 + round % 3;

		memcpy(copy, bytes, length);
		while (changes-- > 0)
		{
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			copy[24 + (random >> 33) % (length - 24)] = (unsigned char) (random >> 56) | (round % 5 == 0 ? 0xf0 : 0);
		}
		random = ml_crc32c(copy + 24, length - 24) ^ (random << 32);
		for (int i = 0; i < 4; i++)
			copy[20 + i] = (unsigned char) ((uint32_t) random >> (8 * i));
		random ^= (uint64_t) round;
		if (ml_baseline_load(&ctx, copy, length, &loaded, &err) == ML_OK)
		{
			mutated++;
			use(loaded);
			ml_baseline_free(loaded);
		}
		free(copy);
	}
	unit_ok(mutated > 0 && mutated < 20000, "20000 changes: %d harmless, the others refused", mutated);
	free(bytes);
	ml_baseline_free(baseline);
}

static void
test_allocations(void)
{
	fail_state	state = {-1, 0, -1, 0};
	ml_ctx		ctx = fail_ctx(&state);
	ml_ctx		plain = ml_ctx_default();
	ml_baseline *good,
			   *baseline;
	ml_drift_window *window;
	unsigned char *bytes,
			   *copy;
	size_t		length,
				copy_length;
	ml_error	err;
	int			failures[4] = {0};
	bool		leaked = false;

	make_mixed(&plain, &good);
	ml_baseline_save(&plain, good, &bytes, &length, &err);
	for (int what = 0; what < 4; what++)
		for (int n = 0;; n++)
		{
			ml_status	status;

			state.until_failure = n;
			switch (what)
			{
				case 0:
					if ((status = make_mixed(&ctx, &baseline)) == ML_OK)
						ml_baseline_free(baseline);
					break;
				case 1:
					if ((status = ml_baseline_save(&ctx, good, &copy, &copy_length, &err)) == ML_OK)
						ml_free(&ctx, copy);
					break;
				case 2:
					if ((status = ml_baseline_load(&ctx, bytes, length, &baseline, &err)) == ML_OK)
						ml_baseline_free(baseline);
					break;
				default:
					if ((status = ml_drift_window_new(&ctx, good, &window, &err)) == ML_OK)
						ml_drift_window_free(window);
			}
			leaked |= state.live != 0;
			if (status == ML_OK)
				break;
			failures[what] += status == ML_NO_MEMORY;
		}
	unit_ok(failures[0] > 20 && failures[1] > 0 && failures[2] > 10 && failures[3] > 5,
			"every allocation that fails is told (%d, %d, %d, %d)", failures[0], failures[1], failures[2], failures[3]);
	unit_ok(!leaked, "and nothing is lost");
	free(bytes);
	ml_baseline_free(good);
}

static void
test_edge_cases(void)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_baseline *baseline;
	ml_drift	drift;
	double		nothing[1] = {0};

	unit_int(ml_baseline_make(&ctx, 0, NULL, 0, 0, &baseline, NULL), ML_OK, "no column, no row");
	ml_baseline_free(baseline);
	unit_int(ml_baseline_make(&ctx, 0, NULL, 5, 4, &baseline, NULL), ML_BAD_PARAM, "a sample larger than the whole");
	drift = drift_of_numbers(nothing, 0, nothing, 1);
	unit_ok(isnan(drift.psi) && isnan(drift.ks) && isnan(drift.wasserstein) && drift.mean == 0, "an empty baseline");
	drift = drift_of_numbers((double[]) {-0.0, 0.0}, 2, (double[]) {0.0}, 1);
	unit_near(drift.ks, 0, 0, 0, "-0 is 0");
	drift = drift_of_numbers((double[]) {1e308, -1e308}, 2, (double[]) {1e308}, 1);
	unit_ok(drift.ks == 0.5, "huge values");
}

/* Columns in records and many threads give the same bytes as columns apart and one. */
static void
test_records(void)
{
	enum
	{
		ROWS = 5000, COLUMNS = 19
	};
	static double records[ROWS][COLUMNS + 3];
	static double apart[COLUMNS][ROWS];
	static unsigned char nulls[COLUMNS][ROWS];
	const void *places[ROWS];
	ml_baseline_column columns[2][COLUMNS];
	unsigned char *bytes[2];
	size_t		lengths[2];
	unsigned	state = 99;

	memset(columns, 0, sizeof(columns));
	for (int i = 0; i < ROWS; i++)
		places[i] = records[i];
	for (int j = 0; j < COLUMNS; j++)
	{
		char		name[2] = {(char) ('a' + j), 0};

		for (int i = 0; i < ROWS; i++)
		{
			state = state * 1664525u + 1013904223u;
			apart[j][i] = j == 3 ? 2.1 : j == 4 ? (state >> 8) % 5 : (double) (state >> 8) * (i % 3 - 1);
			nulls[j][i] = j == 7 || (j % 2 && i % 13 == j % 13);
			records[i][j + 2] = nulls[j][i] ? NAN : apart[j][i];
		}
		for (int form = 0; form < 2; form++)
			columns[form][j] = (ml_baseline_column) {.name = strdup(name), .kind = j % 5 ? ML_NUMERIC : ML_BOOLEAN};
		columns[0][j].values = (ml_values) {.numbers = apart[j], .nulls = nulls[j]};
		columns[1][j].records = places;
		columns[1][j].offset = (j + 2) * sizeof(double);
	}
	for (int form = 0; form < 2; form++)
	{
		ml_ctx		ctx = ml_ctx_default();
		ml_baseline *baseline;

		ctx.nthreads = form ? 5 : 1;
		unit_int(ml_baseline_make(&ctx, COLUMNS, columns[form], ROWS, ROWS, &baseline, NULL), ML_OK, "a baseline of form %d", form);
		if (form)
		{
			unit_ok(baseline->columns[3].mean == 2.1 && baseline->columns[3].std == 0, "the mean of equal values is that value");
			unit_int(baseline->columns[7].n_present, 0, "nothing is present");
		}
		unit_int(ml_baseline_save(&ctx, baseline, &bytes[form], &lengths[form], NULL), ML_OK, "saved");
		ml_baseline_free(baseline);
	}
	unit_ok(lengths[0] == lengths[1] && memcmp(bytes[0], bytes[1], lengths[0]) == 0, "records and threads change no bit");
	for (int form = 0; form < 2; form++)
		free(bytes[form]);
	for (int j = 0; j < COLUMNS; j++)
		for (int form = 0; form < 2; form++)
			free((char *) columns[form][j].name);
}

int
main(void)
{
	test_golden();
	test_edges();
	test_missing();
	test_distances();
	test_categories();
	test_many_categories();
	test_bytes();
	test_allocations();
	test_edge_cases();
	test_records();
	return unit_done();
}
