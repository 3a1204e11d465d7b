"""The work of the benches done by a queue in Python: callers are threads that share one queue and live one life at a time."""

import json
import sys
import threading
import time
from collections import Counter

# As many bytes as the payload of the benches has.
PAYLOAD = 200


def payload(name: str) -> str:
    return name + " " + "x" * (PAYLOAD - len(name) - 1)


def name_of(text: str) -> str:
    return text.split(" ", 1)[0]


def race(open_queue) -> None:
    """Usage: PROGRAM FOLDER CALLERS LIVES. Prints what was found as a line of JSON.

    `open_queue(folder)` answers with an object that has `enqueue(text)`, `claim() -> (ticket, text) | None`, `finish(ticket)`
    and `synchronous() -> int`.
    """
    folder, callers, lives = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    queue = open_queue(folder)
    each = -(-lives // callers)
    finished: list[list[str]] = [[] for _ in range(callers)]
    faults: list[str] = []
    start = threading.Barrier(callers + 1)

    def live(caller: int) -> None:
        start.wait()
        try:
            for number in range(each):
                queue.enqueue(payload(f"{caller}-{number}"))
                # Somebody else may be quicker, and then leaves another one.
                while (claimed := queue.claim()) is None:
                    time.sleep(0)
                ticket, text = claimed
                queue.finish(ticket)
                finished[caller].append(name_of(text))
        except Exception as fault:  # noqa: BLE001 (whatever it is, the race is void)
            faults.append(repr(fault))

    threads = [threading.Thread(target=live, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - began
    if faults:
        sys.exit(f"{len(faults)} callers failed: {faults[0]}")
    count = Counter(name for names in finished for name in names)
    print(
        json.dumps(
            {
                "livesPerSecond": each * callers / elapsed,
                "lost": each * callers - len(count),
                "duplicated": sum(count.values()) - len(count),
                "synchronous": queue.synchronous(),
            }
        ),
        flush=True,
    )
