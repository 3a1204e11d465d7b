"""Holds a read transaction open on a SQLite file until its input ends: a reader that never lets go."""

import json
import pathlib
import sqlite3
import sys


def main() -> None:
    path = pathlib.Path(sys.argv[1]).resolve()
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute("BEGIN")
    # Only a first read fixes what the transaction sees.
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    print(json.dumps({"tables": tables}), flush=True)
    sys.stdin.read()
    connection.execute("ROLLBACK")


main()
