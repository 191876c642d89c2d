"""One entry: our statement and its peers, timed in turn.

An entry is a TOML file in entries/: a title, the fixtures it reads, the rows, `[ours]` and one `[[peer]]` per rival; `note`
is what the reader of its figures has to know.  A contestant has `run` (SQL) or `python` (a function of peers.py, sessions.py
or trainings.py), and may have `before`, `each` and `after` (SQL, not timed), and `arguments` of the function.  A peer may state a budget:
`at_most = 1.3` (ours takes at most 1.3 times its time), `faster = 5` (ours is at least 5 times faster) or `at_least = 0.8`
(ours has at least 0.8 times its value); any contestant an absolute one, `limit = 5` (at most 5 of the entry's unit).  A peer
that `needs` something which is not installed is left out, and the report says so.  `difference` of a peer is a query, not
timed, that says how far its result is from ours, `within` how far it may be.  {rows} in SQL and arguments is the number of rows, {half} half of it, {sum28} the
sum of the 28 columns of bench.higgs, {c28} a list of them, {sum200} and {c200} those of bench.wide, {data} the directory of the
server's data; `words` of the entry are more of them.  An entry that is `like` another has everything of it but what it says
itself, peers by their names.

What is measured is the time from statement to result, or, as the entry says, with `measure = "cpu"` the processor time of
the server process, which other work on the machine disturbs less, or with `measure = "returned"` the number that the
function returns, in `unit`s (tps, ms, MB, bytes).  `prepared = "once"` prepares the contestants once for all repetitions
instead of each time; `each` then goes before every run.  An entry with `[[growth]]` compares sizes instead (growth.py).

In a run every contestant goes once per repetition, one after the other, starting with another one each time, so that
the machine's moods hit all alike; ratios are of medians.  One round before counts for nothing: it warms the caches; `warm = false`
leaves it out where runs are long.  `repeat` bounds the repetitions of an entry, or those of a peer that takes minutes:
`repeat = 1` is a run in the first repetition and no other.
"""
import fractions
import gc
import statistics
import time
import tomllib

import psycopg

import growth
import peers
import sessions
import trainings
from report import shown, verdict

WORDS = {word + str(n): glue.join(f"c{i}" for i in range(1, n + 1)) for n in (10, 28, 200) for word, glue in (("sum", " + "), ("c", ","))}
BUDGETS = ("at_most", "faster", "at_least", "limit")


class Contestant:
    def __init__(self, spec, rows, entry):
        self.name = spec.get("name", "medallion")
        self.budgets = {key: spec[key] for key in BUDGETS if key in spec}
        self.python = spec.get("python")
        words = {**entry.get("words", {}), "rows": rows, "half": rows // 2, **WORDS}
        self.arguments = {key: fill(value, words) if isinstance(value, str) else value for key, value in spec.get("arguments", {}).items()}
        self.sql = {key: fill(spec.get(key, ""), words) for key in ("before", "each", "run", "after", "difference")}
        self.measure = spec.get("measure", entry.get("measure"))
        self.unit = {"cpu": "s of processor", "returned": spec.get("unit", entry.get("unit"))}.get(self.measure, "s")
        self.prepared_once, self.is_prepared = entry.get("prepared") == "once", False
        self.repeat, self.within = spec.get("repeat"), spec.get("within")
        self.values, self.shown, self.difference = [], "", None

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
        self.prepare(connection)
        if self.sql["each"]:
            connection.execute(self.sql["each"])
        gc.collect()
        backend = connection.info.backend_pid
        start, start_cpu = time.perf_counter(), sessions.processor_time(backend)
        if self.python:
            module = next(module for module in (peers, sessions, trainings) if hasattr(module, self.python))
            result = getattr(module, self.python)(**self.arguments)
        else:
            cursor = connection.execute(self.sql["run"])
            result = cursor.fetchall() if cursor.description else cursor.rowcount
        elapsed, cpu = time.perf_counter() - start, sessions.processor_time(backend) - start_cpu
        self.shown = str(result)[:160]
        if self.sql["difference"]:
            self.difference = connection.execute(self.sql["difference"]).fetchone()[0]
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
        return statistics.median(self.values)


class Result:
    """What the report needs of an entry: a title, notes, and contestants, or growths, or the message of an error."""

    def __init__(self, name, title, notes):
        self.name, self.title, self.notes = name, title, notes
        self.field, self.growths, self.error = [], [], None


def fill(text, words):
    for word, value in words.items():
        text = text.replace("{" + word + "}", str(value))
    return text.strip()


def read(path):
    """What a TOML file says, of itself and through the entry that it is like."""
    spec = tomllib.loads(path.read_text())
    return combined(read(path.with_stem(spec.pop("like"))), spec) if "like" in spec else spec


def combined(old, new):
    """Tables key by key, lists of tables name by name, all else as the new one says."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: combined(old.get(key), value) for key, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list) and all(isinstance(one, dict) for one in old + new):
        named = {one["name"]: one for one in new}
        return [combined(one, named.pop(one["name"], {})) for one in old] + list(named.values())
    return new


class Entry:
    """What a TOML file says, of as many rows as are asked for: a number, a share such as 1/100, or nothing."""

    def __init__(self, path, rows):
        self.name, self.spec = path.stem, read(path)
        self.rows = int(self.spec["rows"] * fractions.Fraction(rows)) if "/" in rows else int(rows or self.spec["rows"])
        self.fixtures = self.spec["fixtures"]

    def repetitions(self, wanted):
        return min(wanted, self.spec.get("repeat", wanted))

    def run(self, connection, repeat, place):
        """Times it in a database whose fixtures are made; `place` has what is installed of what peers need."""
        title = self.spec["title"].replace("{rows}", f"{self.rows:,}").replace("{half}", f"{self.rows // 2:,}")
        print(f"\n{self.name}: {title}", flush=True)
        result = Result(self.name, title, [self.spec["note"]] if "note" in self.spec else [])
        repetitions = self.repetitions(repeat)
        if repetitions < repeat:
            result.notes.append("Run once." if repetitions == 1 else f"{repetitions} repetitions.")
        try:
            if "growth" in self.spec:
                self.grow(connection, repetitions, result)
            else:
                self.compare(connection, repetitions, result, place)
        except psycopg.Error as error:  # sessions.py raises these too
            result.error = str(error).splitlines()[0]
            print(f"  NOT RUN: {result.error}")
        return result

    def compare(self, connection, repetitions, result, place):
        specs = [self.spec["ours"]]
        for peer in self.spec.get("peer", []):
            if place.has(peer.get("needs")):
                specs.append(peer)
            else:
                result.notes.append(f"Left out: {peer['name']} ({peer['needs']} is not installed).")
                print("  " + result.notes[-1])
        field = [Contestant(spec, self.rows, self.spec) for spec in specs]
        if repetitions > 1:
            result.notes += [f"{contestant.name}: once." for contestant in field if contestant.repeat == 1]
        if self.spec.get("warm", self.spec.get("repeat") != 1):
            turns(connection, [contestant for contestant in field if contestant.repeat != 1], 1)
            for contestant in field:
                contestant.values = []
        turns(connection, field, repetitions)
        for contestant in field:
            if contestant.prepared_once:
                contestant.finish(connection)
            print(f"  {contestant.name:50s} {shown(contestant.median):>10s} {contestant.unit}  ({shown(min(contestant.values))} to "
                  f"{shown(max(contestant.values))})  {verdict(field[0], contestant)}\n    {contestant.shown}", flush=True)
        result.field = field

    def grow(self, connection, repetitions, result):
        for spec in self.spec["growth"]:
            one = growth.Growth(spec, self.rows, self.spec, lambda filled: Contestant(filled, self.rows, self.spec))
            if self.spec.get("warm", True):
                for contestant in one.field:
                    contestant.once(connection)
            turns(connection, one.field, repetitions)
            print(f"  {one.name:30s} {'  '.join(shown(c.median) for c in one.field)}  {'  '.join(one.verdicts())}", flush=True)
            result.growths.append(one)


def turns(connection, field, repetitions):
    """Every contestant once per repetition, starting with another one each time."""
    for repetition in range(repetitions):
        turn = repetition % max(len(field), 1)
        for contestant in field[turn:] + field[:turn]:
            if contestant.repeat is None or repetition < contestant.repeat:
                try:
                    contestant.values.append(contestant.once(connection))
                except psycopg.Error as error:
                    contestant.tidy(connection)
                    raise psycopg.Error(f"{contestant.name}: {error}") from error
