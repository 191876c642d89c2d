"""Reference intervals of evaluate(): models of scikit-learn, resampled with numpy.

Writes evaluate_rows.csv (rows that the models are trained and evaluated on) and evaluate_expected.csv (model, metric,
value, lower, upper of 95 % percentile intervals) beside this file.
Run with: python evaluate_reference.py  (made with scikit-learn 1.9.1, numpy 2.4.6)
"""
import csv
import os
import warnings

import numpy as np
from sklearn import metrics as m
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB

warnings.simplefilter("ignore")
here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20261123)
n, resamples = 400, 20000
x = rng.normal(size=(n, 2)).round(3)
y = (2 * x[:, 0] - x[:, 1] + rng.standard_t(4, size=n)).round(3)
late = (x[:, 0] + 0.5 * x[:, 1] + rng.logistic(size=n)) > 0.7
kind = np.array(["a", "b", "c"])[np.clip((x[:, 0] + rng.normal(size=n)).round().astype(int), 0, 2)]
with open(os.path.join(here, "evaluate_rows.csv"), "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow(["id", "x", "z", "y", "late", "kind"])
    for i in range(n):
        w.writerow([i, repr(float(x[i, 0])), repr(float(x[i, 1])), repr(float(y[i])), "true" if late[i] else "false", kind[i]])

number = LinearRegression().fit(x, y).predict(x)
two = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10000).fit(x, late).predict_proba(x)[:, 1]
model = GaussianNB(var_smoothing=0).fit(x, kind)
probs, guess = model.predict_proba(x), model.predict(x)
names = model.classes_

kinds = {
    "number": {
        "rmse": lambda i: m.root_mean_squared_error(y[i], number[i]),
        "mae": lambda i: m.mean_absolute_error(y[i], number[i]),
        "mse": lambda i: m.mean_squared_error(y[i], number[i]),
        "r2": lambda i: m.r2_score(y[i], number[i]),
        "explained_variance": lambda i: m.explained_variance_score(y[i], number[i])},
    "two": {
        "accuracy": lambda i: (late[i] == (two[i] > 0.5)).mean(),
        "balanced_accuracy": lambda i: m.balanced_accuracy_score(late[i], two[i] > 0.5),
        "precision": lambda i: m.precision_score(late[i], two[i] > 0.5),
        "recall": lambda i: m.recall_score(late[i], two[i] > 0.5),
        "f1": lambda i: m.f1_score(late[i], two[i] > 0.5),
        "mcc": lambda i: m.matthews_corrcoef(late[i], two[i] > 0.5),
        "roc_auc": lambda i: m.roc_auc_score(late[i], two[i]),
        "average_precision": lambda i: m.average_precision_score(late[i], two[i]),
        "log_loss": lambda i: m.log_loss(late[i], two[i]),
        "brier": lambda i: ((late[i] - two[i]) ** 2).mean()},
    "many": {
        "accuracy": lambda i: (kind[i] == guess[i]).mean(),
        "balanced_accuracy": lambda i: m.balanced_accuracy_score(kind[i], guess[i]),
        "precision_macro": lambda i: m.precision_score(kind[i], guess[i], average="macro", zero_division=0),
        "recall_macro": lambda i: m.recall_score(kind[i], guess[i], average="macro", zero_division=0),
        "f1_macro": lambda i: m.f1_score(kind[i], guess[i], average="macro", zero_division=0),
        "f1_weighted": lambda i: m.f1_score(kind[i], guess[i], average="weighted", zero_division=0),
        "mcc": lambda i: m.matthews_corrcoef(kind[i], guess[i]),
        "log_loss": lambda i: m.log_loss(kind[i], probs[i], labels=names)},
}
whole = np.arange(n)
with open(os.path.join(here, "evaluate_expected.csv"), "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow(["model", "metric", "value", "lower", "upper"])
    for model, functions in kinds.items():
        drawn = rng.integers(0, n, size=(resamples, n))
        for name, function in functions.items():
            values = [function(i) for i in drawn[: resamples // 4]]
            lower, upper = np.percentile(values, [2.5, 97.5])
            w.writerow([model, name, repr(float(function(whole))), repr(float(lower)), repr(float(upper))])
