/*
 * drift_stat.c: statistics of two histograms, and the p-values.
 *
 * PSI is smoothed on both sides by half a row per bin, (n_i + 0.5) / (N + 0.5 B), so that an empty bin gives neither a
 * division by zero nor an arbitrary constant.  B counts only bins with a row on either side: what both lack says nothing.
 */
#include "ml/drift_int.h"
#include "ml/ml_dist.h"

#include <math.h>

/* Sums of both sides; false if one of them is empty.  *used counts the bins that are not empty on both. */
static bool
totals(const uint64_t *reference, const uint64_t *current, int n_bins, double *n_reference, double *n_current, int *used)
{
	*n_reference = *n_current = 0;
	*used = 0;
	for (int i = 0; i < n_bins; i++)
	{
		*n_reference += (double) reference[i];
		*n_current += (double) current[i];
		*used += reference[i] > 0 || current[i] > 0;
	}
	return *n_reference > 0 && *n_current > 0;
}

double
ml_drift_psi(const uint64_t *reference, const uint64_t *current, int n_bins)
{
	double		n_reference,
				n_current,
				psi = 0;
	int			used;

	if (!totals(reference, current, n_bins, &n_reference, &n_current, &used))
		return NAN;
	for (int i = 0; i < n_bins; i++)
	{
		double		p = ((double) reference[i] + 0.5) / (n_reference + 0.5 * used);
		double		q = ((double) current[i] + 0.5) / (n_current + 0.5 * used);

		if (reference[i] > 0 || current[i] > 0)
			psi += (q - p) * log(q / p);
	}
	return psi;
}

/* p log2(p / m), 0 for p = 0. */
static double
entropy_part(double p, double m)
{
	return p > 0 ? p * log2(p / m) : 0;
}

double
ml_drift_js(const uint64_t *reference, const uint64_t *current, int n_bins)
{
	double		n_reference,
				n_current,
				divergence = 0;
	int			used;

	if (!totals(reference, current, n_bins, &n_reference, &n_current, &used))
		return NAN;
	for (int i = 0; i < n_bins; i++)
	{
		double		p = (double) reference[i] / n_reference;
		double		q = (double) current[i] / n_current;

		divergence += (entropy_part(p, (p + q) / 2) + entropy_part(q, (p + q) / 2)) / 2;
	}
	return sqrt(fmax(divergence, 0));
}

double
ml_drift_chi2(const uint64_t *reference, const uint64_t *current, int n_bins, double *p_value)
{
	double		n_reference,
				n_current,
				chi2 = 0;
	int			used;

	*p_value = NAN;
	if (!totals(reference, current, n_bins, &n_reference, &n_current, &used))
		return NAN;
	for (int i = 0; i < n_bins; i++)
	{
		double		both = (double) reference[i] + (double) current[i];
		double		expected_reference = both * n_reference / (n_reference + n_current);
		double		expected_current = both * n_current / (n_reference + n_current);

		if (both > 0)
			chi2 += pow((double) reference[i] - expected_reference, 2) / expected_reference +
				pow((double) current[i] - expected_current, 2) / expected_current;
	}
	*p_value = used > 1 ? ml_chi2_upper(chi2, used - 1) : 1;
	return chi2;
}

/* Kolmogorov's limiting distribution, Q(t) = 2 sum (-1)^(k-1) exp(-2 k^2 t^2), at t = sqrt(n m / (n + m)) D. */
double
ml_drift_ks_p(double distance, uint64_t n_reference, uint64_t n_current)
{
	double		n = (double) n_reference,
				m = (double) n_current,
				t,
				sum = 0;

	if (isnan(distance) || n_reference == 0 || n_current == 0)
		return NAN;
	t = sqrt(n * m / (n + m)) * distance;
	if (t < 0.2)
		return 1;				/* 1 - Q is below 1e-12 there, and the sum converges slowly */
	for (int k = 1; k <= 100; k++)
	{
		double		term = 2 * exp(-2.0 * k * k * t * t);

		sum += k % 2 ? term : -term;
		if (term < 1e-18)
			break;
	}
	return fmin(fmax(sum, 0), 1);
}
