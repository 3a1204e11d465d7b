-- Times are microseconds since the Unix epoch, task and claim ids the 16 bytes of their UUIDs. JSON columns hold what no
-- query looks into. An index costs every task a write: there is one only where a list or a rule needs it.

CREATE TABLE task (
    number      INTEGER PRIMARY KEY,              -- order of submission
    id          BLOB    NOT NULL UNIQUE,
    agent       TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    stack       TEXT,
    container   TEXT,
    status      TEXT    NOT NULL                  -- written out, because IN would build a table for each row
        CHECK (status = 'pending' OR status = 'assigned' OR status = 'running'
            OR status = 'completed' OR status = 'failed' OR status = 'cancelled'),
    order_at    INTEGER NOT NULL,                 -- ready_at less 60 s for each step of priority
    ready_at    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    settled_at  INTEGER,
    attempt     INTEGER NOT NULL,
    retry_count INTEGER NOT NULL,
    claim_id    BLOB,
    state       TEXT    NOT NULL                  -- JSON
) STRICT;
CREATE INDEX task_open      ON task (agent, order_at, id) WHERE settled_at IS NULL;
CREATE INDEX task_settled   ON task (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX task_failed    ON task (number) WHERE status = 'failed';
CREATE INDEX task_cancelled ON task (number) WHERE status = 'cancelled';

-- What never changes of a task stands apart from what does: a change then writes little.
CREATE TABLE task_spec (
    number INTEGER PRIMARY KEY,
    spec   TEXT NOT NULL                          -- JSON
) STRICT;

-- Where the lists of one agent, type, stack or container find their tasks. Made some thousand tasks at a time, up to the
-- number in the counter 'listed': written with each task, it would write a page for each agent in each commit.
CREATE TABLE listing (
    field  TEXT    NOT NULL,                      -- a column of task
    value  TEXT    NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (field, value, number)
) STRICT, WITHOUT ROWID;

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
    id      TEXT NOT NULL PRIMARY KEY,
    session TEXT NOT NULL                         -- JSON
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
    kind  TEXT    NOT NULL,                       -- 'status', 'type', 'attempts_ended' (by host), 'listed' or 'attempts_pruned'
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

-- Where another program that writes to this file leaves tasks inside transactions of its own. The store takes a letter
-- out of it in the transaction that creates its tasks, or moves it to the refused ones. These two tables are for others:
-- their columns do not change.
CREATE TABLE inbox (
    key  TEXT NOT NULL PRIMARY KEY,               -- the writer's own; the same key and JSON again has no effect
    json TEXT NOT NULL                            -- a task, or a list of tasks, as POST /tasks takes them
) STRICT;
CREATE TABLE inbox_refused (
    key        TEXT    NOT NULL PRIMARY KEY,
    json       TEXT    NOT NULL,
    error      TEXT    NOT NULL,
    refused_at INTEGER NOT NULL
) STRICT;

-- Which life of the store this is.
CREATE TABLE store (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    epoch     INTEGER NOT NULL,                   -- how often it was restored from a backup
    base      INTEGER NOT NULL,                   -- attempts that are given out now have greater numbers
    copied_at INTEGER,                            -- in a backup, and there alone: until when it knows what happened
    restored  TEXT                                -- JSON: a restore that nobody has confirmed yet
) STRICT;
INSERT INTO store (one, epoch, base) VALUES (1, 0, 0);
