# Standard errors of huber by statsmodels (H1): robust_errors_expected.csv.  With weights rows are repeated: statsmodels takes none.
# Run with: python3 robust_errors_reference.py  (made with statsmodels 0.14)
import csv, os
import numpy as np
import statsmodels.api as sm
from statsmodels.robust.robust_linear_model import RLMResults

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "train_diabetes.csv")) as file:
    table = list(csv.DictReader(file))
features = ["age", "sex", "bmi", "bp", "s5"]
rows_x = np.array([[float(r[f]) for f in features] for r in table]) * 20
rows_y = np.array([float(r["progression"]) for r in table])
rows_y = np.where(np.arange(1, len(rows_y) + 1) % 11 == 0, rows_y * 5, rows_y)
with open(os.path.join(here, "robust_errors_expected.csv"), "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["no", "epsilon", "intercept", "weighted", "feature", "estimate", "std_error", "p_value"])
    for no, (epsilon, intercept, weighted) in enumerate([(1.35, True, False), (2, True, False), (1.1, False, False), (1.35, True, True), (1.1, False, True)], 1):
        times = 1 + np.arange(len(rows_y)) % 3 if weighted else np.ones(len(rows_y), int)
        x, y = np.repeat(rows_x, times, axis=0), np.repeat(rows_y, times)
        z = sm.add_constant(x) if intercept else x
        b, scale = np.linalg.lstsq(z, y, rcond=None)[0], y.std()
        # Coefficients by weighted least squares and the scale by its own equation, in turn, until both stand.
        for _ in range(20000):
            u = abs(y - z @ b) / scale
            w = np.minimum(1, epsilon / u)
            after = np.linalg.solve(z.T @ (w[:, None] * z), z.T @ (w * y))
            r = y - z @ after
            scale_after = scale * np.sqrt(np.minimum((r / scale) ** 2, epsilon**2).mean())
            done = abs(after - b).max() < 1e-13 * abs(b).max() and abs(scale_after / scale - 1) < 1e-14
            b, scale = after, scale_after
            if done:
                break
        model = sm.RLM(y, z, M=sm.robust.norms.HuberT(t=epsilon))
        result = RLMResults(model, b, model.normalized_cov_params, scale)
        result.cov = "H1"
        errors = np.sqrt(np.diag(result.bcov_scaled))
        for f, e, s, p in zip(["(intercept)"] * intercept + features, b, errors, result.pvalues):
            out.writerow([no, epsilon, str(intercept).lower(), str(weighted).lower(), f, repr(float(e)), repr(float(s)), repr(float(p))])
