/*
 * ml_kmeans_batch.c: k-means by batches of rows (Sculley 2010): a centre is the mean of all rows that batches have given to
 * it so far.
 *
 * Rows come in the order of their content's hash, so the first ones, in which such a start looks for its centres, are as
 * good as any drawn.  A start ends as scikit-learn's MiniBatchKMeans does: when the mean inertia of the batches, smoothed,
 * has not improved for some of them.
 */
#include "ml/ml_kmeans_int.h"

#include <math.h>
#include <string.h>

#define RANDOM_BATCH 0x6b6261746368ULL

/* Moves the centres to the means of the rows that batches have given to them so far. */
static void
take_batch(ml_kmeans *s)
{
	int			n = s->design->n_terms;

	for (int c = 0; c < s->k; c++)
	{
		double	   *sum = s->sums + (size_t) c * n;
		double	   *mean = ml_kmeans_centre(s, c);

		if (!(s->counts[c] > 0))
			continue;
		s->seen[c] += s->weights[c];
		/* mean += (sum - weight mean) / all so far */
		for (int j = 0; j < n; j++)
			mean[j] += (sum[j] - s->weights[c] * mean[j]) / s->seen[c];
	}
}

/* Moves the centres by one batch, drawn with replacement; returns its mean inertia. */
static double
do_batch(ml_kmeans *s)
{
	ml_random	r = ml_random_stream(s->ctx.seed, RANDOM_BATCH + s->start, s->batches++);
	double		total = 0;
	double		inertia = 0;

	memset(s->sums, 0, (size_t) s->k * s->design->n_terms * sizeof(double));
	memset(s->weights, 0, s->k * sizeof(double));
	memset(s->counts, 0, s->k * sizeof(double));
	for (size_t done = 0; done < s->batch; done += ML_KMEANS_STRIP)
	{
		size_t		count = s->batch - done < ML_KMEANS_STRIP ? s->batch - done : ML_KMEANS_STRIP;
		size_t		rows[ML_KMEANS_STRIP];

		for (size_t k = 0; k < count; k++)
			rows[k] = (size_t) (ml_random_unit(&r) * (double) s->design->rows);
		ml_kmeans_compare(s, 0, rows, count);
		for (size_t k = 0; k < count; k++)
		{
			double		weight = ml_kmeans_weight(s, rows[k]);

			ml_kmeans_add_row(s, 0, rows[k], s->nearest[rows[k]], 1);
			total += weight;
			inertia += weight * s->upper[rows[k]] * s->upper[rows[k]];
		}
	}
	take_batch(s);
	return inertia / total;
}

bool
ml_kmeans_do_batches(ml_kmeans *s)
{
	double		per_round = (double) s->design->rows / (double) s->batch;
	double		alpha = fmin(1, 2 * (double) s->batch / ((double) s->design->rows + 1));
	double		cost = (double) s->batch * s->design->n_terms * (s->k + 2) + (double) s->k * s->design->n_terms;

	if (s->batches == 0)
	{
		memset(s->seen, 0, s->k * sizeof(double));
		s->least_inertia = INFINITY;
		s->unimproved = 0;
	}
	for (double done = 0; done < ML_KMEANS_STEP; done += cost)
	{
		double		inertia = do_batch(s);

		/* The first batch tells of the start, not of what batches do. */
		if (s->batches == 1)
			continue;
		s->smooth_inertia = s->batches == 2 ? inertia : s->smooth_inertia + alpha * (inertia - s->smooth_inertia);
		s->unimproved = s->smooth_inertia < s->least_inertia ? 0 : s->unimproved + 1;
		s->least_inertia = fmin(s->least_inertia, s->smooth_inertia);
		s->round = (int) ((double) s->batches / per_round);
		if (s->unimproved >= s->patience || (double) s->batches >= s->max_iter * per_round)
		{
			s->batches = 0;
			s->converged = s->unimproved >= s->patience;
			return true;
		}
	}
	return false;
}
