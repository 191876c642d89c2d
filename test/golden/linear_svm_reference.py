"""Writes linear_svm_expected.csv and linear_svm_facts.csv: the coefficients and objectives of scikit-learn's LinearSVC and
LinearSVR on train_cancer.csv, train_iris.csv and train_diabetes.csv, standardised as medallion does by default.

    python linear_svm_reference.py         (made with scikit-learn 1.9.1)
"""
import csv
import json

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

TARGETS = {"cancer": "diagnosis", "iris": "species", "diabetes": "progression"}
CASES = [
    ("cancer", {"C": 0.1, "tol": 1e-9}), ("cancer", {"C": 0.1}), ("cancer", {"C": 0.01, "loss": "hinge", "tol": 1e-9}),
    ("cancer", {"C": 0.05, "class_weight": "balanced", "tol": 1e-9}),
    ("cancer", {"C": 0.05, "fit_intercept": False, "tol": 1e-9}),
    ("iris", {"tol": 1e-9}), ("iris", {"loss": "hinge", "C": 0.5, "intercept_scaling": 5, "tol": 1e-9}),
    ("iris", {"class_weight": "balanced", "tol": 1e-9}),
    ("diabetes", {"epsilon": 10, "C": 0.5, "tol": 1e-9}), ("diabetes", {"epsilon": 10, "C": 0.5}),
    ("diabetes", {"loss": "squared_epsilon_insensitive", "C": 0.01, "tol": 1e-9}),
    ("diabetes", {"loss": "squared_epsilon_insensitive", "epsilon": 30, "C": 0.01, "tol": 1e-9}),
]


def objective(model, params, x, y):
    total = 0
    classes = np.unique(y)
    for k in range(1 if len(classes) == 2 or y.dtype.kind == "f" else len(classes)):
        w = np.atleast_2d(model.coef_)[k]
        b = np.atleast_1d(model.intercept_)[k] if model.fit_intercept else 0.0
        f = x @ w + b
        cost = np.full(len(x), model.C)
        if y.dtype.kind == "f":
            loss = np.maximum(0, np.abs(y - f) - model.epsilon)
        else:
            sign = np.where(y == (classes[1] if len(classes) == 2 else classes[k]), 1, -1)
            loss = np.maximum(0, 1 - sign * f)
            if params.get("class_weight"):
                for c in classes:
                    if len(classes) == 2 or c == classes[k]:
                        cost[y == c] *= len(y) / (len(classes) * (y == c).sum())
        total += 0.5 * (w @ w + (b / model.intercept_scaling) ** 2) + cost @ (loss ** 2 if "squared" in model.loss else loss)
    return total


with open("linear_svm_expected.csv", "w", newline="") as f, open("linear_svm_facts.csv", "w", newline="") as g:
    expected = csv.writer(f, lineterminator="\n")
    facts = csv.writer(g, lineterminator="\n")
    expected.writerow(["no", "class", "feature", "value"])
    facts.writerow(["no", "data", "params", "objective"])
    for no, (data, params) in enumerate(CASES, 1):
        frame = pd.read_csv(f"train_{data}.csv")
        names = [c for c in frame.columns if c != TARGETS[data]]
        x = StandardScaler().fit_transform(frame[names].to_numpy(float))
        y = frame[TARGETS[data]].to_numpy()
        model = (LinearSVR if data == "diabetes" else LinearSVC)(dual=True, max_iter=10_000_000, **params).fit(x, y)
        facts.writerow([no, data, json.dumps(params), repr(float(objective(model, params, x, y)))])
        for k, w in enumerate(np.atleast_2d(model.coef_)):
            label = "" if data == "diabetes" else model.classes_[1] if len(model.classes_) == 2 else model.classes_[k]
            if model.fit_intercept:
                expected.writerow([no, label, "(intercept)", f"{np.atleast_1d(model.intercept_)[k]:.12g}"])
            expected.writerows([no, label, name, f"{v:.12g}"] for name, v in zip(names, w))
