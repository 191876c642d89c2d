"""Writes prep_rows.csv and prep_expected.csv: what scikit-learn's transformers make of the columns of the diamonds-like
rows below.  Run with scikit-learn >= 1.3 in the folder of this file.

    python prep_reference.py
"""
import csv
import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (MaxAbsScaler, MinMaxScaler, OrdinalEncoder, PowerTransformer, QuantileTransformer,
                                   RobustScaler, StandardScaler, TargetEncoder)

n = 500
i = np.arange(n)
rng = np.random.default_rng(5)
rows = pd.DataFrame({
    "id": i,
    "a": np.round(rng.lognormal(1, 0.8, n), 6),
    "b": np.round(rng.normal(-3, 2, n), 6),
    "c": rng.integers(0, 6, n).astype(float),
    "gap": np.where(i % 7 == 0, np.nan, np.round(rng.gamma(2, 3, n), 4)),
    "kind": np.array(["x", "yy", "z", "w"])[np.minimum(rng.integers(0, 6, n), 3)],
    "y": np.round(rng.normal(0, 1, n) + (i % 3), 6),
})
rows["y"] += rows["kind"].map({"x": 0, "yy": 2, "z": -1, "w": 5})
rows["flag"] = rows["y"] > 2
rows.to_csv("prep_rows.csv", index=False)

cases = {}
for scaler, name in [(StandardScaler(), "standard"), (MinMaxScaler(), "minmax"), (MaxAbsScaler(), "maxabs"), (RobustScaler(), "robust")]:
    cases["scale", name, "b"] = scaler.fit_transform(rows[["b"]])[:, 0]
cases["transform", "log", "b"] = np.sign(rows.b) * np.log1p(np.abs(rows.b))
for method, name in [("yeo-johnson", "yeo_johnson"), ("box-cox", "box_cox")]:
    cases["transform", name, "a"] = PowerTransformer(method=method, standardize=False).fit_transform(rows[["a"]])[:, 0]
cases["transform", "yeo_johnson", "b"] = PowerTransformer(standardize=False).fit_transform(rows[["b"]])[:, 0]
for columns in ["a", "c"]:
    # As many knots as rows: rounding decides which of equal values a knot is made of, so ties are not compared there.
    for k in [11, 1000] if columns == "a" else [11]:
        for distribution, name in [("uniform", "quantile"), ("normal", "quantile_normal")]:
            t = QuantileTransformer(n_quantiles=min(k, n), output_distribution=distribution, subsample=None)
            cases["transform", name + f":{k}", columns] = t.fit_transform(rows[[columns]])[:, 0]
for strategy in ["mean", "median", "most_frequent"]:
    cases["impute", strategy, "gap"] = SimpleImputer(strategy=strategy).fit_transform(rows[["gap"]])[:, 0]
cases["encode", "ordinal", "kind"] = OrdinalEncoder().fit_transform(rows[["kind"]])[:, 0]
cases["encode", "frequency", "kind"] = rows["kind"].map(rows["kind"].value_counts(normalize=True))
# what a new row gets (not the out-of-fold numbers of the rows trained on)
cases["encode", "target", "kind"] = TargetEncoder(target_type="continuous").fit(rows[["kind"]], rows.y).transform(rows[["kind"]])[:, 0]
cases["encode", "target_binary", "kind"] = TargetEncoder(target_type="binary").fit(rows[["kind"]], rows.flag).transform(rows[["kind"]])[:, 0]

with open("prep_expected.csv", "w", newline="") as f:
    out = csv.writer(f)
    out.writerow(["option", "value", "column_name", "id", "expected"])
    for (option, value, column), numbers in cases.items():
        for k in range(0, n, 5):
            out.writerow([option, value, column, k, repr(float(numbers[k]))])
