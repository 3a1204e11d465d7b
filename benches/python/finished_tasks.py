"""Multiplies the finished tasks of a closed store, with their attempts and events, until there are as many as asked for.

Usage: finished_tasks.py DATABASE COUNT

What a column holds that tells tasks apart is made anew, in the order of submission; everything else is copied. This is the
only place outside the store that knows its tables.
"""

import json
import sqlite3
import sys

CHUNK = 200_000
# The id of a copy by its number: 16 bytes that sort by it.
FRESH_ID = "CAST(printf('%016d', {number}) AS BLOB)"


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def copy(connection: sqlite3.Connection, table: str, fresh: dict[str, str], source: str, copies: int) -> None:
    """Adds rows to a table: for each copy one of every row of the source, with these columns computed."""
    names = columns(connection, table)
    values = ", ".join(fresh.get(name, f"s.{name}") for name in names)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} "
        f"FROM (WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < ?) SELECT n FROM n) AS c "
        f"CROSS JOIN {source} AS s",
        (copies,),
    )


def main() -> None:
    path, wanted = sys.argv[1], int(sys.argv[2])
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")

    connection.execute(
        "CREATE TEMP TABLE source_task AS SELECT *, row_number() OVER (ORDER BY number) - 1 AS rank "
        "FROM task WHERE settled_at IS NOT NULL"
    )
    connection.execute(
        "CREATE TEMP TABLE source_attempt AS SELECT a.*, t.rank FROM attempt AS a JOIN source_task AS t ON t.number = a.task"
    )
    connection.execute(
        "CREATE TEMP TABLE source_event AS SELECT e.*, t.rank AS task_rank, row_number() OVER (ORDER BY e.seq) - 1 AS rank "
        "FROM event AS e JOIN source_task AS t ON t.id = e.task"
    )
    one = lambda query: connection.execute(query).fetchone()[0]
    tasks, events = one("SELECT count(*) FROM source_task"), one("SELECT count(*) FROM source_event")
    kind, status = connection.execute("SELECT type, status FROM source_task LIMIT 1").fetchone()

    left = wanted - tasks
    while left > 0:
        copies = max(1, min(CHUNK, left) // tasks)
        number, seq = one("SELECT max(number) FROM task") + 1, one("SELECT max(seq) FROM event") + 1
        new = f"({number} + c.n * {tasks} + s.rank)"
        connection.execute("BEGIN")
        fresh_id = FRESH_ID.format(number=new)
        copy(connection, "task", {"number": new, "id": fresh_id}, "source_task", copies)
        copy(connection, "attempt", {"task": new}, "source_attempt", copies)
        of_task = FRESH_ID.format(number=f"({number} + c.n * {tasks} + s.task_rank)")
        fresh = {"seq": f"({seq} + c.n * {events} + s.rank)", "task": of_task}
        copy(connection, "event", fresh, "source_event", copies)
        added = copies * tasks
        for counter in (("status", status), ("type", kind)):
            connection.execute("UPDATE counter SET value = value + ? WHERE kind = ? AND name = ?", (added, *counter))
        connection.execute("COMMIT")
        left -= added
        if left < tasks:
            break
    connection.execute("BEGIN")
    number = one("SELECT max(number) FROM task")
    for field in ("container", "stack", "agent", "type"):
        connection.execute(
            f"INSERT OR IGNORE INTO listing (field, value, number) SELECT '{field}', {field}, number FROM task "
            f"WHERE {field} IS NOT NULL ORDER BY {field}, number"
        )
        connection.execute("INSERT OR REPLACE INTO counter (kind, name, value) VALUES ('listed', ?, ?)", (field, number))
    connection.execute("COMMIT")
    total = one("SELECT value FROM counter WHERE kind = 'status' AND name = 'completed'")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    print(json.dumps({"finished": total}), flush=True)


main()
