"""Writes neighbors_expected.csv and neighbors_facts.csv: what scikit-learn's nearest neighbours predict on train_cancer.csv,
train_iris.csv, train_wine.csv and train_diabetes.csv, standardised as medallion does by default, for rows whose first number is
greater by 0.05.

Rows whose last neighbour is as far away as the next point are left out: which of the two counts is a matter of taste.

    python neighbors_reference.py         (made with scikit-learn 1.9.1)
"""
import csv
import json

import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

TARGETS = {"cancer": "diagnosis", "iris": "species", "diabetes": "progression", "wine": "class"}
CASES = [
    ("cancer", {}), ("cancer", {"n_neighbors": 15, "weights": "distance"}), ("cancer", {"metric": "manhattan"}),
    ("iris", {}), ("iris", {"n_neighbors": 12, "metric": "chebyshev"}), ("iris", {"n_neighbors": 1, "algorithm": "brute"}),
    ("diabetes", {}), ("diabetes", {"n_neighbors": 20, "weights": "distance"}), ("diabetes", {"metric": "manhattan", "n_neighbors": 10}),
    ("iris", {"metric": "cosine"}), ("iris", {"metric": "cosine", "weights": "distance", "n_neighbors": 10}),
    ("iris", {"metric": "manhattan", "weights": "distance"}),
    ("wine", {"metric": "cosine"}), ("wine", {"metric": "cosine", "weights": "distance", "n_neighbors": 15, "algorithm": "brute"}),
    ("wine", {"metric": "manhattan", "weights": "distance"}),
    ("diabetes", {"metric": "cosine", "n_neighbors": 10}), ("diabetes", {"metric": "cosine", "weights": "distance", "n_neighbors": 8}),
    ("diabetes", {"metric": "manhattan", "weights": "distance", "n_neighbors": 12}),
    ("wine", {"metric": "cosine", "weights": "distance", "n_neighbors": 178}),
    ("wine", {"metric": "chebyshev", "weights": "distance", "n_neighbors": 9}),
]

with open("neighbors_expected.csv", "w", newline="") as f, open("neighbors_facts.csv", "w", newline="") as g:
    expected = csv.writer(f, lineterminator="\n")
    facts = csv.writer(g, lineterminator="\n")
    expected.writerow(["no", "id", "k", "value"])
    facts.writerow(["no", "data", "params"])
    for no, (data, params) in enumerate(CASES, 1):
        frame = pd.read_csv(f"train_{data}.csv")
        scaler = StandardScaler()
        x = scaler.fit_transform(frame.drop(columns=TARGETS[data]).to_numpy(float))
        y = frame[TARGETS[data]].to_numpy()
        model = (KNeighborsRegressor if data == "diabetes" else KNeighborsClassifier)(**params).fit(x, y)
        moved = frame.drop(columns=TARGETS[data]).to_numpy(float)
        moved[:, 0] += 0.05
        queries = scaler.transform(moved)
        distances = model.kneighbors(queries, min(model.n_neighbors + 1, len(x)))[0]
        clear = (distances[:, -1] - distances[:, -2] > 1e-9) | (model.n_neighbors == len(x))
        values = model.predict(queries)[:, None] if data == "diabetes" else model.predict_proba(queries)
        facts.writerow([no, data, json.dumps(params)])
        expected.writerows([no, i, k, f"{v:.12g}"] for i, row in enumerate(values, 1) if clear[i - 1] for k, v in enumerate(row, 1))
