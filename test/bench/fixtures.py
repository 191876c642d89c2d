"""Tables that the entries read, made reproducibly: the same seed gives the same rows on every machine.

A fixture is a function of (connection, rows); it makes its tables in schema bench of a database that is new.
"""
import numpy as np

FEATURES = 28
WIDE_FEATURES = 200
BLOCK = 100_000


def copy_binary(cursor, statement, columns):
    """Sends a list of equally long float8 or int4 arrays as one COPY … FROM STDIN (FORMAT binary)."""
    fields = [("count", ">i2")]
    for i, column in enumerate(columns):
        fields += [(f"length{i}", ">i4"), (f"value{i}", ">f8" if column.dtype.kind == "f" else ">i4")]
    rows = np.empty(len(columns[0]), dtype=fields)
    rows["count"] = len(columns)
    for i, column in enumerate(columns):
        rows[f"length{i}"] = 8 if column.dtype.kind == "f" else 4
        rows[f"value{i}"] = column
    with cursor.copy(statement) as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        copy.write(rows.tobytes())
        copy.write(b"\xff\xff")


def higgs(connection, rows, table="bench.higgs"):
    """bench.higgs: c1…c28 float8 with correlation, a real target y and a binary label of moderate difficulty."""
    cursor = connection.cursor()
    names = ", ".join(f"c{i + 1} float8 NOT NULL" for i in range(FEATURES))
    cursor.execute(f"CREATE TABLE {table} ({names}, y float8 NOT NULL, label int NOT NULL)")
    generator = np.random.Generator(np.random.PCG64(20130101))
    mixing = np.eye(FEATURES) + 0.2 * generator.standard_normal((FEATURES, FEATURES))
    weights = generator.standard_normal(FEATURES) / 4
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        x = generator.standard_normal((count, FEATURES)) @ mixing
        signal = x @ weights + 0.1 * x[:, 0] * x[:, 1]
        y = signal + generator.standard_normal(count)
        label = (generator.random(count) < 1 / (1 + np.exp(-signal))).astype(np.int32)
        columns = [np.ascontiguousarray(x[:, i]) for i in range(FEATURES)] + [y, label]
        copy_binary(cursor, f"COPY {table} FROM STDIN (FORMAT binary)", columns)
    cursor.execute(f"VACUUM (FREEZE, ANALYZE) {table}")
    cursor.execute(f"SELECT sum(c1), avg(label) FROM {table}")


def parts(connection, table, rows):
    """Beside {table}_large, {table}_tenth and {table}_hundredth with a part of its rows, of the same columns."""
    for part, share in (("tenth", 10), ("hundredth", 100)):
        connection.execute(f"CREATE TABLE {table}_{part} (LIKE {table}_large)")
        connection.execute(f"INSERT INTO {table}_{part} SELECT * FROM {table}_large LIMIT {rows // share}")
        connection.execute(f"VACUUM (FREEZE, ANALYZE) {table}_{part}")


def higgs_sizes(connection, rows):
    """bench.higgs_large, of all rows, and bench.higgs_tenth and bench.higgs_hundredth with a part of them."""
    higgs(connection, rows, "bench.higgs_large")
    parts(connection, "bench.higgs", rows)


def wide_sizes(connection, rows):
    """The same of bench.wide."""
    wide(connection, rows, "bench.wide_large")
    parts(connection, "bench.wide", rows)


def scored_sizes(connection, rows):
    """The same of bench.scored."""
    scored(connection, rows, "bench.scored_large")
    parts(connection, "bench.scored", rows)


def wide(connection, rows, table="bench.wide"):
    """bench.wide: c1…c200 float8, each correlated with its neighbours, and a real target y."""
    cursor = connection.cursor()
    names = ", ".join(f"c{i + 1} float8 NOT NULL" for i in range(WIDE_FEATURES))
    cursor.execute(f"CREATE TABLE {table} ({names}, y float8 NOT NULL)")
    generator = np.random.Generator(np.random.PCG64(20130101))
    weights = generator.standard_normal(WIDE_FEATURES) * (generator.random(WIDE_FEATURES) < 0.3)
    for start in range(0, rows, BLOCK // 5):
        x = generator.standard_normal((min(BLOCK // 5, rows - start), WIDE_FEATURES))
        x[:, 1:] += 0.3 * x[:, :-1]
        y = x @ weights + 3 * generator.standard_normal(len(x))
        copy_binary(cursor, f"COPY {table} FROM STDIN (FORMAT binary)",
                    [np.ascontiguousarray(x[:, i]) for i in range(WIDE_FEATURES)] + [y])
    cursor.execute(f"VACUUM (FREEZE, ANALYZE) {table}")
    cursor.execute(f"SELECT sum(c1), sum(c200) FROM {table}")


def scored(connection, rows, table="bench.scored"):
    """bench.scored: a label and a score that is a probability of it, hardly any two alike."""
    cursor = connection.cursor()
    cursor.execute(f"CREATE TABLE {table} (score float8 NOT NULL, label int NOT NULL)")
    generator = np.random.Generator(np.random.PCG64(20130101))
    for start in range(0, rows, 10 * BLOCK):
        score = generator.random(min(10 * BLOCK, rows - start))
        copy_binary(cursor, f"COPY {table} FROM STDIN (FORMAT binary)",
                    [score, (generator.random(len(score)) < score * score).astype(np.int32)])
    cursor.execute(f"VACUUM (FREEZE, ANALYZE) {table}")
    cursor.execute(f"SELECT sum(score), avg(label) FROM {table}")


def orders(connection, rows):
    """bench.orders: what versioned tables are filled from; five columns of common types."""
    cursor = connection.cursor()
    cursor.execute(f"""
        CREATE TABLE bench.orders AS
        SELECT i AS id, (i * 7919 % 100003)::int AS customer, (i % 10007)::numeric / 100 AS amount,
               (ARRAY['new', 'paid', 'sent', 'back'])[1 + i % 4] AS status,
               timestamptz '2013-01-01 00:00+00' + i * interval '1 second' AS updated_at
        FROM generate_series(1::bigint, {rows}) i""")
    cursor.execute("VACUUM (FREEZE, ANALYZE) bench.orders")


def events(connection, rows):
    """bench.events (rows) of rows / 50 customers, indexed, and bench.labels (rows / 10) at random times of the same year."""
    cursor = connection.cursor()
    for table, count in (("events", rows), ("labels", rows // 10)):
        cursor.execute(f"""
            CREATE TABLE bench.{table} AS
            SELECT (hashint8extended(i, 1) & 2147483647) % {max(rows // 50, 1)} AS customer,
                   timestamptz '2026-01-01 00:00+00'
                       + (hashint8extended(i, {2 if table == 'events' else 3}) & 2147483647) % 31536000 * interval '1 second' AS at,
                   (hashint8extended(i, 4) & 65535) / 656.0::float8 AS amount
            FROM generate_series(1::bigint, {count}) i""")
    cursor.execute("CREATE INDEX ON bench.events (customer, at)")
    cursor.execute("VACUUM (FREEZE, ANALYZE) bench.events")
    cursor.execute("VACUUM (FREEZE, ANALYZE) bench.labels")


def lake(connection, rows):
    """Server bench_lake with orders.csv, which holds bench.orders, and first.csv, which has one row of its kind."""
    where = connection.execute("SHOW data_directory").fetchone()[0] + "/bench_lake"
    connection.execute(f"COPY bench.orders TO PROGRAM 'mkdir -p {where} && cat > {where}/orders.csv' (FORMAT csv, HEADER)")
    connection.execute("COPY (SELECT -id AS id, customer, amount, status, updated_at FROM bench.orders LIMIT 1)"
                       f" TO '{where}/first.csv' (FORMAT csv, HEADER)")
    connection.execute(f"CREATE SERVER bench_lake FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root '{where}')")


def past(connection, rows):
    """bench.past: versioned, every row updated once, so that each has an old version; bench.present: the same rows, plain."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE bench.past (id bigint PRIMARY KEY, customer int, amount numeric, status text, updated_at timestamptz)")
    cursor.execute("SELECT medallion.enable_versioning('bench.past')")
    cursor.execute(f"""INSERT INTO bench.past SELECT i, i * 7919::bigint % 100003, (i % 10007)::numeric / 100, 'paid',
                       timestamptz '2013-01-01 00:00+00' + i * interval '1 second' FROM generate_series(1, {rows}) i""")
    cursor.execute("CREATE TABLE bench.before_update AS SELECT max(version) AS version FROM medallion.commits")
    cursor.execute("UPDATE bench.past SET amount = amount + 1")
    cursor.execute("CREATE TABLE bench.present (LIKE bench.past INCLUDING ALL)")
    cursor.execute("VACUUM FULL bench.past")
    cursor.execute("INSERT INTO bench.present SELECT * FROM bench.past")
    for table in ("bench.past", "bench.present", 'medallion_history."bench.past"'):
        cursor.execute(f"VACUUM (FREEZE, ANALYZE) {table}")


def long_log(connection, rows):
    """bench.busy, versioned, changed by as many real commits as there are rows to be; row 1001 never was."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE bench.busy (id int PRIMARY KEY, v bigint) WITH (fillfactor = 50)")
    cursor.execute("INSERT INTO bench.busy SELECT i, 0 FROM generate_series(1, 1001) i")
    cursor.execute("SELECT medallion.enable_versioning('bench.busy')")
    cursor.execute("SET synchronous_commit = off")
    cursor.execute(f"DO $$ BEGIN FOR i IN 1..{rows} LOOP UPDATE bench.busy SET v = i WHERE id = 1 + i % 1000; COMMIT; END LOOP; END $$")
    cursor.execute("RESET synchronous_commit")


def tall(connection, rows):
    """bench.tall: versioned, `rows` rows and as many old ones, the last commit but a few of ten rows; no statistics on either."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE bench.tall (id bigint PRIMARY KEY, v bigint, note text)")
    cursor.execute(f"INSERT INTO bench.tall SELECT i, i, 'note ' || i FROM generate_series(1, {rows}) i")
    cursor.execute("SELECT medallion.enable_versioning('bench.tall')")
    cursor.execute("UPDATE bench.tall SET v = v + 1")
    cursor.execute("UPDATE bench.tall SET v = -v WHERE id BETWEEN 5 AND 14")
