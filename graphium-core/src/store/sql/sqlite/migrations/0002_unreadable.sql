-- Tasks that could not be read back and were settled as failed. Their specs stand where they stood.
CREATE TABLE unreadable (
    number   INTEGER PRIMARY KEY,                 -- of the task
    state    TEXT    NOT NULL,                    -- what stood in the column before
    error    TEXT    NOT NULL,
    found_at INTEGER NOT NULL
) STRICT;
