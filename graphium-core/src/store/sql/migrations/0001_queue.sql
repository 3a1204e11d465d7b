-- Times are microseconds since the Unix epoch, task and claim ids the 16 bytes of their UUIDs. JSON columns hold what no
-- query looks into. An index costs every task a write: there is one only where a list or a rule needs it.

CREATE TABLE task (
    number      INTEGER PRIMARY KEY,              -- order of submission
    id          BLOB    NOT NULL UNIQUE,
    agent       TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    stack       TEXT,
    container   TEXT,
    status      TEXT    NOT NULL
        CHECK (status IN ('pending', 'assigned', 'running', 'completed', 'failed', 'cancelled')),
    order_at    INTEGER NOT NULL,                 -- ready_at less 60 s for each step of priority
    ready_at    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    settled_at  INTEGER,
    attempt     INTEGER NOT NULL,
    retry_count INTEGER NOT NULL,
    claim_id    BLOB,
    spec        TEXT    NOT NULL,                 -- JSON, never changes
    state       TEXT    NOT NULL                  -- JSON
) STRICT;
CREATE INDEX task_open      ON task (agent, order_at, id) WHERE settled_at IS NULL;
CREATE INDEX task_settled   ON task (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX task_failed    ON task (number) WHERE status = 'failed';
CREATE INDEX task_cancelled ON task (number) WHERE status = 'cancelled';
CREATE INDEX task_agent     ON task (agent, number);
CREATE INDEX task_type      ON task (type, number);
CREATE INDEX task_stack     ON task (stack, number) WHERE stack IS NOT NULL;
CREATE INDEX task_container ON task (container, number) WHERE container IS NOT NULL;

-- Attempts that have ended. The one in progress is the lease in the state of its task.
CREATE TABLE attempt (
    task    INTEGER NOT NULL,                     -- number of the task
    attempt INTEGER NOT NULL,
    record  TEXT    NOT NULL,                     -- JSON
    report  TEXT,                                 -- digest of the report that ended it
    PRIMARY KEY (task, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE dependency (
    dependency BLOB NOT NULL,
    dependant  BLOB NOT NULL,
    PRIMARY KEY (dependency, dependant)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    key  TEXT NOT NULL PRIMARY KEY,
    task BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE record (
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    body       TEXT    NOT NULL,                  -- JSON
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT;

-- What changes often stands apart from what a host observed.
CREATE TABLE host (
    id             TEXT    NOT NULL PRIMARY KEY,
    session        TEXT    NOT NULL,              -- JSON
    attempts_ended INTEGER NOT NULL
) STRICT;
CREATE TABLE inventory (
    host      TEXT NOT NULL PRIMARY KEY,
    engine    TEXT,                               -- JSON
    instances TEXT NOT NULL                       -- JSON
) STRICT;

-- Sessions that were taken over from.
CREATE TABLE ended_session (
    agent    TEXT    NOT NULL,
    session  BLOB    NOT NULL,
    ended_at INTEGER NOT NULL,                    -- number of the event that told of it: the oldest are forgotten
    PRIMARY KEY (agent, session)
) STRICT, WITHOUT ROWID;

CREATE TABLE generation (
    stack  TEXT    NOT NULL PRIMARY KEY,
    newest INTEGER NOT NULL,
    since  INTEGER NOT NULL                       -- the newest task of the whole queue when the stack began
) STRICT, WITHOUT ROWID;

-- Counted as tasks change, so that no question counts history.
CREATE TABLE counter (
    kind  TEXT    NOT NULL,                       -- 'status' or 'type'
    name  TEXT    NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    seq   INTEGER PRIMARY KEY,                    -- dense
    type  TEXT    NOT NULL,
    at    INTEGER NOT NULL,
    task  BLOB,
    stack TEXT,
    agent TEXT,
    actor TEXT    NOT NULL,
    data  TEXT    NOT NULL                        -- JSON
) STRICT;
CREATE INDEX event_task ON event (task) WHERE task IS NOT NULL;
