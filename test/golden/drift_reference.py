#!/usr/bin/env python3
"""Writes drift_cases.csv: samples, histograms and what SciPy and NumPy say of them, for test/unit/test_drift.c.

Made with NumPy and SciPy (the first line says which):  python3 test/golden/drift_reference.py > test/golden/drift_cases.csv
Lines:  values,CASE,reference|current,v1,v2,…    counts,CASE,reference|current,c1,…    expect,CASE,STATISTIC,value
"""
import numpy as np
import scipy
from scipy import stats
from scipy.spatial.distance import jensenshannon

rng = np.random.default_rng(20131231)


def line(*fields):
    print(",".join(f if isinstance(f, str) else repr(float(f)) for f in fields))


def numeric(case, reference, current):
    line("values", case, "reference", *reference)
    line("values", case, "current", *current)
    ks = stats.ks_2samp(reference, current, method="asymp")
    line("expect", case, "ks", ks.statistic)
    n, m = len(reference), len(current)
    line("expect", case, "ks_p", stats.kstwobign.sf(np.sqrt(n * m / (n + m)) * ks.statistic))
    line("expect", case, "wasserstein",
         stats.wasserstein_distance(reference, current) / max(np.std(reference), 0.001))
    line("expect", case, "mean", np.mean(current))
    line("expect", case, "std", np.std(current))
    line("expect", case, "mean_reference", np.mean(reference))
    line("expect", case, "std_reference", np.std(reference))


def histograms(case, reference, current):
    reference, current = np.array(reference), np.array(current)
    line("counts", case, "reference", *[str(c) for c in reference])
    line("counts", case, "current", *[str(c) for c in current])
    used = (reference > 0) | (current > 0)
    p = (reference[used] + 0.5) / (reference.sum() + 0.5 * used.sum())
    q = (current[used] + 0.5) / (current.sum() + 0.5 * used.sum())
    line("expect", case, "psi", np.sum((q - p) * np.log(q / p)))
    line("expect", case, "js", jensenshannon(reference / reference.sum(), current / current.sum(), base=2))
    chi2, p_value, _, _ = stats.chi2_contingency(np.vstack([reference[used], current[used]]), correction=False)
    line("expect", case, "chi2", chi2)
    line("expect", case, "chi2_p", p_value)


line("# numpy " + np.__version__ + " scipy " + scipy.__version__)
numeric("same normal", rng.normal(size=400), rng.normal(size=300))
numeric("shifted normal", rng.normal(size=400), rng.normal(0.5, 1, size=300))
numeric("wider normal", rng.normal(1e6, 10, size=500), rng.normal(1e6, 30, size=250))
numeric("far away", rng.normal(size=200), rng.normal(1000, 1, size=100))
numeric("ties", rng.integers(0, 5, size=300), rng.integers(1, 7, size=200))
numeric("exponential", rng.exponential(size=300), rng.exponential(3, size=600))
numeric("constant", np.full(100, 7.0), np.concatenate([np.full(90, 7.0), np.full(10, 8.0)]))
numeric("one value", np.array([1.0, 2.0, 3.0]), np.array([2.5]))
histograms("even", [100] * 10, [100, 90, 110, 95, 105, 100, 100, 100, 100, 100])
histograms("moved", [1000, 800, 600, 400, 200], [20, 40, 60, 80, 100])
histograms("empty bins", [500, 500, 0, 0], [10, 0, 30, 0])
histograms("two bins", [9000, 1000], [450, 550])
histograms("many bins", rng.integers(0, 200, size=23), rng.integers(0, 50, size=23))
histograms("all moved", [50, 0], [0, 70])
for d, n, m in [(0.01, 10000, 1000), (0.05, 10000, 500), (0.2, 50, 60), (0.9, 20, 30)]:
    line("expect", f"ks {d} {n} {m}", "ks_p", stats.kstwobign.sf(np.sqrt(n * m / (n + m)) * d))
