#!/usr/bin/env python3
"""Times of the clock, worked out another way than src/base/cron.c does: by trying minute after minute in Python's zoneinfo.

Writes cron.csv: schedule, zone, after, next (both UTC).  What is compared is what crontab(5) says: a schedule whose minute or hour
begins with * runs at every minute whose clock matches; any other one once for each time it names, at the first moment that shows it, or at
the change that skips it.  Years whose rules are settled, so that the version of the time zone data does not matter.
"""
import csv
import os
import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

random.seed(20260323)
UTC = timezone.utc
MINUTE = timedelta(minutes=1)
ZONES = ["UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "Africa/Cairo",
         "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Australia/Adelaide", "Pacific/Apia", "Pacific/Chatham",
         "America/Caracas", "Asia/Pyongyang", "Antarctica/Troll"]
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()
RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


def random_item(field):
    low, high = RANGES[field]
    kind = random.random()
    if kind < 0.5:
        value = random.randint(low, high)
        if field == 3 and random.random() < 0.5:
            return MONTHS[value - 1]
        if field == 4 and value < 7 and random.random() < 0.5:
            return DAYS[value]
        return str(value)
    if kind < 0.75:
        a, b = sorted(random.sample(range(low, high + 1), 2))
        return f"{a}-{b}" + (f"/{random.randint(1, 6)}" if random.random() < 0.3 else "")
    return f"*/{random.randint(2, 12)}"


def random_field(field, star):
    if random.random() < star:
        return "*"
    return ",".join(random_item(field) for _ in range(random.choice([1, 1, 1, 2, 3])))


def values(text, field):
    low, high = RANGES[field]
    found = set()
    for item in text.split(","):
        body, _, step = item.partition("/")
        if body == "*":
            a, b = low, 6 if field == 4 else high
        else:
            ends = [MONTHS.index(e) + 1 if e in MONTHS else DAYS.index(e) if e in DAYS else int(e) for e in body.split("-")]
            a, b = ends[0], ends[-1]
        found.update(range(a, b + 1, int(step or 1)))
    return {0 if field == 4 and v == 7 else v for v in found}


def day_matches(day, sets, fields):
    if day.month not in sets[3]:
        return False
    dom, dow = day.day in sets[2], (day.weekday() + 1) % 7 in sets[4]
    return dom and dow if fields[2][0] == "*" or fields[4][0] == "*" else dom or dow


def shows(moment, zone):
    return moment.astimezone(zone).replace(tzinfo=None)


def by_clock(fields, sets, zone, after, days):
    moment = after.replace(second=0, microsecond=0) + MINUTE
    while moment < after + timedelta(days=days):
        local = shows(moment, zone)
        if not day_matches(local, sets, fields):
            moment += MINUTE if local.hour >= 20 or local.hour < 1 else timedelta(hours=1)
        elif local.hour in sets[1] and local.minute in sets[0]:
            return moment
        else:
            moment += MINUTE
    return None


def moment_of(local, zone):
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if shows(first, zone) == local:
        return first
    moment = local.replace(tzinfo=UTC) - timedelta(hours=40)
    while shows(moment, zone) < local:
        moment += MINUTE
    return moment


def by_day(fields, sets, zone, after, days):
    day = shows(after, zone).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    for _ in range(days):
        if day_matches(day, sets, fields):
            found = [m for h in sorted(sets[1]) for n in sorted(sets[0])
                     if (m := moment_of(day.replace(hour=h, minute=n), zone)) > after]
            if found:
                return min(found)
        day += timedelta(days=1)
    return None


def changes(zone):
    """Moments at which the clocks of a zone are changed, 2005 to 2025."""
    moment = datetime(2005, 1, 1, tzinfo=UTC)
    found = []
    while moment.year < 2026:
        later = moment + timedelta(hours=6)
        if moment.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            found.append(moment)
        moment = later
    return found


def main():
    rows = []
    near = {name: changes(ZoneInfo(name)) for name in ZONES}
    while len(rows) < 1000:
        name = random.choice(ZONES)
        zone = ZoneInfo(name)
        if near[name] and random.random() < 0.7:
            after = random.choice(near[name]) + timedelta(minutes=random.randint(-2000, 600), seconds=random.choice([0, 0, 59]))
            fields = [random_field(0, 0.2), random.choice([random_field(1, 0.2), str(random.randint(0, 4))]), random_field(2, 0.8), "*", random_field(4, 0.8)]
        else:
            after = datetime(2005, 1, 1, tzinfo=UTC) + timedelta(minutes=random.randint(0, 20 * 525600))
            fields = [random_field(i, star) for i, star in enumerate([0.3, 0.3, 0.6, 0.6, 0.6])]
        sets = [values(text, i) for i, text in enumerate(fields)]
        search = by_clock if fields[0][0] == "*" or fields[1][0] == "*" else by_day
        found = search(fields, sets, zone, after, 500)
        if found:
            rows.append([" ".join(fields), name, after.strftime("%Y-%m-%d %H:%M:%S+00"), found.strftime("%Y-%m-%d %H:%M:%S+00")])
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cron.csv"), "w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)


main()
