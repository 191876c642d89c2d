/*
 * ml_fit_kmeans.c: the estimator kmeans: its parameters, the course of a training, and the model.
 *
 * How centres are found is in the files that ml_kmeans_int.h names.
 */
#include "ml/ml_kmeans_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_centres.h"
#include "ml/ml_kmeans.h"
#include "ml/ml_parallel.h"

#define RANGE 4096				/* rows; groups are so many or a multiple of it */
#define MAX_GROUPS 64
#define WORTH_THREADS 100000	/* numbers of a piece, below which it costs less than the start of a thread */

enum
{
	PARAM_BATCH_SIZE = 0,
	PARAM_INIT,
	PARAM_MAX_ITER,
	PARAM_MAX_NO_IMPROVEMENT,
	PARAM_N_CLUSTERS,
	PARAM_N_INIT,
	PARAM_TOL
};

enum
{
	INIT_PLUS_PLUS = 0,
	INIT_RANDOM
};

static const char *const inits[] = {"k-means++", "random", NULL};

static const ml_param_spec specs[] = {
	[PARAM_BATCH_SIZE] = {"batch_size", ML_PARAM_INTEGER, 0, 0, 1e9, false, NULL,
	"Rows that centres are moved by at a time (mini-batch); 0: all"},
	[PARAM_INIT] = {"init", ML_PARAM_CHOICE, INIT_PLUS_PLUS, 0, 1, false, inits, "How the first centres are chosen among the rows"},
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, 300, 1, 1e9, false, NULL, "Most rounds of a start"},
	[PARAM_MAX_NO_IMPROVEMENT] = {"max_no_improvement", ML_PARAM_INTEGER, 10, 1, 1e9, false, NULL,
	"A start with batches ends when so many have not lowered the mean inertia of those before"},
	[PARAM_N_CLUSTERS] = {"n_clusters", ML_PARAM_INTEGER, 8, 1, 1e6, false, NULL, "Number of clusters"},
	[PARAM_N_INIT] = {"n_init", ML_PARAM_INTEGER, 1, 1, 1e6, false, NULL, "Starts, of which the one with the least inertia is kept"},
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 1e-4, 0, INFINITY, false, NULL,
	"A start ends when its centres move by less, squared, than this times the mean variance of the terms"},
};


/* ---- pieces of work ----------------------------------------------------------------------------------------------- */

void
ml_kmeans_group_rows(const ml_kmeans *s, int group, size_t *first, size_t *end)
{
	size_t		ranges = (s->active + RANGE - 1) / RANGE;

	*first = ranges * group / s->n_groups * RANGE;
	*end = ranges * (group + 1) / s->n_groups * RANGE;
	if (*end > s->active)
		*end = s->active;
}

double
ml_kmeans_add_totals(const ml_kmeans *s)
{
	double		total = 0;

	for (int group = 0; group < s->n_groups; group++)
		total += s->totals[group];
	return total;
}

/* Pieces from `done` on. */
typedef struct pieces
{
	ml_kmeans  *s;
	void		(*work) (void *arg, int piece);
} pieces;

static void
do_piece(void *arg, int index)
{
	const pieces *p = arg;

	p->work(p->s, (int) p->s->done + index);
}

bool
ml_kmeans_some(ml_kmeans *s, size_t count, double cost, void (*work) (void *arg, int piece))
{
	pieces		p = {s, work};
	ml_ctx		ctx = s->ctx;
	size_t		left = count - s->done;
	double		wanted = fmax(ctx.nthreads, ML_KMEANS_STEP * ctx.nthreads / (cost + 1));
	size_t		here = wanted < (double) left ? (size_t) wanted : left;

	if (cost * (double) here < WORTH_THREADS)
		ctx.nthreads = 1;
	ml_parallel(&ctx, (int) here, do_piece, &p);
	s->done += here;
	if (s->done < count)
		return false;
	s->done = 0;
	return true;
}

bool
ml_kmeans_some_groups(ml_kmeans *s, double cost, void (*work) (void *arg, int group))
{
	return ml_kmeans_some(s, s->n_groups, cost * (double) s->active / s->n_groups, work);
}

/* ---- beginning ---------------------------------------------------------------------------------------------------- */

/* Centres are chosen among all rows, or with batches among three batches' and three for each cluster at least. */
static void
begin_start(ml_kmeans *s)
{
	size_t		wanted = 3 * (s->batch > (size_t) s->k ? s->batch : (size_t) s->k);

	s->active = s->batch > 0 && wanted < s->design->rows ? wanted : s->design->rows;
	s->round = s->chosen = 0;
	s->phase = ML_KMEANS_CHOOSE;
}

/* All arrays of numbers but those over the rows lie in one block, behind the sums. */
static size_t
numbers_of_groups(const ml_kmeans *s)
{
	size_t		n = s->design->n_terms;

	return s->n_groups * ((size_t) s->k * (n + 2) + 1 + ML_NEAREST_ROWS * n + ML_KMEANS_CANDIDATES) + (2 + ML_KMEANS_CANDIDATES) * n +
		(size_t) s->k * (n + 1);
}

static ml_status
allocate(ml_kmeans *s, ml_error *err)
{
	const ml_ctx *ctx = &s->ctx;
	size_t		rows = s->design->rows;
	size_t		n = s->design->n_terms;
	size_t		cells = s->k * n;
	double		bytes = (double) rows * (3 * sizeof(double) + sizeof(int32_t)) +
		(double) (numbers_of_groups(s) + 2 * cells + 3 * (size_t) s->k) * sizeof(double);
	ml_status	status = ml_check_memory(ctx, bytes, "the bounds of the rows and the sums of the clusters", err);

	if (status != ML_OK)
		return status;
	s->centres = ml_alloc(ctx, cells + 1, sizeof(double));
	s->best = ml_alloc_zero(ctx, cells + 1, sizeof(double));
	s->half_gap = ml_alloc(ctx, 3 * (size_t) s->k, sizeof(double));
	s->nearest = ml_alloc_zero(ctx, rows, sizeof(int32_t));
	s->upper = ml_alloc(ctx, 3 * rows, sizeof(double));
	s->sums = ml_alloc(ctx, numbers_of_groups(s), sizeof(double));
	if (s->centres == NULL || s->best == NULL || s->half_gap == NULL || s->nearest == NULL || s->upper == NULL ||
		s->sums == NULL)
		return ml_no_memory(err);
	s->set = (ml_centre_set) {s->centres, s->k, n};
	s->moved = s->seen = s->half_gap + s->k;
	s->best_sizes = s->moved + s->k;
	s->lower = s->upper + rows;
	s->away = s->lower + rows;
	s->weights = s->sums + s->n_groups * cells;
	s->totals = s->weights + (size_t) s->n_groups * s->k;
	s->counts = s->totals + s->n_groups;
	s->blocks = s->counts + (size_t) s->n_groups * s->k;
	s->moving = s->blocks + s->n_groups * ML_NEAREST_ROWS * n;
	s->left = s->moving + n;
	s->candidate_rows = s->left + s->n_groups * ML_KMEANS_CANDIDATES;
	s->candidates = (ml_centre_set) {s->candidate_rows, 0, n};
	s->screen.origin = s->mean = s->candidate_rows + ML_KMEANS_CANDIDATES * n;
	s->screen.centres = s->mean + n;
	s->screen.half = s->screen.centres + cells;
	memset(s->moving, 0, n * sizeof(double));
	return ML_OK;
}

static ml_status
kmeans_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	ml_kmeans  *s = ml_alloc_zero(ctx, 1, sizeof(ml_kmeans));
	const ml_design *d = input->design;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->design = d;
	s->k = (int) params[PARAM_N_CLUSTERS];
	s->n_init = (int) params[PARAM_N_INIT];
	s->max_iter = (int) params[PARAM_MAX_ITER];
	s->plus_plus = (int) params[PARAM_INIT] == INIT_PLUS_PLUS;
	s->batch = (size_t) params[PARAM_BATCH_SIZE] < d->rows ? (size_t) params[PARAM_BATCH_SIZE] : 0;
	s->patience = (int) params[PARAM_MAX_NO_IMPROVEMENT];
	s->tol = params[PARAM_TOL];
	s->active = d->rows;
	s->best_inertia = INFINITY;
	if ((size_t) s->k > d->rows)
		return ml_fail(err, ML_BAD_DATA, "Lower the parameter \"n_clusters\".", "there are %zu rows for %d clusters", d->rows, s->k);
	s->n_groups = (int) ((d->rows + RANGE - 1) / RANGE);
	s->n_groups = s->n_groups > MAX_GROUPS ? MAX_GROUPS : s->n_groups;
	return allocate(s, err);
}

/* ---- the variance ------------------------------------------------------------------------------------------------- */

/* Of the rows of a group the weight and the sums of the terms; once there is a mean, of the squares about it. */
static void
variance_group(void *arg, int group)
{
	ml_kmeans  *s = arg;
	int			n = s->design->n_terms;
	double	   *sums = s->sums + (size_t) group * s->k * n;
	size_t		first;
	size_t		end;

	ml_kmeans_group_rows(s, group, &first, &end);
	s->totals[group] = 0;
	memset(sums, 0, n * sizeof(double));
	for (size_t i = first; i < end; i++)
	{
		double		here = ml_kmeans_weight(s, i);
		const double *x = ml_kmeans_row(s, i);

		s->totals[group] += here;
		for (int j = 0; j < n; j++)
			sums[j] += s->has_mean ? here * (x[j] - s->moving[j]) * (x[j] - s->moving[j]) : here * x[j];
	}
}

/* Two passes; after the second, tol is that of the mean over the terms of their variances. */
static bool
measure_variance(ml_kmeans *s)
{
	int			n = s->design->n_terms;
	double		squares = 0;

	if (!ml_kmeans_some_groups(s, n, variance_group))
		return false;
	for (int group = 0; group < s->n_groups; group++)
		for (int j = 0; j < n; j++)
			*(s->has_mean ? &squares : s->moving + j) += s->sums[(size_t) group * s->k * n + j];
	if (!s->has_mean)
	{
		s->total = ml_kmeans_add_totals(s);
		for (int j = 0; j < n; j++)
			s->moving[j] /= s->total;
		memcpy(s->mean, s->moving, n * sizeof(double));
		s->has_mean = true;
		return false;
	}
	s->tol *= n > 0 ? squares / s->total / n : 0;
	return true;
}

/* ---- the end of a start ------------------------------------------------------------------------------------------- */

/* Compares all rows of a group with all centres, and adds up their squared distances. */
static void
inertia_group(void *arg, int group)
{
	ml_kmeans  *s = arg;
	size_t		first;
	size_t		end;
	double		total = 0;

	ml_kmeans_group_rows(s, group, &first, &end);
	for (size_t start = first; start < end; start += ML_KMEANS_STRIP)
	{
		size_t		rows[ML_KMEANS_STRIP];
		size_t		count = ml_kmeans_list_rows(start, end - start < ML_KMEANS_STRIP ? end : start + ML_KMEANS_STRIP, rows);

		ml_kmeans_compare(s, group, rows, count);
		for (size_t i = start; i < start + count; i++)
			total += ml_kmeans_weight(s, i) * s->upper[i] * s->upper[i];
	}
	s->totals[group] = total;
}

/* Measures the start and keeps it if it is the best so far. */
static bool
measure_start(ml_kmeans *s)
{
	double		inertia;

	s->active = s->design->rows;
	if (!ml_kmeans_some_groups(s, (double) s->design->n_terms * s->k, inertia_group))
		return false;
	inertia = ml_kmeans_add_totals(s);
	if (inertia < s->best_inertia)
	{
		s->best_inertia = inertia;
		s->best_rounds = s->round;
		s->best_converged = s->converged;
		memcpy(s->best, s->centres, (size_t) s->k * s->design->n_terms * sizeof(double));
		memset(s->best_sizes, 0, s->k * sizeof(double));
		for (size_t i = 0; i < s->design->rows; i++)
			s->best_sizes[s->nearest[i]] += ml_kmeans_weight(s, i);
	}
	s->start++;
	return true;
}

/* ---- steps -------------------------------------------------------------------------------------------------------- */

/* The centres have been chosen, or moved by a round. */
static ml_kmeans_phase
after_round(ml_kmeans *s)
{
	double		way = ml_kmeans_move_centres(s);

	s->round++;
	s->converged = way <= s->tol;
	return s->converged || s->round >= s->max_iter ? ML_KMEANS_MEASURE : ML_KMEANS_GAPS;
}

static void
do_step(ml_kmeans *s)
{
	switch (s->phase)
	{
		case ML_KMEANS_VARIANCE:
			if (measure_variance(s))
				begin_start(s);
			break;
		case ML_KMEANS_CHOOSE:
			if (ml_kmeans_choose(s))
				s->phase = s->batch > 0 ? ML_KMEANS_BATCHES : ML_KMEANS_GAPS;
			break;
		case ML_KMEANS_GAPS:
			if (ml_kmeans_measure_gaps(s))
				s->phase = ML_KMEANS_ASSIGN;
			break;
		case ML_KMEANS_ASSIGN:
			if (ml_kmeans_assign(s))
				s->phase = after_round(s);
			break;
		case ML_KMEANS_BATCHES:
			if (ml_kmeans_do_batches(s))
				s->phase = ML_KMEANS_MEASURE;
			break;
		case ML_KMEANS_MEASURE:
			if (measure_start(s))
				begin_start(s);
			break;
	}
}

static ml_status
kmeans_step(void *state, ml_progress *progress, ml_error *err)
{
	ml_kmeans  *s = state;

	do_step(s);
	progress->iteration = s->round;
	progress->share = ((double) s->start + 0.5 * s->chosen / s->k + 0.5 * (double) s->round / s->max_iter) / s->n_init;
	if (isfinite(s->best_inertia))
		progress->loss = s->best_inertia;
	if (s->start < s->n_init)
		return ML_MORE;
	progress->iteration = s->best_rounds;
	progress->share = 1;
	if (!isfinite(s->best_inertia))
		return ml_fail(err, ML_BAD_DATA, "Scale the features.", "the distances of the rows overflow");
	return ML_DONE;
}

/* ---- models ------------------------------------------------------------------------------------------------------- */

static ml_status
report_fit(const ml_kmeans *s, ml_report *report, ml_error *err)
{
	ml_report_matrix *added;
	ml_status	status = ml_report_init(&s->ctx, report, 0, err);

	if (status == ML_OK)
		status = ml_report_array(&s->ctx, report, "cluster_centers", s->best, s->k, s->design->n_terms, &added, err);
	if (status != ML_OK)
		return status;
	added->columns_are_terms = true;
	report->iterations = s->best_rounds;
	report->converged = s->best_converged;
	for (int c = 0; c < s->k; c++)
		report->n_empty += s->best_sizes[c] == 0;
	ml_report_fact(report, "inertia", s->best_inertia);
	return ml_report_array(&s->ctx, report, "cluster_sizes", s->best_sizes, s->k, 1, NULL, err);
}

static ml_status
kmeans_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	ml_kmeans  *s = state;
	ml_centres *centres = ml_centres_new(&s->ctx, s->design->n_terms, s->k);
	ml_status	status;

	if (centres == NULL)
		return ml_no_memory(err);
	memcpy(centres->centres, s->best, (size_t) s->k * s->design->n_terms * sizeof(double));
	status = ml_model_set_predictor(model, &ml_centres_class, centres, err);
	return status == ML_OK && report != NULL ? report_fit(s, report, err) : status;
}

static void
kmeans_end(void *state)
{
	ml_kmeans  *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_free(&ctx, s->centres);
	ml_free(&ctx, s->best);
	ml_free(&ctx, s->half_gap);
	ml_free(&ctx, s->nearest);
	ml_free(&ctx, s->upper);
	ml_free(&ctx, s->sums);
	ml_free(&ctx, s);
}

const double *
ml_kmeans_centres(const void *state)
{
	return ((const ml_kmeans *) state)->best;
}

const int32_t *
ml_kmeans_nearest(const void *state)
{
	return ((const ml_kmeans *) state)->nearest;
}

const ml_estimator ml_estimator_kmeans = {
	.name = "kmeans", .tasks = ML_TASK_BIT(ML_CLUSTERING), .form = ML_FORM_ROWS,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs,
	.begin = kmeans_begin, .step = kmeans_step, .finish = kmeans_finish, .end = kmeans_end
};
