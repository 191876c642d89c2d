/*
 * ml_moments.c: means and centred co-moments in floating point, block by block.
 *
 * Numbers are kept relative to a *base*, the first row, so that columns far from 0 lose no digits to their means.  A
 * block of rows is centred at its own mean and added with the update of Chan, Golub and LeVeque (1979), "Updating
 * formulae and a pairwise algorithm for computing sample variances", so that a first row far from the others does no
 * harm.
 *
 * One-hot columns never become dense: per level we keep the weight, the sums of the number columns relative to a
 * *reference* point, and the weight in common with the levels of other columns.  In the end the means are taken from
 * the same sums, put together over the levels of a column: so its co-moments add up to 0 as they should.  The reference
 * follows the mean, at a cost that vanishes: it moves when the number of blocks doubles.
 */
#include "ml/ml_moments.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

#define MAGIC 0x4d4f4d31u
#define BLOCK ML_MOMENTS_BLOCK

/* Where the arrays lie behind the head. */
typedef struct layout
{
	size_t		padded;
	size_t		levels;
	double	   *base;			/* (padded) */
	double	   *mean;			/* (padded), relative to base, as all that follows */
	double	   *reference;		/* (padded) */
	double	   *moments;		/* (padded, padded), tiles of the lower triangle */
	double	   *level_cat;		/* (levels): which categorical column it is of */
	double	   *level_weight;	/* (levels) */
	double	   *level_sums;		/* (levels, padded), relative to reference */
	double	   *common;			/* (levels, levels), lower triangle: weight of both */
	double	   *pending;		/* (BLOCK, padded) */
	double	   *pending_weight; /* (BLOCK) */
	double	   *block_mean;		/* (padded), scratch */
	double	   *difference;		/* (padded), scratch */
} layout;

static inline layout
lay_out(ml_moments *m)
{
	layout		l;
	double	   *at = (double *) (m + 1);

	l.padded = ml_padded(m->n_numbers);
	l.levels = m->n_levels;
	l.base = at;
	l.mean = l.base + l.padded;
	l.reference = l.mean + l.padded;
	l.moments = l.reference + l.padded;
	l.level_cat = l.moments + l.padded * l.padded;
	l.level_weight = l.level_cat + l.levels;
	l.level_sums = l.level_weight + l.levels;
	l.common = l.level_sums + l.levels * l.padded;
	l.pending = l.common + l.levels * l.levels;
	l.pending_weight = l.pending + BLOCK * l.padded;
	l.block_mean = l.pending_weight + BLOCK;
	l.difference = l.block_mean + l.padded;
	return l;
}

size_t
ml_moments_size(const ml_moments_shape *shape)
{
	size_t		padded = ml_padded(shape->n_numbers);
	size_t		levels = shape->n_levels;

	return sizeof(ml_moments) +
		(5 * padded + padded * padded + 2 * levels + levels * padded + levels * levels + BLOCK * padded + BLOCK) *
		sizeof(double);
}

void
ml_moments_init(ml_moments *m, const ml_moments_shape *shape)
{
	memset(m, 0, ml_moments_size(shape));
	m->magic = MAGIC;
	m->n_numbers = shape->n_numbers;
	m->n_cats = shape->n_cats;
	m->n_levels = shape->n_levels;
}

bool
ml_moments_valid(const ml_moments *m, size_t size, const ml_moments_shape *shape)
{
	return size >= sizeof(ml_moments) && m->magic == MAGIC && m->n_numbers == shape->n_numbers &&
		m->n_cats == shape->n_cats && m->n_levels == shape->n_levels && m->pending >= 0 && m->pending < BLOCK &&
		m->rows >= 0 && size == ml_moments_size(shape);
}

/* Adds a row, already relative to the base, to one level. */
static inline void
add_to_level(const layout *l, int cat, size_t level, const double *row, double weight)
{
	double	   *sums = l->level_sums + level * l->padded;

	l->level_cat[level] = cat;
	l->level_weight[level] += weight;
	for (size_t j = 0; j < l->padded; j++)
		sums[j] += weight * (row[j] - l->reference[j]);
}

static inline void
add_in_common(const ml_moments *m, const layout *l, size_t a, size_t b, double weight)
{
	l->common[a > b ? a * m->n_levels + b : b * m->n_levels + a] += weight;
}

void
ml_moments_add(ml_moments *m, const double *numbers, const int32_t *levels, double weight)
{
	layout		l = lay_out(m);
	double	   *row = l.pending + m->pending * l.padded;

	if (m->rows == 0 && m->pending == 0)
		memcpy(l.base, numbers, m->n_numbers * sizeof(double));
	for (int j = 0; j < m->n_numbers; j++)
		row[j] = numbers[j] - l.base[j];
	l.pending_weight[m->pending] = weight;
	for (int a = 0; a < m->n_cats; a++)
	{
		add_to_level(&l, a, levels[a], row, weight);
		for (int b = 0; b < a; b++)
			add_in_common(m, &l, levels[a], levels[b], weight);
	}
	m->weighted |= weight != 1;
	if (++m->pending == BLOCK)
		ml_moments_flush(m);
}

/* Moves the point that the sums per level are relative to. */
static void
move_reference(const ml_moments *m, const layout *l, const double *target)
{
	for (size_t level = 0; level < l->levels; level++)
	{
		double	   *sums = l->level_sums + level * l->padded;

		if (l->level_weight[level] != 0)
			for (int j = 0; j < m->n_numbers; j++)
				sums[j] += l->level_weight[level] * (l->reference[j] - target[j]);
	}
	memcpy(l->reference, target, l->padded * sizeof(double));
}

/* Our means and co-moments become those of our rows and of others with this mean and weight. */
static void
join(ml_moments *m, const layout *l, const double *mean, double weight)
{
	double		total = m->weight + weight;

	for (size_t j = 0; j < l->padded; j++)
		l->difference[j] = mean[j] - l->mean[j];
	if (m->weight > 0)
		ml_rank_one(l->moments, l->difference, m->weight * (weight / total), l->padded);
	if (m->weight > 0)
		ml_axpy(l->mean, weight / total, l->difference, l->padded);
	else
		memcpy(l->mean, mean, l->padded * sizeof(double));
	m->weight = total;
}

/* Sum of the logarithms of at most BLOCK weights: mostly of their product. */
static double
log_of_weights(const double *weights, size_t n)
{
	double		sum = 0;
	double		product = 1;

	for (size_t i = 0; i < n; i++)
		if (weights[i] > 1e-4 && weights[i] < 1e4)
			product *= weights[i];	/* 64 of them stay within a double */
		else
			sum += log(weights[i]);
	return sum + log(product);
}

void
ml_moments_flush(ml_moments *m)
{
	layout		l = lay_out(m);
	size_t		n = m->pending;
	double		weight = n;

	if (n == 0)
		return;
	memset(l.block_mean, 0, l.padded * sizeof(double));
	if (m->weighted)
	{
		weight = 0;
		m->log_weight += log_of_weights(l.pending_weight, n);
		for (size_t i = 0; i < n; i++)
		{
			weight += l.pending_weight[i];
			ml_axpy(l.block_mean, l.pending_weight[i], l.pending + i * l.padded, l.padded);
			l.pending_weight[i] = sqrt(l.pending_weight[i]);
		}
	}
	else
		ml_column_sums(l.block_mean, l.pending, n, l.padded);
	for (size_t j = 0; j < l.padded; j++)
		l.block_mean[j] /= weight;
	ml_centre_rows(l.pending, l.block_mean, m->weighted ? l.pending_weight : NULL, n, l.padded);
	ml_syrk(l.moments, l.pending, n, l.padded);
	join(m, &l, l.block_mean, weight);
	m->rows += n;
	m->pending = 0;
	m->weighted = 0;
	m->blocks++;
	if (m->n_cats > 0 && (m->blocks & (m->blocks - 1)) == 0)
		move_reference(m, &l, l.mean);
}

void
ml_moments_merge(ml_moments *m, ml_moments *other)
{
	layout		l = lay_out(m);
	layout		from = lay_out(other);

	ml_moments_flush(m);
	ml_moments_flush(other);
	if (other->rows == 0)
		return;
	if (m->rows == 0)
		memcpy(l.base, from.base, l.padded * sizeof(double));
	for (size_t j = 0; j < l.padded; j++)
	{
		double		shift = from.base[j] - l.base[j];

		from.mean[j] += shift;
		from.reference[j] += shift;
		from.base[j] = l.base[j];
	}
	join(m, &l, from.mean, other->weight);
	ml_axpy(l.moments, 1, from.moments, l.padded * l.padded);
	m->rows += other->rows;
	m->log_weight += other->log_weight;
	m->blocks += other->blocks;
	if (m->n_cats == 0)
		return;
	move_reference(m, &l, l.mean);
	move_reference(other, &from, l.mean);
	for (size_t level = 0; level < l.levels; level++)
		l.level_cat[level] = from.level_weight[level] != 0 ? from.level_cat[level] : l.level_cat[level];
	ml_axpy(l.level_weight, 1, from.level_weight, l.levels);
	ml_axpy(l.level_sums, 1, from.level_sums, l.levels * l.padded);
	ml_axpy(l.common, 1, from.common, l.levels * l.levels);
}

void
ml_moments_add_columns(ml_moments *m, const double *const *numbers, const int32_t *const *levels,
					   const double *weights, size_t n)
{
	layout		l = lay_out(m);
	size_t		count = m->n_numbers;
	size_t		kept = 0;

	ml_moments_flush(m);
	if (m->rows == 0)
		for (size_t j = 0; j < count; j++)
			l.base[j] = numbers[j][0];
	for (size_t i = 0; i < n; i++)
	{
		double	   *row = l.pending + kept * l.padded;

		if (!(weights[i] > 0))
			continue;
		for (size_t j = 0; j < count; j++)
			row[j] = numbers[j][i] - l.base[j];
		l.pending_weight[kept++] = weights[i];
		for (int a = 0; a < m->n_cats; a++)
		{
			add_to_level(&l, a, levels[a][i], row, weights[i]);
			for (int b = 0; b < a; b++)
				add_in_common(m, &l, levels[a][i], levels[b][i], weights[i]);
		}
	}
	m->pending = (int32_t) kept;
	m->weighted = 1;
	ml_moments_flush(m);
}

/* ---- Gram ---------------------------------------------------------------------------------------------------- */

void
ml_gram_attach(ml_gram *gram, int n, double *memory)
{
	gram->n = n;
	gram->rows = 0;
	gram->weight = 0;
	gram->log_weight = 0;
	gram->mean = memory;
	gram->mean_rest = memory + n;
	gram->moments = memory + 2 * (size_t) n;
}

void
ml_gram_clear(ml_gram *gram)
{
	gram->rows = 0;
	gram->weight = 0;
	gram->log_weight = 0;
	memset(gram->mean, 0, ml_gram_doubles(gram->n) * sizeof(double));
}

/* mean = a + b with what rounding takes from it (Knuth's exact sum of two). */
void
ml_gram_set_mean(ml_gram *gram, int i, double a, double b)
{
	double		sum = a + b;
	double		part = sum - a;

	gram->mean[i] = sum;
	gram->mean_rest[i] = (a - (sum - part)) + (b - part);
}

/* The weight that two levels have in common. */
static double
level_pair(const ml_moments *m, const layout *l, size_t a, size_t b)
{
	if (a == b)
		return l->level_weight[a];
	return a > b ? l->common[a * m->n_levels + b] : l->common[b * m->n_levels + a];
}

/* The weight of all rows, put together from the levels of the column that this one is of. */
static double
weight_of_all(const layout *l, size_t level)
{
	double		sum = 0;

	for (size_t other = 0; other < l->levels; other++)
		if (l->level_cat[other] == l->level_cat[level])
			sum += l->level_weight[other];
	return sum;
}

/* Sums of the numbers over the rows of all levels of a column, into (padded). */
static void
sum_levels(const layout *l, double cat, double *sums)
{
	memset(sums, 0, l->padded * sizeof(double));
	for (size_t level = 0; level < l->levels; level++)
		if (l->level_cat[level] == cat)
			for (size_t j = 0; j < l->padded; j++)
				sums[j] += l->level_sums[level * l->padded + j];
}

static void
set_moment(ml_gram *gram, int i, int j, double value)
{
	gram->moments[(size_t) i * gram->n + j] = value;
	gram->moments[(size_t) j * gram->n + i] = value;
}

/*
 * The centred co-moments of a level with the numbers, whose sums over all levels of its column are `all`, and with the levels
 * before it; 0 of a level without rows.  The mean of a level is its share of the weight.
 */
static void
set_level_moments(ml_gram *gram, const ml_moments *m, const layout *l, const ml_gram_source *sources, int i, const double *all)
{
	size_t		level = sources[i].level;

	if (l->level_weight[level] == 0)
		return;
	for (int j = 0; j < gram->n; j++)
	{
		if (sources[j].number >= 0)
			set_moment(gram, i, j, l->level_sums[level * l->padded + sources[j].number] - gram->mean[i] * all[sources[j].number]);
		else if (j <= i && l->level_weight[sources[j].level] != 0)
			set_moment(gram, i, j, level_pair(m, l, level, sources[j].level) - l->level_weight[level] * gram->mean[j]);
	}
}

void
ml_gram_from_moments(ml_gram *gram, ml_moments *m, const ml_gram_source *sources)
{
	layout		l = lay_out(m);
	double		summed = -1;	/* column of categories whose sums lie in block_mean */

	ml_moments_flush(m);
	ml_gram_clear(gram);
	gram->rows = m->rows;
	gram->weight = m->weight;
	gram->log_weight = m->log_weight;
	if (m->rows == 0)
		return;
	if (m->n_cats > 0)
		move_reference(m, &l, l.mean);
	for (int i = 0; i < gram->n; i++)
		if (sources[i].number >= 0)
			ml_gram_set_mean(gram, i, l.base[sources[i].number], l.mean[sources[i].number]);
		else if (l.level_weight[sources[i].level] != 0)
			gram->mean[i] = l.level_weight[sources[i].level] / weight_of_all(&l, sources[i].level);
	for (int i = 0; i < gram->n; i++)
	{
		if (sources[i].number < 0)
		{
			/* Levels of one column come one after the other. */
			if (l.level_cat[sources[i].level] != summed)
				sum_levels(&l, summed = l.level_cat[sources[i].level], l.block_mean);
			set_level_moments(gram, m, &l, sources, i, l.block_mean);
			continue;
		}
		for (int j = 0; j <= i; j++)
			if (sources[j].number >= 0)
				set_moment(gram, i, j, sources[i].number >= sources[j].number ? l.moments[sources[i].number * l.padded + sources[j].number] :
						   l.moments[sources[j].number * l.padded + sources[i].number]);
	}
}

/* The difference of two means, with all its digits. */
static double
mean_difference(const ml_gram *gram, const ml_gram *other, size_t i)
{
	return (other->mean[i] - gram->mean[i]) + (other->mean_rest[i] - gram->mean_rest[i]);
}

void
ml_gram_add(ml_gram *gram, const ml_gram *other)
{
	size_t		n = gram->n;
	double		total = gram->weight + other->weight;
	double		share = total > 0 ? other->weight / total : 0;

	for (size_t i = 0; i < n; i++)
	{
		double		scaled = gram->weight * share * mean_difference(gram, other, i);

		for (size_t j = 0; j < n; j++)
			gram->moments[i * n + j] += other->moments[i * n + j] + scaled * mean_difference(gram, other, j);
	}
	for (size_t i = 0; i < n; i++)
		ml_gram_set_mean(gram, (int) i, gram->mean[i], gram->mean_rest[i] + share * mean_difference(gram, other, i));
	gram->rows += other->rows;
	gram->weight = total;
	gram->log_weight += other->log_weight;
}

/* The co-moment of a sum with one variable. */
static double
sum_moment(const ml_gram *from, const ml_gram_term *term, int variable)
{
	double		value = from->moments[(size_t) term->first * from->n + variable];

	if (term->second >= 0)
		value += term->factor * from->moments[(size_t) term->second * from->n + variable];
	return value;
}

void
ml_gram_combine(ml_gram *to, const ml_gram *from, const ml_gram_term *terms)
{
	to->rows = from->rows;
	to->weight = from->weight;
	to->log_weight = from->log_weight;
	for (int i = 0; i < to->n; i++)
	{
		const ml_gram_term *t = &terms[i];

		if (t->second < 0)
			ml_gram_set_mean(to, i, from->mean[t->first], from->mean_rest[t->first]);
		else
			ml_gram_set_mean(to, i, from->mean[t->first],
							 from->mean_rest[t->first] + t->factor * (from->mean[t->second] + from->mean_rest[t->second]));
		for (int j = 0; j <= i; j++)
		{
			double		value = sum_moment(from, t, terms[j].first);

			if (terms[j].second >= 0)
				value += terms[j].factor * sum_moment(from, t, terms[j].second);
			to->moments[(size_t) i * to->n + j] = value;
			to->moments[(size_t) j * to->n + i] = value;
		}
	}
}
