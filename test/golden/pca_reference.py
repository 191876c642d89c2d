"""Writes pca_expected.csv: PCA of scikit-learn on the four measures of train_iris.csv.

    python pca_reference.py
"""
import csv
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

rows = pd.read_csv("train_iris.csv")
x = rows.select_dtypes("number").to_numpy(float)
out = []
for case, data, options in [("all", x, {}), ("two", x, dict(n_components=2)), ("share", x, dict(n_components=0.97)),
                            ("whiten", x, dict(n_components=3, whiten=True)), ("scaled", StandardScaler().fit_transform(x), {})]:
    model = PCA(svd_solver="full", **options).fit(data)
    t = model.transform(data)
    for name in ["explained_variance", "explained_variance_ratio", "singular_values"]:
        out.extend((case, name, k + 1, 1, v) for k, v in enumerate(getattr(model, name + "_")))
    out.extend((case, "components", k + 1, j + 1, v) for k, row in enumerate(model.components_) for j, v in enumerate(row))
    out.extend((case, "transform", i + 1, k + 1, v) for i in (0, 51, 149) for k, v in enumerate(t[i]))
with open("pca_expected.csv", "w", newline="") as f:
    writer = csv.writer(f)
    writer.writerow(["case_name", "attribute", "i", "j", "expected"])
    writer.writerows((*r[:4], repr(float(r[4]))) for r in out)
