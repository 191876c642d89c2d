/*
 * ml_family.h: what a generalised linear model says of a row: its loss, and how the loss changes with the linear predictor.
 *
 * The linear predictor is eta = b0 + x b (+ offset), the mean mu = g^-1(eta) for a link g, the variance of a row
 * phi V(mu) / weight.  The loss is half the deviance (McCullagh, Nelder 1989, chapter 2); for two classes it is the log
 * loss.  V(mu) = mu^power is the Tweedie family: 0 normal, 1 Poisson, between 1 and 2 compound Poisson-gamma, 2 gamma,
 * 3 inverse Gaussian (Jorgensen 1987).
 */
#ifndef ML_FAMILY_H
#define ML_FAMILY_H

#include "ml/ml_matrix.h"

typedef enum ml_family_kind
{
	ML_FAMILY_BINOMIAL = 1,		/* two classes, link logit */
	ML_FAMILY_TWEEDIE			/* V(mu) = mu^power */
} ml_family_kind;

typedef enum ml_glm_link
{
	ML_GLM_IDENTITY = 0,		/* eta = mu */
	ML_GLM_LOG,					/* eta = log mu */
	ML_GLM_INVERSE,				/* eta = 1 / mu */
	ML_GLM_SQRT,				/* eta = sqrt mu, eta > 0 */
	ML_GLM_INVERSE_SQUARED		/* eta = 1 / mu^2 */
} ml_glm_link;

typedef struct ml_family
{
	ml_family_kind kind;
	double		power;			/* Tweedie: at most 0 or at least 1 */
	ml_glm_link link;			/* Tweedie */
	const double *class_weights;	/* binomial: (2), or NULL; they multiply the weights of rows */
} ml_family;

/* Sums over rows at the solution. */
typedef struct ml_family_sums
{
	double		pearson;		/* w (y - mu)^2 / V(mu) */
	double		log_weight;		/* log w, of rows with w > 0 */
	double		log_target;		/* w log y (inverse Gaussian) */
	double		log_likelihood; /* Poisson: the whole; gamma: with shape as given */
	bool		whole;			/* every target is an integer, as the Poisson likelihood needs */
} ml_family_sums;

/*
 * For rows first … first + n - 1 of the matrix (n <= 64) with linear predictors eta: residual (n) is minus the derivative of
 * the row's loss, curvature (n) its expected second derivative, both times the weight.  Returns the sum of weighted
 * losses, INFINITY if an eta stands for no mean.
 */
extern double ml_family_respond(const ml_family *f, const ml_matrix *m, size_t first, size_t n, const double *eta,
								double *residual, double *curvature);

/* Whether the expected second derivative is the second derivative itself: the link is that of the family. */
extern bool ml_family_is_canonical(const ml_family *f);

/* Turns the curvatures of such rows into the second derivatives themselves; returns how many stay, since theirs is not above 0. */
extern int	ml_family_observe(const ml_family *f, const ml_matrix *m, size_t first, size_t n, const double *eta, double *curvature);

/* Linear predictors of means that the targets themselves suggest, as R's glm starts. */
extern void ml_family_start(const ml_family *f, const ml_matrix *m, size_t first, size_t n, double *eta);

/* Adds the rows to sums, dispersion being deviance / weight, for the likelihood of a gamma. */
extern void ml_family_measure(const ml_family *f, const ml_matrix *m, size_t first, size_t n, const double *eta,
							  double dispersion, ml_family_sums *sums);

/* Signed roots of the deviances of rows. */
extern void ml_family_residuals(const ml_family *f, const ml_matrix *m, size_t first, size_t n, const double *eta,
								double *residuals);

extern double ml_glm_eta(ml_glm_link link, double mu);
extern double ml_glm_mean(ml_glm_link link, double eta);	/* NaN: none */

/* Half the deviance of a target from its mean in the Tweedie family of this power. */
extern double ml_half_deviance(double power, double y, double mu);

/* Whether the family has such a target; what it may be is said in words. */
extern bool ml_family_takes(const ml_family *f, double y);
extern const char *ml_family_domain(const ml_family *f);

/* The weight of a row, with that of its class. */
static inline double
ml_family_weight(const ml_family *f, const ml_matrix *m, size_t row)
{
	double		weight = m->weights ? m->weights[row] : 1;

	return f->class_weights ? weight * f->class_weights[m->labels[row]] : weight;
}

#endif							/* ML_FAMILY_H */
