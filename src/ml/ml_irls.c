/*
 * ml_irls.c: Newton's method (iteratively reweighted least squares) for generalised linear models: phases and rounds.
 *
 * A fit of a tenth of the rows comes first, of all ranges alike: as the order is by hash it is a fair sample.  It starts the rounds over
 * all rows so near the end that two or three of them do, each of which squares the error.  A step that does not improve
 * the loss is halved.
 *
 * Where the link is not the family's own, steps with the expected Hessian take only a share of the error away.  They lead near the end,
 * safely; there the Hessian itself takes over.
 */
#include "ml/ml_irls_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_parallel.h"

#define SAMPLE_ROUNDS 10
#define MAX_HALVINGS 40
#define NULL_ROUNDS 60
#define NEAR 1e-3				/* gain of a row's mean loss from which the second derivatives themselves are used */
#define LINEAR 1e-8				/* share of tol where steps take only a share of the error away */
#define SLOW 0.2				/* share of the gain before that a step still has where classes can be told apart */

/* The penalties at the current coefficients. */
static double
penalties(const ml_irls *l)
{
	double		sizes = 0;

	for (int t = 0; t < l->fit.n_terms && l->l1 > 0; t++)
		sizes += fabs(l->b[t]);
	return l->scale * (l->l1 * sizes + l->l2 / 2 * ml_dot(l->b, l->b, l->fit.n_terms));
}

static void
start_round(ml_irls *l)
{
	l->next_range = 0;
	ml_irls_clear_sums(l, &l->total);
	for (int level = 0; level < l->layout.shape.n_levels; level++)
		l->level_b[level] = l->layout.level_term[level] >= 0 ? l->b[l->layout.level_term[level]] : 0;
}

void
ml_irls_start_phase(ml_irls *l, ml_irls_phase phase)
{
	l->phase = phase;
	l->rounds = 0;
	l->halvings = 0;
	l->observed = false;
	l->objective = INFINITY;
	l->last_gain = phase == ML_IRLS_LAST_HESSIAN ? l->last_gain : INFINITY;
	l->scale = phase == ML_IRLS_ON_SAMPLE ? l->sample_share : 1;
	start_round(l);
}

/* No coefficients but the intercept that was found; where that stands for no mean, from the targets. */
static void
start_from_null(ml_irls *l)
{
	memset(l->b, 0, l->fit.n_terms * sizeof(double));
	l->b0 = l->start0;
	/* As R's glm starts: one step from there is near the end, where from the mean of the targets it may be far. */
	l->from_target = !isfinite(l->null_objective) || (l->params.family.kind != ML_FAMILY_BINOMIAL && !l->target_failed);
	if (l->from_target)
		l->b0 = 0;
}

static void
note_solution(ml_irls *l)
{
	ml_untangle_to_terms(&l->untangle, l->b, l->b0, l->fit.coefficients, &l->fit.intercept);
	for (int k = 0; k < l->matrix->n_offsets; k++)
		l->fit.coefficients[l->fit.n_terms + k] = 1;
	l->fit.rows = l->total.rows;
	l->fit.weight = l->total.weight;
	l->fit.loss = l->total.loss;
	l->fit.objective = l->total.loss + penalties(l);
}

/* Goes half way back; false: there is nowhere left to go. */
static bool
halve_step(ml_irls *l)
{
	if (l->halvings++ >= MAX_HALVINGS)
		return false;
	for (int t = 0; t < l->fit.n_terms; t++)
		l->b[t] = 0.5 * (l->b[t] + l->before[t]);
	l->b0 = 0.5 * (l->b0 + l->before0);
	return true;
}

/* What to do when a phase has found its minimum. */
static ml_status
end_phase(ml_irls *l, bool converged)
{
	if (l->phase == ML_IRLS_ON_SAMPLE)
	{
		ml_irls_start_phase(l, ML_IRLS_ON_ALL);
		return ML_MORE;
	}
	note_solution(l);
	l->fit.converged = converged;
	if (!l->penalised)
	{
		double		none;

		ml_untangle_to_terms(&l->untangle, l->step, 0, l->term_step, &none);
		ml_irls_start_phase(l, ML_IRLS_LAST_HESSIAN);
		return ML_MORE;
	}
	l->phase = ML_IRLS_FINISHED;
	return ML_DONE;
}

/* The intercept alone: Newton's method in one number. */
static ml_status
end_null_round(ml_irls *l)
{
	double		step = l->params.fit_intercept && l->total.curvature > 0 ? l->total.residual / l->total.curvature : 0;
	bool		worse = !(l->total.loss <= l->objective + 1e-12 * fabs(l->objective));

	l->rounds++;
	if (worse && isfinite(l->objective))
	{
		if (halve_step(l) && l->rounds < NULL_ROUNDS)
		{
			start_round(l);
			return ML_MORE;
		}
		l->b0 = l->before0;
	}
	else
	{
		l->objective = l->total.loss;
		l->halvings = 0;
		l->before0 = l->b0;
		if (isfinite(l->objective) && step * l->total.residual > 1e-20 * l->total.weight && l->rounds < NULL_ROUNDS)
		{
			l->b0 += step;
			start_round(l);
			return ML_MORE;
		}
	}
	l->fit.null_loss = isfinite(l->objective) ? l->objective : NAN;
	l->null_objective = l->objective / l->total.weight;
	l->start0 = l->b0;
	start_from_null(l);
	ml_irls_start_phase(l, l->sample_share > 0 ? ML_IRLS_ON_SAMPLE : ML_IRLS_ON_ALL);
	return ML_MORE;
}

static ml_status
separated(ml_error *err)
{
	return ml_fail(err, ML_NOT_CONVERGED, "Use a penalty, or leave out the features that tell the classes apart.",
				   "the classes can be told apart without error, at least for some values of the features, so coefficients "
				   "without a penalty have no finite value");
}

/* All rows of the phase have been summed up at the current coefficients. */
static ml_status
end_round(ml_irls *l, ml_error *err)
{
	double		objective = l->from_target ? INFINITY : l->total.loss + penalties(l);
	double		tol = l->phase == ML_IRLS_ON_SAMPLE ? 1e-6 : l->params.tol;
	bool		two_classes = l->params.family.kind == ML_FAMILY_BINOMIAL;
	bool		exact = l->phase != ML_IRLS_ON_ALL || l->observed || ml_family_is_canonical(&l->params.family);
	double		improvement = 0;
	ml_status	status;

	tol *= l->total.expected > 0 ? LINEAR : 1;
	if (l->phase == ML_IRLS_ON_NULL)
		return end_null_round(l);
	if (l->phase == ML_IRLS_LAST_HESSIAN)
	{
		l->phase = ML_IRLS_FINISHED;
		status = ml_irls_describe_fit(l, err);
		return status == ML_OK ? ML_DONE : status;
	}
	l->rounds++;
	if (l->phase == ML_IRLS_ON_ALL)
		l->fit.iterations++;
	/* A start worse than no model at all comes from a sample that misleads. */
	if ((l->after_target || (l->phase == ML_IRLS_ON_ALL && l->rounds == 1)) && !l->from_target && isfinite(l->null_objective) &&
		!(objective <= l->total.weight * l->null_objective * 1.000001))
	{
		l->target_failed |= l->after_target;
		l->after_target = false;
		start_from_null(l);
		start_round(l);
		return ML_MORE;
	}
	if (!l->from_target && !(objective <= l->objective + 1e-12 * fabs(l->objective) && isfinite(objective)))
	{
		if (!halve_step(l))
			return isfinite(l->objective) || l->phase == ML_IRLS_ON_SAMPLE ? end_phase(l, false) :
				ml_fail(err, ML_NOT_CONVERGED, "Use another link, or scale the features.", "no coefficients were found whose means are all possible");
		start_round(l);
		return ML_MORE;
	}
	if (!l->penalised && l->phase == ML_IRLS_ON_ALL && two_classes && l->total.loss < 1e-6 * l->total.weight)
		return separated(err);
	l->objective = objective;
	l->halvings = 0;
	status = ml_irls_newton_step(l, &improvement, err);
	if (status == ML_MORE)
		start_round(l);
	if (status != ML_OK)
		return status;
	if (improvement <= tol * l->total.weight && !l->from_target && exact)
	{
		/* Newton's method squares its error, unless the minimum lies at infinity: then each step gains a fixed share. */
		if (l->phase == ML_IRLS_ON_ALL && !l->penalised && two_classes && improvement > SLOW * l->last_gain)
			return separated(err);
		return end_phase(l, true);
	}
	l->observed |= !exact && !l->from_target && improvement <= NEAR * l->total.weight;
	l->after_target = l->from_target;
	l->from_target = false;
	l->last_gain = improvement;
	if (l->rounds >= (l->phase == ML_IRLS_ON_SAMPLE ? SAMPLE_ROUNDS : l->params.max_iter))
		return end_phase(l, false);
	start_round(l);
	return ML_MORE;
}

ml_status
ml_irls_step(ml_irls *l, double *progress, ml_error *err)
{
	int			count = 0;

	*progress = 1;
	if (l->phase == ML_IRLS_FINISHED)
		return ML_DONE;
	l->batch_range = l->next_range;
	for (; count < ML_IRLS_BATCH && l->next_range < l->n_ranges; count++)
		l->next_range++;
	ml_parallel(&l->ctx, count, ml_irls_do_range, l);
	for (int i = 0; i < count; i++)
		ml_irls_add_sums(l, &l->total, &l->part[i]);
	*progress = (l->fit.iterations + (double) l->next_range / l->n_ranges) / (l->fit.iterations + 3);
	return l->next_range < l->n_ranges ? ML_MORE : end_round(l, err);
}

const ml_irls_fit *
ml_irls_result(const ml_irls *l)
{
	return &l->fit;
}
