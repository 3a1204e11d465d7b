"""litequeue: it opens its file with synchronous=NORMAL; its connection is public, and is set to FULL here.

Its connection is not made for several threads at once, so callers take turns with it.
"""

import threading
from pathlib import Path

from litequeue import LiteQueue

from race import race


class Queue:
    def __init__(self, folder: str) -> None:
        self.inner = LiteQueue(str(Path(folder) / "queue.db"))
        self.inner.conn.execute("PRAGMA synchronous = FULL")
        self.turn = threading.Lock()

    def enqueue(self, text: str) -> None:
        with self.turn:
            self.inner.put(text)

    def claim(self):
        with self.turn:
            message = self.inner.pop()
        return message and (message.message_id, message.data)

    def finish(self, ticket: str) -> None:
        with self.turn:
            self.inner.done(ticket)

    def synchronous(self) -> int:
        return self.inner.conn.execute("PRAGMA synchronous").fetchone()[0]


race(Queue)
