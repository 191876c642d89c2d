"""Writes kmeans_expected.csv: the inertia of scikit-learn's KMeans, the best of 20 starts, on the measures of
train_iris.csv and the features of train_diabetes.csv.

    python kmeans_reference.py
"""
import csv
import pandas as pd
from sklearn.cluster import KMeans

with open("kmeans_expected.csv", "w", newline="") as f:
    out = csv.writer(f)
    out.writerow(["data", "k", "inertia"])
    for name in ["iris", "diabetes"]:
        x = pd.read_csv(f"train_{name}.csv").select_dtypes("number")
        x = x.drop(columns=[c for c in ["progression"] if c in x]).to_numpy(float)
        for k in [1, 2, 3, 5, 8]:
            out.writerow([name, k, repr(float(KMeans(k, n_init=20, tol=0, random_state=0, max_iter=1000).fit(x).inertia_))])
