"""What a user would run instead of medallion, end to end: from the table to the fitted model.

A peer is a function that reads the database of the environment; what it returns is shown once, so that one sees it did the same work.
Interpreter start and imports are not counted, which favours the peer.
"""
import os
import subprocess
import time
import warnings

import numpy as np
import pandas
import sqlalchemy
import statsmodels.api
from sklearn.cluster import DBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNetCV, LassoCV, LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

MODELS = {model.__name__: model for model in (ElasticNetCV, GaussianMixture, GaussianNB, KMeans, LassoCV, LinearRegression,
                                              LogisticRegression, PCA, Ridge, SVC)}
warnings.simplefilter("ignore", ConvergenceWarning)  # rounds are counted, on either side


def copy_binary(target, columns=28, table="bench.higgs", rows=None):
    """X, of c1, c2 …, and y through COPY … (FORMAT binary) and a parser made by hand for NOT NULL columns: the fastest way there is."""
    names = [f"c{i + 1}" for i in range(columns)] if isinstance(columns, int) else columns
    names = names + [f"{target}::float8"]
    statement = f"COPY (SELECT {', '.join(names)} FROM {table}{f' LIMIT {rows}' if rows else ''}) TO STDOUT (FORMAT binary)"
    data = subprocess.run(["psql", "-XqAtc", statement], stdout=subprocess.PIPE, check=True, env=os.environ).stdout
    row = np.dtype([("count", ">i2")] + [(f"{kind}{i}", form) for i in range(len(names))
                                         for kind, form in (("length", ">i4"), ("value", ">f8"))])
    body = np.frombuffer(data, dtype=np.uint8)[19:-2].reshape(-1, row.itemsize)
    fields = body[:, 2:].reshape(len(body), len(names), 12)[:, :, 4:]
    matrix = np.ascontiguousarray(fields).view(">f8")[:, :, 0].astype(np.float64)
    return matrix[:, :-1], matrix[:, -1]


def read_sql(target, columns=28, table="bench.higgs"):
    """X and y through pandas.read_sql, as most people do it."""
    names = [f"c{i + 1}" for i in range(columns)]
    engine = sqlalchemy.create_engine("postgresql+psycopg://")
    frame = pandas.read_sql(f"SELECT {', '.join(names)}, {target} AS target FROM {table}", engine)
    engine.dispose()
    return frame[names], frame["target"]


def copy_fit(model, target, source=None, scaled=False, **parameters):
    """Fits a model of scikit-learn; the score is of the first rows, so that it costs nothing beside the fit."""
    x, y = copy_binary(target, **(source or {}))
    estimator = MODELS[model](**parameters)
    fitted = (make_pipeline(StandardScaler(), estimator) if scaled else estimator).fit(x, y)
    return fitted.score(x[:1000], y[:1000])


def pandas_fit(model, target, source=None):
    x, y = read_sql(target, **(source or {}))
    return MODELS[model]().fit(x, y).score(x[:1000], y[:1000])


def copy_roc_auc():
    x, y = copy_binary("label", ["score"], "bench.scored")
    return roc_auc_score(y, x[:, 0])


def copy_quantreg():
    x, y = copy_binary("y")
    return statsmodels.api.QuantReg(y, statsmodels.api.add_constant(x)).fit(q=0.5).params.sum()


def copy_logit():
    x, y = copy_binary("label")
    return statsmodels.api.Logit(y, statsmodels.api.add_constant(x)).fit(disp=False).params.sum()


def copy_silhouette():
    return silhouette_score(*copy_binary("label", 4))


def copy_dbscan(eps, min_samples):
    x, _ = copy_binary("y", 4)
    labels = DBSCAN(eps=eps, min_samples=min_samples, n_jobs=-1).fit(StandardScaler().fit_transform(x)).labels_
    return int(labels.max()) + 1, int((labels < 0).sum())


def copy_neighbors(columns):
    """The classes of rows by their nearest of as many others, which is where the time goes; not written back."""
    x, y = copy_binary("label", columns)
    x = StandardScaler().fit_transform(x)
    half = len(x) // 2
    model = KNeighborsClassifier(n_jobs=-1).fit(x[:half], y[:half])
    return float((model.predict(x[half:]) == y[half:]).mean())


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


def pandas_asof():
    """Latest event before each label, as pandas users do it: two tables through COPY CSV, sorted, merged."""
    def read(table, columns):
        copy = f"COPY (SELECT {columns} FROM bench.{table}) TO STDOUT (FORMAT csv)"
        with subprocess.Popen(["psql", "-XqAtc", copy], stdout=subprocess.PIPE, env=os.environ) as process:
            return pandas.read_csv(process.stdout, names=columns.replace("extract(epoch from at) AS ", "").split(", "))
    events = read("events", "customer, extract(epoch from at) AS at, amount").sort_values("at")
    labels = read("labels", "customer, extract(epoch from at) AS at").sort_values("at")
    return pandas.merge_asof(labels, events, on="at", by="customer", allow_exact_matches=False)["amount"].mean()
