"""docs/benchmarks.md: figures as words and tables."""
import importlib.metadata
import pathlib
import platform
import re
import time

import growth

HERE = pathlib.Path(__file__).parent


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
        ratio, is_time = ours.median / peer.median, ours.unit.startswith(("s", "ms"))
        text = f"{1 / ratio:.1f}x faster" if is_time and ratio <= 0.67 else f"{ratio:.2f}x its {'time' if is_time else 'value'}"
        if "at_most" in peer.budgets:
            text = f"{ratio:.2f}x its {'time' if is_time else 'value'} (budget {peer.budgets['at_most']}x: {kept(ratio <= peer.budgets['at_most'])})"
        if "at_least" in peer.budgets:
            text = f"{ratio:.2f}x its value (budget {peer.budgets['at_least']}x: {kept(ratio >= peer.budgets['at_least'])})"
        if "faster" in peer.budgets:
            text = f"{1 / ratio:.1f}x faster (budget {peer.budgets['faster']}x: {kept(1 / ratio >= peer.budgets['faster'])})"
        parts.append(text)
    if peer.difference is not None:
        parts.append(f"result differs by {peer.difference:.1e}" + (f" (at most {peer.within:g}: {kept(peer.difference <= peer.within)})" if peer.within else ""))
    return " ".join(parts)


def machine(connection):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    cores = sum(line.startswith("processor") for line in open("/proc/cpuinfo"))
    memory = int(next(line for line in open("/proc/meminfo") if line.startswith("MemTotal")).split()[1]) / 2**20
    server = connection.execute("SHOW server_version").fetchone()[0].split()[0]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("scikit-learn", "numpy", "pandas", "psycopg"))
    return (f"{model}, {cores} cores, {memory:.0f} GiB; PostgreSQL {server}, 2 parallel workers, JIT off, warm cache; "
            f"Python {platform.python_version()}, {versions}")


def times(repeat):
    return "once" if repeat == 1 else f"{repeat} times"


def section(result):
    lines = [f"## {result.title}", ""]
    if result.notes:
        lines += [" ".join(result.notes), ""]
    if result.error:
        return lines + [f"Could not be run: {result.error}", ""]
    if result.growths:
        return lines + growth.table(result.growths, shown) + [""]
    ours = result.field[0]
    lines += [f"| | median, {ours.unit} | range | medallion against it |", "|---|---|---|---|"]
    lines += [f"| {c.name} | {shown(c.median)} | {shown(min(c.values))} to {shown(max(c.values))} | {verdict(ours, c)} |" for c in result.field]
    return lines + [""]


def page(results, where, repeat):
    """The whole page, from intro.md and a section for each entry."""
    intro = (HERE / "intro.md").read_text().format(times=times(repeat), machine=where, day=time.strftime("%Y-%m-%d"))
    return intro + "\n" + "\n".join("\n".join(section(result)) for result in results)


def merged(old, results, repeat):
    """A page that exists with the sections of these entries in place of its own of the same title, new ones at the end."""
    head, *sections = re.split(r"(?m)^(?=## )", old)
    stamp = f"Measured {times(repeat)} on {time.strftime('%Y-%m-%d')}."
    for result in results:
        result.notes.append(stamp)
        text = "\n".join(section(result)) + "\n"
        at = next((i for i, old in enumerate(sections) if old.startswith(f"## {result.title}\n")), None)
        if at is None:
            sections[-1] = sections[-1].rstrip("\n") + "\n\n"
            sections.append(text)
        else:
            sections[at] = text
    return (head + "".join(sections)).rstrip("\n") + "\n"
