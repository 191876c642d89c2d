"""What more rows cost: one statement over parts of the rows, each larger than the one before.

An entry of this kind has `[[growth]]` tables instead of `[ours]` and its peers: a name, and what every contestant has.
`shares = [100, 10, 1]` of the entry or of one of them says which parts: a hundredth of the rows, a tenth, all.  For a statement that is as
fast as its scan, `table` is the first part of the names of tables that hold them (bench.higgs: bench.higgs_hundredth, _tenth and
_large) and {table} in the rest is the name; else {part} in the rest is the number of rows, for a LIMIT of its source.

`sorts = true` says that it has to sort, which costs n log n; `power = 2` that it compares rows with rows; `flat = true`
that it costs the same however many there are; all else is to be linear.
"""
import math

PARTS = {100: "hundredth", 10: "tenth", 1: "large"}


class Growth:
    """One statement and its contestants, smallest first."""

    def __init__(self, spec, rows, entry, contestant):
        self.name, self.sorts = spec["name"], spec.get("sorts", False)
        self.power = 0 if spec.get("flat") else spec.get("power", 1)
        shares = spec.get("shares", entry.get("shares", [100, 10, 1]))
        self.rows = [rows // share for share in shares]
        self.field = [contestant(named(spec, spec.get("table"), PARTS.get(share), rows // share)) for share in shares]

    def allowed(self, step):
        """By how much the rows of a step, 0 from the smallest part, may raise the time."""
        few, many = self.rows[step], self.rows[step + 1]
        return (many / few) ** self.power * (math.log(many) / math.log(few) if self.sorts else 1)

    def verdict(self, step):
        ratio, allowed = self.field[step + 1].median / self.field[step].median, self.allowed(step)
        return f"{ratio:.1f}x (at most {allowed:.3g}x: {'met' if ratio <= allowed else 'MISSED'})"

    def verdicts(self):
        return [self.verdict(step) for step in range(len(self.rows) - 1)]

    def steps(self):
        """The heads of the table's columns."""
        factors = [f"{many / few:.3g}" for few, many in zip(self.rows, self.rows[1:])]
        return [f"{n:,} rows" for n in self.rows] + [f"{factor} times the rows" + " again" * (i > 0) for i, factor in enumerate(factors)]


def named(spec, table, part, rows):
    """The statement with the name or the number of rows of the part that it is to read."""
    if isinstance(spec, dict):
        return {key: named(value, table, part, rows) for key, value in spec.items()}
    if isinstance(spec, str):
        return spec.replace("{table}", f"{table}_{part}").replace("{part}", str(rows))
    return spec


def table(growths, shown):
    """The comparison as Markdown; those of the same parts stand in one table."""
    lines = []
    for heads in dict.fromkeys(tuple(growth.steps()) for growth in growths):
        lines += ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
        for growth in growths:
            if tuple(growth.steps()) == heads:
                lines.append(f"| {growth.name} | " + " | ".join([f"{shown(c.median)} {c.unit}" for c in growth.field] + growth.verdicts()) + " |")
        lines.append("")
    return lines[:-1]
