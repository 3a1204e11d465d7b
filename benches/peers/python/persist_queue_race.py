"""persist-queue, the kind that acknowledges. It has no setting for durability: what SQLite starts with is read back."""

import persistqueue

from race import race


class Queue:
    def __init__(self, folder: str) -> None:
        self.inner = persistqueue.SQLiteAckQueue(folder, multithreading=True)

    def enqueue(self, text: str) -> None:
        self.inner.put(text)

    def claim(self):
        try:
            item = self.inner.get(block=False, raw=True)
        except persistqueue.exceptions.Empty:
            return None
        return item["pqid"], item["data"]

    def finish(self, ticket: int) -> None:
        self.inner.ack(id=ticket)

    def synchronous(self) -> int:
        return min(c.execute("PRAGMA synchronous").fetchone()[0] for c in (self.inner._putter, self.inner._getter))


race(Queue)
