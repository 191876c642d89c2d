# Generalised linear models with a penalty, and Tweedie's between Poisson and gamma, by scikit-learn: glm_expected.csv.
# Run with: python3 glm_reference.py  (made with scikit-learn 1.9.1)
import csv, os
import numpy as np
from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor
from sklearn.metrics import d2_tweedie_score

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "train_diabetes.csv")) as file:
    table = list(csv.DictReader(file))
features = [n for n in table[0] if n != "progression"]
x = np.array([[float(r[f]) for f in features] for r in table])
y = np.array([float(r["progression"]) for r in table])
CASES = [  # algorithm, power, alpha, link, weighted
    ("poisson", 1, 0, "log", False), ("poisson", 1, 0.5, "log", True), ("gamma", 2, 0.1, "log", False), ("gamma", 2, 0, "log", True),
    ("tweedie", 1.5, 0, "auto", False), ("tweedie", 1.5, 2, "log", True), ("tweedie", 1.2, 0.3, "auto", False), ("tweedie", 3, 0.01, "auto", False),
    ("tweedie", 0, 1, "auto", True), ("tweedie", -1, 0.5, "log", False),
]
with open(os.path.join(here, "glm_expected.csv"), "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["no", "algorithm", "power", "alpha", "link", "weighted", "feature", "expected"])
    for no, (name, power, alpha, link, weighted) in enumerate(CASES, 1):
        w = 1.0 + np.arange(len(y)) % 3 if weighted else np.ones(len(y))
        mean = np.average(x, axis=0, weights=w)
        z = (x - mean) / np.sqrt(np.average((x - mean) ** 2, axis=0, weights=w))
        # Small targets are 0, where the family has them, so that there are zeros.
        target = np.where(y < 50, 0, y) if 1 <= power < 2 else y
        kind = {"poisson": PoissonRegressor, "gamma": GammaRegressor}.get(name)
        arguments = dict(alpha=alpha, solver="newton-cholesky", tol=1e-12, max_iter=1000)
        m = kind(**arguments) if kind else TweedieRegressor(power=power, link=link, **arguments)
        m.fit(z, target, sample_weight=w)
        put = lambda feature, value: out.writerow([no, name, power, alpha, link, str(weighted).lower(), feature, repr(float(value))])
        put("(intercept)", m.intercept_)
        for f, b in zip(features, m.coef_):
            put(f, b)
        put("d2", d2_tweedie_score(target, m.predict(z), sample_weight=w, power=power))
