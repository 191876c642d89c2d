/*
 * test_ml_calibrator.c: isotonic regression and Platt's sigmoid against scikit-learn (golden/calibration_reference.py);
 * calibrators of two and more classes: probabilities, saved and loaded, without memory, from damaged bytes.
 */
#include "unit.h"
#include "alloc_fail.h"

#include <math.h>

#include "ml/ml_calibrator.h"
#include "ml/ml_isotonic.h"
#include "ml/ml_platt.h"

enum
{
	MOST = 400
};

typedef struct golden
{
	int			n;
	char		kind[16];
	double		x[MOST];
	double		y[MOST];
	double		weight[MOST];
	double		value[MOST];
	double		moved[MOST];
} golden;

static void
check_isotonic(const golden *c, int no)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_isotonic fit;
	double		worst = 0;
	double		x[2 * MOST];
	double		y[2 * MOST];

	ml_isotonic_init(&ctx, &fit, c->n);
	fit.falling = strcmp(c->kind, "falling") == 0;
	for (int i = 0; i < c->n; i++)
		fit.points[i] = (ml_isotonic_point) {c->x[i], c->y[i], c->weight[i]};
	while (!ml_isotonic_step(&fit))
		;
	for (size_t i = 0; i < fit.n_knots; i++)
	{
		x[i] = fit.points[i].x;
		y[i] = fit.points[i].y;
	}
	for (int i = 0; i < c->n; i++)
	{
		worst = fmax(worst, fabs(ml_isotonic_value(x, y, fit.n_knots, c->x[i]) - c->value[i]));
		worst = fmax(worst, fabs(ml_isotonic_value(x, y, fit.n_knots, c->x[i] + 0.013) - c->moved[i]));
	}
	unit_ok(worst < 1e-12, "isotonic case %d, %s, %d points: within %g of scikit-learn", no, c->kind, c->n, worst);
	ml_isotonic_free(&ctx, &fit);
}

static void
check_sigmoid(const golden *c, int no)
{
	bool		positive[MOST];
	double		a;
	double		b;
	double		worst = 0;

	for (int i = 0; i < c->n; i++)
		positive[i] = c->y[i] > 0.5;
	ml_platt_fit(NULL, c->x, positive, c->weight, c->n, &a, &b);
	for (int i = 0; i < c->n; i++)
	{
		worst = fmax(worst, fabs(ml_platt_probability(c->x[i], a, b) - c->value[i]));
		worst = fmax(worst, fabs(ml_platt_probability(c->x[i] + 0.013, a, b) - c->moved[i]));
	}
	unit_ok(worst < 1e-5, "sigmoid case %d, %d points: within 1e-5 of scikit-learn", no, c->n);
}

static void
test_golden(void)
{
	static golden c;
	FILE	   *file = fopen("test/golden/calibration_cases.csv", "r");
	char		line[512];
	int			before = 1;
	int			cases = 0;
	bool		more = true;

	if (!unit_ok(file != NULL, "golden cases are there") || fgets(line, sizeof(line), file) == NULL)
		return;
	while (more)
	{
		int			no = 0;
		char		kind[16];
		double		v[5];

		more = fgets(line, sizeof(line), file) != NULL &&
			sscanf(line, "%d,%15[^,],%lf,%lf,%lf,%lf,%lf", &no, kind, &v[0], &v[1], &v[2], &v[3], &v[4]) == 7;
		if (!more || no != before)
		{
			(strcmp(c.kind, "sigmoid") == 0 ? check_sigmoid : check_isotonic) (&c, before);
			cases++;
			c.n = 0;
			before = no;
		}
		if (more && c.n < MOST)
		{
			strcpy(c.kind, kind);
			c.x[c.n] = v[0];
			c.y[c.n] = v[1];
			c.weight[c.n] = v[2];
			c.value[c.n] = v[3];
			c.moved[c.n++] = v[4];
		}
	}
	fclose(file);
	unit_int(cases, 16, "all cases");
}

static double predictions[MOST * 3];
static int32_t labels[MOST];

static void
make_predictions(int k)
{
	uint32_t	state = 5;

	for (int i = 0; i < MOST; i++)
	{
		double		sum = 0;

		for (int c = 0; c < k; c++)
		{
			state = state * 1664525 + 1013904223;
			sum += predictions[i * k + c] = (state >> 8) / 16777216.0;
		}
		for (int c = 0; c < k; c++)
			predictions[i * k + c] /= sum;
		state = state * 1664525 + 1013904223;
		labels[i] = predictions[i * k] > (state >> 8) / 16777216.0 ? 0 : k == 2 ? 1 : 1 + i % 2;
	}
}

typedef struct fit_case
{
	ml_calibration method;
	bool		log_odds;
	int			k;
} fit_case;

static ml_status
fit_and_free(const ml_ctx *ctx, void *arg, ml_error *err)
{
	const fit_case *f = arg;
	ml_calibrator *c;
	ml_status	status = ml_calibrator_fit(ctx, f->method, f->log_odds, predictions, labels, NULL, MOST, f->k, &c, err);

	ml_calibrator_free(ctx, c);
	return status;
}

static void
test_calibrator(ml_calibration method, bool log_odds, int k)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_calibrator *c;
	ml_calibrator *loaded;
	ml_writer	w = {&ctx, NULL, 0, 0, false};
	ml_reader	r;
	ml_error	err;
	bool		sound = true;
	bool		same = true;
	double		before = 0;
	double		after = 0;
	int			refused = 0;
	char		name[64];

	make_predictions(k);
	ml_calibrator_fit(&ctx, method, log_odds, predictions, labels, NULL, MOST, k, &c, &err);
	ml_calibrator_save(c, &w);
	r = (ml_reader) {w.data, w.length, 0, false};
	unit_ok(ml_calibrator_load(&ctx, &r, k, &loaded) == ML_OK && r.at == r.length, "method %d, %d classes: saved and loaded", method, k);
	for (int i = 0; i < MOST; i++)
	{
		double		p[3];
		double		q[3];
		double		sum = 0;

		memcpy(p, predictions + i * k, sizeof(double) * k);
		memcpy(q, p, sizeof(double) * k);
		ml_calibrator_apply(c, k, p);
		ml_calibrator_apply(loaded, k, q);
		same &= memcmp(p, q, sizeof(double) * k) == 0;
		for (int j = 0; j < k; j++)
		{
			sum += p[j];
			sound &= p[j] >= 0 && p[j] <= 1;
			before += pow(predictions[i * k + j] - (labels[i] == j), 2);
			after += pow(p[j] - (labels[i] == j), 2);
		}
		sound &= fabs(sum - 1) < 1e-12;
	}
	unit_ok(sound && same, "method %d, %d classes: probabilities, the same after loading", method, k);
	unit_ok(after <= before, "method %d, %d classes: a better Brier score, %.1f after %.1f", method, k, after, before);
	ml_calibrator_free(&ctx, loaded);
	for (size_t cut = 0; cut < w.length; cut++)
	{
		r = (ml_reader) {w.data, cut, 0, false};
		refused += ml_calibrator_load(&ctx, &r, k, &loaded) != ML_OK;
		ml_calibrator_free(&ctx, loaded);
	}
	unit_int(refused, (int) w.length, "method %d, %d classes: no prefix is taken", method, k);
	srand(3);
	for (int round = 0; round < 5000; round++)
	{
		unsigned char *copy = malloc(w.length);
		double		p[3] = {0.2, 0.3, 0.5};

		memcpy(copy, w.data, w.length);
		for (int change = rand() % 3; change >= 0; change--)
			copy[rand() % (rand() % 2 || w.length < 40 ? w.length : 40)] = rand();
		r = (ml_reader) {copy, w.length, 0, false};
		if (ml_calibrator_load(&ctx, &r, k, &loaded) == ML_OK)
			ml_calibrator_apply(loaded, k, p);
		ml_calibrator_free(&ctx, loaded);
		free(copy);
	}
	ml_free(&ctx, w.data);
	ml_calibrator_free(&ctx, c);
	{
		fail_state	patient = {-1, 0, 3, 0};
		ml_ctx		cancelled = fail_ctx(&patient);

		unit_ok(ml_calibrator_fit(&cancelled, method, log_odds, predictions, labels, NULL, MOST, k, &c, &err) == ML_CANCELLED,
				"method %d, %d classes: cancelled at the fourth question", method, k);
		ml_calibrator_free(&cancelled, c);
		unit_int(patient.live, 0, "and nothing leaks");
	}
	snprintf(name, sizeof(name), "method %d, %d classes", method, k);
	fail_each_allocation(fit_and_free, &(fit_case) {method, log_odds, k}, 1, name);
}

int
main(void)
{
	test_golden();
	for (int k = 2; k <= 3; k++)
	{
		test_calibrator(ML_CALIBRATE_SIGMOID, false, k);
		test_calibrator(ML_CALIBRATE_SIGMOID, true, k);
		test_calibrator(ML_CALIBRATE_ISOTONIC, false, k);
		test_calibrator(ML_CALIBRATE_ISOTONIC, true, k);
	}
	return unit_done();
}
