"""Contestants that are trainings watched from outside: what their phases take and what memory they need.

Each returns one number, which is what its entry compares.
"""
import os
import re
import threading
import time

import psycopg


LOADED = ("SELECT medallion.train('bench_load', source => '{table}', target => 'label', algorithm => 'logistic',"
          " params => '{{\"max_iter\": 1}}', exclude => '{{y}}')")
ROUNDS = ("SELECT medallion.train('bench_kmeans_round', 'bench.higgs', NULL, 'kmeans',"
          " '{{\"n_clusters\": 10, \"max_iter\": {rounds}, \"tol\": 0}}', exclude => '{{y,label}}')")


def phases(training):
    """Milliseconds of each phase of a training, which it tells at DEBUG1."""
    taken = {}

    def note(diagnostic):
        found = re.match(r"training: (\w+) took ([\d.]+) ms", diagnostic.message_primary)
        if found:
            taken[found.group(1)] = float(found.group(2))

    with psycopg.connect(autocommit=True) as connection:
        connection.execute("SET client_min_messages = debug1")
        connection.execute("SET medallion.train_mem = '6GB'")
        connection.add_notice_handler(note)
        connection.execute(training)
    return taken


def kmeans_round():
    """Milliseconds of a round of k-means, from the fitting of 101 less that of 1."""
    once, often = (phases(ROUNDS.format(rounds=rounds))["fitting"] for rounds in (1, 101))
    return (often - once) / 100


def load_milliseconds(of, table="bench.higgs"):
    """Milliseconds that reading rows into memory takes: the sum of these phases of a training."""
    taken = phases(LOADED.format(table=table))
    return sum(taken[phase] for phase in of)


def floor_milliseconds():
    """Milliseconds of the scan floor in a session of its own, as the trainings beside it have."""
    statement = f"SELECT sum({' + '.join(f'c{i}' for i in range(1, 29))}) FROM bench.higgs"
    with psycopg.connect(autocommit=True) as connection:
        start = time.perf_counter()
        connection.execute(statement).fetchall()
        return 1000 * (time.perf_counter() - start)


def memory_in_use(backend, postmaster):
    """MB of a backend and its workers: what is their own, and their segments of shared memory but for the buffers."""
    own, segments = 0, set()
    for process in open(f"/proc/{postmaster}/task/{postmaster}/children").read().split():
        try:
            if process != backend and f"parallel worker for PID {backend}" not in open(f"/proc/{process}/cmdline").read():
                continue
            own += int(re.search(r"^Anonymous:\s+(\d+)", open(f"/proc/{process}/smaps_rollup").read(), re.M).group(1))
            segments.update(re.findall(r"/dev/shm/\S+", open(f"/proc/{process}/maps").read()))
        except (FileNotFoundError, ProcessLookupError):
            pass
    shared = sum(os.stat(path).st_blocks / 2 for path in segments if os.path.exists(path))
    return (own + shared) / 1024


def load_memory(table="bench.higgs"):
    """Peak memory, in MB over what the session had before, of a training of the rows of a table in memory."""
    with psycopg.connect(autocommit=True) as connection:
        backend = str(connection.info.backend_pid)
        postmaster = connection.execute("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)").fetchone()[0]
        connection.execute("SET medallion.train_mem = '6GB'")
        connection.execute(f"SELECT medallion.train('bench_small', source => 'SELECT * FROM {table} LIMIT 1000',"
                           " target => 'label', algorithm => 'logistic', exclude => '{y}')")
        before = peak = memory_in_use(backend, postmaster)
        training = threading.Thread(target=connection.execute, args=(LOADED.format(table=table),))
        training.start()
        while training.is_alive():
            peak = max(peak, memory_in_use(backend, postmaster))
            time.sleep(0.005)
        training.join()
    return peak - before


def matrix_megabytes():
    """28 numbers of 8 bytes and a label of 4 in each row."""
    with psycopg.connect() as connection:
        return connection.execute("SELECT count(*) FROM bench.higgs").fetchone()[0] * (28 * 8 + 4) / 2**20
