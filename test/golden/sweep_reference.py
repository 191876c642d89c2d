"""Cross-validation scores of sweeps, from scikit-learn on the same folds.

Writes sweep_rows.csv and sweep_expected.csv beside this file.
Run with: python sweep_reference.py  (made with scikit-learn 1.9.1, numpy 2.4.6)
"""
import csv
import os

import numpy as np
from sklearn import metrics
from sklearn.linear_model import LogisticRegression, Ridge

from content_fold import fold

HERE = os.path.dirname(os.path.abspath(__file__))
SEED, FOLDS = 7, 5

rng = np.random.default_rng(20251124)
n = 240
x = np.round(rng.normal(size=(n, 4)), 4) @ np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1.0]])
x = np.round(x, 4)
y = np.round(10 + x @ [1.5, -2, 0.3, 0] + rng.normal(size=n), 4)
late = rng.random(n) < 1 / (1 + np.exp(-(x @ [1, -1, 0.2, 0] - 0.5)))

with open(os.path.join(HERE, "sweep_rows.csv"), "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow(["a", "b", "c", "d", "y", "late"])
    for i in range(n):
        w.writerow([repr(float(v)) for v in x[i]] + [repr(float(y[i])), "true" if late[i] else "false"])

# Columns are hashed in the order features, target.
folds = {"ridge": np.array([fold([*x[i], y[i]], SEED, FOLDS) for i in range(n)]),
         "logistic": np.array([fold([*x[i], "true" if late[i] else "false"], SEED, FOLDS) for i in range(n)])}
rows = []
for algorithm, target in (("ridge", y), ("logistic", late)):
    for parameter in (0.01, 0.1, 1.0, 10.0, 100.0):
        for k in range(FOLDS):
            train, test = folds[algorithm] != k, folds[algorithm] == k
            if algorithm == "ridge":
                model = Ridge(alpha=parameter).fit(x[train], target[train])
                predicted = model.predict(x[test])
                scores = {"r2": metrics.r2_score(target[test], predicted),
                          "mse": metrics.mean_squared_error(target[test], predicted),
                          "rmse": metrics.root_mean_squared_error(target[test], predicted)}
            else:
                model = LogisticRegression(C=parameter, solver="newton-cg", tol=1e-12, max_iter=10000).fit(x[train], target[train])
                p = model.predict_proba(x[test])[:, 1]
                scores = {"roc_auc": metrics.roc_auc_score(target[test], p), "log_loss": metrics.log_loss(target[test], p),
                          "brier": metrics.brier_score_loss(target[test], p),
                          "accuracy": metrics.accuracy_score(target[test], p > 0.5), "f1": metrics.f1_score(target[test], p > 0.5)}
            for metric, value in scores.items():
                rows.append([algorithm, repr(parameter), metric, k + 1, repr(float(value))])
with open(os.path.join(HERE, "sweep_expected.csv"), "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow(["algorithm", "parameter", "metric", "fold", "value"])
    w.writerows(rows)
