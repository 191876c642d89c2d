# Stochastic gradient descent by scikit-learn: sgd_expected.csv has the objectives that it reaches (the best of five seeds), and
# of convex problems the least there is.  Run with: python3 sgd_reference.py  (made with scikit-learn 1.9.1)
import csv, os, warnings
import numpy as np
from scipy.optimize import minimize
from sklearn.linear_model import SGDClassifier, SGDRegressor

warnings.simplefilter("ignore")
here = os.path.dirname(os.path.abspath(__file__))


def load(name, target):
    with open(os.path.join(here, name)) as file:
        table = list(csv.DictReader(file))
    x = np.array([[float(v) for k, v in r.items() if k != target] for r in table])
    return (x - x.mean(axis=0)) / x.std(axis=0), [r[target] for r in table]


cancer_x, cancer_y = load("train_cancer.csv", "diagnosis")
cancer_y = np.where(np.array(cancer_y) == max(cancer_y), 1.0, -1.0)
diabetes_x, diabetes_y = load("train_diabetes.csv", "progression")
diabetes_y = np.array([float(v) for v in diabetes_y])


def loss(kind, r_or_score, y, epsilon):
    if kind == "log_loss":
        return np.logaddexp(0, -y * r_or_score)
    if kind == "hinge":
        return np.maximum(0, 1 - y * r_or_score)
    r = r_or_score - y
    if kind == "squared_error":
        return r * r / 2
    if kind == "huber":
        return np.where(abs(r) <= epsilon, r * r / 2, epsilon * (abs(r) - epsilon / 2))
    return np.maximum(abs(r) - epsilon, 0)


CASES = [  # loss, penalty, alpha, l1_ratio, learning rate, eta0, epsilon
    ("log_loss", "l2", 0.01, 0, "optimal", 0.01, 0.1), ("log_loss", "l1", 0.01, 1, "adaptive", 0.05, 0.1), ("hinge", "l2", 0.01, 0, "optimal", 0.01, 0.1),
    ("squared_error", "l2", 0.01, 0, "invscaling", 0.01, 0.1), ("squared_error", "elasticnet", 0.5, 0.5, "invscaling", 0.01, 0.1),
    ("huber", "l2", 0.01, 0, "adaptive", 0.05, 30), ("epsilon_insensitive", "l2", 0.01, 0, "adaptive", 0.5, 10),
]
with open(os.path.join(here, "sgd_expected.csv"), "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["no", "loss", "penalty", "alpha", "l1_ratio", "learning_rate", "eta0", "epsilon", "reached", "least"])
    for no, (kind, penalty, alpha, l1_ratio, rate, eta0, epsilon) in enumerate(CASES, 1):
        classes = kind in ("log_loss", "hinge")
        x, y = (cancer_x, cancer_y) if classes else (diabetes_x, diabetes_y)

        def objective(b, b0):
            return loss(kind, x @ b + b0, y, epsilon).mean() + alpha * (l1_ratio * abs(b).sum() + (1 - l1_ratio) / 2 * b @ b)

        reached = []
        for seed in range(5):
            model = SGDClassifier if classes else SGDRegressor
            m = model(loss=kind, penalty=penalty, alpha=alpha, l1_ratio=l1_ratio, learning_rate=rate, eta0=eta0, epsilon=epsilon, average=True,
                      tol=1e-6, max_iter=2000, random_state=seed).fit(x, y)
            reached.append(objective(m.coef_.ravel(), m.intercept_[0]))
        # The least: positive and negative parts of the coefficients make the penalty smooth.
        p = x.shape[1]
        least = np.inf
        for start in range(3):
            f = lambda v: objective(v[:p] - v[p : 2 * p], v[-1]) + 0
            r = minimize(f, np.append(np.append(np.maximum(m.coef_, 0), np.maximum(-m.coef_, 0)), m.intercept_), method="L-BFGS-B",
                         bounds=[(0, None)] * (2 * p) + [(None, None)], options=dict(maxiter=20000, maxfun=10**7, ftol=1e-15, gtol=1e-10))
            least = min(least, r.fun)
        out.writerow([no, kind, penalty.replace("elasticnet", "elastic_net"), alpha, l1_ratio, rate, eta0, epsilon, repr(float(min(reached))), repr(float(least))])
