"""Reference values of the metric aggregates that take weights, averages, curves, clusters and queries, from scikit-learn.

Writes metrics_case_rows.csv (the rows of table r) and metrics_cases.csv (a query that returns float8[], its value) beside
this file.  NaN stands for what has no value: NULL in SQL, NaN or an exception in scikit-learn.
Run with: python metrics_cases.py  (made with scikit-learn 1.9.1, numpy 2.4.6)
"""
import csv
import os
import warnings

import numpy as np
from sklearn import metrics as m
from sklearn.calibration import calibration_curve

warnings.simplefilter("ignore")
here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20261123)
n = 300
weight = np.round(rng.random(n) * 3, 3) * (rng.random(n) < 0.9)
y = np.round(rng.gamma(2, 2, size=n), 3) + 0.001
p = np.round(y * np.exp(rng.normal(size=n) * 0.4), 3) + 0.001
counts = rng.poisson(1.5, size=n)                               # zeros, for Poisson's deviance
label = rng.random(n) < 0.3
score = np.round(np.clip(0.3 + 0.3 * label + rng.normal(size=n) * 0.2, 0, 1), 2)    # many ties, some 0 and 1
names = np.array(["cat", "dog", "eel"])
truth = rng.choice(names, size=n, p=[0.6, 0.3, 0.1])
guess = np.where(rng.random(n) < 0.6, truth, rng.choice(["cat", "dog", "fox"], size=n))    # eel never guessed at random
grade = rng.integers(1, 6, size=n)
given = np.clip(grade + rng.integers(-2, 3, size=n), 1, 12)
probs = rng.dirichlet([1, 1, 1], size=n) * 0.6 + 0.4 * (truth[:, None] == names)
probs = np.round(probs, 2)
probs[:, 2] = np.round(1 - probs[:, 0] - probs[:, 1], 2)
x = rng.normal(size=(n, 2)) + 3 * np.eye(3)[:, :2][rng.integers(0, 3, size=n)]
cluster = (x @ [1, 2] > 2).astype(int) + 2 * (x[:, 0] > 2)
query = rng.integers(1, 21, size=n)
relevance = rng.integers(0, 4, size=n).astype(float)
relevant = relevance > 2
rank = np.round(relevance + rng.normal(size=n) * 2, 0)         # ties within queries

columns = {"y": y, "p": p, "counts": counts, "weight": weight, "label": label, "score": score, "truth": truth, "guess": guess,
           "grade": grade, "given": given, "probs": probs, "x": x, "cluster": cluster, "query": query, "relevance": relevance,
           "rank": rank}


def text(value):
    if isinstance(value, np.ndarray):
        return "{" + ",".join(repr(float(v)) for v in value) + "}"
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value.item())


with open(os.path.join(here, "metrics_case_rows.csv"), "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow(columns)
    for row in zip(*columns.values()):
        w.writerow([text(v) for v in row])

cases = []


def case(sql, value, source="r"):
    """One value: an expression over the rows."""
    cases.append((f"SELECT ARRAY[{sql}]::float8[] FROM {source}", np.atleast_1d(np.asarray(value, dtype=float))))


def curve(fields, sql, value, source="r"):
    """A curve: the fields of its rows, one after the other; value is (rows, fields)."""
    listed = ",".join(f"c.{f}" for f in fields)
    cases.append((f"SELECT (SELECT pg_catalog.array_agg(v ORDER BY o, k) FROM unnest({sql}) WITH ORDINALITY c({', '.join(names_of[sql.split('(')[0]])}, o), "
                  f"unnest(ARRAY[{listed}]::float8[]) WITH ORDINALITY u(v, k)) FROM {source}", np.asarray(value, dtype=float).ravel()))


names_of = {
    "medallion.roc_curve": ["threshold", "fpr", "tpr"],
    "medallion.pr_curve": ["threshold", "precision", "recall"],
    "medallion.calibration_curve": ["lower", "upper", "rows", "mean_probability", "observed"],
    "medallion.lift_curve": ["fraction", "threshold", "gain", "lift"],
    "medallion.confusion": ["label", "predicted", "rows"],
    "medallion.classification_report": ["class", "precision", "recall", "f1", "support"],
}


def rows(*pairs):
    """A small source (l, p) or (l, p, w)."""
    letters = "lpw"[:len(pairs[0])]
    return "(VALUES " + ", ".join("(" + ", ".join(map(str, pair)) + ")" for pair in pairs) + f") v({', '.join(letters)})"


# ---- losses of numbers
for weights, kw in (("", {}), (", weight", {"sample_weight": weight})):
    case(f"medallion.msle(y, p{weights})", m.mean_squared_log_error(y, p, **kw))
    case(f"medallion.rmsle(y, p{weights})", m.root_mean_squared_log_error(y, p, **kw))
    case(f"medallion.rmse(y, p{weights})", m.root_mean_squared_error(y, p, **kw))
    case(f"medallion.medae(y, p{weights})", m.median_absolute_error(y, p, **kw))
    for alpha in (0, 0.1, 0.5, 0.9, 1):
        case(f"medallion.pinball(y, p, {alpha}{weights})", m.mean_pinball_loss(y, p, alpha=alpha, **kw))
        case(f"medallion.d2_pinball(y, p, {alpha}{weights})", m.d2_pinball_score(y, p, alpha=alpha, **kw))
    case(f"medallion.d2_absolute_error(y, p{weights})", m.d2_absolute_error_score(y, p, **kw))
    case(f"medallion.poisson_deviance(counts, p{weights})", m.mean_poisson_deviance(counts, p, **kw))
    case(f"medallion.gamma_deviance(y, p{weights})", m.mean_gamma_deviance(y, p, **kw))
    for power in (-1, 0, 1, 1.5, 2, 3):
        case(f"medallion.tweedie_deviance(y, p, {power}{weights})", m.mean_tweedie_deviance(y, p, power=power, **kw))
        case(f"medallion.d2_tweedie(y, p, {power}{weights})", m.d2_tweedie_score(y, p, power=power, **kw))
    case(f"medallion.tweedie_deviance(counts, p, 1.5{weights})", m.mean_tweedie_deviance(counts, p, power=1.5, **kw))
    case(f"medallion.d2_tweedie(counts, p, 1{weights})", m.d2_tweedie_score(counts, p, power=1, **kw))
case("medallion.medae(l, p)", m.median_absolute_error([1, 2, 3, 4], [1, 1, 1, 1]), rows((1, 1), (2, 1), (3, 1), (4, 1)))
case("medallion.medae(l, p, w)", m.median_absolute_error([0, 0, 0], [1, 2, 4], sample_weight=[2, 1, 1]),
     rows((0, 1, 2), (0, 2, 1), (0, 4, 1)))
constant = rows((2, 1), (2, 2), (2, 4))
case("medallion.d2_absolute_error(l, p)", m.d2_absolute_error_score([2, 2, 2], [1, 2, 4]), constant)
case("medallion.d2_absolute_error(l, l)", m.d2_absolute_error_score([2, 2, 2], [2, 2, 2]), constant)
case("medallion.d2_tweedie(l, p, 0)", 0, constant)               # scikit-learn divides by zero here, and says 0 for r2
case("medallion.d2_tweedie(l, p, 1)", np.nan, rows((2, 1)))
case("medallion.poisson_deviance(l, p)", m.mean_poisson_deviance([0, 0], [1, 2]), rows((0, 1), (0, 2)))

# ---- classes
scores = {"precision": m.precision_score, "recall": m.recall_score, "f1": m.f1_score, "jaccard": m.jaccard_score}
for name, function in scores.items():
    case(f"medallion.{name}(label, score > 0.5, 'binary', NULL, weight)", function(label, score > 0.5, sample_weight=weight))
    case(f"medallion.{name}(label, score > 0.5, 'binary', 'false', weight)",
         function(label, score > 0.5, pos_label=False, sample_weight=weight))
    for average in ("macro", "micro", "weighted"):
        case(f"medallion.{name}(truth, guess, '{average}')", function(truth, guess, average=average, zero_division=0))
        for zero in (0, 1, "NaN") if name != "jaccard" else (0, 1):
            case(f"medallion.{name}(truth, guess, '{average}', NULL, weight, {repr(zero)})",
                 function(truth, guess, average=average, sample_weight=weight, zero_division=float(zero)))
    # Nothing predicted, nothing there: what zero_division says.
    for zero in (0, 1) if name == "jaccard" else (0, 1, "NaN"):
        for l, g in ((True, False), (False, True), (False, False)):
            case(f"medallion.{name}(l, p, 'binary', NULL, 1, {repr(zero)})", function([l, l], [g, g], zero_division=float(zero)),
                 rows((l, g), (l, g)))
case("medallion.precision(l, p, 'weighted', NULL, 1, 'NaN')",        # the only label has none: that of the class predicted
     m.precision_score([1, 1], [2, 3], average="weighted", zero_division=np.nan), rows((1, 2), (1, 3)))
case("medallion.fbeta(truth, guess, 0.5, 'macro', NULL, weight)",
     m.fbeta_score(truth, guess, beta=0.5, average="macro", sample_weight=weight, zero_division=0))
case("medallion.fbeta(truth, guess, 2, 'weighted', NULL, weight, 1)",
     m.fbeta_score(truth, guess, beta=2, average="weighted", sample_weight=weight, zero_division=1))
case("medallion.fbeta(truth, guess, 0, 'macro')", m.fbeta_score(truth, guess, beta=0, average="macro", zero_division=0))
case("medallion.jaccard(label, score > 0.5)", m.jaccard_score(label, score > 0.5))
for weights, kw in (("", {}), (", weight", {"sample_weight": weight})):
    case(f"medallion.balanced_accuracy(truth, guess{weights})", m.balanced_accuracy_score(truth, guess, **kw))
    case(f"medallion.mcc(truth, guess{weights})", m.matthews_corrcoef(truth, guess, **kw))
    for kind in ("none", "linear", "quadratic"):
        case(f"medallion.kappa(grade, given, '{kind}'{weights})",
             m.cohen_kappa_score(grade, given, weights=None if kind == "none" else kind, **kw))
    classes = np.unique(np.concatenate([truth, guess]))
    matrix = m.confusion_matrix(truth, guess, labels=classes, **kw)
    curve(["rows"], f"medallion.confusion(truth, guess{weights})", matrix)
    report = m.precision_recall_fscore_support(truth, guess, labels=classes, zero_division=0, **kw)
    curve(["precision", "recall", "f1", "support"], f"medallion.classification_report(truth, guess{weights})", np.array(report).T)
case("medallion.kappa(truth, guess)", m.cohen_kappa_score(truth, guess))
case("medallion.kappa(l, p)", np.nan, rows((1, 1), (1, 1)))     # 0 / 0
case("medallion.kappa(l, p)", m.cohen_kappa_score([1, 1, 2], [2, 2, 2]), rows((1, 2), (1, 2), (2, 2)))
case("medallion.balanced_accuracy(l, p)", 1, rows((1, 1), (1, 1)))
case("medallion.balanced_accuracy(l, p)", m.balanced_accuracy_score([1, 1], [1, 2]), rows((1, 1), (1, 2)))

# ---- scores
for weights, kw in (("", {}), (", weight", {"sample_weight": weight})):
    case(f"medallion.roc_auc(label, score{weights})", m.roc_auc_score(label, score, **kw))
    case(f"medallion.average_precision(label, score{weights})", m.average_precision_score(label, score, **kw))
    fpr, tpr, thresholds = m.roc_curve(label, score, **kw)
    curve(["threshold", "fpr", "tpr"], f"medallion.roc_curve(label, score{weights})", np.array([thresholds, fpr, tpr]).T)
    precision, recall, thresholds = m.precision_recall_curve(label, score, **kw)
    thresholds = np.append(thresholds, np.inf)
    curve(["threshold", "precision", "recall"], f"medallion.pr_curve(label, score{weights})",
          np.array([thresholds, precision, recall]).T[::-1])
    case(f"medallion.d2_log_loss(label, score{weights})", m.d2_log_loss_score(label, np.array([1 - score, score]).T, **kw))
    case(f"medallion.d2_brier(label, score{weights})", m.d2_brier_score(label, score, **kw))
for bins in (5, 10):
    for strategy in ("uniform", "quantile"):
        observed, mean = calibration_curve(label, score, n_bins=bins, strategy=strategy)
        curve(["mean_probability", "observed"], f"medallion.calibration_curve(label, score, {bins}, '{strategy}')",
              np.array([mean, observed]).T)
observed, mean = calibration_curve([1, 0, 1, 1], [0.6, 0.5, 0.0, 0.8], n_bins=3, strategy="quantile")    # a score on an edge
curve(["mean_probability", "observed"], "medallion.calibration_curve(l, p, 3, 'quantile')", np.array([mean, observed]).T,
      rows((True, 0.6), (False, 0.5), (True, 0.0), (True, 0.8)))
case("medallion.roc_auc(l, p)", np.nan, rows((True, 0.1), (True, 0.2)))
case("medallion.average_precision(l, p)", np.nan, rows((False, 0.1), (False, 0.2)))
case("medallion.average_precision(l, p)", m.average_precision_score([True, True], [0.1, 0.2]), rows((True, 0.1), (True, 0.2)))
case("medallion.roc_auc(l, p, w)", np.nan, rows((True, 0.1, 1), (False, 0.2, 0)))
case("medallion.roc_auc(l, p, w)", m.roc_auc_score([1, 0, 1, 0], [0.5, 0.5, 0.7, 0.1], sample_weight=[1, 2, 3, 4]),
     rows((True, 0.5, 1), (False, 0.5, 2), (True, 0.7, 3), (False, 0.1, 4)))
# Without ties the share of positives among the best tenth of rows is counted directly.
best = np.argsort(-p, kind="stable")[:30]
case("medallion.lift(y > 4, p, 0.1)", (y[best] > 4).mean() / (y > 4).mean())
gains = [(y[np.argsort(-p, kind="stable")[:30 * k]] > 4).sum() / (y > 4).sum() for k in range(1, 11)]
curve(["fraction", "gain", "lift"], "medallion.lift_curve(y > 4, p)", [[k / 10, g, g * 10 / k] for k, g in enumerate(gains, 1)])

# ---- probabilities of several classes
classes = "'{cat,dog,eel}'::text[]"
for weights, kw in (("", {}), (", weight", {"sample_weight": weight})):
    case(f"medallion.log_loss_multiclass(truth, probs, {classes}{weights})", m.log_loss(truth, probs, labels=names, **kw))
    case(f"medallion.brier_multiclass(truth, probs, {classes}{weights})", m.brier_score_loss(truth, probs, labels=names, **kw))
    one_hot = truth[:, None] == names
    for average in ("macro", "weighted", "micro"):
        auc = m.roc_auc_score(truth, probs, multi_class="ovr", average=average, labels=names, **kw)
        ap = m.average_precision_score(one_hot, probs, average=average, **kw)
        extra = f", '{average}'{weights}"
        case(f"medallion.roc_auc_ovr(truth, probs, {classes}{extra})", auc)
        case(f"medallion.average_precision_ovr(truth, probs, {classes}{extra})", ap)
for average in ("macro", "weighted"):
    case(f"medallion.roc_auc_ovo(truth, probs, {classes}, '{average}')",
         m.roc_auc_score(truth, probs, multi_class="ovo", average=average, labels=names))
case(f"medallion.roc_auc_ovr(truth, probs, {classes})", np.nan, "r WHERE truth <> 'eel'")
case(f"medallion.roc_auc_ovo(truth, probs, {classes})", np.nan, "r WHERE truth = 'cat'")
case("medallion.brier_multiclass(label, ARRAY[1 - score, score], '{false,true}')", m.brier_score_loss(label, score))
case("medallion.log_loss_multiclass(label, ARRAY[1 - score, score], '{false,true}')", m.log_loss(label, score))

# ---- clusters
case("medallion.ari(truth, cluster)", m.adjusted_rand_score(truth, cluster))
case("medallion.nmi(truth, cluster)", m.normalized_mutual_info_score(truth, cluster))
case("medallion.ami(truth, cluster)", m.adjusted_mutual_info_score(truth, cluster))
for method in ("arithmetic", "geometric", "min", "max"):
    case(f"medallion.nmi(truth, guess, '{method}')", m.normalized_mutual_info_score(truth, guess, average_method=method))
    case(f"medallion.ami(truth, guess, '{method}')", m.adjusted_mutual_info_score(truth, guess, average_method=method))
case("medallion.ari(truth, guess)", m.adjusted_rand_score(truth, guess))
for name, function in (("homogeneity", m.homogeneity_score), ("completeness", m.completeness_score),
                       ("v_measure", m.v_measure_score)):
    case(f"medallion.{name}(truth, guess)", function(truth, guess))
for l, g in (([1, 1, 1], [1, 1, 1]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [1, 1, 1]), ([1, 2, 3], [1, 2, 3]), ([1], [1]),
             ([1, 1, 2, 2], [1, 2, 1, 2])):
    for name, function in (("ari", m.adjusted_rand_score), ("nmi", m.normalized_mutual_info_score),
                           ("ami", m.adjusted_mutual_info_score), ("homogeneity", m.homogeneity_score),
                           ("completeness", m.completeness_score), ("v_measure", m.v_measure_score)):
        case(f"medallion.{name}(l, p)", function(l, g), rows(*zip(l, g)))
case("medallion.silhouette(x, cluster)", m.silhouette_score(x, cluster))
case("medallion.davies_bouldin(x, cluster)", m.davies_bouldin_score(x, cluster))
case("medallion.calinski_harabasz(x, cluster)", m.calinski_harabasz_score(x, cluster))
case("medallion.silhouette(x, guess)", m.silhouette_score(x, guess))
case("medallion.inertia(x, cluster)", sum(((x[cluster == k] - x[cluster == k].mean(axis=0)) ** 2).sum() for k in np.unique(cluster)))
for name in ("silhouette", "davies_bouldin", "calinski_harabasz"):
    case(f"medallion.{name}(x, 1)", np.nan)                      # one cluster; each row its own
    case(f"medallion.{name}(x, x)", np.nan)
lone = [[0, 0], [0, 1], [5, 5]]
points = "(VALUES ('{0,0}'::float8[], 1), ('{0,1}', 1), ('{5,5}', 2)) v(x, c)"
for name, function in (("silhouette", m.silhouette_score), ("davies_bouldin", m.davies_bouldin_score),
                       ("calinski_harabasz", m.calinski_harabasz_score)):
    case(f"medallion.{name}(x, c)", function(lone, [1, 1, 2]), points)

# ---- queries
groups = [np.flatnonzero(query == q) for q in np.unique(query)]
for k in (None, 1, 3, 100):
    limit = "NULL" if k is None else str(k)
    ndcg = [m.ndcg_score([relevance[g]], [rank[g]], k=k) for g in groups]
    dcg = [m.dcg_score([relevance[g]], [rank[g]], k=k) for g in groups]
    case(f"medallion.ndcg(relevance, rank, {limit}, query)", np.mean(ndcg))
    case(f"medallion.dcg(relevance, rank, {limit}, query)", np.mean(dcg))
    case(f"medallion.ndcg(relevance, rank, {limit})", ndcg[2], "r WHERE query = 3")
case("medallion.ndcg(relevance, rank)", m.ndcg_score([relevance], [rank]))
case("medallion.dcg(relevance, rank)", m.dcg_score([relevance], [rank]))
case("medallion.map(relevance > 2, rank, query)",
     np.mean([m.average_precision_score(relevant[g], rank[g]) if relevant[g].any() else 0 for g in groups]))
case("medallion.map(relevance > 2, rank)", m.average_precision_score(relevant, rank))
case("medallion.ndcg(0, rank)", 0)
first = [1 + min((np.sum(rank[g] > rank[i]) + np.sum((rank[g] == rank[i]) & ~relevant[g])) for i in g if relevant[i])
         if relevant[g].any() else np.inf for g in groups]
case("medallion.mrr(relevance > 2, rank, query)", np.mean(1 / np.array(first)))

with open(os.path.join(here, "metrics_cases.csv"), "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow(["query", "expected"])
    for sql, value in cases:
        w.writerow([sql, "{" + ",".join(repr(float(v)).replace("inf", "Infinity") if not np.isnan(v) else "NaN" for v in value) + "}"])
print(len(cases), "cases")
