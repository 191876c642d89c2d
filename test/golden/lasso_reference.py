"""Writes lasso_expected.csv: Lasso, ElasticNet, LassoCV and ElasticNetCV of scikit-learn on the diabetes rows of
train_diabetes.csv (10 features, 442 rows), without and with weights, the CV on the folds of seed 3.

    python lasso_reference.py
"""
import csv
import numpy as np
import pandas as pd
from sklearn.linear_model import ElasticNet, ElasticNetCV, Lasso, LassoCV
from sklearn.model_selection import PredefinedSplit

from content_fold import fold

rows = pd.read_csv("train_diabetes.csv")
target = rows.columns[-1]
x, y = rows[rows.columns[:-1]].to_numpy(float), rows[target].to_numpy(float)
w = 1 + np.arange(len(y)) % 3
out = []


def put(case, model):
    out.append((case, "(intercept)", model.intercept_))
    out.extend((case, name, value) for name, value in zip(rows.columns, model.coef_))


strict = dict(tol=1e-14, max_iter=1000000)
for alpha in [0.01, 0.5, 5]:
    put(f"lasso:{alpha}", Lasso(alpha=alpha, **strict).fit(x, y))
    put(f"elastic_net:{alpha}", ElasticNet(alpha=alpha, l1_ratio=0.3, **strict).fit(x, y))
put("lasso_weighted:0.5", Lasso(alpha=0.5, **strict).fit(x, y, sample_weight=w))
put("lasso_no_intercept:0.5", Lasso(alpha=0.5, fit_intercept=False, **strict).fit(x, y))
folds = PredefinedSplit([fold([*x[i], y[i]], 3, 5) for i in range(len(y))])
for case, model in [("lasso_cv", LassoCV(cv=folds, **strict)), ("elastic_net_cv", ElasticNetCV(cv=folds, l1_ratio=0.3, **strict))]:
    model.fit(x, y)
    put(case, model)
    out.append((case, "alpha", model.alpha_))
    out.append((case, "mse", model.mse_path_.mean(axis=1).min()))
with open("lasso_expected.csv", "w", newline="") as f:
    writer = csv.writer(f)
    writer.writerow(["case_name", "term", "expected"])
    writer.writerows((c, t, repr(float(v))) for c, t, v in out)
