"""Golden cases of support vector machines and of stochastic gradient descent."""
import itertools

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, OneClassSVM

from cases_classes import log_transformed, scores
from cases_linear import fitted, standardised
from compare import agree, case, no_worse, same

TOL = 1e-5		# of svm on both sides: at scikit-learn's default of 1e-3 the objectives are right to 1e-4 or so


def dual(machine, x, target=None):
    """The dual objective of a model of libsvm with one machine."""
    options = {} if machine.kernel == "linear" else {"gamma": machine._gamma}
    b, v = machine.dual_coef_.ravel(), x[machine.support_]
    value = 0.0
    for start in range(0, len(b), 2000):
        value += 0.5 * b[start:start + 2000] @ (pairwise_kernels(v[start:start + 2000], v, metric=machine.kernel, **options) @ b)
    if isinstance(machine, SVC):
        return value - np.abs(b).sum()
    return value + machine.epsilon * np.abs(b).sum() - target[machine.support_] @ b if isinstance(machine, SVR) else value


def pair_duals(peer, x, y):
    """Σ of the dual objectives of a model of several classes, from its own coefficients."""
    total, starts = 0.0, np.append(0, np.cumsum(peer.n_support_))
    options = {} if peer.kernel == "linear" else {"gamma": peer._gamma}
    v = peer.support_vectors_
    for i, j in itertools.combinations(range(len(peer.classes_)), 2):
        rows = np.r_[starts[i]:starts[i + 1], starts[j]:starts[j + 1]]
        b = np.r_[peer.dual_coef_[j - 1, starts[i]:starts[i + 1]], peer.dual_coef_[i, starts[j]:starts[j + 1]]]
        used = b != 0
        b, rows = b[used], rows[used]
        total += 0.5 * b @ pairwise_kernels(v[rows], v[rows], metric=peer.kernel, **options) @ b - np.abs(b).sum()
    return total


def against_svc(db, data, x, params, **options):
    model = db.train(data, "svm", params | {"tol": TOL}, **options)
    peer = SVC(**params, tol=TOL, cache_size=1000).fit(x, data.y)
    theirs = dual(peer, x) if len(peer.classes_) == 2 else pair_duals(peer, x, data.y)
    return [same("dual objective", model.metrics["dual_objective"], theirs, 1e-4), agree("classes", model.classes(data), peer.predict(x))]


@case("svm, rbf", "spam cancer satellite letter shuttle", "SVC")
def svm_classes(db, data):
    return against_svc(db, data, standardised(data.x), {"C": 10})


@case("svm, rbf", "fashion:6", "SVC")
def svm_pixels(db, data):
    return against_svc(db, data, data.x, {"C": 10}, preprocess={"scale": "none"})


@case("svm, linear kernel", "mails", "SVC")
def svm_words(db, data):
    return against_svc(db, data, log_transformed(data.x), {"kernel": "linear", "C": 0.001}, preprocess={"transform": "log", "scale": "standard"})


@case("svm, regression", "diabetes diamonds:10", "SVR")
def svm_regression(db, data):
    terms = ["carat", "depth", "table"] if data.name == "diamonds" else data.terms
    x = standardised(data.frame[terms].to_numpy(float))
    params = {"C": 100, "epsilon": 5}
    model = db.train(data, "svm", params | {"tol": TOL}, features=terms)
    peer = SVR(**params, tol=TOL).fit(x, data.y)
    return [same("dual objective", model.metrics["dual_objective"], dual(peer, x, data.y), 1e-4), same("predictions", model.predict(data), peer.predict(x), 1e-4)]


@case("svm, outliers", "satellite letter", "OneClassSVM")
def svm_outliers(db, data):
    x = standardised(data.x)
    model = db.train(data, "svm", {"nu": 0.1, "tol": TOL}, target=None)
    peer = OneClassSVM(nu=0.1, tol=TOL).fit(x)
    theirs = peer.decision_function(x)
    ours = model.predict(data)
    clear = np.abs(theirs) > TOL * np.abs(theirs).max()  # many support vectors are on the border, to the tolerance
    return [same("dual objective", model.metrics["dual_objective"], dual(peer, x), 1e-4), same("scores", ours, theirs, 1e-4),
            agree("sides of rows that are not on the border", ours[clear] > 0, theirs[clear] > 0)]


def linear_objective(x, y, classes, b, b0, c):
    """Σ over the functions of ½ b² + ½ b0² + C Σ squared hinge."""
    total = 0.0
    for k, (row, level) in enumerate(zip(b, b0)):
        sign = np.where(y == (classes[1] if len(classes) == 2 else classes[k]), 1, -1)
        total += (row @ row + level * level) / 2 + c * (np.maximum(0, 1 - sign * (x @ row + level)) ** 2).sum()
    return total


@case("linear_svm", "spam cancer mails letter satellite", "LinearSVC")
def linear_svm(db, data):
    words = data.name == "mails"
    x, c = log_transformed(data.x) if words else standardised(data.x), 0.001 if words else 0.01
    classes = np.unique(data.y)
    model = db.train(data, "linear_svm", {"C": c, "tol": 1e-9, "max_iter": 100_000}, **({"preprocess": {"transform": "log", "scale": "standard"}} if words else {}))
    peer = LinearSVC(C=c, tol=1e-9, dual=True, max_iter=100_000).fit(x, data.y)
    b, b0 = scores(model, data.terms, [classes[1]] if len(classes) == 2 else classes)
    ours = linear_objective(x, data.y, classes, b, b0, c)
    return [no_worse("objective", ours, linear_objective(x, data.y, classes, peer.coef_, peer.intercept_, c)), same("objective, as told", model.metrics["objective"], ours, 1e-10),
            same("coefficients", b, peer.coef_, 1e-4), agree("classes", model.classes(data), peer.predict(x))]


@case("linear_svm, regression", "diabetes diamonds:10", "LinearSVR")
def linear_svm_regression(db, data):
    terms = ["carat", "depth", "table"] if data.name == "diamonds" else data.terms
    x = standardised(data.frame[terms].to_numpy(float))
    c, epsilon = 0.1, 10
    model = db.train(data, "linear_svm", {"C": c, "epsilon": epsilon, "loss": "squared_epsilon_insensitive", "tol": 1e-9, "max_iter": 100_000}, features=terms)
    peer = LinearSVR(C=c, epsilon=epsilon, loss="squared_epsilon_insensitive", dual=True, tol=1e-9, max_iter=100_000).fit(x, data.y)

    def objective(b, b0):
        return (b @ b + b0 * b0) / 2 + c * (np.maximum(0, np.abs(data.y - x @ b - b0) - epsilon) ** 2).sum()
    b, b0 = fitted(model, terms)
    return [no_worse("objective", objective(b, b0), objective(peer.coef_, np.ravel(peer.intercept_)[0])), same("coefficients", b, peer.coef_, 1e-4)]


SGD = {"learning_rate": "adaptive", "eta0": 0.05, "average": True, "alpha": 0.01, "tol": 1e-6, "max_iter": 2000}


@case("sgd", "spam cancer mails", "SGDClassifier, best of 3 seeds")
def sgd_classes(db, data):
    """Of what is stochastic the objective is compared, with what the peer reaches and with the least there is."""
    words = data.name == "mails"
    x, alpha = log_transformed(data.x) if words else standardised(data.x), SGD["alpha"]
    classes = np.unique(data.y)
    sign = np.where(data.y == classes[1], 1, -1)

    def objective(b, b0):
        return np.logaddexp(0, -sign * (x @ b + b0)).mean() + alpha / 2 * b @ b
    model = db.train(data, "sgd", SGD, **({"preprocess": {"transform": "log", "scale": "standard"}} if words else {}))
    peers = [SGDClassifier(loss="log_loss", random_state=seed, **SGD).fit(x, data.y) for seed in range(3)]
    least = LogisticRegression(C=1 / (alpha * len(x)), solver="newton-cholesky", tol=1e-10).fit(x, data.y)
    ours = objective(*fitted(model, data.terms))
    reached = [no_worse("objective", ours, min(objective(p.coef_.ravel(), p.intercept_[0]) for p in peers), 1e-2)]
    # With 1,024 terms neither side comes near the least in the epochs that it takes
    return reached if words else reached + [
            no_worse("objective, against the least", ours, objective(least.coef_.ravel(), least.intercept_[0]), 1e-2),
            agree("classes, against the least", model.classes(data), least.predict(x), 0.01)]


@case("sgd, regression", "diabetes diamonds", "SGDRegressor, best of 3 seeds")
def sgd_numbers(db, data):
    terms = ["carat", "depth", "table"] if data.name == "diamonds" else data.terms
    x, alpha = standardised(data.frame[terms].to_numpy(float)), SGD["alpha"]

    def objective(b, b0):
        return ((data.y - x @ b - b0) ** 2).mean() / 2 + alpha / 2 * b @ b
    model = db.train(data, "sgd", SGD, features=terms)
    peers = [SGDRegressor(random_state=seed, **SGD).fit(x, data.y) for seed in range(3)]
    least = Ridge(alpha=alpha * len(x)).fit(x, data.y)
    ours = objective(*fitted(model, terms))
    return [no_worse("objective", ours, min(objective(p.coef_, p.intercept_[0]) for p in peers), 1e-2),
            no_worse("objective, against the least", ours, objective(least.coef_, least.intercept_), 1e-2)]
