"""Golden cases of classifiers that give probabilities: logistic, naive Bayes, discriminants, nearest neighbours."""
import numpy as np
from scipy.special import logsumexp
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from cases_linear import against_r, standardised
from compare import agree, case, coefficients, no_worse, probabilities, r_fit, same

EXACT = 1e-8


def log_transformed(x):
    """What preprocess "transform": "log" and then "scale": "standard" make of x; columns that are constant stay out of both."""
    return standardised(np.sign(x) * np.log1p(np.abs(x)))


def scores(model, terms, classes):
    """(coefficients [classes, terms], intercepts [classes]) of a model of several functions."""
    learnt = model.coefficients()
    return np.array([[learnt[c, t] for t in terms] for c in classes]), np.array([learnt[c, "(intercept)"] for c in classes])


def log_losses(x, y, classes, b, b0, rate):
    """Σ -log p + rate Σ b² / 2; two classes have one function."""
    f = x @ b.T + b0
    if len(classes) == 2:
        return np.logaddexp(0, np.where(y == classes[1], -1, 1) * f.ravel()).sum() + rate / 2 * (b * b).sum()
    own = f[np.arange(len(y)), np.searchsorted(classes, y)]
    return (logsumexp(f, axis=1) - own).sum() + rate / 2 * (b * b).sum()


def against_logistic(db, data, x, peer, c, **options):
    classes = np.unique(data.y)
    functions = [classes[1]] if len(classes) == 2 else list(classes)
    model = db.train(data, "logistic", {"C": c}, **options)
    b, b0 = scores(model, data.terms, functions)
    fit = peer.fit(x, data.y)
    coef = fit.coef_ - fit.coef_.mean(axis=0) if len(classes) > 2 else fit.coef_
    spread = x.std(axis=0)
    return [no_worse("objective", log_losses(x, data.y, classes, b, b0, 1 / c), log_losses(x, data.y, classes, fit.coef_, fit.intercept_, 1 / c)),
            same("coefficients", b * spread, coef * spread, 1e-4), probabilities(model.proba(data), fit.predict_proba(x)),
            agree("classes", model.classes(data), fit.predict(x))]


@case("logistic", "cancer spam letter satellite shuttle:4", "LogisticRegression")
def logistic(db, data):
    x = standardised(data.x)
    return against_logistic(db, data, x, LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-10, max_iter=1000), 0.1, preprocess={"scale": "standard"})


@case("logistic", "mails", "LogisticRegression")
def logistic_words(db, data):
    x = log_transformed(data.x)
    return against_logistic(db, data, x, LogisticRegression(C=0.001, solver="newton-cholesky", tol=1e-10, max_iter=1000), 0.001,
                            preprocess={"transform": "log", "scale": "standard"})


@case("logistic", "fashion:6", "LogisticRegression")
def logistic_pixels(db, data):
    return against_logistic(db, data, data.x, LogisticRegression(C=0.01, tol=1e-7, max_iter=5000), 0.01)


@case("logistic, l1", "spam cancer", "LogisticRegression, saga")
def logistic_l1(db, data):
    x, c = standardised(data.x), 0.05
    classes = np.unique(data.y)
    model = db.train(data, "logistic", {"C": c, "penalty": "l1"}, preprocess={"scale": "standard"})
    # saga leaves the intercept alone, as medallion does
    fit = LogisticRegression(l1_ratio=1, C=c, solver="saga", tol=1e-9, max_iter=100_000).fit(x, data.y)
    b, b0 = scores(model, data.terms, [classes[1]])

    def objective(b, b0):
        return log_losses(x, data.y, classes, b, b0, 0) + np.abs(b).sum() / c
    return [no_worse("objective", objective(b, b0), objective(fit.coef_, fit.intercept_)), same("coefficients", b, fit.coef_, 1e-4),
            probabilities(model.proba(data), fit.predict_proba(x))]


@case("logistic, no penalty, missing values", "pima", "R glm, binomial")
def logistic_missing(db, data):
    features = data.frame.drop(columns=data.target)
    filled = features.copy()
    filled[:] = SimpleImputer(strategy="median").fit_transform(features)
    filled[data.target] = data.y
    model = db.train(data, "logistic", {"penalty": "none"}, preprocess={"impute": "median"})
    return against_r(db, model, r_fit(filled, "glm", f"{data.target} ~ .", "binomial"),
                     {"deviance": "deviance", "null_deviance": "null_deviance", "aic": "aic", "bic": "bic"}, 1e-6)


def against_probabilities(db, data, algorithm, params, peer, x, tolerance=1e-8, **options):
    model = db.train(data, algorithm, params, **options)
    fit = peer.fit(x, data.y)
    theirs = fit.predict_proba(x)
    return [probabilities(model.proba(data), theirs, tolerance), agree("classes", model.classes(data), fit.predict(x), 0)]


@case("naive_bayes, gaussian", "letter satellite shuttle spam cancer", "GaussianNB")
def gaussian(db, data):
    return against_probabilities(db, data, "naive_bayes", {}, GaussianNB(), data.x)


@case("naive_bayes, multinomial", "mails fashion", "MultinomialNB")
def multinomial(db, data):
    return against_probabilities(db, data, "naive_bayes", {"type": "multinomial"}, MultinomialNB(), data.x)


@case("naive_bayes, bernoulli", "mails fashion spam", "BernoulliNB")
def bernoulli(db, data):
    threshold = 0.5 if data.name == "fashion" else 0
    return against_probabilities(db, data, "naive_bayes", {"type": "bernoulli", "binarize": threshold}, BernoulliNB(binarize=threshold), data.x)


@case("naive_bayes, categorical", "letter", "CategoricalNB")
def categorical(db, data):
    source = "SELECT id, lettr, " + ", ".join(f'"{c}"::int::text AS "{c}"' for c in data.terms) + " FROM golden.letter"
    model = db.train(data, "naive_bayes", {"type": "categorical"}, source=source)
    fit = CategoricalNB().fit(data.x.astype(int), data.y)
    return [probabilities(model.proba(source), fit.predict_proba(data.x.astype(int)), EXACT)]


@case("lda", "letter satellite shuttle spam", "LinearDiscriminantAnalysis")
def linear_discriminant(db, data):
    model = db.train(data, "lda")
    fit = LinearDiscriminantAnalysis().fit(data.x, data.y)
    theirs = fit.transform(data.x)
    ours = model.transform(data)
    signs = np.sign((ours * theirs).sum(axis=0))
    return [probabilities(model.proba(data), fit.predict_proba(data.x), EXACT), same("transforms, but for signs", ours * signs, theirs, 1e-7),
            same("variance ratios", model.attribute("explained_variance_ratio"), fit.explained_variance_ratio_, EXACT, scale=1)]


@case("lda, shrinkage 0.1", "fashion:3", "LinearDiscriminantAnalysis, lsqr")
def shrunk_discriminant(db, data):
    return against_probabilities(db, data, "lda", {"shrinkage": 0.1}, LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1), data.x)


@case("qda", "letter satellite", "QuadraticDiscriminantAnalysis")
def quadratic_discriminant(db, data):
    return against_probabilities(db, data, "qda", {}, QuadraticDiscriminantAnalysis(), data.x)


@case("qda, reg_param 0.01", "spam shuttle cancer", "QuadraticDiscriminantAnalysis")
def regularised_discriminant(db, data):
    return against_probabilities(db, data, "qda", {"reg_param": 0.01}, QuadraticDiscriminantAnalysis(reg_param=0.01), data.x)


def untied(peer, x, k):
    """Rows whose k-th neighbour is nearer than the next: of equally near ones either may be taken."""
    distances = peer.kneighbors(x, k + 1)[0]
    return distances[:, k] - distances[:, k - 1] > 1e-9


@case("neighbors", "letter satellite spam fashion:30", "KNeighborsClassifier")
def neighbours(db, data):
    x = standardised(data.x)
    model = db.train(data, "neighbors", {"n_neighbors": 7})
    fit = KNeighborsClassifier(7, algorithm="kd_tree" if x.shape[1] < 20 else "brute").fit(x, data.y)
    sure = untied(fit, x, 7)
    ours, theirs = model.proba(data), fit.predict_proba(x)
    return [same(f"probabilities of {sure.sum():,} rows without ties", ours[sure], theirs[sure], EXACT, scale=1)]


@case("neighbors, regression", "diamonds diabetes", "KNeighborsRegressor")
def neighbours_regression(db, data):
    terms = ["carat", "depth", "table"] if data.name == "diamonds" else data.terms
    x = standardised(data.frame[terms].to_numpy(float))
    model = db.train(data, "neighbors", {"n_neighbors": 9, "weights": "distance"}, features=terms)
    fit = KNeighborsRegressor(9, weights="distance").fit(x, data.y)
    sure = untied(fit, x, 9)
    return [same(f"predictions of {sure.sum():,} rows without ties", model.predict(data)[sure], fit.predict(x)[sure], EXACT)]
