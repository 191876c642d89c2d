"""Golden cases of metrics, on predictions of real models, of preprocessing, and of isotonic regression and calibration."""
import numpy as np
from sklearn import metrics as m
from sklearn.calibration import CalibratedClassifierCV
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler

from compare import case, no_worse, same

EXACT = 1e-12


def against_metrics(db, relation, expressions):
    """{what: (aggregate over the columns of the relation, reference)}."""
    values = db.rows(f"SELECT {', '.join(f'({sql})::float8' for sql, _ in expressions.values())} FROM {relation} t")[0]
    return [same(what, ours, theirs, EXACT) for (what, (_, theirs)), ours in zip(expressions.items(), values)]


@case("metrics, two classes", "spam cancer", "sklearn.metrics")
def two_classes(db, data):
    model = db.train(data, "naive_bayes")
    table = f"golden.scored_{data.name}"
    db.connection.execute(f"CREATE TABLE {table} AS SELECT {data.target} AS label, medallion.predict('{model.name}', t) AS p,"
                          f" medallion.predict_class('{model.name}', t) AS guess, 1 + id % 3 AS w FROM {data.source} t")
    label, p, guess, w = (np.array(c) for c in zip(*db.rows(f"SELECT * FROM {table}")))
    positive = max(label)
    y, c = label == positive, f"label = '{positive}'"
    return against_metrics(db, table, {
        "roc_auc": (f"medallion.roc_auc({c}, p)", m.roc_auc_score(y, p)), "roc_auc, weighted": (f"medallion.roc_auc({c}, p, w)", m.roc_auc_score(y, p, sample_weight=w)),
        "average_precision": (f"medallion.average_precision({c}, p)", m.average_precision_score(y, p)),
        "log_loss": (f"medallion.log_loss({c}, p)", m.log_loss(y, p)), "brier": (f"medallion.brier({c}, p)", m.brier_score_loss(y, p)),
        "accuracy": ("medallion.accuracy(label, guess)", m.accuracy_score(label, guess)),
        "balanced_accuracy": ("medallion.balanced_accuracy(label, guess)", m.balanced_accuracy_score(label, guess)),
        "precision": ("medallion.precision(label, guess)", m.precision_score(label, guess, pos_label=positive)),
        "recall": ("medallion.recall(label, guess)", m.recall_score(label, guess, pos_label=positive)),
        "f1": ("medallion.f1(label, guess)", m.f1_score(label, guess, pos_label=positive)),
        "fbeta 2": ("medallion.fbeta(label, guess, 2)", m.fbeta_score(label, guess, beta=2, pos_label=positive)),
        "mcc": ("medallion.mcc(label, guess)", m.matthews_corrcoef(label, guess)), "kappa": ("medallion.kappa(label, guess)", m.cohen_kappa_score(label, guess)),
        "jaccard": ("medallion.jaccard(label, guess)", m.jaccard_score(label, guess, pos_label=positive)),
        "d2_log_loss": (f"medallion.d2_log_loss({c}, p)", m.d2_log_loss_score(y, p))})


@case("metrics, several classes", "letter satellite shuttle", "sklearn.metrics")
def several_classes(db, data):
    model = db.train(data, "lda")
    table = f"golden.scored_{data.name}"
    db.connection.execute(f"CREATE TABLE {table} AS SELECT {data.target} AS label, medallion.predict_proba('{model.name}', t) AS p,"
                          f" medallion.predict_class('{model.name}', t) AS guess FROM {data.source} t")
    label, p, guess = (np.array(c) for c in zip(*db.rows(f"SELECT * FROM {table}")))
    p = p.astype(float)
    classes = f"medallion.classes('{model.name}')"
    every = {}
    for average in ("macro", "micro", "weighted"):
        for name, score in (("precision", m.precision_score), ("recall", m.recall_score), ("f1", m.f1_score)):
            every[f"{name}, {average}"] = (f"medallion.{name}(label, guess, '{average}')", score(label, guess, average=average, zero_division=0))
    for average in ("macro", "weighted"):
        for name, how in (("roc_auc_ovr", "ovr"), ("roc_auc_ovo", "ovo")):
            every[f"{name}, {average}"] = (f"medallion.{name}(label, p, {classes}, '{average}')", m.roc_auc_score(label, p, multi_class=how, average=average))
    return against_metrics(db, table, every | {
        "accuracy": ("medallion.accuracy(label, guess)", m.accuracy_score(label, guess)), "mcc": ("medallion.mcc(label, guess)", m.matthews_corrcoef(label, guess)),
        "kappa": ("medallion.kappa(label, guess)", m.cohen_kappa_score(label, guess)),
        "log_loss": (f"medallion.log_loss_multiclass(label, p, {classes})", m.log_loss(label, p)),
        "ari": ("medallion.ari(label, guess)", m.adjusted_rand_score(label, guess)), "nmi": ("medallion.nmi(label, guess)", m.normalized_mutual_info_score(label, guess)),
        "v_measure": ("medallion.v_measure(label, guess)", m.v_measure_score(label, guess))})


@case("metrics, numbers", "diamonds diabetes", "sklearn.metrics")
def numbers(db, data):
    model = db.train(data, "gamma" if data.name == "diabetes" else "linear")
    table = f"golden.scored_{data.name}"
    db.connection.execute(f"CREATE TABLE {table} AS SELECT {data.target} AS y, medallion.predict('{model.name}', t) AS p, 1 + id % 3 AS w FROM {data.source} t")
    y, p, w = (np.array(c, float) for c in zip(*db.rows(f"SELECT * FROM {table}")))
    return against_metrics(db, table, {
        "r2": ("medallion.r2(y, p)", m.r2_score(y, p)), "r2, weighted": ("medallion.r2(y, p, w)", m.r2_score(y, p, sample_weight=w)),
        "rmse": ("medallion.rmse(y, p)", m.root_mean_squared_error(y, p)), "mae": ("medallion.mae(y, p)", m.mean_absolute_error(y, p)),
        "medae": ("medallion.medae(y, p)", m.median_absolute_error(y, p)), "mape": ("medallion.mape(y, p)", m.mean_absolute_percentage_error(y, p)),
        "max_error": ("medallion.max_error(y, p)", m.max_error(y, p)), "explained_variance": ("medallion.explained_variance(y, p)", m.explained_variance_score(y, p)),
        "pinball 0.9": ("medallion.pinball(y, p, 0.9)", m.mean_pinball_loss(y, p, alpha=0.9)),
        "d2_absolute_error": ("medallion.d2_absolute_error(y, p)", m.d2_absolute_error_score(y, p))})


@case("metrics, clusters", "satellite spam", "sklearn.metrics")
def cluster_metrics(db, data):
    model = db.train(data, "kmeans", {"n_clusters": 5, "n_init": 3}, target=None)
    cluster = model.predict(data)
    columns = ", ".join(f'"{t}"' for t in data.terms)
    source = f"(SELECT ARRAY[{columns}]::float8[] AS x, medallion.predict('{model.name}', t) AS cluster FROM {data.source} t)"
    return against_metrics(db, source, {
        "silhouette": ("medallion.silhouette(x, cluster)", m.silhouette_score(data.x, cluster)),
        "davies_bouldin": ("medallion.davies_bouldin(x, cluster)", m.davies_bouldin_score(data.x, cluster)),
        "calinski_harabasz": ("medallion.calinski_harabasz(x, cluster)", m.calinski_harabasz_score(data.x, cluster))})


@case("isotonic", "diamonds diabetes", "IsotonicRegression")
def isotonic(db, data):
    term = "carat" if data.name == "diamonds" else "bmi"
    x = data.frame[term].to_numpy(float)
    fit = IsotonicRegression(out_of_bounds="clip").fit(x, data.y)
    return [same("predictions", db.train(data, "isotonic", features=[term]).predict(data), fit.predict(x), 1e-10)]


@case("calibration of naive_bayes", "spam satellite", "CalibratedClassifierCV")
def calibration(db, data):
    """Folds differ, so that losses are compared, with the worst that five ways to make folds give the peer."""
    checks = []
    for kind in ("sigmoid", "isotonic"):
        model = db.train(data, "naive_bayes", {"calibration": kind}, validation={"fraction": 0.001, "stratify": True})
        theirs = [m.log_loss(data.y, CalibratedClassifierCV(GaussianNB(), method=kind, ensemble=False, cv=StratifiedKFold(5, shuffle=True, random_state=s)).fit(data.x, data.y).predict_proba(data.x))
                  for s in range(5)]
        checks.append(no_worse(f"log loss, {kind}", m.log_loss(data.y, model.proba(data)), max(theirs), 0.02))
    return checks


def design_rows(db, model, data):
    terms = db.value(f"SELECT array_agg(t ORDER BY n) FROM unnest(medallion.terms('{model.name}')) WITH ORDINALITY u(t, n)")
    return model.column("medallion.design_row({m}, t)", data), list(terms)


@case("preprocessing", "diamonds spam satellite", "sklearn.preprocessing")
def preprocessing(db, data):
    """What becomes of the raw columns, in the order of the terms."""
    checks = []
    numeric = data.numeric
    x = data.frame[numeric].to_numpy(float)
    for scale, peer in (("standard", StandardScaler()), ("minmax", MinMaxScaler()), ("robust", RobustScaler())):
        if scale == "robust" and data.name == "spam":
            continue  # quartiles of most columns are both 0
        model = db.train(data, "ridge" if data.name == "diamonds" else "logistic", preprocess={"scale": scale})
        ours, terms = design_rows(db, model, data)
        places = [terms.index(c) for c in numeric]
        checks.append(same(f"scale {scale}", ours[:, places], peer.fit_transform(x), EXACT))
        if scale == "standard" and data.name == "diamonds":
            text = [c for c in data.frame if c not in numeric and c != data.target]
            hot = OneHotEncoder(sparse_output=False).fit(data.frame[text])
            names = [f"{c}={v}" for c, values in zip(text, hot.categories_) for v in values]
            checks.append(same("one-hot", ours[:, [terms.index(n) for n in names]], hot.transform(data.frame[text]), 0))
    return checks
