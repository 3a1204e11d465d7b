//! What a queue promises, as its documentation and its source say it.

use crate::table;

/// A queue and its promises.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contract {
    /// Its name and version.
    pub(crate) name: &'static str,
    /// Whether a claim that was taken away can still write.
    fence: &'static str,
    /// How often a task is done when processes crash.
    delivery: &'static str,
    /// How several callers are had.
    callers: &'static str,
    /// How it is made as durable as it can be.
    durability: &'static str,
}

pub(crate) const GRAPHIUM: Contract = Contract {
    name: "graphium",
    fence: "yes: attempt number",
    delivery: "at least once, the attempt told",
    callers: "tasks of one process; calls that meet share a commit",
    durability: "`synchronous=FULL`",
};

pub(crate) const APALIS: Contract = Contract {
    name: "apalis-sqlite 1.0.0",
    fence: "by worker name only",
    delivery: "at least once",
    callers: "tasks of one process that push without waiting for the end; one worker with as many at once, fetching one task a call",
    durability: "set on its connections (its own setup turns it off)",
};

pub(crate) const APALIS_BATCHES: Contract = Contract {
    name: "apalis-sqlite 1.0.0, batches of 10",
    callers: "as above, fetching ten tasks a call (its default)",
    ..APALIS
};

pub(crate) const HONKER: Contract = Contract {
    name: "honker 0.5.0",
    fence: "by worker name and expiry",
    delivery: "at least once",
    callers: "threads of one process that share its one connection",
    durability: "set on its connection (it opens with NORMAL)",
};

pub(crate) const LITEQUEUE: Contract = Contract {
    name: "litequeue 0.9",
    fence: "no",
    delivery: "at least once, if the user looks for locked ones",
    callers: "threads that take turns with one connection",
    durability: "set on its connection (it opens with NORMAL)",
};

pub(crate) const HUEY: Contract = Contract {
    name: "huey 3.5.4",
    fence: "no",
    delivery: "at most once: taking removes",
    callers: "threads that share its one connection",
    durability: "`fsync=True`",
};

pub(crate) const PERSIST_QUEUE: Contract = Contract {
    name: "persist-queue 1.1.0 (SQLiteAckQueue)",
    fence: "no",
    delivery: "at least once, by one process",
    callers: "threads that share its two connections",
    durability: "no setting: SQLite's own start, read back",
};

/// The promises as a table.
pub(crate) fn contract_table(contracts: impl IntoIterator<Item = Contract>) -> String {
    let header = ["queue", "fence", "a task is done", "callers are", "durability"].map(str::to_owned);
    let rows = contracts.into_iter().map(|contract| {
        let Contract { name, fence, delivery, callers, durability } = contract;
        [name, fence, delivery, callers, durability].map(str::to_owned).to_vec()
    });
    table::grid(&header, header.len(), rows)
}
