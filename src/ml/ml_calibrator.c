/*
 * ml_calibrator.c: calibrated probabilities.
 */
#include "ml/ml_calibrator.h"

#include <math.h>

#include "ml/ml_isotonic.h"
#include "ml/ml_platt.h"

#define LEAST_PROBABILITY 1e-300	/* whose log odds are finite … */
#define LEAST_REST 0x1p-53		/* … and so are those of 1 less this */

/* With its arrays in the same block. */
static ml_calibrator *
calibrator_new(const ml_ctx *ctx, ml_calibration method, bool log_odds, int n_maps, size_t n_knots)
{
	size_t		head = (sizeof(ml_calibrator) + 63) / 64 * 64;
	size_t		sigmoids = 2 * (size_t) n_maps * sizeof(double);
	size_t		starts = ((size_t) n_maps + 1) * sizeof(size_t);
	char	   *block = ml_alloc_zero(ctx, head + sigmoids + starts + 2 * n_knots * sizeof(double), 1);
	ml_calibrator *c = (ml_calibrator *) block;

	if (block == NULL)
		return NULL;
	c->method = method;
	c->log_odds = log_odds;
	c->n_maps = n_maps;
	c->sigmoids = (double *) (block + head);
	c->starts = (size_t *) (block + head + sigmoids);
	c->x = (double *) (block + head + sigmoids + starts);
	c->y = c->x + n_knots;
	return c;
}

void
ml_calibrator_free(const ml_ctx *ctx, ml_calibrator *calibrator)
{
	ml_free(ctx, calibrator);
}

static double
map_input(bool log_odds, double probability)
{
	return log_odds ? log(fmax(probability, LEAST_PROBABILITY)) - log(fmax(1 - probability, LEAST_REST)) : probability;
}

/* ---- fitting ------------------------------------------------------------------------------------------------------ */

typedef struct fitting
{
	const ml_ctx *ctx;
	bool		log_odds;
	const double *predictions;	/* (n, n_classes) */
	const int32_t *labels;
	const double *weights;
	size_t		n;
	int			n_classes;
} fitting;

static ml_status
fit_sigmoid(const fitting *f, int class, double *sigmoid, ml_error *err)
{
	double	   *inputs = ml_alloc(f->ctx, f->n + 1, sizeof(double));
	bool	   *positive = ml_alloc(f->ctx, f->n + 1, sizeof(bool));
	ml_status	status = inputs != NULL && positive != NULL ? ML_OK : ml_no_memory(err);

	for (size_t i = 0; i < f->n && status == ML_OK; i++)
	{
		inputs[i] = map_input(f->log_odds, f->predictions[i * f->n_classes + class]);
		positive[i] = f->labels[i] == class;
	}
	if (status == ML_OK && !ml_platt_fit(f->ctx, inputs, positive, f->weights, f->n, &sigmoid[0], &sigmoid[1]))
		status = ml_fail(err, ML_CANCELLED, NULL, "cancelled");
	ml_free(f->ctx, inputs);
	ml_free(f->ctx, positive);
	return status;
}

static ml_status
fit_isotonic(const fitting *f, int class, ml_isotonic *fit, ml_error *err)
{
	if (!ml_isotonic_init(f->ctx, fit, f->n))
		return ml_no_memory(err);
	for (size_t i = 0; i < f->n; i++)
		fit->points[i] = (ml_isotonic_point) {map_input(f->log_odds, f->predictions[i * f->n_classes + class]),
			f->labels[i] == class, f->weights ? f->weights[i] : 1};
	do
		if (ml_is_cancelled(f->ctx))
			return ml_fail(err, ML_CANCELLED, NULL, "cancelled");
	while (!ml_isotonic_step(fit));
	return ML_OK;
}

static ml_status
fit_isotonics(const fitting *f, int n_maps, ml_calibrator **calibrator, ml_error *err)
{
	ml_isotonic *fits = ml_alloc_zero(f->ctx, n_maps, sizeof(ml_isotonic));
	ml_status	status = fits != NULL ? ML_OK : ml_no_memory(err);
	size_t		knots = 0;

	for (int m = 0; m < n_maps && status == ML_OK; m++)
	{
		status = fit_isotonic(f, n_maps == 1 ? 1 : m, &fits[m], err);
		knots += fits[m].n_knots;
	}
	if (status == ML_OK)
	{
		*calibrator = calibrator_new(f->ctx, ML_CALIBRATE_ISOTONIC, f->log_odds, n_maps, knots);
		status = *calibrator != NULL ? ML_OK : ml_no_memory(err);
	}
	for (int m = 0; m < n_maps && status == ML_OK; m++)
	{
		ml_calibrator *c = *calibrator;

		c->starts[m + 1] = c->starts[m] + fits[m].n_knots;
		for (size_t i = 0; i < fits[m].n_knots; i++)
		{
			c->x[c->starts[m] + i] = fits[m].points[i].x;
			c->y[c->starts[m] + i] = fits[m].points[i].y;
		}
	}
	for (int m = 0; m < n_maps && fits != NULL; m++)
		ml_isotonic_free(f->ctx, &fits[m]);
	ml_free(f->ctx, fits);
	return status;
}

ml_status
ml_calibrator_fit(const ml_ctx *ctx, ml_calibration method, bool log_odds, const double *predictions, const int32_t *labels,
				  const double *weights, size_t n, int n_classes, ml_calibrator **calibrator, ml_error *err)
{
	fitting		f = {ctx, log_odds, predictions, labels, weights, n, n_classes};
	int			n_maps = n_classes == 2 ? 1 : n_classes;
	ml_status	status = ML_OK;

	*calibrator = NULL;
	if (method == ML_CALIBRATE_ISOTONIC)
		return fit_isotonics(&f, n_maps, calibrator, err);
	*calibrator = calibrator_new(ctx, method, log_odds, n_maps, 0);
	if (*calibrator == NULL)
		return ml_no_memory(err);
	for (int m = 0; m < n_maps && status == ML_OK; m++)
		status = fit_sigmoid(&f, n_maps == 1 ? 1 : m, (*calibrator)->sigmoids + 2 * m, err);
	return status;
}

/* ---- applying ----------------------------------------------------------------------------------------------------- */

static double
map_value(const ml_calibrator *c, int map, double probability)
{
	double		input = map_input(c->log_odds, probability);
	size_t		first = c->starts[map];

	if (c->method == ML_CALIBRATE_SIGMOID)
		return ml_platt_probability(input, c->sigmoids[2 * map], c->sigmoids[2 * map + 1]);
	return ml_isotonic_value(c->x + first, c->y + first, c->starts[map + 1] - first, input);
}

void
ml_calibrator_apply(const ml_calibrator *c, int n_classes, double *probabilities)
{
	double		sum = 0;

	if (n_classes == 2)
	{
		probabilities[1] = map_value(c, 0, probabilities[1]);
		probabilities[0] = 1 - probabilities[1];
		return;
	}
	for (int k = 0; k < n_classes; k++)
		sum += probabilities[k] = map_value(c, k, probabilities[k]);
	for (int k = 0; k < n_classes; k++)
		probabilities[k] = sum > 0 ? probabilities[k] / sum : 1.0 / n_classes;
}

/* ---- storing ------------------------------------------------------------------------------------------------------ */

void
ml_calibrator_save(const ml_calibrator *c, ml_writer *w)
{
	ml_put_u8(w, (uint8_t) c->method);
	ml_put_u8(w, c->log_odds);
	ml_put_doubles(w, c->sigmoids, 2 * (size_t) c->n_maps);
	for (int m = 0; m < c->n_maps; m++)
		ml_put_u32(w, (uint32_t) (c->starts[m + 1] - c->starts[m]));
	ml_put_doubles(w, c->x, c->starts[c->n_maps]);
	ml_put_doubles(w, c->y, c->starts[c->n_maps]);
}

static bool
is_sound(const ml_calibrator *c)
{
	for (int i = 0; i < 2 * c->n_maps; i++)
		if (!isfinite(c->sigmoids[i]))
			return false;
	for (int m = 0; m < c->n_maps; m++)
		for (size_t i = c->starts[m]; i < c->starts[m + 1]; i++)
			if (!isfinite(c->x[i]) || !(c->y[i] >= 0 && c->y[i] <= 1) || (i > c->starts[m] && !(c->x[i] > c->x[i - 1])))
				return false;
	return true;
}

ml_status
ml_calibrator_load(const ml_ctx *ctx, ml_reader *r, int n_classes, ml_calibrator **calibrator)
{
	uint8_t		method = ml_get_u8(r);
	bool		log_odds = ml_get_u8(r) != 0;
	int			n_maps = n_classes == 2 ? 1 : n_classes;
	ml_reader	counts = *r;	/* the numbers of knots come after the sigmoids */
	size_t		knots = 0;
	ml_calibrator *c;

	*calibrator = NULL;
	ml_get_bytes(&counts, 2 * sizeof(double) * n_maps);
	for (int m = 0; m < n_maps && !counts.failed; m++)
	{
		uint32_t	count = ml_get_u32(&counts);

		knots += count;
		if (count > (counts.length - counts.at) / (2 * sizeof(double)) || (count == 0) != (method == ML_CALIBRATE_SIGMOID))
			counts.failed = true;
	}
	if (counts.failed || method < ML_CALIBRATE_SIGMOID || method > ML_CALIBRATE_ISOTONIC || n_classes < 2 ||
		knots > (counts.length - counts.at) / (2 * sizeof(double)))
		return ML_BAD_MODEL;
	*calibrator = c = calibrator_new(ctx, method, log_odds, n_maps, knots);
	if (c == NULL)
		return ML_NO_MEMORY;
	ml_get_doubles(r, c->sigmoids, 2 * (size_t) n_maps);
	for (int m = 0; m < n_maps; m++)
		c->starts[m + 1] = c->starts[m] + ml_get_u32(r);
	ml_get_doubles(r, c->x, knots);
	ml_get_doubles(r, c->y, knots);
	return !r->failed && is_sound(c) ? ML_OK : ML_BAD_MODEL;
}
