/*
 * test_ml_svm.c: kernels against libm, the same bits alone, by fours and in single precision; the solver's solution fulfils the
 * optimum's conditions and is the same with little memory, in many small steps and in threads; coupled probabilities are those
 * that the conditions ask for.
 */
#include "unit.h"

#include <math.h>

#include "ml/ml_kernel_rows.h"
#include "ml/ml_platt.h"
#include "ml/ml_rbf_single.h"
#include "ml/ml_smo.h"

enum
{
	POINTS = 1500,
	TERMS = 90
};

static double x[POINTS * TERMS];
static double y[POINTS];

static void
make_points(void)
{
	uint32_t	state = 9;

	for (int i = 0; i < POINTS; i++)
	{
		double		sum = 0;

		for (int j = 0; j < TERMS; j++)
		{
			state = state * 1664525 + 1013904223;
			x[i * TERMS + j] = (state >> 8) / 8388608.0 - 1;
			sum += j < 5 ? x[i * TERMS + j] : 0;
		}
		state = state * 1664525 + 1013904223;
		y[i] = sum + (state >> 8) / 16777216.0 - 0.5 > 0 ? 1 : -1;
	}
}

static double
plain_kernel(const ml_kernel *kernel, const double *a, const double *b, int n)
{
	double		dot = 0;
	double		distance = 0;

	for (int j = 0; j < n; j++)
	{
		dot += a[j] * b[j];
		distance += (a[j] - b[j]) * (a[j] - b[j]);
	}
	switch (kernel->type)
	{
		case ML_KERNEL_RBF:
			return exp(-kernel->gamma * distance);
		case ML_KERNEL_POLY:
			return pow(kernel->gamma * dot + kernel->coef0, kernel->degree);
		case ML_KERNEL_SIGMOID:
			return tanh(kernel->gamma * dot + kernel->coef0);
		default:
			return dot;
	}
}

static void
test_kernels(void)
{
	const ml_kernel kernels[] = {{ML_KERNEL_LINEAR, 0, 0, 0}, {ML_KERNEL_RBF, 0, 0.1, 0}, {ML_KERNEL_RBF, 0, 40, 0},
	{ML_KERNEL_RBF, 0, 1e9, 0}, {ML_KERNEL_RBF, 0, 0, 0}, {ML_KERNEL_POLY, 3, 0.2, 1}, {ML_KERNEL_POLY, 0, 0.2, 1}, {ML_KERNEL_SIGMOID, 0, 0.1, -0.3}};
	const size_t n = 37;
	const int	terms = 7;
	static double panels[3 * ML_PANEL * 7];
	static double alone[3 * ML_PANEL];
	static double four[4][3 * ML_PANEL];
	static float single[4][3 * ML_PANEL];

	ml_pack_points(panels, x, TERMS, NULL, n, terms);
	for (size_t k = 0; k < sizeof(kernels) / sizeof(kernels[0]); k++)
	{
		const double *rows[4] = {x + 50 * TERMS, x + 3 * TERMS, x + 51 * TERMS, x + 52 * TERMS};
		float	   *singles[4] = {single[0], single[1], single[2], single[3]};
		double		worst = 0;
		bool		same = true;

		ml_kernel_rows4(&kernels[k], rows, panels, ml_panels(n), terms, four[0], 3 * ML_PANEL);
		ml_kernel_rows4_float(&kernels[k], rows, panels, ml_panels(n), terms, singles);
		for (int r = 0; r < 4; r++)
		{
			ml_kernel_row(&kernels[k], rows[r], panels, ml_panels(n), terms, alone);
			same &= memcmp(alone, four[r], sizeof(double) * n) == 0;
			for (size_t i = 0; i < n; i++)
			{
				double		right = plain_kernel(&kernels[k], rows[r], x + i * TERMS, terms);

				worst = fmax(worst, fabs(alone[i] - right) / fmax(1, fabs(right)));
				same &= single[r][i] == (float) alone[i];
			}
			same &= fabs(ml_kernel_self(&kernels[k], rows[r], terms) - plain_kernel(&kernels[k], rows[r], rows[r], terms)) < 1e-13;
		}
		unit_ok(worst < 1e-14, "kernel %zu is that of libm to %g", k, worst);
		unit_ok(same, "kernel %zu: the same bits alone, by fours, rounded", k);
	}
}

/* The kernel in single precision: near libm's, the same bits alone, by fours and with row and point exchanged, wherever the points lie. */
static void
test_single(void)
{
	const double gammas[] = {0.1, 40, 1e-4, 0};
	const size_t n = 69;
	const int	terms = 7;
	static double moved[69 * 7];
	static float panels[5 * ML_PANEL * 7];
	static float alone[5 * ML_PANEL];
	static float four[4][5 * ML_PANEL];
	uint32_t	which[69];
	double		centre[7];

	for (size_t i = 0; i < n * 7; i++)
		moved[i] = x[i / 7 * TERMS + i % 7] + 1e6;
	for (uint32_t i = 0; i < n; i++)
		which[i] = i;
	for (int k = 0; k < 4; k++)
	{
		float		points[4 * 7];
		float	   *out[4] = {four[0], four[1], four[2], four[3]};
		ml_kernel	kernel = {ML_KERNEL_RBF, 0, gammas[k], 0};
		double		worst = 0;
		bool		same = true;

		unit_ok(ml_rbf_single_suits(gammas[k], moved, 7, which, n, terms, centre), "gamma %g suits single precision", gammas[k]);
		ml_rbf_single_pack(panels, moved, 7, which, n, terms, centre);
		for (int r = 0; r < 4; r++)
			ml_rbf_single_point(points + r * 7, moved + 9 * r * 7, centre, terms);
		ml_rbf_single_rows4(gammas[k], points, panels, ml_panels(n), terms, out);
		for (int r = 0; r < 4; r++)
		{
			ml_rbf_single_row(gammas[k], points + r * 7, panels, ml_panels(n), terms, alone);
			same &= memcmp(alone, four[r], n * sizeof(float)) == 0 && alone[9 * r] == 1;
			for (int q = 0; q < 4; q++)
				same &= four[r][9 * q] == four[q][9 * r];
			for (size_t i = 0; i < n; i++)
				worst = fmax(worst, fabs(alone[i] - plain_kernel(&kernel, moved + 9 * r * 7, moved + i * 7, terms)));
		}
		unit_ok(worst < 1e-6, "gamma %g: kernels in single precision are right to %g", gammas[k], worst);
		unit_ok(same, "gamma %g: the same bits alone, by fours and exchanged", gammas[k]);
	}
	unit_ok(!ml_rbf_single_suits(1e4, moved, 7, which, n, terms, centre), "points far apart for their kernel do not suit it");
	unit_ok(!ml_rbf_single_suits(1e35, moved, 7, which, 1, terms, centre), "nor does a gamma that overflows");
	moved[8] = NAN;
	unit_ok(!ml_rbf_single_suits(0.1, moved, 7, which, n, terms, centre), "nor do points that are no numbers");
}

static ml_smo *
solve(ml_kernel kernel, double c, double cache, bool shrinking, int threads, double step)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_smo	   *s;

	ctx.nthreads = threads;
	s = ml_smo_new(&ctx, POINTS, TERMS, threads, cache);
	s->x = x;
	s->stride = TERMS;
	s->kernel = kernel;
	s->n = POINTS;
	s->tolerance = 1e-4;
	s->shrinking = shrinking;
	for (uint32_t t = 0; t < POINTS; t++)
	{
		s->rows[t] = t;
		s->z[t] = y[t];
		s->low[t] = y[t] > 0 ? 0 : -c;
		s->high[t] = y[t] > 0 ? c : 0;
		s->beta[t] = 0;
	}
	ml_smo_start(s);
	for (double work = step; !ml_smo_run(s, &work); work = step)
		;
	return s;
}

/* Largest violation of the conditions, from all kernels anew. */
static double
violation(const ml_smo *s)
{
	double		largest = -INFINITY;
	double		least = INFINITY;
	double		sum = 0;

	for (int i = 0; i < POINTS; i++)
	{
		double		u = s->z[i];

		for (int j = 0; j < POINTS; j++)
			if (s->beta[j] != 0)
				u -= s->beta[j] * plain_kernel(&s->kernel, x + i * TERMS, x + j * TERMS, TERMS);
		if (s->beta[i] < s->high[i])
			largest = fmax(largest, u);
		if (s->beta[i] > s->low[i])
			least = fmin(least, u);
		sum += s->beta[i];
		if (s->beta[i] < s->low[i] || s->beta[i] > s->high[i])
			return INFINITY;
	}
	return fabs(sum) > 1e-9 ? INFINITY : largest - least;
}

static void
test_solver(ml_kernel kernel, double c, const char *name)
{
	ml_smo	   *s = solve(kernel, c, 1e9, true, 1, 1e9);
	ml_smo	   *others[] = {solve(kernel, c, 0, true, 1, 1e9), solve(kernel, c, 1e6, true, 1, 3e5), solve(kernel, c, 1e9, true, 4, 1e8)};
	ml_smo	   *whole = solve(kernel, c, 1e9, false, 1, 1e9);
	bool		same = true;

	unit_ok(s->converged && violation(s) < 2e-4, "%s: violations are %g, after %lld steps", name, violation(s), (long long) s->iterations);
	unit_ok(fabs(s->objective / whole->objective - 1) < 1e-6, "%s: without shrinking the same objective", name);
	for (int i = 0; i < 3; i++)
	{
		same &= memcmp(s->beta, others[i]->beta, sizeof(double) * POINTS) == 0 && s->objective == others[i]->objective &&
			s->intercept == others[i]->intercept && s->iterations == others[i]->iterations;
		ml_smo_free(others[i]);
	}
	unit_ok(same, "%s: the same bits with little memory, in small steps, in threads", name);
	unit_ok(s->single == (kernel.type == ML_KERNEL_RBF && c <= 5), "%s: kernels are in single precision where that is enough", name);
	ml_smo_free(s);
	ml_smo_free(whole);
}

/* Σ_i Σ_j (r_ji p_i - r_ij p_j)² at p. */
static double
disagreement(const double *r, const double *p, int k)
{
	double		sum = 0;

	for (int i = 0; i < k; i++)
		for (int j = 0; j < k; j++)
			if (i != j)
				sum += pow(r[j * k + i] * p[i] - r[i * k + j] * p[j], 2);
	return sum;
}

static void
test_coupling(void)
{
	const double truth[4] = {0.1, 0.2, 0.3, 0.4};
	double		r[16];
	double		p[4];
	double		work[16];
	bool		least = true;

	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++)
			r[i * 4 + j] = truth[i] / (truth[i] + truth[j]);
	ml_couple_pairs(r, 4, p, work);
	for (int i = 0; i < 4; i++)
		least &= fabs(p[i] - truth[i]) < 1e-12;
	unit_ok(least, "pairs that agree are coupled to what they agree on");
	r[1] = 0.6;
	r[4] = 0.4;
	ml_couple_pairs(r, 4, p, work);
	least = fabs(p[0] + p[1] + p[2] + p[3] - 1) < 1e-12;
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++)
		{
			double		moved[4];

			memcpy(moved, p, sizeof(moved));
			moved[i] += 1e-4;
			moved[j] -= 1e-4;
			least &= i == j || disagreement(r, moved, 4) >= disagreement(r, p, 4);
		}
	unit_ok(least, "pairs that do not agree are coupled with the least disagreement");
}

int
main(void)
{
	make_points();
	test_kernels();
	test_single();
	test_solver((ml_kernel) {ML_KERNEL_RBF, 0, 0.02, 0}, 20, "rbf, large C");
	test_solver((ml_kernel) {ML_KERNEL_RBF, 0, 0.02, 0}, 1, "rbf");
	test_solver((ml_kernel) {ML_KERNEL_LINEAR, 0, 0, 0}, 0.1, "linear");
	test_coupling();
	return unit_done();
}
