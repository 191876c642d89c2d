/*
 * eval_cluster.c: see eval_cluster.h.
 *
 * Adjusted Rand: Hubert and Arabie (1985); adjusted mutual information: Vinh, Epps and Bailey (2010), equation 24a;
 * homogeneity, completeness, V: Rosenberg and Hirschberg (2007); silhouette: Rousseeuw (1987).
 */
#include "ml/eval_cluster.h"

#include <float.h>
#include <math.h>

#include "ml/ml_lanes.h"
#include "ml/ml_parallel.h"

#define CANCELLED(err) ml_fail(err, ML_CANCELLED, NULL, "cancelled")

/* ---- agreement with classes ---------------------------------------------------------------------------------- */

static inline double
cell(const ml_contingency *table, int class, int cluster)
{
	return table->counts[(size_t) class * table->n_clusters + cluster];
}

bool
ml_contingency_sums(ml_contingency *table)
{
	table->all = 0;
	for (int j = 0; j < table->n_clusters; j++)
		table->clusters[j] = 0;
	for (int i = 0; i < table->n_classes; i++)
	{
		table->classes[i] = 0;
		for (int j = 0; j < table->n_clusters; j++)
		{
			table->classes[i] += cell(table, i, j);
			table->clusters[j] += cell(table, i, j);
		}
		table->all += table->classes[i];
	}
	return table->all > 0;
}

double
ml_adjusted_rand(const ml_contingency *table)
{
	double		cells = 0,
				classes = 0,
				clusters = 0,
				tp,
				fp,
				fn,
				tn;

	for (int i = 0; i < table->n_classes; i++)
	{
		classes += table->classes[i] * table->classes[i];
		for (int j = 0; j < table->n_clusters; j++)
			cells += cell(table, i, j) * cell(table, i, j);
	}
	for (int j = 0; j < table->n_clusters; j++)
		clusters += table->clusters[j] * table->clusters[j];
	/* Ordered pairs of rows: together in both, in clusters only, in classes only, in neither. */
	tp = cells - table->all;
	fp = clusters - cells;
	fn = classes - cells;
	tn = table->all * table->all - tp - fp - fn - table->all;
	if (fp == 0 && fn == 0)
		return 1;
	return 2 * (tp * tn - fn * fp) / ((tp + fn) * (fn + tn) + (tp + fp) * (fp + tn));
}

static double
entropy(const double *counts, int n, double all)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		if (counts[i] > 0)
			sum -= counts[i] / all * (log(counts[i]) - log(all));
	return sum;
}

static int
present(const double *counts, int n)
{
	int			found = 0;

	for (int i = 0; i < n; i++)
		found += counts[i] > 0;
	return found;
}

double
ml_mutual_information(const ml_contingency *table)
{
	double		sum = 0;

	for (int i = 0; i < table->n_classes; i++)
		for (int j = 0; j < table->n_clusters; j++)
		{
			double		count = cell(table, i, j);

			if (count > 0)
				sum += count / table->all * (log(count) - log(table->all)
											 - log(table->classes[i]) - log(table->clusters[j]) + 2 * log(table->all));
		}
	/* Rounding may leave a number just below 0. */
	return sum < DBL_EPSILON ? 0 : sum;
}

static double
mean_of(double a, double b, ml_mean_kind kind)
{
	switch (kind)
	{
		case ML_MEAN_GEOMETRIC:
			return sqrt(a * b);
		case ML_MEAN_MIN:
			return fmin(a, b);
		case ML_MEAN_MAX:
			return fmax(a, b);
		default:
			return (a + b) / 2;
	}
}

/* Both sides are one group each, or only one of them is: the limits 1 and 0.  Else NaN. */
static double
limit_of(const ml_contingency *table)
{
	bool		one_class = present(table->classes, table->n_classes) == 1;
	bool		one_cluster = present(table->clusters, table->n_clusters) == 1;

	return one_class && one_cluster ? 1 : one_class || one_cluster ? 0 : NAN;
}

double
ml_normalised_mutual_information(const ml_contingency *table, ml_mean_kind kind)
{
	double		limit = limit_of(table);

	if (!isnan(limit))
		return limit;
	return ml_mutual_information(table) / mean_of(entropy(table->classes, table->n_classes, table->all),
												  entropy(table->clusters, table->n_clusters, table->all), kind);
}

double
ml_homogeneity(const ml_contingency *table)
{
	double		h = entropy(table->classes, table->n_classes, table->all);

	return h == 0 ? 1 : ml_mutual_information(table) / h;
}

double
ml_completeness(const ml_contingency *table)
{
	double		h = entropy(table->clusters, table->n_clusters, table->all);

	return h == 0 ? 1 : ml_mutual_information(table) / h;
}

double
ml_v_measure(const ml_contingency *table)
{
	double		h = ml_homogeneity(table);
	double		c = ml_completeness(table);

	return h + c == 0 ? 0 : 2 * h * c / (h + c);
}

#define TERMS_AT_ONCE 65536		/* between two looks for a cancel */

/* The mutual information to be expected of tables with the same sums. */
static ml_status
expected_information(const ml_ctx *ctx, const ml_contingency *table, double *value, ml_error *err)
{
	double		n = table->all;
	double		sum = 0;
	size_t		entries = (size_t) n + 2;
	size_t		terms = 0;
	double	   *factorials = ml_alloc(ctx, entries, sizeof(double));	/* log k! */

	if (factorials == NULL)
		return ml_no_memory(err);
	for (size_t k = 0; k < entries; k++)
	{
		if (k % TERMS_AT_ONCE == 0 && ml_is_cancelled(ctx))
		{
			ml_free(ctx, factorials);
			return CANCELLED(err);
		}
		factorials[k] = lgamma((double) k + 1);
	}
	for (int i = 0; i < table->n_classes; i++)
	{
		double		a = table->classes[i];

		for (int j = 0; a > 0 && j < table->n_clusters; j++)
		{
			double		b = table->clusters[j];
			double		most = fmin(a, b);

			for (double k = fmax(1, a - n + b); k <= most; k++)
			{
				if (++terms % TERMS_AT_ONCE == 0 && ml_is_cancelled(ctx))
				{
					ml_free(ctx, factorials);
					return CANCELLED(err);
				}
				sum += k / n * (log(n) + log(k) - log(a) - log(b)) *
					exp(factorials[(size_t) a] + factorials[(size_t) b] + factorials[(size_t) (n - a)] +
						factorials[(size_t) (n - b)] - factorials[(size_t) n] - factorials[(size_t) k] -
						factorials[(size_t) (a - k)] - factorials[(size_t) (b - k)] -
						factorials[(size_t) (n - a - b + k)]);
			}
		}
	}
	ml_free(ctx, factorials);
	*value = sum;
	return ML_OK;
}

/* Keeps the sign of a number that rounding may have brought to 0. */
static double
away_from_zero(double value)
{
	return value < 0 ? fmin(value, -DBL_EPSILON) : fmax(value, DBL_EPSILON);
}

ml_status
ml_adjusted_mutual_information(const ml_ctx *ctx, const ml_contingency *table, ml_mean_kind kind, double *value,
							   ml_error *err)
{
	double		expected = 0;
	double		mean = mean_of(entropy(table->classes, table->n_classes, table->all),
							   entropy(table->clusters, table->n_clusters, table->all), kind);
	int			alone;
	ml_status	status;

	*value = limit_of(table);
	if (!isnan(*value))
		return ML_OK;
	/* Where each row is alone on one side, chance reaches the information exactly: rounding must not decide 0 / 0. */
	alone = (present(table->classes, table->n_classes) == table->all) + (present(table->clusters, table->n_clusters) == table->all);
	if (alone > 0)
	{
		*value = kind == ML_MEAN_MIN || alone == 2 ? 1 : 0;
		return ML_OK;
	}
	status = expected_information(ctx, table, &expected, err);
	if (status == ML_OK)
		*value = away_from_zero(ml_mutual_information(table) - expected) / away_from_zero(mean - expected);
	return status;
}

/* ---- separation of points ------------------------------------------------------------------------------------ */

typedef struct centres
{
	double	   *sums;			/* (n_clusters, width), then means */
	double	   *counts;			/* (n_clusters) */
} centres;

static inline const double *
point(const ml_points *points, size_t i)
{
	return points->x + i * points->stride;
}

static double
squared_distance(const double *a, const double *b, int width)
{
	double		sum = 0;

	for (int k = 0; k < width; k++)
		sum += (a[k] - b[k]) * (a[k] - b[k]);
	return sum;
}

static bool
centres_make(const ml_ctx *ctx, const ml_points *points, centres *c)
{
	c->sums = ml_alloc_zero(ctx, (size_t) points->n_clusters * points->width, sizeof(double));
	c->counts = ml_alloc_zero(ctx, points->n_clusters, sizeof(double));
	if (c->sums == NULL || c->counts == NULL)
		return false;
	for (size_t i = 0; i < points->n; i++)
	{
		int			cluster = points->clusters[i];

		c->counts[cluster]++;
		for (int k = 0; k < points->width; k++)
			c->sums[(size_t) cluster * points->width + k] += point(points, i)[k];
	}
	for (int j = 0; j < points->n_clusters; j++)
		for (int k = 0; k < points->width; k++)
			c->sums[(size_t) j * points->width + k] /= c->counts[j];
	return true;
}

static void
centres_free(const ml_ctx *ctx, centres *c)
{
	ml_free(ctx, c->sums);
	ml_free(ctx, c->counts);
}

static bool
has_separation(const ml_points *points)
{
	return points->n_clusters >= 2 && (size_t) points->n_clusters < points->n;
}

static double
within(const ml_points *points, const centres *c)
{
	double		sum = 0;

	for (size_t i = 0; i < points->n; i++)
		sum += squared_distance(point(points, i), c->sums + (size_t) points->clusters[i] * points->width, points->width);
	return sum;
}

ml_status
ml_inertia(const ml_ctx *ctx, const ml_points *points, double *value, ml_error *err)
{
	centres		c;
	bool		made = centres_make(ctx, points, &c);

	if (made)
		*value = within(points, &c);
	centres_free(ctx, &c);
	return made ? ML_OK : ml_no_memory(err);
}

ml_status
ml_calinski_harabasz(const ml_ctx *ctx, const ml_points *points, double *value, ml_error *err)
{
	centres		c;
	double		between = 0;
	double	   *mean = ml_alloc_zero(ctx, points->width, sizeof(double));
	bool		made = centres_make(ctx, points, &c) && mean != NULL;

	*value = NAN;
	if (made && has_separation(points))
	{
		double		inside = within(points, &c);

		for (size_t i = 0; i < points->n; i++)
			for (int k = 0; k < points->width; k++)
				mean[k] += point(points, i)[k];
		for (int k = 0; k < points->width; k++)
			mean[k] /= (double) points->n;
		for (int j = 0; j < points->n_clusters; j++)
			between += c.counts[j] * squared_distance(c.sums + (size_t) j * points->width, mean, points->width);
		*value = inside == 0 ? 1 :
			between * (double) (points->n - points->n_clusters) / (inside * (points->n_clusters - 1.0));
	}
	centres_free(ctx, &c);
	ml_free(ctx, mean);
	return made ? ML_OK : ml_no_memory(err);
}

ml_status
ml_davies_bouldin(const ml_ctx *ctx, const ml_points *points, double *value, ml_error *err)
{
	centres		c;
	double	   *spread = ml_alloc_zero(ctx, points->n_clusters, sizeof(double));	/* mean distance to the centre */
	bool		made = centres_make(ctx, points, &c) && spread != NULL;

	bool		cancelled = false;

	*value = NAN;
	if (made && has_separation(points))
	{
		double		sum = 0;

		for (size_t i = 0; i < points->n; i++)
			spread[points->clusters[i]] += sqrt(squared_distance(point(points, i),
																 c.sums + (size_t) points->clusters[i] * points->width,
																 points->width)) / c.counts[points->clusters[i]];
		for (int i = 0; i < points->n_clusters && !cancelled; i++)
		{
			double		worst = 0;

			cancelled = ml_is_cancelled(ctx);
			for (int j = 0; j < points->n_clusters; j++)
			{
				double		apart = sqrt(squared_distance(c.sums + (size_t) i * points->width,
														  c.sums + (size_t) j * points->width, points->width));

				if (j != i && apart > 0)	/* two clusters with one centre do not count, as in scikit-learn */
					worst = fmax(worst, (spread[i] + spread[j]) / apart);
			}
			sum += worst;
		}
		*value = sum / points->n_clusters;
	}
	centres_free(ctx, &c);
	ml_free(ctx, spread);
	if (cancelled)
		return CANCELLED(err);
	return made ? ML_OK : ml_no_memory(err);
}

/* ---- silhouette ---------------------------------------------------------------------------------------------- */

#define LARGEST_PIECE 64		/* points of one piece of work, a multiple of ROWS */
#define PIECE_WORK 2e7			/* coordinates that a piece may read, some 10 ms; a distance itself counts as 8 */
#define ROUND 8					/* pieces between two looks for a cancel */
#define ROWS 4					/* points whose distances are computed together */

/*
 * Points lie cluster after cluster in panels of ML_LANES, (panels, width, ML_LANES), so that the distances of some points to
 * eight others are computed at once and added up by cluster as they are; what fills a cluster's last panel up does not count.
 * totals is (ROUND, ROWS, n_clusters), a part for each piece of a round.
 */
typedef struct silhouette
{
	const ml_points *points;
	const double *panels;
	const size_t *starts;		/* (n_clusters + 1) first panel of each cluster */
	const double *counts;
	double	   *totals;
	double	   *values;			/* (n) */
	size_t		piece;			/* points of a piece */
	size_t		first;			/* of the round */
} silhouette;

/* Sums of the distances of ROWS points to those of one cluster, of whose last panel `last` points count. */
EVERY_PROCESSOR static void
distance_sums(const double *const x[ROWS], const double *panels, size_t n_panels, size_t last, int width, double sums[ROWS])
{
	const lane_bits numbers = {0, 1, 2, 3, 4, 5, 6, 7};
	const lane_bits counted = numbers < (int64_t) last;
	lanes		total[ROWS] = {{0}};

	for (size_t p = 0; p < n_panels; p++)
	{
		lanes		squares[ROWS] = {{0}};
		double		roots[ROWS * ML_LANES];

		for (int k = 0; k < width; k++, panels += ML_LANES)
			for (int r = 0; r < ROWS; r++)
			{
				lanes		difference = *(const lanes *) panels - x[r][k];

				squares[r] += difference * difference;
			}
		for (int r = 0; r < ROWS; r++)
			*(lanes *) (roots + r * ML_LANES) = squares[r];
		/* A loop of its own over plain numbers, which the compiler makes vectors of. */
		for (int i = 0; i < ROWS * ML_LANES; i++)
			roots[i] = sqrt(roots[i]);
		for (int r = 0; r < ROWS; r++)
		{
			lanes		distances = *(const lanes *) (roots + r * ML_LANES);

			if (p + 1 == n_panels)
				distances = (lanes) ((lane_bits) distances & counted);
			total[r] += distances;
		}
	}
	for (int r = 0; r < ROWS; r++)
	{
		sums[r] = 0;
		for (int l = 0; l < ML_LANES; l++)
			sums[r] += total[r][l];
	}
}

/* Of a point, from its sums of distances, which are ROWS apart. */
static double
silhouette_of(const silhouette *s, size_t i, const double *totals)
{
	int			own = s->points->clusters[i];
	double		inside,
				outside = INFINITY;

	if (s->counts[own] == 1)
		return 0;
	inside = totals[own * ROWS] / (s->counts[own] - 1);
	for (int j = 0; j < s->points->n_clusters; j++)
		if (j != own)
			outside = fmin(outside, totals[j * ROWS] / s->counts[j]);
	return inside == outside ? 0 : (outside - inside) / fmax(inside, outside);
}

static void
silhouette_piece(void *arg, int index)
{
	const silhouette *s = arg;
	const ml_points *points = s->points;
	size_t		begin = s->first + (size_t) index * s->piece;
	size_t		end = begin + s->piece < points->n ? begin + s->piece : points->n;
	double	   *totals = s->totals + (size_t) index * ROWS * points->n_clusters;

	for (size_t i = begin; i < end; i += ROWS)
	{
		const double *x[ROWS];

		for (size_t r = 0; r < ROWS; r++)
			x[r] = point(points, i + r < end ? i + r : i);
		for (int j = 0; j < points->n_clusters; j++)
			distance_sums(x, s->panels + s->starts[j] * points->width * ML_LANES, s->starts[j + 1] - s->starts[j],
						  ((size_t) s->counts[j] + ML_LANES - 1) % ML_LANES + 1, points->width, totals + (size_t) j * ROWS);
		for (size_t r = 0; r < ROWS && i + r < end; r++)
			s->values[i + r] = silhouette_of(s, i + r, totals + r);
	}
}

/* Counts the clusters and lays the points out in panels, in their order within a cluster; next is room for (n_clusters). */
static void
lay_out(const ml_points *points, double *counts, size_t *starts, size_t *next, double *panels)
{
	for (size_t i = 0; i < points->n; i++)
		counts[points->clusters[i]]++;
	starts[0] = 0;
	for (int j = 0; j < points->n_clusters; j++)
	{
		starts[j + 1] = starts[j] + ((size_t) counts[j] + ML_LANES - 1) / ML_LANES;
		next[j] = starts[j] * ML_LANES;
	}
	for (size_t i = 0; i < points->n; i++)
	{
		size_t		place = next[points->clusters[i]]++;
		double	   *panel = panels + place / ML_LANES * points->width * ML_LANES;

		for (int k = 0; k < points->width; k++)
			panel[k * ML_LANES + place % ML_LANES] = point(points, i)[k];
	}
}

static ml_status
silhouettes(const ml_ctx *ctx, silhouette *s, ml_error *err)
{
	double		most = PIECE_WORK / ((double) s->points->n * (s->points->width + 8));

	s->piece = most >= LARGEST_PIECE ? LARGEST_PIECE : most < ROWS ? ROWS : (size_t) most / ROWS * ROWS;
	for (s->first = 0; s->first < s->points->n; s->first += ROUND * s->piece)
	{
		if (ml_is_cancelled(ctx))
			return CANCELLED(err);
		ml_parallel(ctx, ROUND, silhouette_piece, s);
	}
	return ML_OK;
}

ml_status
ml_silhouette(const ml_ctx *ctx, const ml_points *points, double *value, ml_error *err)
{
	size_t		n_panels = points->n / ML_LANES + points->n_clusters + 1;
	double	   *panels = ml_alloc_zero(ctx, n_panels * ML_LANES * points->width, sizeof(double));
	double	   *counts = ml_alloc_zero(ctx, points->n_clusters, sizeof(double));
	size_t	   *starts = ml_alloc(ctx, 2 * (size_t) points->n_clusters + 1, sizeof(size_t));
	double	   *totals = ml_alloc(ctx, (size_t) ROUND * ROWS * points->n_clusters, sizeof(double));
	double	   *values = ml_alloc(ctx, points->n, sizeof(double));
	silhouette	s = {points, panels, starts, counts, totals, values, 0, 0};
	ml_status	status = ML_OK;
	double		sum = 0;

	*value = NAN;
	if (panels == NULL || counts == NULL || starts == NULL || totals == NULL || values == NULL)
		status = ml_no_memory(err);
	else if (has_separation(points))
	{
		lay_out(points, counts, starts, starts + points->n_clusters + 1, panels);
		status = silhouettes(ctx, &s, err);
		for (size_t i = 0; i < points->n && status == ML_OK; i++)
			sum += values[i];
		if (status == ML_OK)
			*value = sum / (double) points->n;
	}
	ml_free(ctx, panels);
	ml_free(ctx, counts);
	ml_free(ctx, starts);
	ml_free(ctx, totals);
	ml_free(ctx, values);
	return status;
}
