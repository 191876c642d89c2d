/*
 * ml_exact.c: moments that are the same bits whatever the order of rows and however they were divided.
 *
 * Every number of a row is rounded to a grid that was fixed from the least and largest value of its column, after which
 * all is addition of integers, which is associative.  The grid has 2^46 steps each side of the middle.  As no value of
 * n is further than sqrt(n) standard deviations from the mean, a step is less than 2^-45 sqrt(n) standard deviations
 * (2e-11 of one for 10^6 rows in the worst case, about 1e-13 in the usual one), and the errors are independent from
 * row to row.  From the sums to centred co-moments we calculate with quadruple precision: the cancellation that the
 * mean's distance from the middle brings costs none of a double's digits.
 */
#include "ml/ml_moments.h"

#include <math.h>
#include <string.h>

#define MAGIC 0x45584131u
#define GRID_BITS 46

__extension__ typedef __int128 wide;
#ifdef __SIZEOF_FLOAT128__
__extension__ typedef __float128 quad;
#else
typedef long double quad;
#endif

/* An integer sum in the block of memory, which is aligned to 8 bytes only. */
typedef wide sum128 __attribute__((aligned(8)));

/* Where the sums lie: variable 0 is the root of the weight, variable j + 1 number j. */
typedef struct layout
{
	size_t		width;			/* n_numbers + 1 */
	sum128	   *products;		/* (width, width), lower triangle */
	sum128	   *level_sums;		/* (levels, width): root weight times variable */
	sum128	   *common;			/* (levels, levels), lower triangle, the diagonal is in level_sums */
	int64_t    *row;			/* (width), scratch */
} layout;

static layout
lay_out(const ml_exact *m)
{
	layout		l;
	size_t		levels = m->n_levels;

	l.width = (size_t) m->n_numbers + 1;
	l.products = (sum128 *) (m + 1);
	l.level_sums = l.products + l.width * l.width;
	l.common = l.level_sums + levels * l.width;
	l.row = (int64_t *) (l.common + levels * levels);
	return l;
}

size_t
ml_exact_size(const ml_moments_shape *shape)
{
	size_t		width = (size_t) shape->n_numbers + 1;
	size_t		levels = shape->n_levels;

	return sizeof(ml_exact) + (width * width + levels * width + levels * levels) * sizeof(sum128) +
		width * sizeof(int64_t);
}

void
ml_exact_init(ml_exact *m, const ml_moments_shape *shape)
{
	memset(m, 0, ml_exact_size(shape));
	m->magic = MAGIC;
	m->n_numbers = shape->n_numbers;
	m->n_cats = shape->n_cats;
	m->n_levels = shape->n_levels;
}

bool
ml_exact_valid(const ml_exact *m, size_t size, const ml_moments_shape *shape)
{
	return size >= sizeof(ml_exact) && m->magic == MAGIC && m->n_numbers == shape->n_numbers &&
		m->n_cats == shape->n_cats && m->n_levels == shape->n_levels && m->rows >= 0 && size == ml_exact_size(shape);
}

/*
 * The power of two that takes a positive number below 2^GRID_BITS, not above; 0 for 0.  Kept within what a double can
 * hold: a column whose spread is below 10^-286 gets a coarser grid.
 */
static int32_t
exponent_for(double largest)
{
	int			exponent;

	if (!(largest > 0))
		return 0;
	frexp(largest, &exponent);	/* largest < 2^exponent */
	return GRID_BITS - exponent > 1000 ? 1000 : GRID_BITS - exponent;
}

void
ml_grid_fit(double least, double largest, double largest_weight, double *shift, int32_t *exponent)
{
	double		half = largest / 2 - least / 2;

	*shift = least + half;
	*exponent = exponent_for(half * 1.0000001 * sqrt(largest_weight));
}

int32_t
ml_grid_root_exponent(double largest_weight)
{
	return exponent_for(sqrt(largest_weight));
}

/* The nearest integer of a number below 2^51 in size; ties to even. */
static inline int64_t
nearest(double value)
{
	const double magic_number = 0x1.8p52;
	double		shifted = value + magic_number;
	int64_t		bits;
	int64_t		zero;

	memcpy(&bits, &shifted, sizeof(bits));
	memcpy(&zero, &magic_number, sizeof(zero));
	return bits - zero;
}

/* Puts a row on the grid; false if it does not fit. */
static bool
to_grid(const ml_exact *m, const layout *l, const ml_grid *grid, const double *numbers, double weight)
{
	double		root = sqrt(weight);
	double		steps = root * grid->root_scale;
	const double limit = (double) ((int64_t) 1 << (GRID_BITS + 1));
	bool		inside = fabs(steps) <= limit;

	l->row[0] = nearest(steps);
	for (int j = 0; j < m->n_numbers; j++)
	{
		steps = (numbers[j] - grid->shift[j]) * root * grid->scale[j];
		inside &= fabs(steps) <= limit;
		l->row[j + 1] = nearest(steps);
	}
	return inside;
}

/* The sum of the logarithms of the weights, an integer of 128 bits. */
static wide
log_weight_of(const ml_exact *m)
{
	wide		sum;

	memcpy(&sum, m->log_weight, sizeof(sum));
	return sum;
}

static void
add_log_weight(ml_exact *m, wide added)
{
	added += log_weight_of(m);
	memcpy(m->log_weight, &added, sizeof(added));
}

void
ml_exact_add(ml_exact *m, const ml_grid *grid, const double *numbers, const int32_t *levels, double weight)
{
	layout		l = lay_out(m);

	if (!to_grid(m, &l, grid, numbers, weight))
	{
		m->outside++;
		return;
	}
	for (size_t i = 0; i < l.width; i++)
	{
		sum128	   *sums = l.products + i * l.width;
		int64_t		left = l.row[i];

		for (size_t j = 0; j <= i; j++)
			sums[j] += (wide) left * l.row[j];
	}
	for (int a = 0; a < m->n_cats; a++)
	{
		sum128	   *sums = l.level_sums + (size_t) levels[a] * l.width;

		for (size_t j = 0; j < l.width; j++)
			sums[j] += (wide) l.row[0] * l.row[j];
		for (int b = 0; b < a; b++)
		{
			size_t		high = levels[a] > levels[b] ? levels[a] : levels[b];
			size_t		low = levels[a] > levels[b] ? levels[b] : levels[a];

			l.common[high * m->n_levels + low] += (wide) l.row[0] * l.row[0];
		}
	}
	if (weight != 1)
		add_log_weight(m, (wide) llrint(log(weight) * 0x1p52));
	m->rows++;
}

void
ml_exact_merge(ml_exact *m, const ml_exact *other)
{
	layout		l = lay_out(m);
	layout		from = lay_out(other);
	size_t		count = (size_t) ((sum128 *) l.row - l.products);

	for (size_t i = 0; i < count; i++)
		l.products[i] += from.products[i];
	m->rows += other->rows;
	m->outside += other->outside;
	add_log_weight(m, log_weight_of(other));
}

/* The sum of products of two variables, both in steps of their grids. */
static quad
product(const ml_exact *m, const layout *l, const ml_gram_source *a, const ml_gram_source *b)
{
	size_t		high;
	size_t		low;

	if (a->number >= 0 && b->number >= 0)
	{
		high = (a->number > b->number ? a->number : b->number) + 1;
		low = (a->number > b->number ? b->number : a->number) + 1;
		return (quad) l->products[high * l->width + low];
	}
	if (a->number >= 0)
		return (quad) l->level_sums[b->level * l->width + a->number + 1];
	if (b->number >= 0)
		return (quad) l->level_sums[a->level * l->width + b->number + 1];
	if (a->level == b->level)
		return (quad) l->level_sums[a->level * l->width];
	high = a->level > b->level ? a->level : b->level;
	low = a->level > b->level ? b->level : a->level;
	return (quad) l->common[high * m->n_levels + low];
}

/* The sum of a variable times the root of the weight. */
static quad
single(const layout *l, const ml_gram_source *a)
{
	if (a->number >= 0)
		return (quad) l->products[((size_t) a->number + 1) * l->width];
	return (quad) l->level_sums[a->level * l->width];
}

/* One step of a variable's grid, times the root of the weight's: what a level's integer counts is the root itself. */
static int
exponent_of(const ml_grid *grid, const ml_gram_source *a)
{
	return a->number >= 0 ? grid->exponent[a->number] : grid->root_exponent;
}

void
ml_gram_from_exact(ml_gram *gram, const ml_exact *m, const ml_grid *grid, const ml_gram_source *sources)
{
	layout		l = lay_out(m);
	quad		weight = (quad) l.products[0];

	ml_gram_clear(gram);
	gram->rows = m->rows;
	gram->weight = ldexp((double) weight, -2 * grid->root_exponent);
	gram->log_weight = ldexp((double) log_weight_of(m), -52);
	if (m->rows == 0)
		return;
	for (int i = 0; i < gram->n; i++)
	{
		double		relative = ldexp((double) (single(&l, &sources[i]) / weight),
									 grid->root_exponent - exponent_of(grid, &sources[i]));

		ml_gram_set_mean(gram, i, sources[i].number >= 0 ? grid->shift[sources[i].number] : 0, relative);
	}
	for (int i = 0; i < gram->n; i++)
		for (int j = 0; j <= i; j++)
		{
			quad		centred = product(m, &l, &sources[i], &sources[j]) -
				single(&l, &sources[i]) * single(&l, &sources[j]) / weight;
			double		value = ldexp((double) centred, -exponent_of(grid, &sources[i]) - exponent_of(grid, &sources[j]));

			gram->moments[(size_t) i * gram->n + j] = value;
			gram->moments[(size_t) j * gram->n + i] = value;
		}
}
