"""Golden cases of learners without a target: components, parts, clusters, mixtures."""
import numpy as np
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans, MiniBatchKMeans
from sklearn.decomposition import NMF, PCA, TruncatedSVD
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from cases_linear import standardised
from compare import Check, agree, case, no_worse, same

CLOSED = 1e-8


def signs_of(ours, theirs):
    """Components are unique but for their signs: what ours [.., k] is to be multiplied by."""
    return np.sign((ours * theirs).sum(axis=0))


def against_components(model, data, x, peer):
    theirs = peer.transform(x)
    ours = model.transform(data)
    signs = signs_of(ours, theirs)
    return [same("singular values", model.attribute("singular_values"), peer.singular_values_, CLOSED),
            same("components, but for signs", model.attribute("components") * signs[:, None], peer.components_, CLOSED),
            same("transforms, but for signs", ours * signs, theirs, CLOSED),
            same("variance ratios", model.attribute("explained_variance_ratio"), peer.explained_variance_ratio_, CLOSED)]


@case("pca", "satellite letter fashion spam", "PCA, full")
def components(db, data):
    k = min(10, data.x.shape[1])
    return against_components(db.train(data, "pca", {"n_components": k}, target=None), data, data.x, PCA(k, svd_solver="full").fit(data.x))


@case("truncated_svd", "mails satellite fashion:6", "TruncatedSVD, arpack")
def truncated(db, data):
    return against_components(db.train(data, "truncated_svd", {"n_components": 8}, target=None), data, data.x,
                              TruncatedSVD(8, algorithm="arpack", tol=1e-14, random_state=0).fit(data.x))


@case("nmf", "satellite fashion:30 mails", "NMF")
def parts(db, data):
    """From the same start (nndsvda) to the same end."""
    params = {"n_components": 5, "tol": 1e-7, "max_iter": 5000}
    model = db.train(data, "nmf", params, target=None)
    peer = NMF(init="nndsvda", **params).fit(data.x)
    h = model.attribute("components")
    match = np.argmax((h / np.linalg.norm(h, axis=1)[:, None]) @ (peer.components_ / np.linalg.norm(peer.components_, axis=1)[:, None]).T, axis=1)
    return [no_worse("reconstruction error", model.metrics["reconstruction_err"], peer.reconstruction_err_, 1e-4),
            same("components", h, peer.components_[match], 1e-2)]


@case("kmeans", "satellite letter fashion:3", "KMeans, as many starts")
def clusters(db, data):
    """The best of ten starts, and whether the peer finds anything better from where ours ended."""
    starts, k = 3 if data.name == "fashion" else 10, 10
    model = db.train(data, "kmeans", {"n_clusters": k, "n_init": starts}, target=None)
    peer = KMeans(k, n_init=starts, random_state=1).fit(data.x)
    centres = model.attribute("cluster_centers")
    from_ours = KMeans(k, init=centres, n_init=1).fit(data.x)
    distances = ((data.x[:, None, :] - centres[None]) ** 2).sum(axis=2) if data.x.size < 3e6 else np.stack([((data.x - c) ** 2).sum(axis=1) for c in centres], axis=1)
    return [no_worse("inertia", model.metrics["inertia"], peer.inertia_, 0.01), same("inertia, as told", model.metrics["inertia"], distances.min(axis=1).sum(), 1e-10),
            no_worse("inertia, where the peer goes from our end", model.metrics["inertia"], from_ours.inertia_, 1e-3),
            agree("clusters, by the centres", model.predict(data), distances.argmin(axis=1), 0)]


@case("kmeans, batches of 1024", "letter satellite", "MiniBatchKMeans")
def batches(db, data):
    model = db.train(data, "kmeans", {"n_clusters": 10, "n_init": 5, "batch_size": 1024}, target=None)
    peer = MiniBatchKMeans(10, n_init=5, batch_size=1024, random_state=1, max_iter=300).fit(data.x)
    return [no_worse("inertia", model.metrics["inertia"], peer.inertia_, 0.05)]


@case("gaussian_mixture", "satellite letter", "GaussianMixture, as many starts")
def mixture(db, data):
    """The likelihood of as many starts; then the peer goes on from our end, and must say of it what we say."""
    params = {"n_components": 6, "n_init": 3, "tol": 1e-5, "max_iter": 500}
    model = db.train(data, "gaussian_mixture", params, target=None)
    peer = GaussianMixture(**params, random_state=1).fit(data.x)
    p = data.x.shape[1]
    covariances = model.attribute("covariances").reshape(6, p, p)
    stays = GaussianMixture(6, tol=1e-5, max_iter=500, weights_init=model.attribute("weights"), means_init=model.attribute("means"),
                            precisions_init=np.linalg.inv(covariances)).fit(data.x)
    ours = model.metrics["log_likelihood"]
    return [no_worse("minus the mean log-likelihood", -ours, -peer.score(data.x), 0.01), no_worse("the same, where the peer goes from our end", -ours, -stays.score(data.x), 1e-5),
            same("bic, of the peer from our end", model.metrics["bic"], stays.bic(data.x), 1e-4),
            agree("components, of the peer from our end", model.predict(data), stays.predict(data.x), 0.01)]


def same_clusters(what, ours, theirs, tolerance=0.0):
    """1 - the adjusted Rand index: 0 if both divide the rows alike, whatever the numbers of the clusters."""
    index = adjusted_rand_score(theirs, ours)
    return Check(f"{what}, {len(ours):,} rows", f"{len(set(ours))} clusters", f"{len(set(theirs))} clusters", 1 - index, tolerance)


@case("dbscan", "satellite letter diamonds:3", "DBSCAN")
def regions(db, data):
    """Core rows and their clusters; border rows may be of either neighbouring cluster."""
    terms = ["carat", "depth", "table"] if data.name == "diamonds" else data.terms
    x = standardised(data.frame[terms].to_numpy(float))
    eps, least = {"satellite": (1.2, 10), "letter": (1.0, 10), "diamonds": (0.15, 10)}[data.name]
    model = db.train(data, "dbscan", {"eps": eps, "min_samples": least}, target=None, features=terms, preprocess={"scale": "standard"})
    peer = DBSCAN(eps=eps, min_samples=least).fit(x)
    core, ours = peer.core_sample_indices_, model.predict(data)
    return [same("core rows", model.metrics["n_core"], len(core), 0), same("noise", model.metrics["noise"], (peer.labels_ == -1).sum(), 0),
            same_clusters("clusters of core rows", ours[core], peer.labels_[core]), agree("rows in no cluster", ours == -1, peer.labels_ == -1, 0)]


@case("hierarchical", "satellite spam letter:4", "AgglomerativeClustering, ward")
def tree(db, data):
    x = standardised(data.x)
    model = db.train(data, "hierarchical", {"n_clusters": 8}, target=None, preprocess={"scale": "standard"})
    peer = AgglomerativeClustering(8, compute_distances=True).fit(x)
    heights = model.attribute("heights")
    return [same("heights of the last mergers", heights, peer.distances_[-len(heights):], CLOSED), same_clusters("clusters", model.predict(data), peer.labels_, 1e-12)]
