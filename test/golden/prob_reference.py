"""Writes train_wine.csv and prob_expected.csv: what scikit-learn's probabilistic and unsupervised models say of iris, cancer,
wine and infert, row by row.  Columns: fit, i (row from 1), j (class, component … from 1), value.

    python prob_reference.py        (made with scikit-learn 1.9.1)
"""
import csv
import os

import numpy as np
import pandas as pd
from sklearn.cluster import DBSCAN, AgglomerativeClustering
from sklearn.datasets import load_wine
from sklearn.decomposition import NMF, PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, GaussianNB, MultinomialNB
from sklearn.preprocessing import OrdinalEncoder

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rows = []


def keep(fit, values, step=1):
    """Every step-th row of a matrix, or of a list as one column."""
    values = np.asarray(values, float)
    values = values.reshape(len(values), -1)
    for i in range(0, len(values), step):
        rows.extend([fit, i + 1, j + 1, repr(float(v))] for j, v in enumerate(values[i]))


wine = load_wine(as_frame=True)
frame = wine.data.rename(columns=lambda name: name.replace("/", "_"))
frame["class"] = [f"w{k}" for k in wine.target]
frame.to_csv("train_wine.csv", index=False)

iris = pd.read_csv("train_iris.csv")
iris_x, iris_y = iris.iloc[:, :4].to_numpy(), iris["species"].to_numpy()
cancer = pd.read_csv("train_cancer.csv")
cancer_x, cancer_y = cancer.iloc[:, :30].to_numpy(), cancer["diagnosis"].to_numpy()
wine_x, wine_y = frame.iloc[:, :13].to_numpy(), frame["class"].to_numpy()
infert = pd.read_csv("train_infert.csv")
weights = 1 + np.arange(150) % 3

# naive Bayes
keep("gaussian iris", GaussianNB().fit(iris_x, iris_y).predict_proba(iris_x), 3)
keep("gaussian wine weighted", GaussianNB(var_smoothing=0).fit(wine_x, wine_y, sample_weight=1 + np.arange(178) % 3).predict_proba(wine_x), 5)
keep("multinomial iris", MultinomialNB().fit(iris_x, iris_y).predict_proba(iris_x), 3)
keep("multinomial iris weighted", MultinomialNB(alpha=0.1, fit_prior=False).fit(iris_x, iris_y, sample_weight=weights).predict_proba(iris_x), 3)
keep("bernoulli cancer", BernoulliNB(binarize=4.5).fit(cancer_x, cancer_y).predict_proba(cancer_x), 11)
keep("bernoulli iris weighted", BernoulliNB(alpha=2, binarize=2.5).fit(iris_x, iris_y, sample_weight=weights).predict_proba(iris_x), 7)
codes = OrdinalEncoder().fit_transform(infert[["education", "parity", "induced", "spontaneous"]].astype(str)).astype(int)
keep("categorical infert", CategoricalNB(alpha=0.5).fit(codes, infert["case"]).predict_proba(codes), 7)

# discriminants; the signs of transforms are a convention: those of the first row are made positive
def aligned(values):
    return values * np.sign(values[0])


lda = LinearDiscriminantAnalysis().fit(wine_x, wine_y)
keep("lda wine", lda.predict_proba(wine_x), 3)
keep("lda wine transform", aligned(lda.transform(wine_x)), 3)
keep("lda wine coef", lda.coef_)
keep("lda wine ratio", lda.explained_variance_ratio_)
keep("lda cancer", LinearDiscriminantAnalysis().fit(cancer_x, cancer_y).predict_proba(cancer_x), 11)
keep("lda cancer shrunk", LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2).fit(cancer_x, cancer_y).predict_proba(cancer_x), 11)
keep("lda iris weighted", LinearDiscriminantAnalysis().fit(np.repeat(iris_x, weights, 0), np.repeat(iris_y, weights)).predict_proba(iris_x), 7)
keep("lda iris uniform", LinearDiscriminantAnalysis(priors=np.full(3, 1 / 3)).fit(iris_x[20:], iris_y[20:]).predict_proba(iris_x), 7)
keep("qda wine", QuadraticDiscriminantAnalysis().fit(wine_x, wine_y).predict_proba(wine_x), 3)
keep("qda cancer regularised", QuadraticDiscriminantAnalysis(reg_param=0.01).fit(cancer_x, cancer_y).predict_proba(cancer_x), 11)
keep("qda iris weighted", QuadraticDiscriminantAnalysis().fit(np.repeat(iris_x, weights, 0), np.repeat(iris_y, weights)).predict_proba(iris_x), 7)

# mixtures: the most likely of many starts; components ordered by the mean of the first feature
for name, x, k, kind in (("iris", iris_x, 3, "full"), ("iris", iris_x, 3, "tied"), ("iris", iris_x, 3, "diag"), ("iris", iris_x, 3, "spherical"),
                         ("wine", wine_x, 2, "full"), ("wine", wine_x, 3, "diag")):
    mixture = GaussianMixture(k, covariance_type=kind, tol=1e-10, max_iter=10000, n_init=20, random_state=1).fit(x)
    fit = f"mixture {name} {k} {kind}"
    keep(fit + " score", [mixture.score(x)])
    keep(fit + " bic", [mixture.bic(x)])
    keep(fit, mixture.predict_proba(x)[:, np.argsort(mixture.means_[:, 0])], 7)

# decompositions
scaled_cancer = (cancer_x - cancer_x.mean(0)) / cancer_x.std(0)
for fit, model, x in (("svd wine", TruncatedSVD(3, algorithm="arpack", tol=1e-14, random_state=0), wine_x), ("svd cancer", TruncatedSVD(6, algorithm="arpack", tol=1e-14, random_state=0), scaled_cancer),
                      ("pca cancer", PCA(6, svd_solver="full"), scaled_cancer)):
    keep(fit, model.fit_transform(x), 11)
    keep(fit + " singular_values", model.singular_values_)
    keep(fit + " explained_variance", model.explained_variance_)
    keep(fit + " explained_variance_ratio", model.explained_variance_ratio_)
    keep(fit + " components", model.components_)
repeated = TruncatedSVD(2, algorithm="arpack", tol=1e-14, random_state=0).fit(np.repeat(iris_x, weights, 0))
keep("svd iris weighted", repeated.transform(iris_x), 7)
keep("svd iris weighted explained_variance", repeated.explained_variance_)

# non-negative factorisations, to convergence
for fit, x, options in (("nmf iris", iris_x, dict(n_components=3)), ("nmf wine", wine_x / wine_x.max(0), dict(n_components=3)),
                        ("nmf iris sparse", iris_x, dict(n_components=2, alpha_W=0.002, alpha_H=0.001, l1_ratio=0.5)),
                        ("nmf iris nndsvd", iris_x, dict(n_components=2, init="nndsvd"))):
    model = NMF(**({"init": "nndsvda"} | options), tol=1e-12, max_iter=50000).fit(x)
    keep(fit + " components", model.components_)
    keep(fit + " reconstruction_err", [model.reconstruction_err_])
    keep(fit, model.transform(x), 7)

# dense regions: cluster (-1: none) and whether the row is core
for fit, x, options in (("dbscan iris", iris_x, dict(eps=0.5)), ("dbscan iris small", iris_x, dict(eps=0.3, min_samples=4)),
                        ("dbscan iris manhattan", iris_x, dict(eps=0.7, metric="manhattan")), ("dbscan cancer", scaled_cancer, dict(eps=2.5, min_samples=10))):
    model = DBSCAN(**options).fit(x)
    core = np.zeros(len(x))
    core[model.core_sample_indices_] = 1
    keep(fit, np.column_stack([model.labels_, core]))
# weights: min_samples counts them
model = DBSCAN(eps=0.3, min_samples=8).fit(iris_x, sample_weight=weights)
core = np.zeros(150)
core[model.core_sample_indices_] = 1
keep("dbscan iris weighted", np.column_stack([model.labels_, core]))

# Ward's hierarchy: clusters, and the heights of the last merges
for fit, x, k in (("ward iris", iris_x, 3), ("ward wine", (wine_x - wine_x.mean(0)) / wine_x.std(0), 3), ("ward cancer", scaled_cancer, 5)):
    model = AgglomerativeClustering(k, compute_distances=True).fit(x)
    keep(fit, model.labels_)
    keep(fit + " heights", model.distances_[-20:])

with open("prob_expected.csv", "w", newline="") as f:
    out = csv.writer(f, lineterminator="\n")
    out.writerow(["fit", "i", "j", "value"])
    out.writerows(rows)
