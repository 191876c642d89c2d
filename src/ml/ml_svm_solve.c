/*
 * ml_svm_solve.c: the problems of a support vector machine, solved in threads.
 *
 * A *slot* is a solver with its memory; there are as many as threads, or problems, or as fit.  Problem p belongs to
 * machine p / parts; its part 0 is the whole machine, part f leaves the points out whose place in their class is f - 1
 * modulo 5.  The rows of a design are in an order by their content, so that this is as good as drawing lots.
 */
#include "ml/ml_svm_solve.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "ml/ml_parallel.h"
#include "ml/ml_platt.h"

#define PARTS 5
#define STEP_WORK 1e8			/* about 50 ms */
#define MOST_CACHE 1073741824.0 /* bytes: shrinking moves all of it, which must not keep a cancel waiting */

typedef struct slot
{
	ml_smo	   *smo;
	int			problem;		/* -1: none */
	bool		solved;
	size_t		next;			/* point of the machine to be decided */
	size_t		first_of[2];	/* points of the problem: where those of the other class begin, and their end */
} slot;

struct ml_svm_solver
{
	ml_ctx		ctx;
	ml_svm_setup setup;
	int			n_classes;
	int			n_groups;		/* of rows: classes, or 1 */
	int			n_machines;
	int			n_parts;		/* problems per machine */
	size_t		largest;		/* machine, in points */
	uint32_t   *order;			/* (rows) class after class */
	uint32_t   *class_start;	/* (n_groups + 1) */
	double	   *class_factor;	/* (n_groups) of C */
	double	   *coefficients;	/* (coefficient rows, rows) by row of the design */
	double	   *decisions;		/* the same shape, for the sigmoids */
	ml_svm_machine *machines;
	int			n_slots;
	slot	   *slots;
	atomic_int	next;			/* problem to be begun */
	atomic_int	done;
	int			sigmoids;		/* fitted */
	double	   *scratch;		/* (2, largest) decisions and weights of one machine … */
	bool	   *positive;		/* … (largest) */
};

/* ---- setting up --------------------------------------------------------------------------------------------------- */

static bool
is_classes(const ml_svm_solver *s)
{
	return s->n_classes > 0;
}

static double
weight(const ml_svm_solver *s, uint32_t row)
{
	return ml_design_weight(s->setup.design, row);
}

/* Sorts the rows by class and weighs the classes: balanced, C is that of a class times rows / (classes * its rows). */
static void
sort_rows(ml_svm_solver *s)
{
	const ml_design *d = s->setup.design;
	double		total = 0;
	int			present = 0;

	for (size_t i = 0; i < d->rows; i++)
		s->class_start[is_classes(s) ? d->labels[i] + 1 : 1]++;
	for (int k = 0; k < s->n_groups; k++)
		s->class_start[k + 1] += s->class_start[k];
	for (size_t i = 0; i < d->rows; i++)
	{
		int			k = is_classes(s) ? d->labels[i] : 0;

		s->order[s->class_start[k]++] = (uint32_t) i;
		s->class_factor[k] += weight(s, (uint32_t) i);
		total += weight(s, (uint32_t) i);
	}
	for (int k = s->n_groups; k > 0; k--)
		s->class_start[k] = s->class_start[k - 1];
	s->class_start[0] = 0;
	for (int k = 0; k < s->n_groups; k++)
		present += s->class_factor[k] > 0;
	for (int k = 0; k < s->n_groups; k++)
		s->class_factor[k] = s->setup.balanced && s->class_factor[k] > 0 ? total / (present * s->class_factor[k]) : 1;
}

static size_t
group_rows(const ml_svm_solver *s, int group)
{
	return group < 0 ? 0 : s->class_start[group + 1] - s->class_start[group];
}

/* The groups of rows that a machine is about; the second is -1 for one group. */
static void
machine_groups(const ml_svm_machine *machine, int groups[2])
{
	groups[0] = machine->positive < 0 ? 0 : machine->positive;
	groups[1] = machine->negative;
}

static void
list_machines(ml_svm_solver *s)
{
	int			machine = 0;

	if (s->n_classes <= 2)
		s->machines[0] = (ml_svm_machine) {.positive = is_classes(s) ? 1 : -1, .negative = is_classes(s) ? 0 : -1};
	for (int a = 0; a < s->n_classes && s->n_classes > 2; a++)
		for (int b = a + 1; b < s->n_classes; b++)
			s->machines[machine++] = (ml_svm_machine) {.positive = a, .negative = b};
	for (machine = 0; machine < s->n_machines; machine++)
	{
		int			groups[2];
		size_t		points;

		machine_groups(&s->machines[machine], groups);
		points = group_rows(s, groups[0]) + group_rows(s, groups[1]);
		s->largest = points > s->largest ? points : s->largest;
	}
}

/* As many slots as memory and threads allow. */
static ml_status
make_slots(ml_svm_solver *s, double taken, ml_error *err)
{
	int			n_terms = s->setup.design->n_terms;
	int			problems = s->n_machines * s->n_parts;
	int			wanted = s->ctx.nthreads < problems ? s->ctx.nthreads : problems;
	int			workers = wanted == 1 ? s->ctx.nthreads : 1;
	double		each = ml_smo_bytes(s->largest, n_terms, workers) + 48.0 * (double) s->largest;
	double		memory = s->ctx.memory_limit > 0 ? (double) s->ctx.memory_limit : INFINITY;
	double		cache;
	ml_status	status;

	status = ml_check_memory(&s->ctx, taken + each, "the workings of the support vector machine", err);
	if (status != ML_OK)
		return status;
	while (wanted > 1 && taken + wanted * each > memory / 2)
		wanted--;
	cache = fmin(MOST_CACHE, memory - taken - wanted * each) / wanted;
	s->slots = ml_alloc_zero(&s->ctx, wanted, sizeof(slot));
	if (s->slots == NULL)
		return ml_no_memory(err);
	for (; s->n_slots < wanted; s->n_slots++)
	{
		slot	   *here = &s->slots[s->n_slots];

		here->problem = -1;
		here->smo = ml_smo_new(&s->ctx, s->largest, n_terms, workers, cache);
		if (here->smo == NULL)
			return ml_no_memory(err);
	}
	return ML_OK;
}

ml_status
ml_svm_solver_new(const ml_ctx *ctx, const ml_svm_setup *setup, ml_svm_solver **solver, ml_error *err)
{
	ml_svm_solver *s = ml_alloc_zero(ctx, 1, sizeof(ml_svm_solver));
	size_t		rows = setup->design->rows;
	size_t		n_coefficients;
	double		taken;
	ml_status	status;

	*solver = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->setup = *setup;
	s->n_classes = setup->task == ML_BINARY ? setup->design->n_classes : 0;
	s->n_groups = is_classes(s) ? s->n_classes : 1;
	s->n_machines = s->n_classes > 2 ? s->n_classes * (s->n_classes - 1) / 2 : 1;
	s->n_parts = setup->probability && is_classes(s) ? 1 + PARTS : 1;
	n_coefficients = (s->n_classes > 2 ? s->n_classes - 1 : 1) * rows;
	taken = (double) n_coefficients * (s->n_parts > 1 ? 16 : 8);
	status = ml_check_memory(ctx, taken, "the coefficients of the support vector machines", err);
	if (status != ML_OK)
		return status;
	atomic_init(&s->next, 0);
	atomic_init(&s->done, 0);
	s->order = ml_alloc(ctx, rows + 1, sizeof(uint32_t));
	s->class_start = ml_alloc_zero(ctx, s->n_groups + 2, sizeof(uint32_t));
	s->class_factor = ml_alloc_zero(ctx, s->n_groups, sizeof(double));
	s->coefficients = ml_alloc_zero(ctx, n_coefficients + 1, sizeof(double));
	s->machines = ml_alloc_zero(ctx, s->n_machines, sizeof(ml_svm_machine));
	if (s->order == NULL || s->class_start == NULL || s->class_factor == NULL || s->coefficients == NULL || s->machines == NULL)
		return ml_no_memory(err);
	sort_rows(s);
	list_machines(s);
	if (s->n_parts > 1)
	{
		s->decisions = ml_alloc(ctx, n_coefficients + 1, sizeof(double));
		s->scratch = ml_alloc(ctx, 2 * s->largest + 1, sizeof(double));
		s->positive = ml_alloc(ctx, s->largest + 1, sizeof(bool));
		if (s->decisions == NULL || s->scratch == NULL || s->positive == NULL)
			return ml_no_memory(err);
	}
	return make_slots(s, taken, err);
}

void
ml_svm_solver_free(ml_svm_solver *s)
{
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	for (int i = 0; i < s->n_slots; i++)
		ml_smo_free(s->slots[i].smo);
	ml_free(&ctx, s->slots);
	ml_free(&ctx, s->order);
	ml_free(&ctx, s->class_start);
	ml_free(&ctx, s->class_factor);
	ml_free(&ctx, s->coefficients);
	ml_free(&ctx, s->decisions);
	ml_free(&ctx, s->machines);
	ml_free(&ctx, s->scratch);
	ml_free(&ctx, s->positive);
	ml_free(&ctx, s);
}

/* ---- a problem ---------------------------------------------------------------------------------------------------- */

/* Where the number of a row of a group belongs, of a machine: its coefficient or decision value. */
static size_t
cell(const ml_svm_solver *s, const ml_svm_machine *machine, int group, uint32_t row)
{
	size_t		line = 0;

	if (s->n_classes > 2)
		line = group == machine->positive ? machine->negative - 1 : machine->positive;
	return line * s->setup.design->rows + row;
}

/* Points of all groups of a machine, but for those that the part leaves out. */
static void
fill_points(const ml_svm_solver *s, const ml_svm_machine *machine, int part, ml_smo *smo, size_t first_of[2])
{
	int			groups[2];
	double		left = 0;

	machine_groups(machine, groups);
	smo->n = 0;
	for (int g = 0; g < 2; g++)
	{
		for (size_t place = 0; place < group_rows(s, groups[g]); place++)
		{
			uint32_t	row = s->order[s->class_start[groups[g]] + place];
			double		bound = weight(s, row) * (s->setup.task == ML_OUTLIER ? 1 : s->setup.C * s->class_factor[groups[g]]);
			size_t		t = smo->n;

			if (part > 0 && place % PARTS == (size_t) part - 1)
				continue;
			smo->rows[smo->n++] = row;
			smo->beta[t] = 0;
			smo->low[t] = s->setup.task == ML_REGRESSION || (is_classes(s) && g == 1) ? -bound : 0;
			smo->high[t] = is_classes(s) && g == 1 ? 0 : bound;
			smo->z[t] = s->setup.task == ML_REGRESSION ? s->setup.design->target[row] : is_classes(s) ? (g == 0 ? 1 : -1) : 0;
			left += s->setup.nu * bound;
		}
		first_of[g] = smo->n;
	}
	if (s->setup.task == ML_OUTLIER)
		for (size_t t = 0; t < smo->n && left > 0; t++)
		{
			smo->beta[t] = fmin(smo->high[t], left);
			left -= smo->beta[t];
		}
}

static void
begin_problem(const ml_svm_solver *s, slot *here, int problem)
{
	ml_smo	   *smo = here->smo;

	here->problem = problem;
	here->solved = false;
	here->next = 0;
	smo->x = s->setup.design->x;
	smo->stride = s->setup.design->stride;
	smo->kernel = s->setup.kernel;
	smo->epsilon = s->setup.task == ML_REGRESSION ? s->setup.epsilon : 0;
	smo->tolerance = s->setup.tolerance;
	smo->max_iterations = s->setup.max_iterations;
	smo->shrinking = s->setup.shrinking;
	fill_points(s, &s->machines[problem / s->n_parts], problem % s->n_parts, smo, here->first_of);
	ml_smo_start(smo);
}

/* The solution of a whole machine. */
static void
keep_machine(ml_svm_solver *s, const slot *here)
{
	ml_svm_machine *machine = &s->machines[here->problem / s->n_parts];
	const ml_smo *smo = here->smo;
	int			groups[2];

	machine_groups(machine, groups);
	for (size_t t = 0; t < smo->n; t++)
		s->coefficients[cell(s, machine, groups[t >= here->first_of[0]], smo->rows[t])] = smo->beta[t];
	machine->intercept = smo->intercept;
	machine->objective = smo->objective;
	machine->iterations = smo->iterations;
	machine->converged = smo->converged;
}

/* Decides points that the part left out; true when all are. */
static bool
decide_left_out(ml_svm_solver *s, slot *here, double *work)
{
	const ml_svm_machine *machine = &s->machines[here->problem / s->n_parts];
	int			part = here->problem % s->n_parts;
	int			groups[2];
	size_t		n_first;
	size_t		n_all;

	machine_groups(machine, groups);
	n_first = (group_rows(s, groups[0]) + PARTS - part) / PARTS;
	n_all = n_first + (group_rows(s, groups[1]) + PARTS - part) / PARTS;
	while (here->next < n_all && *work > 0)
	{
		const double *x[4];
		size_t		cells[4];
		double		values[4];

		for (size_t i = 0; i < 4; i++)
		{
			size_t		which = here->next + i < n_all ? here->next + i : n_all - 1;
			int			group = groups[which >= n_first];
			size_t		place = (which >= n_first ? which - n_first : which) * PARTS + part - 1;
			uint32_t	row = s->order[s->class_start[group] + place];

			x[i] = ml_design_row(s->setup.design, row);
			cells[i] = cell(s, machine, group, row);
		}
		ml_smo_decide(here->smo, x, values, work);
		for (size_t i = 0; i < 4; i++)
			s->decisions[cells[i]] = values[i];
		here->next += 4;
	}
	return here->next >= n_all;
}

static void
run_slot(void *arg, int index)
{
	ml_svm_solver *s = arg;
	slot	   *here = &s->slots[index];
	double		work = STEP_WORK;

	while (work > 0)
	{
		if (here->problem < 0)
		{
			int			problem = atomic_fetch_add(&s->next, 1);

			if (problem >= s->n_machines * s->n_parts)
			{
				atomic_store(&s->next, s->n_machines * s->n_parts);
				return;
			}
			begin_problem(s, here, problem);
			work -= 100 * (double) here->smo->n;
		}
		if (!here->solved)
		{
			if (!ml_smo_run(here->smo, &work))
				return;
			here->solved = true;
			if (here->problem % s->n_parts == 0)
				keep_machine(s, here);
			else
				ml_smo_pack_vectors(here->smo);
		}
		if (here->problem % s->n_parts > 0 && !decide_left_out(s, here, &work))
			return;
		here->problem = -1;
		atomic_fetch_add(&s->done, 1);
	}
}

/* ---- probabilities ------------------------------------------------------------------------------------------------ */

static void
fit_sigmoid(ml_svm_solver *s, ml_svm_machine *machine)
{
	double	   *weights = s->scratch + s->largest;
	size_t		n = 0;
	int			groups[2];

	machine_groups(machine, groups);
	for (int g = 0; g < 2; g++)
		for (size_t i = s->class_start[groups[g]]; i < s->class_start[groups[g] + 1]; i++)
		{
			s->scratch[n] = s->decisions[cell(s, machine, groups[g], s->order[i])];
			weights[n] = weight(s, s->order[i]);
			s->positive[n++] = g == 0;
		}
	(void) ml_platt_fit(NULL, s->scratch, s->positive, weights, n, &machine->a, &machine->b);
}

/* ---- steps -------------------------------------------------------------------------------------------------------- */

/* How far a problem is: violations fall about as fast on a scale of logarithms as time goes on. */
static double
share_of(const slot *here)
{
	double		share;

	if (here->problem < 0)
		return 0;
	share = log(2 / here->smo->violation) / log(2 / here->smo->tolerance);
	return share > 0 && share < 1 ? share : 0;
}

ml_status
ml_svm_solver_step(ml_svm_solver *s, ml_progress *progress)
{
	int			problems = s->n_machines * s->n_parts;
	double		share;

	if (atomic_load(&s->done) < problems)
	{
		ml_parallel(&s->ctx, s->n_slots, run_slot, s);
		share = atomic_load(&s->done);
		for (int i = 0; i < s->n_slots; i++)
		{
			share += share_of(&s->slots[i]);
			if (s->slots[i].problem >= 0)
				progress->iteration = (int) fmin((double) s->slots[i].smo->iterations, INT32_MAX);
		}
		progress->share = fmin(share / problems, 0.99);
		return ML_MORE;
	}
	if (s->n_parts == 1 || s->sigmoids == s->n_machines)
		return ML_DONE;
	fit_sigmoid(s, &s->machines[s->sigmoids++]);
	return ML_MORE;
}

/* ---- the results -------------------------------------------------------------------------------------------------- */

int
ml_svm_solver_machines(const ml_svm_solver *s, const ml_svm_machine **machines)
{
	*machines = s->machines;
	return s->n_machines;
}

const double *
ml_svm_solver_coefficients(const ml_svm_solver *s, int index)
{
	return s->coefficients + index * s->setup.design->rows;
}

const uint32_t *
ml_svm_solver_order(const ml_svm_solver *s, const uint32_t **class_start)
{
	*class_start = s->class_start;
	return s->order;
}
