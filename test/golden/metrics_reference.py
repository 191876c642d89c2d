"""Reference values of the metric aggregates, from scikit-learn.

Writes metrics_rows.csv (the rows) and metrics_expected.csv (metric, value) beside this file.
Run with: python metrics_reference.py  (made with scikit-learn 1.9.1, numpy 2.4.6)
"""
import csv
import os

import numpy as np
from sklearn import metrics as m

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20251123)
n = 400
y = 1e6 + rng.normal(size=n) * 3            # far from zero compared with its spread: r2 must not cancel
predicted = y + rng.normal(size=n)
small = rng.normal(size=n) * np.where(rng.random(n) < 0.02, 0, 1)    # some exact zeros, for mape
weight = np.round(rng.random(n) * 3, 3) * (rng.random(n) < 0.9)
label = rng.random(n) < 0.3
score = np.round(np.clip(0.3 + 0.3 * label + rng.normal(size=n) * 0.2, 0, 1), 2)    # many ties, some 0 and 1
truth = rng.choice(["cat", "dog", "eel"], size=n, p=[0.6, 0.3, 0.1])
guess = np.where(rng.random(n) < 0.6, truth, rng.choice(["cat", "dog", "fox"], size=n))

with open(os.path.join(here, "metrics_rows.csv"), "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow(["y", "predicted", "small", "weight", "label", "score", "truth", "guess"])
    for i in range(n):
        w.writerow([repr(float(y[i])), repr(float(predicted[i])), repr(float(small[i])), repr(float(weight[i])),
                    "true" if label[i] else "false", repr(float(score[i])), truth[i], guess[i]])

decided = score > 0.5
expected = {
    "mse": m.mean_squared_error(y, predicted),
    "rmse": m.root_mean_squared_error(y, predicted),
    "mae": m.mean_absolute_error(y, predicted),
    "mape": m.mean_absolute_percentage_error(y, predicted),
    "mape at zero": m.mean_absolute_percentage_error(small, score),
    "max_error": m.max_error(y, predicted),
    "r2": m.r2_score(y, predicted),
    "explained_variance": m.explained_variance_score(y, predicted + 5),
    "mse weighted": m.mean_squared_error(y, predicted, sample_weight=weight),
    "mae weighted": m.mean_absolute_error(y, predicted, sample_weight=weight),
    "mape weighted": m.mean_absolute_percentage_error(y, predicted, sample_weight=weight),
    "r2 weighted": m.r2_score(y, predicted, sample_weight=weight),
    "explained_variance weighted": m.explained_variance_score(y, predicted + 5, sample_weight=weight),
    "r2 of a constant": m.r2_score([2, 2, 2], [1, 2, 3]),
    "r2 of a constant, met": m.r2_score([2, 2, 2], [2, 2, 2]),
    "accuracy": m.accuracy_score(truth, guess),
    "accuracy weighted": m.accuracy_score(truth, guess, sample_weight=weight),
    "balanced_accuracy": m.balanced_accuracy_score(truth, guess),
    "mcc": m.matthews_corrcoef(truth, guess),
    "mcc binary": m.matthews_corrcoef(label, decided),
    "mcc constant": m.matthews_corrcoef([True, False], [True, True]),
    "precision": m.precision_score(label, decided),
    "recall": m.recall_score(label, decided),
    "f1": m.f1_score(label, decided),
    "fbeta 2": m.fbeta_score(label, decided, beta=2),
    "fbeta 0.5 macro": m.fbeta_score(truth, guess, beta=0.5, average="macro", zero_division=0),
    "precision of nothing predicted": m.precision_score([True, False], [False, False], zero_division=0),
    "f1 of nothing": m.f1_score([False, False], [False, False], zero_division=0),
    "log_loss": m.log_loss(label, score),
    "log_loss weighted": m.log_loss(label, score, sample_weight=weight),
    "log_loss of certainty": m.log_loss([True, False, True], [0.0, 1.0, 1.0]),
    "brier": m.brier_score_loss(label, score),
    "brier weighted": m.brier_score_loss(label, score, sample_weight=weight),
    "roc_auc": m.roc_auc_score(label, score),
    "average_precision": m.average_precision_score(label, score),
    "roc_auc of one score": m.roc_auc_score([True, False, True], [0.5, 0.5, 0.5]),
    "average_precision of one score": m.average_precision_score([True, False, True], [0.5, 0.5, 0.5]),
}
for average in ("macro", "micro", "weighted"):
    for name, function in (("precision", m.precision_score), ("recall", m.recall_score), ("f1", m.f1_score)):
        expected[name + " " + average] = function(truth, guess, average=average, zero_division=0)
for name, function in (("precision", m.precision_score), ("recall", m.recall_score), ("f1", m.f1_score)):
    expected[name + " of dog"] = function(truth == "dog", guess == "dog")

with open(os.path.join(here, "metrics_expected.csv"), "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow(["metric", "value"])
    for name in sorted(expected):
        w.writerow([name, repr(float(expected[name]))])
