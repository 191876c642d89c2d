"""What the client checks share: results in words, and SQL beside the client under test."""
import atexit
import os
import sys

import psycopg

sys.dont_write_bytecode = True
failed = 0


def ok(right, name, detail=""):
    """Prints one result; whatever failed is the exit status."""
    global failed
    print(("ok - " if right else "not ok - ") + name)
    if not right:
        failed += 1
        print("\n".join("    " + line for line in str(detail).splitlines()))


def sql(text, *values):
    """Runs SQL in a session of its own and returns the rows, if there are any."""
    with psycopg.connect(autocommit=True) as connection:
        cursor = connection.execute(text, values or None)
        return cursor.fetchall() if cursor.description else []


def version():
    return sql("SELECT max(version) FROM medallion.commits")[0][0]


def refused(call, name, what="cannot"):
    """The call must raise an error that says why."""
    try:
        call()
    except Exception as error:  # each client has errors of its own
        ok(what in str(error), name, error)
    else:
        ok(False, name, "no error")


@atexit.register
def end():
    if failed:
        print(f"{failed} failed")
        sys.stdout.flush()
        os._exit(1)
