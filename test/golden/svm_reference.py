"""Writes svm_expected.csv and svm_facts.csv: what scikit-learn's SVC, SVR and OneClassSVM learn from train_cancer.csv,
train_iris.csv and train_diabetes.csv, standardised as medallion does by default.

svm_expected.csv has decision values: of two classes decision_function, of three the softmax of decision_function (ovr), of
a regression the prediction, of outliers decision_function.  svm_facts.csv has parameters, dual objectives and support
vectors.

    python svm_reference.py         (made with scikit-learn 1.9.1)
"""
import csv
import itertools
import json

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, OneClassSVM

TARGETS = {"cancer": "diagnosis", "iris": "species", "diabetes": "progression"}
CASES = [
    ("cancer", {"tol": 1e-7}), ("cancer", {}), ("cancer", {"kernel": "linear", "C": 0.1, "tol": 1e-7}),
    ("cancer", {"kernel": "poly", "degree": 2, "coef0": 1, "gamma": 0.02, "tol": 1e-7}),
    ("cancer", {"kernel": "sigmoid", "gamma": 0.01, "coef0": -0.2, "tol": 1e-7}),
    ("cancer", {"class_weight": "balanced", "gamma": 0.1, "shrinking": False, "tol": 1e-7}),
    ("iris", {"tol": 1e-7}), ("iris", {}), ("iris", {"kernel": "linear", "tol": 1e-7}),
    ("iris", {"kernel": "poly", "C": 10, "tol": 1e-7}), ("iris", {"C": 100, "gamma": 0.5, "break_ties": True, "tol": 1e-7}),
    ("diabetes", {"C": 100, "epsilon": 5, "tol": 1e-6}), ("diabetes", {"C": 100}),
    ("diabetes", {"kernel": "linear", "C": 1, "tol": 1e-6}),
    ("diabetes", {"kernel": "poly", "degree": 2, "C": 10, "coef0": 1, "gamma": 0.05, "tol": 1e-6}),
    ("diabetes", {"task": "outlier", "nu": 0.1, "tol": 1e-7}),
    ("diabetes", {"task": "outlier", "nu": 0.5, "gamma": 0.02, "tol": 1e-7}),
]


def objective(model, x):
    """The dual objective of a model with one machine."""
    name = model.kernel
    options = {} if name == "linear" else {"gamma": model._gamma}
    if name == "poly":
        options["degree"] = model.degree
    if name in ("poly", "sigmoid"):
        options["coef0"] = model.coef0
    b = model.dual_coef_.ravel()
    v = x[model.support_]
    value = 0.5 * b @ pairwise_kernels(v, metric=name, **options) @ b
    if isinstance(model, SVC):
        value -= np.abs(b).sum()
    elif isinstance(model, SVR):
        value += model.epsilon * np.abs(b).sum() - model.target @ b
    return value


def fit(data, params, x, y):
    params = {k: v for k, v in params.items() if k != "task"}
    if y is None:
        return OneClassSVM(**params).fit(x)
    model = (SVR if data == "diabetes" else SVC)(**params).fit(x, y)
    if data == "diabetes":
        model.target = y[model.support_]
    return model


def pair_objectives(params, x, y, gamma):
    total = 0
    for a, b in itertools.combinations(np.unique(y), 2):
        pair = (y == a) | (y == b)
        total += objective(SVC(**(params | {"gamma": gamma})).fit(x[pair], y[pair]), x[pair])
    return total


with open("svm_expected.csv", "w", newline="") as f, open("svm_facts.csv", "w", newline="") as g:
    expected = csv.writer(f, lineterminator="\n")
    facts = csv.writer(g, lineterminator="\n")
    expected.writerow(["no", "id", "k", "value"])
    facts.writerow(["no", "data", "params", "objective", "support"])
    for no, (data, params) in enumerate(CASES, 1):
        frame = pd.read_csv(f"train_{data}.csv")
        x = StandardScaler().fit_transform(frame.drop(columns=TARGETS[data]).to_numpy(float))
        y = None if params.get("task") == "outlier" else frame[TARGETS[data]].to_numpy()
        model = fit(data, params, x, y)
        if data == "iris":
            values = softmax(model.decision_function(x), axis=1)
            least = pair_objectives(params, x, y, model._gamma)
        else:
            values = (model.predict(x) if data == "diabetes" and y is not None else model.decision_function(x))[:, None]
            least = objective(model, x)
        facts.writerow([no, data, json.dumps(params), repr(float(least)), len(model.support_)])
        expected.writerows([no, i, k, f"{v:.9g}"] for i, row in enumerate(values, 1) for k, v in enumerate(row, 1))
