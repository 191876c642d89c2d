"""What ten times the rows cost: one statement over three tables, each with ten times the rows of the one before.

An entry of this kind has `[[growth]]` tables instead of `[ours]` and its peers: a name, `table` for the first part of the tables' names
(bench.higgs: bench.higgs_hundredth, _tenth and _large), which stand for {table} in the rest of it, and what every contestant has.  `sorts = true` says that it has to sort, which costs n log n; all else is to be linear.
"""
import math

SIZES = (("hundredth", 100), ("tenth", 10), ("large", 1))


class Growth:
    """One statement and its three contestants, smallest first."""

    def __init__(self, spec, rows, contestant):
        self.name, self.sorts, self.unit = spec["name"], spec.get("sorts", False), spec.get("unit", "s")
        self.rows = [rows // share for _, share in SIZES]
        self.field = [contestant(named(spec, f"{spec['table']}_{part}")) for part, _ in SIZES]

    def allowed(self, step):
        """By how much ten times the rows may raise the time, step 0 from the smallest table."""
        return 10 * (math.log(self.rows[step + 1]) / math.log(self.rows[step]) if self.sorts else 1)

    def verdict(self, step):
        ratio, allowed = self.field[step + 1].median / self.field[step].median, self.allowed(step)
        return f"{ratio:.1f}x (at most {allowed:.3g}x: {'met' if ratio <= allowed else 'MISSED'})"


def named(spec, table):
    """The statement with the name of the table that it is to read."""
    if isinstance(spec, dict):
        return {key: named(value, table) for key, value in spec.items()}
    return spec.replace("{table}", table) if isinstance(spec, str) else spec


def table(growths, shown):
    """The comparison as Markdown."""
    rows = growths[0].rows
    lines = ["| | " + " | ".join(f"{n:,} rows" for n in rows) + " | ten times the rows | ten times again |", "|---|---|---|---|---|---|"]
    for growth in growths:
        times = " | ".join(f"{shown(c.median)} {growth.unit}" for c in growth.field)
        lines.append(f"| {growth.name} | {times} | {growth.verdict(0)} | {growth.verdict(1)} |")
    return lines
