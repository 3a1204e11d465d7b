-- The tables that a SQLite store has too, with what only several servers need at the end. Times are microseconds since the
-- Unix epoch, JSON columns hold what no query looks into. Texts are compared byte by byte, as everywhere in the program; a
-- NUL in one, which PostgreSQL cannot keep, stands there as U+001A and 0, and U+001A as U+001A twice.

CREATE TABLE task (
    number      BIGINT PRIMARY KEY,               -- order of submission
    id          UUID   NOT NULL UNIQUE,
    agent       TEXT   COLLATE "C" NOT NULL,
    type        TEXT   COLLATE "C" NOT NULL,
    stack       TEXT   COLLATE "C",
    container   TEXT   COLLATE "C",
    generation  BIGINT,                           -- of the stack
    status      TEXT   COLLATE "C" NOT NULL
        CHECK (status IN ('pending', 'assigned', 'running', 'completed', 'failed', 'cancelled')),
    order_at    BIGINT NOT NULL,                  -- ready_at less 60 s for each step of priority
    ready_at    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    settled_at  BIGINT,
    attempt     BIGINT NOT NULL,
    retry_count BIGINT NOT NULL,
    claim_id    UUID,
    state       TEXT   NOT NULL                   -- JSON
) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX task_open      ON task (agent, order_at, id) WHERE settled_at IS NULL;
CREATE INDEX task_settled   ON task (settled_at, number) WHERE settled_at IS NOT NULL;
CREATE INDEX task_failed    ON task (number) WHERE status = 'failed';
CREATE INDEX task_cancelled ON task (number) WHERE status = 'cancelled';

-- What never changes of a task stands apart from what does: a change then writes little.
CREATE TABLE task_spec (
    number BIGINT PRIMARY KEY,
    spec   TEXT   NOT NULL                        -- JSON
);

-- Where the lists of one agent, type, stack or container find their tasks. Made some thousand tasks at a time, up to the
-- number in the counter 'listed' of its field.
CREATE TABLE listing (
    field  TEXT   COLLATE "C" NOT NULL,           -- a column of task
    value  TEXT   COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (field, value, number)
);

-- Attempts that have ended. The one in progress is the lease in the state of its task.
CREATE TABLE attempt (
    task    BIGINT NOT NULL,                      -- number of the task
    attempt BIGINT NOT NULL,
    record  TEXT   NOT NULL,                      -- JSON
    report  TEXT,                                 -- digest of the report that ended it
    PRIMARY KEY (task, attempt)
);

CREATE TABLE dependency (
    dependency UUID NOT NULL,
    dependant  UUID NOT NULL,
    PRIMARY KEY (dependency, dependant)
);
CREATE INDEX dependency_dependant ON dependency (dependant);

CREATE TABLE idempotency (
    key  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    task UUID NOT NULL
);
CREATE INDEX idempotency_task ON idempotency (task);

CREATE TABLE record (
    kind       TEXT   COLLATE "C" NOT NULL,
    name       TEXT   COLLATE "C" NOT NULL,
    version    BIGINT NOT NULL,
    body       TEXT   NOT NULL,                   -- JSON
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);

-- What changes often stands apart from what a host observed.
CREATE TABLE host (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    session TEXT NOT NULL                         -- JSON
);
CREATE TABLE inventory (
    host      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    engine    TEXT,                               -- JSON
    instances TEXT NOT NULL                       -- JSON
);

-- Sessions that were taken over from.
CREATE TABLE ended_session (
    agent    TEXT   COLLATE "C" NOT NULL,
    session  UUID   NOT NULL,
    ended_at BIGINT NOT NULL,                     -- number of the event that told of it: the oldest are forgotten
    PRIMARY KEY (agent, session)
);

CREATE TABLE generation (
    stack  TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    newest BIGINT NOT NULL,
    since  BIGINT NOT NULL                        -- the newest task of the whole queue when the stack began
);

-- Counted as tasks change, so that no question counts history. Rewritten in each commit: room is left on its pages.
CREATE TABLE counter (
    kind  TEXT   COLLATE "C" NOT NULL,            -- 'status', 'type', 'attempts_ended' (by host), 'listed' (by field) or 'attempts_pruned'
    name  TEXT   COLLATE "C" NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);

CREATE TABLE event (
    seq   BIGINT PRIMARY KEY,                     -- dense
    type  TEXT   COLLATE "C" NOT NULL,
    at    BIGINT NOT NULL,
    task  UUID,
    stack TEXT   COLLATE "C",
    agent TEXT   COLLATE "C",
    actor TEXT   NOT NULL,
    data  TEXT   NOT NULL                         -- JSON
);
CREATE INDEX event_task ON event (task) WHERE task IS NOT NULL;

-- Where another program that writes to this database leaves tasks inside transactions of its own. The store takes a letter
-- out of it in the transaction that creates its tasks, or moves it to the refused ones. These two tables are for others:
-- their columns do not change.
CREATE TABLE inbox (
    key   TEXT   COLLATE "C" NOT NULL PRIMARY KEY, -- the writer's own; the same key and JSON again has no effect
    json  TEXT   NOT NULL,                         -- a task, or a list of tasks, as POST /tasks takes them
    place BIGINT GENERATED BY DEFAULT AS IDENTITY
);
CREATE TABLE inbox_refused (
    key        TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    json       TEXT   NOT NULL,
    error      TEXT   NOT NULL,
    refused_at BIGINT NOT NULL
);

-- Which life of the store this is.
CREATE TABLE store (
    one       BIGINT PRIMARY KEY CHECK (one = 1),
    epoch     BIGINT NOT NULL,                    -- how often it was restored from a backup
    base      BIGINT NOT NULL,                    -- attempts that are given out now have greater numbers
    copied_at BIGINT,                             -- in a backup, and there alone: until when it knows what happened
    restored  TEXT                                -- JSON: a restore that nobody has confirmed yet
);
INSERT INTO store (one, epoch, base) VALUES (1, 0, 0);

-- Tasks that could not be read back and were settled as failed. Their specs stand where they stood.
CREATE TABLE unreadable (
    number   BIGINT PRIMARY KEY,                  -- of the task
    state    TEXT   NOT NULL,                     -- what stood in the column before
    error    TEXT   NOT NULL,
    found_at BIGINT NOT NULL
);

-- Who decides: one server at a time, under a term that only grows and fences every commit. The others pass on what they are
-- asked.
CREATE TABLE seat (
    one     BIGINT PRIMARY KEY CHECK (one = 1),
    term    BIGINT NOT NULL,
    server  UUID,                                 -- this life of the process; null when nobody holds it
    name    TEXT   NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL                  -- by the clock of the database
);
INSERT INTO seat (one, term, name, seen_at) VALUES (1, 0, '', clock_timestamp());

-- What another server than the one that decides was asked: passed on to that one, which answers in the transaction that does
-- it. Whoever asked takes the answer away.
CREATE TABLE call (
    id       UUID   PRIMARY KEY,
    place    BIGINT GENERATED BY DEFAULT AS IDENTITY,
    server   UUID   NOT NULL,
    until_at TIMESTAMPTZ NOT NULL,                -- nobody waits for it any longer
    body     TEXT   NOT NULL,                     -- JSON
    answer   TEXT                                 -- JSON
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX call_open     ON call (place)  WHERE answer IS NULL;
CREATE INDEX call_answered ON call (server) WHERE answer IS NOT NULL;
