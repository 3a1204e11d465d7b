"""huey with fsync=True, which is synchronous=FULL. Taking a task removes it; finishing it stores its result."""

from pathlib import Path

from huey import SqliteHuey

from race import race


class Queue:
    def __init__(self, folder: str) -> None:
        self.inner = SqliteHuey("bench", filename=str(Path(folder) / "queue.db"), fsync=True)

        @self.inner.task()
        def work(text: str) -> bool:
            return bool(text)

        self.work = work

    def enqueue(self, text: str) -> None:
        self.work(text)

    def claim(self):
        task = self.inner.dequeue()
        return task and (task, task.args[0])

    def finish(self, ticket) -> None:
        self.inner.execute(ticket)

    def synchronous(self) -> int:
        return self.inner.storage.conn.execute("PRAGMA synchronous").fetchone()[0]


race(Queue)
