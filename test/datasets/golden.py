"""Compares what medallion learns from real data with what scikit-learn and R learn from the same rows: the golden table.

A *case* is a function of (db, data set) in cases_*.py, decorated with @case(algorithm, data set, reference); it trains both sides
and returns its comparisons, made by the functions of compare.py.  golden.sh starts the server and calls this.
"""
import argparse
import importlib.metadata
import pathlib
import subprocess
import sys
import time
import traceback
import warnings

import psycopg

import cases_classes
import cases_linear
import cases_margins
import cases_metrics
import cases_unsupervised
from compare import CASES, Database
from sets import Sets

TOP = pathlib.Path(__file__).parent.parent.parent
HEAD = ["algorithm", "data set", "reference", "what", "ours", "reference's", "difference", "tolerance", "ok"]


def plain(algorithm):
    """Its name, without what is said after it."""
    return algorithm.replace(",", " ").split()[0]


def number(value):
    return f"{value:,}" if isinstance(value, int) else value if isinstance(value, str) else f"{value:.10g}"


def line(case, check):
    return [case.algorithm, case.data, case.reference, check.what, number(check.ours), number(check.theirs), f"{check.difference:.1e}",
            f"{check.tolerance:g}", "ok" if check.ok else "FAILED"]


def run(case, db, sets):
    """The lines of a case; one that ends in an error has a line that says so."""
    start = time.perf_counter()
    try:
        lines = [line(case, check) for check in case.function(db, sets.chosen(case.data))]
    except Exception as error:  # a case that cannot run fails; the others go on
        print("".join(traceback.format_tb(error.__traceback__)[1:3]), end="")
        lines = [[case.algorithm, case.data, case.reference, str(error).splitlines()[0].replace("|", "/")[:120], "", "", "", "", "FAILED"]]
    for cells in lines:
        print(" | ".join(cells), flush=True)
    print(f"  ({time.perf_counter() - start:.1f} s)", flush=True)
    return lines


def covered(db, lines):
    """Every algorithm there is must have been compared on two data sets."""
    seen = {}
    for cells in lines:
        seen.setdefault(plain(cells[0]), set()).add(cells[1].split(":")[0])
    return [[name, "", "", "is compared on two data sets at least", str(len(seen.get(name, ()))), "2", "", "", "ok" if len(seen.get(name, ())) >= 2 else "FAILED"]
            for (name,) in db.rows("SELECT DISTINCT algorithm FROM medallion.algorithms ORDER BY 1")]


def report(db, lines):
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("scikit-learn", "numpy", "scipy")]
    r = subprocess.run(["R", "--version"], capture_output=True, text=True).stdout.split()[2]
    failed = sum(cells[-1] != "ok" for cells in lines)
    intro = (TOP / "test/datasets/golden_intro.md").read_text()
    return "\n".join([intro, f"Against {', '.join(versions)} and R {r}: {len(lines) - failed} comparisons hold, {failed} do not.", "",
                      "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)] + ["| " + " | ".join(cells) + " |" for cells in lines]) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    only = parser.parse_args().only.split()
    warnings.simplefilter("ignore")  # peers that stop at max_iter say so; what they reached is compared
    cases = [c for c in CASES if not only or {plain(c.algorithm), c.data.split(":")[0]} & set(only)]
    if not cases:
        sys.exit(f"no case has an algorithm or a data set named {' or '.join(only)}")
    with psycopg.connect(autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("CREATE EXTENSION IF NOT EXISTS medallion")
        connection.execute("DROP SCHEMA IF EXISTS golden CASCADE")
        connection.execute("CREATE SCHEMA golden")
        db, sets = Database(connection), Sets(connection)
        lines = [cells for case in cases for cells in run(case, db, sets)]
        if not only:
            missing = [cells for cells in covered(db, lines) if cells[-1] != "ok"]
            lines += missing
            (TOP / "docs/golden.md").write_text(report(db, lines))
            print("\nwritten to docs/golden.md")
    failed = [cells for cells in lines if cells[-1] != "ok"]
    for cells in failed:
        print("FAILED: " + " | ".join(cells[:-1]))
    print(f"{len(lines) - len(failed)} passed, {len(failed)} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
