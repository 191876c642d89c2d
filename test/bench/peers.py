"""What a user would run instead of medallion, end to end: from the table to the fitted model.

A peer is a function of a connection string; what it returns is shown once, so that one sees it did the same work.
Interpreter start and imports are not counted, which favours the peer.
"""
import os
import subprocess
import time

import numpy as np
import pandas
import sqlalchemy
import statsmodels.api
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import ElasticNetCV, LassoCV, LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score, silhouette_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

FEATURES = [f"c{i}" for i in range(1, 29)]
WIDE_FEATURES = [f"c{i}" for i in range(1, 201)]


def copy_binary(target, columns=FEATURES, table="bench.higgs"):
    """X and y through COPY … (FORMAT binary) and a parser made by hand for NOT NULL columns: the fastest way there is."""
    columns = columns + [f"{target}::float8"]
    statement = f"COPY (SELECT {', '.join(columns)} FROM {table}) TO STDOUT (FORMAT binary)"
    data = subprocess.run(["psql", "-XqAtc", statement], stdout=subprocess.PIPE, check=True, env=os.environ).stdout
    row = np.dtype([("count", ">i2")] + [(f"{kind}{i}", form) for i in range(len(columns))
                                         for kind, form in (("length", ">i4"), ("value", ">f8"))])
    body = np.frombuffer(data, dtype=np.uint8)[19:-2].reshape(-1, row.itemsize)
    fields = body[:, 2:].reshape(len(body), len(columns), 12)[:, :, 4:]
    matrix = np.ascontiguousarray(fields).view(">f8")[:, :, 0].astype(np.float64)
    return matrix[:, :-1], matrix[:, -1]


def read_sql(target):
    """X and y through pandas.read_sql, as most people do it."""
    engine = sqlalchemy.create_engine("postgresql+psycopg://")
    frame = pandas.read_sql(f"SELECT {', '.join(FEATURES)}, {target} AS target FROM bench.higgs", engine)
    engine.dispose()
    return frame[FEATURES], frame["target"]


def copy_linear():
    x, y = copy_binary("y")
    return LinearRegression().fit(x, y).score(x[:1000], y[:1000])


def copy_linear_wide():
    x, y = copy_binary("y", WIDE_FEATURES, "bench.wide")
    return LinearRegression().fit(x, y).score(x[:1000], y[:1000])


def copy_ridge():
    x, y = copy_binary("y")
    return Ridge().fit(x, y).score(x[:1000], y[:1000])


def pandas_ridge():
    x, y = read_sql("y")
    return Ridge().fit(x, y).score(x[:1000], y[:1000])


def copy_lasso_cv():
    x, y = copy_binary("y")
    return LassoCV(alphas=100, cv=5).fit(x, y).alpha_


def copy_elastic_net_cv():
    x, y = copy_binary("y")
    return ElasticNetCV(alphas=100, cv=5).fit(x, y).alpha_


def copy_logistic():
    x, y = copy_binary("label")
    return LogisticRegression().fit(x, y).score(x[:1000], y[:1000])


def copy_roc_auc():
    x, y = copy_binary("label", ["score"], "bench.scored")
    return roc_auc_score(y, x[:, 0])


def copy_quantreg():
    x, y = copy_binary("y")
    return statsmodels.api.QuantReg(y, statsmodels.api.add_constant(x)).fit(q=0.5).params.sum()


def copy_silhouette():
    return silhouette_score(*copy_binary("label", ["c1", "c2", "c3", "c4"]))


def copy_svc():
    x, y = copy_binary("label")
    return int(SVC().fit(StandardScaler().fit_transform(x), y).n_support_.sum())


def copy_kmeans():
    x, _ = copy_binary("y")
    return KMeans(10, n_init=1, max_iter=100, tol=0, random_state=1).fit(x).inertia_


def copy_pca():
    x, _ = copy_binary("y")
    return PCA(10).fit(x).explained_variance_ratio_.sum()


def copy_naive_bayes():
    x, y = copy_binary("label")
    return GaussianNB().fit(x, y).score(x[:1000], y[:1000])


def kmeans_round_of_scikit():
    """Milliseconds of a round, from a fit of 101 less one of 1 from the same centres, with as many threads as the server has."""
    x, _ = copy_binary("y")
    seconds = []
    with threadpool_limits(3):
        for rounds in (1, 101):
            start = time.perf_counter()
            KMeans(10, init=x[:10], n_init=1, max_iter=rounds, tol=0, algorithm="lloyd").fit(x)
            seconds.append(time.perf_counter() - start)
    return (seconds[1] - seconds[0]) * 10


def copy_grid_ridge():
    x, y = copy_binary("y")
    grid = GridSearchCV(Ridge(), {"alpha": [10 ** (i / 4 - 2) for i in range(20)]}, cv=KFold(5, shuffle=True, random_state=0), n_jobs=-1)
    return grid.fit(x, y).best_params_["alpha"]


def copy_predict():
    """Reads, predicts with a model fitted on the first rows, writes back with a key; the fit is part of neither side."""
    x, y = copy_binary("y")
    scores = LinearRegression().fit(x[:10000], y[:10000]).predict(x)
    text = pandas.DataFrame({"id": np.arange(1, len(scores) + 1), "prediction": scores}).to_csv(index=False, header=False)
    subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-c", "CREATE TABLE gold.bench_python_scores (id bigint, prediction float8)",
                    "-c", "COPY gold.bench_python_scores FROM STDIN (FORMAT csv)"], input=text.encode(), check=True, env=os.environ)
    subprocess.run(["psql", "-Xq", "-c", "ALTER TABLE gold.bench_python_scores ADD PRIMARY KEY (id)"], check=True, env=os.environ)
    return float(scores[0])


def pandas_linear():
    x, y = read_sql("y")
    return LinearRegression().fit(x, y).score(x[:1000], y[:1000])


def pandas_logistic():
    x, y = read_sql("label")
    return LogisticRegression().fit(x, y).score(x[:1000], y[:1000])


def pandas_asof():
    """Latest event before each label, as pandas users do it: two tables through COPY CSV, sorted, merged."""
    def read(table, columns):
        copy = f"COPY (SELECT {columns} FROM bench.{table}) TO STDOUT (FORMAT csv)"
        with subprocess.Popen(["psql", "-XqAtc", copy], stdout=subprocess.PIPE, env=os.environ) as process:
            return pandas.read_csv(process.stdout, names=columns.replace("extract(epoch from at) AS ", "").split(", "))
    events = read("events", "customer, extract(epoch from at) AS at, amount").sort_values("at")
    labels = read("labels", "customer, extract(epoch from at) AS at").sort_values("at")
    return pandas.merge_asof(labels, events, on="at", by="customer", allow_exact_matches=False)["amount"].mean()
