"""Times our statement and its peers in turn, and writes the comparison as a table.

An entry is a TOML file in entries/: a title, the fixture it reads, the rows, `[ours]` and one `[[peer]]` per rival.
A contestant has `run` (SQL) or `python` (a function of peers.py), and may have `before` and `after` (SQL, not timed).
A peer may state a budget: `at_most = 1.3` (ours takes at most 1.3 times its time) or `faster = 5` (ours is at least 5
times faster).  {rows} in SQL is the number of rows, {sum28} the sum of the 28 columns of bench.higgs.

In a run every contestant goes once per repetition, one after the other, starting with another one each time, so that
the machine's moods hit all alike; ratios are of medians.  One round before counts for nothing: it warms the caches.
"""
import argparse
import gc
import importlib.metadata
import pathlib
import platform
import statistics
import sys
import time
import tomllib

import psycopg

import fixtures
import peers

HERE = pathlib.Path(__file__).parent
TOP = HERE.parent.parent
WORDS = {"sum28": " + ".join(f"c{i}" for i in range(1, 29))}


class Contestant:
    def __init__(self, spec, rows):
        self.name = spec.get("name", "medallion")
        self.at_most, self.faster = spec.get("at_most"), spec.get("faster")
        self.python = spec.get("python")
        self.sql = {key: self.fill(spec.get(key, ""), rows) for key in ("before", "run", "after")}
        self.seconds, self.shown = [], ""

    @staticmethod
    def fill(text, rows):
        for word, value in {"rows": rows, **WORDS}.items():
            text = text.replace("{" + word + "}", str(value))
        return text.strip()

    def once(self, connection):
        """One timed run, in seconds."""
        cursor = connection.cursor()
        if self.sql["before"]:
            cursor.execute(self.sql["before"])
            cursor.execute("CHECKPOINT")
        gc.collect()
        start = time.perf_counter()
        if self.python:
            result = getattr(peers, self.python)()
        else:
            cursor.execute(self.sql["run"])
            result = cursor.fetchall() if cursor.description else cursor.rowcount
        elapsed = time.perf_counter() - start
        self.shown = str(result)[:160]
        if self.sql["after"]:
            cursor.execute(self.sql["after"])
        return elapsed

    def tidy(self, connection):
        """After an error: what `before` made goes, so that other entries find their place clean."""
        for statement in self.sql["after"].split(";"):
            try:
                connection.execute(statement)
            except psycopg.Error:
                pass

    @property
    def median(self):
        return statistics.median(self.seconds)


def run_entry(path, connection, options, made):
    """Times one entry; returns (title, rows, [contestants]), or (title, rows, message) where our statement cannot run."""
    spec = tomllib.loads(path.read_text())
    rows = options.rows or spec["rows"]
    title = spec["title"].replace("{rows}", f"{rows:,}")
    print(f"\n{path.stem}: {title}", flush=True)
    for name in spec["fixtures"]:
        if name not in made:
            getattr(fixtures, name)(connection, rows)
            made.add(name)
    field = [Contestant(spec["ours"], rows)] + [Contestant(peer, rows) for peer in spec["peer"]]
    try:
        for contestant in field:
            contestant.once(connection)
            print(f"  {contestant.name}: {contestant.shown}", flush=True)
    except psycopg.Error as error:
        message = f"{contestant.name}: {str(error).splitlines()[0]}"
        print(f"  NOT RUN: {message}")
        contestant.tidy(connection)
        return title, rows, message
    for repetition in range(options.repeat):
        turn = repetition % len(field)
        for contestant in field[turn:] + field[:turn]:
            contestant.seconds.append(contestant.once(connection))
    for contestant in field:
        print(f"  {contestant.name:50s} {contestant.median:8.3f} s  ({min(contestant.seconds):.3f} to "
              f"{max(contestant.seconds):.3f})  {verdict(field[0], contestant)}", flush=True)
    return title, rows, field


def verdict(ours, peer):
    """How ours compares, and whether that is what was promised."""
    if peer is ours:
        return ""
    ratio = ours.median / peer.median
    text = f"{ratio:.2f}x its time" if ratio > 0.67 else f"{1 / ratio:.1f}x faster"
    if peer.at_most:
        text = f"{ratio:.2f}x its time (budget {peer.at_most}x: {'met' if ratio <= peer.at_most else 'MISSED'})"
    if peer.faster:
        text = f"{1 / ratio:.1f}x faster (budget {peer.faster}x: {'met' if 1 / ratio >= peer.faster else 'MISSED'})"
    return text


def machine(connection):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    cores = sum(line.startswith("processor") for line in open("/proc/cpuinfo"))
    memory = int(next(line for line in open("/proc/meminfo") if line.startswith("MemTotal")).split()[1]) / 2**20
    server = connection.execute("SHOW server_version").fetchone()[0].split()[0]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("scikit-learn", "numpy", "pandas", "psycopg"))
    return (f"{model}, {cores} cores, {memory:.0f} GiB; PostgreSQL {server}, 2 parallel workers, JIT off, warm cache; "
            f"Python {platform.python_version()}, {versions}")


def report(results, connection, options):
    lines = ["# Benchmarks", "",
             "Written by `make bench` (test/bench); run it to get the figures of your machine.  Our statement and its peers run in",
             f"turn in one run, {options.repeat} times each after one round that does not count; seconds are medians with their range, end to",
             "end: from the table to the result.  What counts is the ratio; seconds move from machine to machine.", "",
             f"Machine: {machine(connection)}.  Measured on {time.strftime('%Y-%m-%d')}.", ""]
    for title, _, field in results:
        lines += [f"## {title}", ""]
        if isinstance(field, str):
            lines += [f"Could not be run: {field}", ""]
            continue
        lines += ["| | median, s | range, s | medallion against it |", "|---|---|---|---|"]
        lines += [f"| {c.name} | {c.median:.3f} | {min(c.seconds):.3f} to {max(c.seconds):.3f} | {verdict(field[0], c)} |" for c in field]
        lines.append("")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()
    entries = sorted((HERE / "entries").glob("*.toml"))
    chosen = [e for e in entries if not options.only or e.stem in options.only.split()]
    if not chosen:
        sys.exit(f"no entry is named {options.only}; there are: {' '.join(e.stem for e in entries)}")
    connection = psycopg.connect(autocommit=True)
    connection.execute("SET client_min_messages = warning")
    connection.execute("CREATE EXTENSION medallion")
    connection.execute("CREATE SCHEMA bench")
    made, results = set(), []
    for path in chosen:
        results.append(run_entry(path, connection, options, made))
    text = report(results, connection, options)
    full = not options.only and not options.rows and options.repeat >= 7
    target = TOP / "docs" / "benchmarks.md" if full else TOP / "tmp_bench" / "benchmarks.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)
    print(f"\nwritten to {target.relative_to(TOP)}")
    sys.exit(any(isinstance(field, str) for _, _, field in results))


if __name__ == "__main__":
    main()
