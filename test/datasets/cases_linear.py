"""Golden cases of linear and generalised linear models for numbers: least squares, penalties, families, robust losses."""
import numpy as np
from sklearn.linear_model import (ElasticNet, GammaRegressor, HuberRegressor, Lasso, LinearRegression, PoissonRegressor, QuantileRegressor, Ridge,
                                  TweedieRegressor)

from compare import case, coefficients, no_worse, r_fit, same

CLOSED = 1e-8


def design(data, drop_first=False):
    return (data.x.copy(), data.terms) if data.x is not None else data.one_hot(drop_first)


def inference(db, model):
    """{(part, feature): value} of the coefficients of a fit without penalty."""
    rows = db.rows("SELECT feature, estimate, std_error, statistic, p_value FROM medallion.coefficients WHERE model = %s", model.name)
    return {(part, r[0]): v for r in rows for part, v in zip(("estimate", "std_error", "statistic", "p_value"), r[1:])}


def against_r(db, model, r, metrics, tolerance=CLOSED):
    """Estimates, standard errors and statistics each relative to R's of the same coefficient; p-values absolutely."""
    ours = inference(db, model)
    checks = []
    for part in ("estimate", "std_error", "statistic"):
        keys = [k for k in r if k[0] == part]
        checks.append(same(f"{part.replace('_', ' ')}s, by itself each", np.array([ours[k] / r[k] for k in keys]), np.ones(len(keys)), tolerance))
    keys = [k for k in r if k[0] == "p_value"]
    checks.append(same("p-values", [ours[k] for k in keys], [r[k] for k in keys], tolerance, scale=1))
    return checks + [same(f"{part.replace('_', ' ')}", model.metrics[name], r[part, ""], tolerance) for part, name in metrics.items()]


@case("linear", "diabetes diamonds", "R lm")
def least_squares(db, data):
    model = db.train(data, "linear")
    return against_r(db, model, r_fit(data.frame, "lm", f"{data.target} ~ ."),
                     {"r_squared": "train_r2", "adjusted": "train_adjusted_r2", "sigma": "sigma", "f": "f_statistic", "aic": "aic", "bic": "bic"})


@case("linear", "diabetes diamonds", "LinearRegression")
def least_squares_predictions(db, data):
    x, _ = design(data, drop_first=True)
    return [same("predictions", db.train(data, "linear").predict(data), LinearRegression().fit(x, data.y).predict(x), CLOSED)]


@case("ridge", "diabetes diamonds", "Ridge")
def ridge(db, data):
    x, terms = design(data)
    checks = []
    for alpha in (0.1, 100):
        model, peer = db.train(data, "ridge", {"alpha": alpha}), Ridge(alpha=alpha, solver="cholesky").fit(x, data.y)
        checks += [coefficients(model, terms, peer.coef_, x, CLOSED, what=f"coefficients, alpha {alpha}"),
                   same(f"predictions, alpha {alpha}", model.predict(data), peer.predict(x), CLOSED)]
    return checks


def fitted(model, terms):
    """(coefficients of the terms, intercept) of a model of one function."""
    learnt = {f: e for (_, f), e in model.coefficients().items()}
    return np.array([learnt[t] for t in terms]), learnt["(intercept)"]


def against_convex(model, data, x, terms, peer, objective):
    """objective(coefficients, intercept) of both, and their coefficients."""
    return [no_worse("objective", objective(*fitted(model, terms)), objective(peer.coef_, peer.intercept_)),
            coefficients(model, terms, peer.coef_, x, 1e-4)]


@case("lasso", "diabetes diamonds", "Lasso")
def lasso(db, data):
    x, terms = design(data)
    alpha = 0.01 * data.y.std() if data.name == "diamonds" else 0.1
    peer = Lasso(alpha=alpha, tol=1e-12, max_iter=1_000_000).fit(x, data.y)
    return against_convex(db.train(data, "lasso", {"alpha": alpha}), data, x, terms, peer,
                          lambda b, b0: ((data.y - b0 - x @ b) ** 2).mean() / 2 + alpha * np.abs(b).sum())


@case("elastic_net", "diabetes diamonds", "ElasticNet")
def elastic_net(db, data):
    x, terms = design(data)
    alpha, share = 0.01, 0.3
    peer = ElasticNet(alpha=alpha, l1_ratio=share, tol=1e-12, max_iter=1_000_000).fit(x, data.y)
    return against_convex(db.train(data, "elastic_net", {"alpha": alpha, "l1_ratio": share}), data, x, terms, peer,
                          lambda b, b0: ((data.y - b0 - x @ b) ** 2).mean() / 2 + alpha * (share * np.abs(b).sum() + (1 - share) / 2 * b @ b))


def standardised(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


@case("huber", "diabetes diamonds", "HuberRegressor")
def huber(db, data):
    x, terms = design(data, drop_first=True)
    x = standardised(x)
    features = {} if data.name == "diabetes" else {"features": ["carat", "depth", "table", "x", "y", "z"]}
    if features:
        x, terms = standardised(data.frame[features["features"]].to_numpy(float)), features["features"]
    alpha, epsilon = 1e-4, 1.35
    peer = HuberRegressor(alpha=alpha, epsilon=epsilon, tol=1e-10, max_iter=100_000).fit(x, data.y)
    model = db.train(data, "huber", {"alpha": alpha, "epsilon": epsilon}, preprocess={"scale": "standard"}, **features)

    def objective(b, b0, s):
        u = np.abs(data.y - b0 - x @ b) / s
        return (s + s * np.where(u < epsilon, u * u, 2 * epsilon * u - epsilon**2)).sum() + alpha * b @ b
    return [no_worse("objective", objective(*fitted(model, terms), model.metrics["scale"]), objective(peer.coef_, peer.intercept_, peer.scale_)),
            same("objective, as told", model.metrics["objective"], objective(*fitted(model, terms), model.metrics["scale"]), 1e-10),
            coefficients(model, terms, peer.coef_, x, 1e-4), same("scale", model.metrics["scale"], peer.scale_, 1e-4)]


@case("quantile_regression", "diabetes diamonds:5", "QuantileRegressor")
def quantile_regression(db, data):
    features = {} if data.name == "diabetes" else {"features": ["carat", "depth", "table", "x", "y", "z"]}
    terms = features.get("features", data.terms)
    x = data.frame[terms].to_numpy(float)
    checks = []
    for q in (0.1, 0.5, 0.9):
        def objective(b, b0):
            r = data.y - b0 - x @ b
            return np.where(r >= 0, q * r, (q - 1) * r).mean()
        model = db.train(data, "quantile_regression", {"quantile": q}, **features)
        peer = QuantileRegressor(quantile=q, alpha=0, solver="highs").fit(x, data.y)
        checks += [no_worse(f"objective, quantile {q}", objective(*fitted(model, terms)), objective(peer.coef_, peer.intercept_)),
                   coefficients(model, terms, peer.coef_, x, 1e-4, what=f"coefficients, quantile {q}")]
    return checks


FAMILIES = {"poisson": "poisson", "gamma": "Gamma(link='log')", "tweedie": "tweedie(var.power=1.5, link.power=0)"}


def against_glm(algorithm):
    def compare(db, data):
        model = db.train(data, algorithm)
        told = {"deviance": "deviance", "null_deviance": "null_deviance", "dispersion": "dispersion"} | ({} if algorithm == "tweedie" else {"aic": "aic", "bic": "bic"})
        return against_r(db, model, r_fit(data.frame, "glm", f"{data.target} ~ .", FAMILIES[algorithm]), told, 1e-5)
    return compare


def against_penalised(algorithm, peer):
    def compare(db, data):
        x, terms = design(data)
        for j, term in enumerate(terms):
            if term in data.numeric:  # terms of categories are not scaled
                x[:, j] = standardised(x[:, j])
        alpha = 0.01
        model = db.train(data, algorithm, {"alpha": alpha}, preprocess={"scale": "standard"})
        fit = peer(alpha=alpha, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(x, data.y)
        return [coefficients(model, terms, fit.coef_, x, 1e-6), same("predictions", model.predict(data), fit.predict(x), 1e-6)]
    return compare


for name, sklearns in (("poisson", PoissonRegressor), ("gamma", GammaRegressor), ("tweedie", lambda **options: TweedieRegressor(power=1.5, link="log", **options))):
    case(name, "diabetes diamonds_log", f"R glm, {FAMILIES[name].split('(')[0]}")(against_glm(name))
    case(f"{name} with a penalty", "diabetes diamonds_log", {"poisson": "PoissonRegressor", "gamma": "GammaRegressor", "tweedie": "TweedieRegressor"}[name])(against_penalised(name, sklearns))
