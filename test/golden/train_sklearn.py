"""Data sets of scikit-learn and what it learns from them: train_diabetes.csv, train_cancer.csv, train_sklearn.csv.

train_diabetes.csv is load_diabetes() as it comes; train_cancer.csv is load_breast_cancer() with each column divided by its
population standard deviation (not centred).  Run with: python train_sklearn.py  (made with scikit-learn 1.9.1)
"""
import csv
import os

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import log_loss, roc_auc_score

here = os.path.dirname(os.path.abspath(__file__))
rows = []


def write(name, header, lines):
    with open(os.path.join(here, name), "w", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(header)
        w.writerows(lines)


def number(value):
    return repr(float(value))


def keep(case, names, model):
    if model.fit_intercept:
        rows.append([case, "(intercept)", number(np.ravel(model.intercept_)[0])])
    rows.extend([case, name, number(value)] for name, value in zip(names, np.ravel(model.coef_)))


diabetes = load_diabetes()
names = list(diabetes.feature_names)
write("train_diabetes.csv", names + ["progression"],
      [[number(v) for v in x] + [number(y)] for x, y in zip(diabetes.data, diabetes.target)])
linear = LinearRegression().fit(diabetes.data, diabetes.target)
keep("diabetes linear", names, linear)
rows.append(["diabetes linear", "train_r2", number(linear.score(diabetes.data, diabetes.target))])
for alpha in (0.001, 0.1, 1.0, 10.0):
    ridge = Ridge(alpha=alpha, solver="cholesky").fit(diabetes.data, diabetes.target)
    keep(f"diabetes ridge {alpha:g}", names, ridge)
    rows.append([f"diabetes ridge {alpha:g}", "train_r2", number(ridge.score(diabetes.data, diabetes.target))])
ridge = Ridge(alpha=1.0, fit_intercept=False, solver="cholesky").fit(diabetes.data, diabetes.target)
keep("diabetes ridge no intercept", names, ridge)

cancer = load_breast_cancer()
names = [name.replace(" ", "_") for name in cancer.feature_names]
x = cancer.data / cancer.data.std(axis=0)
label = np.array(["malignant", "benign"])[cancer.target]      # in C order the last, and so the positive one, is malignant
y = (label == "malignant").astype(int)
write("train_cancer.csv", names + ["diagnosis"], [[number(v) for v in row] + [name] for row, name in zip(x, label)])
for c in (1.0, 0.01, 100.0):
    logistic = LogisticRegression(C=c, solver="newton-cg", tol=1e-12, max_iter=100000).fit(x, y)
    keep(f"cancer logistic {c:g}", names, logistic)
    p = logistic.predict_proba(x)[:, 1]
    rows.append([f"cancer logistic {c:g}", "train_log_loss", number(log_loss(y, p))])
    rows.append([f"cancer logistic {c:g}", "train_roc_auc", number(roc_auc_score(y, p))])
    rows.append([f"cancer logistic {c:g}", "train_accuracy", number(logistic.score(x, y))])
logistic = LogisticRegression(C=1.0, fit_intercept=False, solver="newton-cg", tol=1e-12, max_iter=100000).fit(x, y)
keep("cancer logistic no intercept", names, logistic)
weight = 1 + np.arange(len(y)) % 3
logistic = LogisticRegression(C=1.0, solver="newton-cg", tol=1e-12, max_iter=100000).fit(x, y, sample_weight=weight)
keep("cancer logistic weighted", names, logistic)
write("train_sklearn.csv", ["fit", "feature", "value"], rows)
