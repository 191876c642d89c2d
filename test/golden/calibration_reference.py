"""Writes calibration_cases.csv: isotonic regressions and Platt's sigmoids of scikit-learn on made up points.

value is the fit at x, moved the fit at x + 0.013.

    python calibration_reference.py         (made with scikit-learn 1.9.1)
"""
import csv

import numpy as np
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

g = np.random.default_rng(7)
with open("calibration_cases.csv", "w", newline="") as f:
    out = csv.writer(f, lineterminator="\n")
    out.writerow(["no", "kind", "x", "y", "weight", "value", "moved"])
    no = 0
    for kind in ("rising", "falling", "sigmoid"):
        for n, ties, weighted in ((1, 0, 0), (2, 0, 0), (40, 0, 0), (60, 1, 0), (60, 1, 1), (300, 0, 1)):
            if kind == "sigmoid" and n < 40:
                continue
            no += 1
            x = np.round(g.normal(size=n), 1) if ties else g.normal(size=n)
            w = g.integers(1, 4, n).astype(float) if weighted else np.ones(n)
            if kind == "sigmoid":
                y = (g.random(n) < 1 / (1 + np.exp(-2 * x + 0.5))).astype(float)
                model = _SigmoidCalibration().fit(x, y, w)
            else:
                y = (x if kind == "rising" else -x) + g.normal(size=n) * 0.5
                model = IsotonicRegression(increasing=kind == "rising", out_of_bounds="clip").fit(x, y, w)
            out.writerows([no, kind] + [repr(float(v)) for v in row] for row in zip(x, y, w, model.predict(x), model.predict(x + 0.013)))
