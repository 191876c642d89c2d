# Logistic regression by scikit-learn: logistic_expected.csv.
# Run with: python3 logistic_reference.py  (made with scikit-learn 1.9.1)
import csv, os, warnings
import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore")
here = os.path.dirname(os.path.abspath(__file__))


def rows(name):
    with open(os.path.join(here, name)) as file:
        return list(csv.DictReader(file))


wine = load_wine()
names = [n.replace("/", "_") for n in wine.feature_names]


def data(name):
    if name in ("wine", "noisy"):  # noisy: every seventh wine is called by another name, so that there is a fit without a penalty
        kind = wine.target + (name == "noisy") * (np.arange(1, len(wine.target) + 1) % 7 == 0)
        return names, wine.data, np.array(["w0", "w1", "w2"])[kind % 3]
    table = rows({"iris": "train_iris.csv", "cancer": "train_cancer.csv"}[name])
    target = {"iris": "species", "cancer": list(table[0])[-1]}[name]
    features = [n for n in table[0] if n != target]
    return features, np.array([[float(r[f]) for f in features] for r in table]), np.array([r[target] for r in table])


CASES = [  # data, scaled, C, l1_ratio, class weight, row weights
    ("iris", False, 1, 0, None, False), ("iris", False, 0.05, 0, None, True), ("iris", True, 1, 0, "balanced", True),
    ("noisy", True, np.inf, 0, None, False), ("noisy", True, np.inf, 0, "balanced", True),
    ("iris", True, 0.5, 1, None, False), ("iris", True, 0.5, 0.3, "balanced", True),
    ("wine", True, 1, 0, None, False), ("wine", True, 0.1, 1, None, False), ("wine", True, 0.3, 0.6, None, True),
    ("cancer", True, 1, 0, "balanced", False), ("cancer", True, 0.1, 1, None, False), ("cancer", True, 0.1, 0.4, "balanced", True),
]
with open(os.path.join(here, "logistic_expected.csv"), "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["no", "data", "scaled", "c", "l1_ratio", "class_weight", "weighted", "class", "feature", "expected"])
    for no, (name, scaled, c, l1_ratio, class_weight, weighted) in enumerate(CASES, 1):
        features, x, y = data(name)
        w = 1 + np.arange(len(y)) % 3 if weighted else np.ones(len(y))
        if scaled:
            x = StandardScaler().fit(x, sample_weight=w).transform(x)
        smooth = l1_ratio == 0
        m = LogisticRegression(C=c, l1_ratio=l1_ratio, class_weight=class_weight, solver="lbfgs" if smooth else "saga",
                               tol=1e-10 if smooth else 1e-11, max_iter=100000 if smooth else 400000, random_state=1)
        m.fit(x, y, sample_weight=w)
        put = lambda label, feature, value: out.writerow(
            [no, name, str(scaled).lower(), "" if np.isinf(c) else c, l1_ratio, class_weight or "none", str(weighted).lower(), label, feature,
             repr(float(value))])
        binary = len(m.classes_) == 2
        for k in range(len(m.coef_)):
            label = m.classes_[-1] if binary else m.classes_[k]
            put(label, "(intercept)", m.intercept_[k] - (0 if binary else m.intercept_.mean()))
            for f, b in zip(features, m.coef_[k]):
                put(label, f, b)
        cw = {k: len(y) and w.sum() / (len(m.classes_) * w[y == k].sum()) for k in m.classes_} if class_weight else {k: 1 for k in m.classes_}
        # The objective over its weights, and the probabilities' sum of squares.
        p = m.predict_proba(x)
        full = w * np.array([cw[k] for k in y])
        loss = log_loss(y, p, sample_weight=full, normalize=False)
        b = m.coef_
        size = 0 if np.isinf(c) else (l1_ratio * abs(b).sum() + (1 - l1_ratio) / 2 * (b * b).sum()) / c
        put("", "objective", loss + size)
        put("", "probabilities", (p * p).sum(axis=1).mean())
        if np.isinf(c) and not weighted:
            # Standard errors of coefficients that add up to 0 over the classes: the pseudo-inverse of the whole Hessian.
            z = np.hstack([np.ones((len(y), 1)), x])
            hessian = np.block([[(z * (p[:, [i]] * ((i == j) - p[:, [j]]))).T @ z for j in range(p.shape[1])] for i in range(p.shape[1])])
            errors = np.sqrt(np.diag(np.linalg.pinv(hessian))).reshape(p.shape[1], -1)
            for k, label in enumerate(m.classes_):
                for f, e in zip(["(intercept)"] + features, errors[k]):
                    put(label, "se " + f, e)
