"""What the cases of the golden table are made of: trainings in the database, fits by R, and comparisons.

Differences are relative unless it is said otherwise: the greatest |ours - reference's| divided by the greatest |reference's|
of the same kind.  Of many numbers the table shows the pair that differs most.
"""
import csv
import dataclasses
import io
import json
import pathlib
import subprocess
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).parent
CASES = []


@dataclasses.dataclass
class Case:
    algorithm: str
    data: str
    reference: str
    function: object


@dataclasses.dataclass
class Check:
    what: str
    ours: object
    theirs: object
    difference: float
    tolerance: float

    @property
    def ok(self):
        return bool(self.difference <= self.tolerance)  # NaN is not


def case(algorithm, data, reference):
    """Registers a function of (db, data set) as a case of each of the data sets, such as "letter diamonds:10" (see Sets.chosen)."""
    def keep(function):
        CASES.extend(Case(algorithm, name, reference, function) for name in data.split())
        return function
    return keep


def same(what, ours, theirs, tolerance, scale=None):
    """All numbers of two arrays, relative to `scale`, by default the greatest number of the reference."""
    ours, theirs = np.atleast_1d(np.asarray(ours, float)), np.atleast_1d(np.asarray(theirs, float))
    if ours.shape != theirs.shape:
        raise ValueError(f"{what}: {ours.shape} numbers against {theirs.shape}")
    unit = np.abs(theirs).max() if scale is None else scale
    apart = np.abs(ours - theirs) / (unit if unit else 1)
    at = np.unravel_index(np.argmax(np.where(np.isnan(apart), np.inf, apart)), apart.shape)
    return Check(what, float(ours[at]), float(theirs[at]), float(apart[at]), tolerance)


def no_worse(what, ours, theirs, tolerance=1e-6):
    """An objective that is minimised: how far ours is above the reference's (0 if below)."""
    return Check(what, float(ours), float(theirs), max(0.0, float(ours - theirs) / abs(theirs)), tolerance)


def agree(what, ours, theirs, tolerance=0.001):
    """Labels: the share of rows that differ."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    differ = int((ours != theirs).sum())
    return Check(f"{what}, {len(ours):,} rows", f"{differ} differ", "", differ / len(ours), tolerance)


def probabilities(ours, theirs, tolerance=1e-4):
    return same("probabilities", ours, theirs, tolerance, scale=1)


def coefficients(model, terms, theirs, x, tolerance, classes=None, what="coefficients"):
    """Coefficients of terms, in units of what the terms vary, so that units do not hide differences.  theirs [classes, terms] or [terms]."""
    spread = x.std(axis=0)
    learnt = model.coefficients()
    ours = np.array([[learnt[c, t] for t in terms] for c in classes or sorted({c for c, _ in learnt}, key=lambda c: c or "")])
    return same(what, ours * spread, np.atleast_2d(theirs) * spread, tolerance)


class Model:
    """A version that was trained, and what it says of the rows of a source, in the order of their ids."""

    def __init__(self, db, name, row):
        self.db, self.name = db, name
        self.version, self.rows, self.metrics = row

    def coefficients(self):
        """{(class, feature): estimate}; what is aliased is 0."""
        found = self.db.rows("SELECT class, feature, estimate FROM medallion.coefficients WHERE model = %s AND version = %s", self.name, self.version)
        return {(c, f): 0.0 if e is None else e for c, f, e in found}

    def column(self, expression, data, what="float"):
        """The expression over the rows t of a data set; {m} stands for the model."""
        source = data if isinstance(data, str) else data.source
        if not source.startswith("golden."):
            source = f"({source})"
        rows = self.db.rows(f"SELECT {expression.format(m=f'{self.name!r}')} FROM {source} t ORDER BY id")
        return np.array([r[0] for r in rows], dtype=None if what == "text" else float)

    def predict(self, data):
        return self.column("medallion.predict({m}, t)", data)

    def proba(self, data):
        return self.column("medallion.predict_proba({m}, t)", data)

    def classes(self, data):
        return self.column("medallion.predict_class({m}, t)", data, "text")

    def transform(self, data):
        return self.column("medallion.transform({m}, t)", data)

    def attribute(self, name):
        """A list or matrix that was learnt."""
        rows = self.db.rows("SELECT i, coalesce(j, 1), value FROM medallion.model_attributes WHERE model = %s AND version = %s AND attribute = %s", self.name, self.version, name)
        matrix = np.zeros((max(r[0] for r in rows), max(r[1] for r in rows)))
        for i, j, value in rows:
            matrix[i - 1, j - 1] = value
        return matrix if matrix.shape[1] > 1 else matrix[:, 0]


class Database:
    def __init__(self, connection):
        self.connection, self.trained = connection, 0

    def rows(self, sql, *arguments):
        return self.connection.execute(sql, arguments or None).fetchall()

    def value(self, sql, *arguments):
        return self.rows(sql, *arguments)[0][0]

    def train(self, data, algorithm, params=None, target="", exclude=(), **options):
        """Trains on all columns of a data set but its id; target None: without one, and then without the label as a feature."""
        self.trained += 1
        name = f"golden_{self.trained}"
        left_out = ["id", *exclude] + ([data.target] if target is None else [])
        call = {"source": data.source, "target": data.target if target == "" else target, "algorithm": algorithm, "params": json.dumps(params or {}),
                "exclude": left_out, "deploy": "always"} | {k: json.dumps(v) if isinstance(v, dict) else v for k, v in options.items()}
        casts = {"params": "::jsonb", "exclude": "::text[]", "features": "::text[]", "preprocess": "::jsonb", "validation": "::jsonb"}
        names = ", ".join(f"{k} => %s{casts.get(k, '')}" for k in call)
        row = self.rows(f"SELECT version, rows, metrics FROM medallion.train(%s, {names})", name, *call.values())[0]
        return Model(self, name, row)


def r_fit(frame, *arguments):
    """Runs reference.R on a frame: {(part, name): value}."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "data.csv"
        frame.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)
        done = subprocess.run(["Rscript", HERE / "reference.R", path, *arguments], capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
    if done.returncode:
        raise RuntimeError(f"R: {done.stderr.strip().splitlines()[-1]}")
    return {(part, name): float(value) for part, name, value in csv.reader(io.StringIO(done.stdout))}
