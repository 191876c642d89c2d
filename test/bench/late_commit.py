"""late_commit.py: what versioned tables answer when a long transaction commits late.

    python test/bench/late_commit.py        (needs psycopg, and a server given by PGHOST and the like)

A long transaction changes row 1 and stays open; a short one changes row 2 and commits; then somebody asks for the state as
of now, the long one commits, and the same is asked again.  An answer about the past that changes is wrong: whoever built on
the first one built on something that history now denies.  The second question is what a transaction meets that wants to change a row
which another one, begun later, has changed and committed.  Each candidate that is installed is asked the same.
"""
import datetime
import tempfile
import time

import psycopg


class Postgres:
    """A table t (id, v) in a schema of its own, versioned by an extension."""

    def __init__(self, name, setup, as_of):
        self.name, self.setup, self.as_of = name, setup, as_of

    def run(self):
        with psycopg.connect(autocommit=True) as admin:
            admin.execute("SET client_min_messages = error")
            if not admin.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", (self.name,)).fetchone():
                return print(f"{self.name}: not installed, left out\n")
            admin.execute(f"CREATE EXTENSION IF NOT EXISTS {self.name} CASCADE")
            admin.execute("DROP SCHEMA IF EXISTS late CASCADE; CREATE SCHEMA late; SET search_path = late, public; CREATE TABLE t (id int PRIMARY KEY, v text)")
            for statement in self.setup:
                admin.execute(statement)
            admin.execute("INSERT INTO t (id, v) VALUES (1, 'old'), (2, 'old'), (3, 'old')")
            time.sleep(0.05)
            version = admin.execute("SELECT extversion FROM pg_extension WHERE extname = %s", (self.name,)).fetchone()[0]
            print(f"{self.name} {version}")
            self.ask(admin)
            self.overwrite(admin)
            if self.name == "periods":
                admin.execute("SELECT periods.drop_system_versioning('t', 'CASCADE', true)")
            admin.execute("DROP SCHEMA late CASCADE")
        print()

    def past(self, connection, at):
        rows = connection.execute(self.as_of.format(at=at)).fetchall()
        return " ".join(f"{number}={value}" for number, value in sorted(rows))

    def ask(self, admin):
        with psycopg.connect(options="-c search_path=late,public") as long:
            long.execute("UPDATE t SET v = 'long' WHERE id = 1")
            time.sleep(0.05)
            admin.execute("UPDATE t SET v = 'short' WHERE id = 2")
            time.sleep(0.05)
            at = admin.execute("SELECT clock_timestamp()").fetchone()[0]
            before = self.past(admin, at)
            time.sleep(0.05)
            long.commit()
        after = self.past(admin, at)
        print(f"  as of T, before the long transaction commits: {before}")
        print(f"  as of T, after it has committed:              {after}{'' if before == after else '     the answer has changed'}")

    def overwrite(self, admin):
        with psycopg.connect(options="-c search_path=late,public") as long:
            long.execute("SELECT 1")
            time.sleep(0.05)
            admin.execute("UPDATE t SET v = 'second' WHERE id = 3")
            time.sleep(0.05)
            try:
                long.execute("UPDATE t SET v = 'third' WHERE id = 3")
                long.commit()
                said = "done"
            except psycopg.Error as error:
                said = str(error).splitlines()[0]
        at = admin.execute("SELECT clock_timestamp()").fetchone()[0]
        print(f"  a transaction that began earlier changes the same row later: {said}")
        print(f"  as of afterwards:                             {self.past(admin, at)}")


def delta():
    try:
        import deltalake
        import pyarrow
    except ImportError:
        return print("deltalake: not installed, left out")
    with tempfile.TemporaryDirectory() as folder:
        deltalake.write_deltalake(folder, pyarrow.table({"id": [1, 2, 3], "v": ["old"] * 3}))

        def past(at):
            table = deltalake.DeltaTable(folder)
            table.load_as_version(at)
            rows = table.to_pyarrow_table().to_pylist()
            return " ".join(f"{row['id']}={row['v']}" for row in sorted(rows, key=lambda row: row["id"]))

        print(f"Delta (deltalake {deltalake.__version__})")
        long = deltalake.DeltaTable(folder)         # what the long transaction has read
        time.sleep(0.05)
        deltalake.DeltaTable(folder).update(updates={"v": "'short'"}, predicate="id = 2")
        time.sleep(0.05)
        at = datetime.datetime.now(datetime.timezone.utc)
        time.sleep(0.05)
        before = past(at)
        try:
            long.update(updates={"v": "'long'"}, predicate="id = 1")
            said = "done"
        except Exception as error:  # the library has several
            said = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        print(f"  as of T, before the long writer commits:      {before}")
        print(f"  the long writer commits a change of another row: {said}")
        print(f"  as of T, afterwards:                          {past(at)}")


if __name__ == "__main__":
    Postgres("medallion", ["SELECT medallion.enable_versioning('t')"],
             "SELECT id, v FROM medallion.as_of(NULL::t, at => '{at}')").run()
    Postgres("temporal_tables",
             ["ALTER TABLE t ADD COLUMN sys_period tstzrange NOT NULL DEFAULT tstzrange(current_timestamp, null)",
              "CREATE TABLE t_history (LIKE t)",
              "CREATE TRIGGER versioning BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION versioning('sys_period', 't_history', false)"],
             "SELECT id, v FROM (TABLE t UNION ALL TABLE t_history) x WHERE sys_period @> '{at}'::timestamptz").run()
    Postgres("periods", ["SELECT periods.add_system_time_period('t')", "SELECT periods.add_system_versioning('t')"],
             "SELECT id, v FROM t__as_of('{at}')").run()
    delta()
