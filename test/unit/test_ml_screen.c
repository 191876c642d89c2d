/*
 * test_ml_screen.c: the quick look at which centre is the nearest: what it tells is what comparing tells, its bounds hold, and
 * close things are left in doubt.
 */
#include "ml/ml_screen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ml/ml_random.h"
#include "unit.h"

#define ROWS 203
#define MOST_CENTRES 23
#define MOST_TERMS 37

typedef struct trial
{
	size_t		n;
	int			k;
	double		x[ROWS * MOST_TERMS];
	double		centres[MOST_CENTRES * MOST_TERMS];
	double		origin[MOST_TERMS];
	double		shifted[MOST_CENTRES * MOST_TERMS];
	double		half[MOST_CENTRES];
	double		block[MOST_TERMS * ML_NEAREST_ROWS];
	size_t		rows[ROWS];
	ml_centre_set set;
	ml_screen	screen;
	int32_t		nearest[ROWS];
	double		upper[ROWS];
	double		lower[ROWS];
} trial;

/* Rows and centres `spread` about `place`, the origin `off` from there. */
static void
fill(trial *t, ml_random *r, double place, double spread, double off)
{
	for (size_t i = 0; i < ROWS * t->n; i++)
		t->x[i] = place + spread * (ml_random_unit(r) - 0.5);
	for (size_t i = 0; i < t->k * t->n; i++)
		t->centres[i] = place + spread * (ml_random_unit(r) - 0.5);
	for (size_t j = 0; j < t->n; j++)
		t->origin[j] = place + off;
	for (size_t i = 0; i < ROWS; i++)
		t->rows[i] = i * 101 % ROWS;
	t->set = (ml_centre_set) {t->centres, t->k, t->n};
	t->screen = (ml_screen) {.origin = t->origin, .centres = t->shifted, .half = t->half};
}

static void
look(trial *t)
{
	ml_screen_set(&t->screen, &t->set);
	ml_screen_rows(&t->screen, t->x, t->n, t->rows, ROWS, t->block, t->nearest, t->upper, t->lower);
}

/* Looks, and counts what is not as comparing says or looser than `loose`, and what is in doubt. */
static void
check(trial *t, double loose, int *wrong, int *doubts)
{
	int32_t		nearest[ROWS];
	double		least[ROWS];
	double		second[ROWS];

	look(t);
	ml_nearest_two(&t->set, t->x, t->n, t->rows, ROWS, t->block, nearest, least, second);
	for (int i = 0; i < ROWS; i++)
	{
		if (t->nearest[i] < 0)
			++*doubts;
		else
			*wrong += t->nearest[i] != nearest[i] || !(t->upper[i] >= sqrt(least[i])) || !(t->lower[i] <= sqrt(second[i])) ||
				t->upper[i] > sqrt(least[i]) + loose || t->lower[i] < sqrt(second[i]) - loose;
	}
}

static void
test_agrees(trial *t, double place, double spread, double off, bool sure)
{
	ml_random	r = ml_random_stream(1, 2, 3);
	int			wrong = 0;
	int			doubts = 0;
	int			tried = 0;

	for (t->k = 1; t->k <= MOST_CENTRES; t->k++)
		for (t->n = 1; t->n <= MOST_TERMS; t->n += 3)
		{
			fill(t, &r, place, spread, off);
			check(t, sure ? 1e-5 * spread : INFINITY, &wrong, &doubts);
			tried += ROWS;
		}
	unit_int(wrong, 0, "%d rows %g about %g, origin %g away", tried, spread, place, off);
	unit_ok(sure ? doubts < tried / 1000 : doubts > tried / 2, "%d in doubt", doubts);
}

/* Equally near centres, and numbers that are none, are never told. */
static void
test_doubt(trial *t)
{
	ml_random	r = ml_random_stream(1, 2, 4);
	int			told = 0;

	t->k = 4;
	t->n = 5;
	fill(t, &r, 0, 1, 0);
	memcpy(t->centres + 2 * t->n, t->centres, t->n * sizeof(double));
	memcpy(t->x, t->centres, t->n * sizeof(double));
	t->x[1 * t->n] = NAN;
	t->x[2 * t->n] = INFINITY;
	t->x[3 * t->n] = 1e200;
	look(t);
	for (int i = 0; i < ROWS; i++)
		if (t->rows[i] < 4 || t->nearest[i] == 2)
			told += t->nearest[i] >= 0;
	unit_int(told, 0, "no row with two nearest centres, none that is no number or overflows");
	for (size_t j = 0; j < t->n; j++)
		t->centres[j] = INFINITY;
	look(t);
	for (int i = 0; i < ROWS; i++)
		told += t->nearest[i] >= 0;
	unit_int(told, 0, "nothing with a centre that is infinite");
}

int
main(void)
{
	trial	   *t = calloc(1, sizeof(trial));

	test_agrees(t, 0, 1, 0, true);
	test_agrees(t, 1e6, 1, 0.25, true);
	test_agrees(t, -3e-120, 1e-120, 1e-121, true);
	test_agrees(t, 1e120, 1e119, 0, true);
	/* An origin so far away that only rounding is left. */
	test_agrees(t, 0, 1, 1e9, false);
	test_doubt(t);
	free(t);
	return unit_done();
}
