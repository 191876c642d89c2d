"""Times our statement and its peers in turn, and writes the comparison as a table.

An entry is a TOML file in entries/: a title, the fixture it reads, the rows, `[ours]` and one `[[peer]]` per rival.
A contestant has `run` (SQL) or `python` (a function of peers.py or sessions.py), and may have `before` and `after` (SQL,
not timed), and `arguments` of the function.  A peer may state a budget: `at_most = 1.3` (ours takes at most 1.3 times its
time), `faster = 5` (ours is at least 5 times faster) or `at_least = 0.8` (ours has at least 0.8 times its value); any
contestant an absolute one, `limit = 5` (at most 5 of the entry's unit).  A peer that `needs` an extension which is not
installed in the server is left out, and the report says so.  {rows} in SQL is the number of rows, {sum28} the
sum of the 28 columns of bench.higgs, {sum200} that of the columns of bench.wide, {data} the directory of the server's data.

What is measured is the time from statement to result, or, as the entry says, with `measure = "cpu"` the processor time of
the server process, which other work on the machine disturbs less, or with `measure = "returned"` the number that the
function returns, in `unit`s (tps, ms, MB, bytes).  `once = true` prepares the contestants once for all repetitions instead
of each time; `each` (SQL, not timed) then goes before every run.  An entry with `[[growth]]` compares sizes instead (growth.py).

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
import growth
import peers
import sessions

HERE = pathlib.Path(__file__).parent
TOP = HERE.parent.parent
WORDS = {f"sum{n}": " + ".join(f"c{i}" for i in range(1, n + 1)) for n in (28, 200)}


class Contestant:
    def __init__(self, spec, rows, measure, once):
        self.name = spec.get("name", "medallion")
        self.budgets = {key: spec[key] for key in ("at_most", "faster", "at_least", "limit") if key in spec}
        self.python, self.arguments = spec.get("python"), spec.get("arguments", {})
        self.sql = {key: self.fill(spec.get(key, ""), rows) for key in ("before", "each", "run", "after")}
        self.measure, self.prepared_once, self.is_prepared = measure, once, False
        self.seconds, self.shown = [], ""

    @staticmethod
    def fill(text, rows):
        for word, value in {"rows": rows, **WORDS}.items():
            text = text.replace("{" + word + "}", str(value))
        return text.strip()

    def prepare(self, connection):
        if self.sql["before"] and not self.is_prepared:
            connection.execute(self.sql["before"])
            connection.execute("CHECKPOINT")
            self.is_prepared = self.prepared_once

    def finish(self, connection):
        if self.sql["after"]:
            connection.execute(self.sql["after"])

    def once(self, connection):
        """One measured run: seconds, or what the function returns."""
        cursor = connection.cursor()
        self.prepare(connection)
        if self.sql["each"]:
            connection.execute(self.sql["each"])
        gc.collect()
        stat = f"/proc/{connection.info.backend_pid}/stat"
        start, start_cpu = time.perf_counter(), sessions.processor_time(stat)
        if self.python:
            result = getattr(peers if hasattr(peers, self.python) else sessions, self.python)(**self.arguments)
        else:
            cursor.execute(self.sql["run"])
            result = cursor.fetchall() if cursor.description else cursor.rowcount
        elapsed, cpu = time.perf_counter() - start, sessions.processor_time(stat) - start_cpu
        self.shown = str(result)[:160]
        if not self.prepared_once:
            self.finish(connection)
        return {"cpu": cpu, "returned": result}.get(self.measure, elapsed)

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


def installed(connection, extension):
    return connection.execute("SELECT FROM pg_available_extensions WHERE name = %s", (extension,)).fetchone() is not None


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
    how = (spec.get("measure"), spec.get("once", False))
    if "growth" in spec:
        return run_growth(title, spec, rows, connection, options)
    absent = [peer for peer in spec.get("peer", []) if "needs" in peer and not installed(connection, peer["needs"])]
    for peer in absent:
        print(f"  left out: {peer['name']} ({peer['needs']} is not installed)")
        spec["peer"].remove(peer)
    field = [Contestant(spec["ours"], rows, *how)] + [Contestant(peer, rows, *how) for peer in spec.get("peer", [])]
    try:
        for contestant in field if spec.get("repeat") != 1 else []:
            contestant.once(connection)
            print(f"  {contestant.name}: {contestant.shown}", flush=True)
    except psycopg.Error as error:  # sessions.py raises these too
        message = f"{contestant.name}: {str(error).splitlines()[0]}"
        print(f"  NOT RUN: {message}")
        contestant.tidy(connection)
        return title, rows, message
    in_turn(field, connection, min(options.repeat, spec.get("repeat", options.repeat)))
    unit = {"cpu": "s of processor", "returned": spec.get("unit")}.get(spec.get("measure"), "s")
    for contestant in field:
        if contestant.prepared_once:
            contestant.finish(connection)
        contestant.unit = unit
        print(f"  {contestant.name:50s} {shown(contestant.median):>10s} {unit}  ({shown(min(contestant.seconds))} to "
              f"{shown(max(contestant.seconds))})  {verdict(field[0], contestant)}", flush=True)
    return title, rows, field


def in_turn(field, connection, repetitions):
    """Every contestant once per repetition, starting with another one each time."""
    for repetition in range(repetitions):
        turn = repetition % len(field)
        for contestant in field[turn:] + field[:turn]:
            contestant.seconds.append(contestant.once(connection))


def run_growth(title, spec, rows, connection, options):
    """Times the statements of an entry over three sizes; returns (title, rows, [growths])."""
    growths = [growth.Growth(one, rows, lambda filled: Contestant(filled, rows, one.get("measure"), False)) for one in spec["growth"]]
    for one in growths:
        for contestant in one.field:
            contestant.once(connection)
        in_turn(one.field, connection, min(options.repeat, spec.get("repeat", options.repeat)))
        print(f"  {one.name:30s} {'  '.join(shown(c.median) for c in one.field)}  {one.verdict(0)}  {one.verdict(1)}", flush=True)
    return title, rows, growths


def shown(value):
    """Four digits, as many decimals as that takes."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 10 else f"{value:.3f}"


def verdict(ours, peer):
    """How ours compares, and whether that is what was promised."""
    def kept(holds):
        return "met" if holds else "MISSED"
    parts = []
    if "limit" in peer.budgets:
        parts.append(f"(budget {peer.budgets['limit']} {peer.unit}: {kept(peer.median <= peer.budgets['limit'])})")
    if peer is not ours:
        ratio = ours.median / peer.median
        text = f"{1 / ratio:.1f}x faster" if ours.measure != "returned" and ratio <= 0.67 else f"{ratio:.2f}x its {'value' if ours.measure == 'returned' else 'time'}"
        if "at_most" in peer.budgets:
            text = f"{ratio:.2f}x its time (budget {peer.budgets['at_most']}x: {kept(ratio <= peer.budgets['at_most'])})"
        if "at_least" in peer.budgets:
            text = f"{ratio:.2f}x its value (budget {peer.budgets['at_least']}x: {kept(ratio >= peer.budgets['at_least'])})"
        if "faster" in peer.budgets:
            text = f"{1 / ratio:.1f}x faster (budget {peer.budgets['faster']}x: {kept(1 / ratio >= peer.budgets['faster'])})"
        parts.append(text)
    return " ".join(parts)


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
             f"turn in one run, {options.repeat} times each after one round that does not count; figures are medians with their range, end to",
             "end: from the table to the result.  What counts is the ratio; seconds move from machine to machine. Processor time is that of the server process.", "",
             f"Machine: {machine(connection)}.  Measured on {time.strftime('%Y-%m-%d')}.", ""]
    for title, _, field in results:
        lines += [f"## {title}", ""]
        if isinstance(field, str):
            lines += [f"Could not be run: {field}", ""]
            continue
        if isinstance(field[0], growth.Growth):
            lines += growth.table(field, shown) + [""]
            continue
        if len(field[0].seconds) == 1:
            lines += ["Run once.", ""]
        lines += [f"| | median, {field[0].unit} | range | medallion against it |", "|---|---|---|---|"]
        lines += [f"| {c.name} | {shown(c.median)} | {shown(min(c.seconds))} to {shown(max(c.seconds))} | {verdict(field[0], c)} |" for c in field]
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
    WORDS["data"] = connection.execute("SHOW data_directory").fetchone()[0]
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
