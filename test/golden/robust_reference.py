# Huber's and quantile regression by scikit-learn: robust_expected.csv.
# Run with: python3 robust_reference.py  (made with scikit-learn 1.9.1)
import csv, os, warnings
import numpy as np
from sklearn.linear_model import HuberRegressor, QuantileRegressor

warnings.simplefilter("ignore")
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "train_diabetes.csv")) as file:
    table = list(csv.DictReader(file))
features = [n for n in table[0] if n != "progression"]
x = np.array([[float(r[f]) for f in features] for r in table]) * 20
y = np.array([float(r["progression"]) for r in table])
# Every eleventh patient is far off.
y = np.where(np.arange(1, len(y) + 1) % 11 == 0, y * 5, y)
CASES = [  # algorithm, alpha, epsilon or quantile, weighted, intercept
    ("huber", 1e-4, 1.35, False, True), ("huber", 0, 1.1, True, True), ("huber", 10, 2, False, True), ("huber", 1, 1.5, False, False),
    ("quantile_regression", 0, 0.5, False, True), ("quantile_regression", 0, 0.9, False, True), ("quantile_regression", 0, 0.25, True, True),
    ("quantile_regression", 0.5, 0.5, False, True), ("quantile_regression", 2, 0.8, True, True), ("quantile_regression", 0.1, 0.1, False, False),
]
with open(os.path.join(here, "robust_expected.csv"), "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["no", "algorithm", "alpha", "shape", "weighted", "intercept", "feature", "expected"])
    for no, (name, alpha, shape, weighted, intercept) in enumerate(CASES, 1):
        w = 1.0 + np.arange(len(y)) % 3 if weighted else np.ones(len(y))
        if name == "huber":
            w = w / w.mean()  # scikit-learn's scale term counts rows, not weights
            m = HuberRegressor(alpha=alpha, epsilon=shape, fit_intercept=intercept, tol=1e-10, max_iter=100000).fit(x, y, sample_weight=w)
            # scikit-learn's L-BFGS stops at 1e-10 of the objective, 1e-3 of the coefficients; Newton's method on the same function ends it.
            z = np.hstack([x, np.ones((len(y), 1))]) if intercept else x
            b, s = np.append(m.coef_, m.intercept_) if intercept else m.coef_.copy(), m.scale_
            assert abs(m.intercept_) == 0 or intercept
            ridge = np.diag([2 * alpha] * x.shape[1] + [0] * (z.shape[1] - x.shape[1] + 1))
            for _ in range(20):
                u = (y - z @ b) / s
                far = abs(u) > shape
                full = np.hstack([z, np.where(far, 0, u)[:, None]])
                slope = np.append(-2 * (w * np.where(far, shape * np.sign(u), u)) @ z, (w * (1 - np.where(far, shape**2, u * u))).sum())
                slope += ridge @ np.append(b, 0)
                curve = 2 / s * (full * (w * ~far)[:, None]).T @ full + ridge
                step = np.linalg.solve(curve, -slope)
                b, s = b + step[:-1], s + step[-1]
            assert abs(step).max() < 1e-8 * abs(b).max()
            m.coef_, m.scale_ = b[: x.shape[1]], s
            m.intercept_ = b[-1] if intercept else 0.0
            r = y - m.predict(x)
            far = abs(r) > shape * s
            objective = (w * np.where(far, s + 2 * shape * abs(r) - shape**2 * s, s + r * r / s)).sum() + alpha * (m.coef_**2).sum()
        else:
            m = QuantileRegressor(alpha=alpha, quantile=shape, fit_intercept=intercept, solver="highs").fit(x, y, sample_weight=w)
            r = y - m.predict(x)
            objective = (w * np.where(r >= 0, shape * r, (shape - 1) * r)).sum() / w.sum() + alpha * abs(m.coef_).sum()
        put = lambda feature, value: out.writerow(
            [no, name, alpha, shape, str(weighted).lower(), str(intercept).lower(), feature, repr(float(value))])
        if intercept:
            put("(intercept)", m.intercept_)
        for f, b in zip(features, m.coef_):
            put(f, b)
        put("objective", objective)
        if name == "huber":
            put("scale", m.scale_)
