"""Times the entries of entries/ (contest.py says what they are) and writes the comparison as a page.

Entries that read the same fixtures of the same rows follow one another in a database of their own, which is made for them and
goes afterwards: nothing that an entry leaves behind is in the way of another, and no fixture is made twice.  The page has them by name.
"""
import argparse
import os
import pathlib
import sys
import time

import psycopg

import contest
import fixtures
import report

HERE = pathlib.Path(__file__).parent
TOP = HERE.parent.parent
DATABASE = "bench"


class Place:
    """The database in which entries of the same fixtures run."""

    def __init__(self, entry):
        with psycopg.connect(dbname="postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {DATABASE}")
        os.environ["PGDATABASE"] = DATABASE  # sessions and peers connect by themselves
        self.connection = psycopg.connect(autocommit=True)
        self.connection.execute("SET client_min_messages = warning")
        self.connection.execute("CREATE EXTENSION medallion")
        self.connection.execute("CREATE SCHEMA bench")
        contest.WORDS["data"] = self.connection.execute("SHOW data_directory").fetchone()[0]
        for name in entry.fixtures:
            getattr(fixtures, name)(self.connection, entry.rows)
        self.connection.execute("CHECKPOINT")

    def has(self, extension):
        """Whether a peer's extension can be made here; None is a peer that needs none."""
        return not extension or self.connection.execute("SELECT FROM pg_available_extensions WHERE name = %s", (extension,)).fetchone() is not None

    def close(self):
        self.connection.close()


def run_all(entries, options):
    """Every entry in turn; returns results by name, the machine, and the seconds that each took."""
    results, seconds, where, before, place = [], {}, None, None, None
    for entry in sorted(entries, key=lambda entry: (entry.fixtures, entry.rows if entry.fixtures else 0, entry.name)):
        start = time.monotonic()
        group = (entry.fixtures, entry.rows)
        if not entry.fixtures or group != before:
            if place:
                place.close()
            place = Place(entry)
            where = where or report.machine(place.connection)
        before = group
        results.append(entry.run(place.connection, options.repeat, place))
        seconds[entry.name] = time.monotonic() - start
    place.close()
    return sorted(results, key=lambda result: result.name), where, seconds


def write(results, where, options):
    whole = not options.only and not options.rows and options.repeat >= 7
    docs = TOP / "docs" / "benchmarks.md"
    target = docs if whole or options.keep else TOP / "tmp_bench" / "benchmarks.md"
    if options.keep and not whole:
        text = report.merged(docs.read_text(), results, options.repeat)
    else:
        text = report.page(results, where, options.repeat)
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)
    print(f"\nwritten to {target.relative_to(TOP)}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--rows", default="")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--keep", default="")
    options = parser.parse_args()
    entries = [contest.Entry(path, options.rows) for path in sorted((HERE / "entries").glob("*.toml"))]
    unknown = set(options.only.split()) - {entry.name for entry in entries}
    if unknown:
        sys.exit(f"no entry is named {' '.join(sorted(unknown))}; there are: {' '.join(entry.name for entry in entries)}")
    chosen = [entry for entry in entries if not options.only or entry.name in options.only.split()]
    results, where, seconds = run_all(chosen, options)
    write(results, where, options)
    print("seconds, fixtures with the first entry that reads them: "
          + ", ".join(f"{name} {took:.0f}" for name, took in seconds.items()) + f"; in all {sum(seconds.values()):.0f}")
    sys.exit(any(result.error for result in results))


if __name__ == "__main__":
    main()
