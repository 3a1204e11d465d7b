//! Other queues on SQLite, each in a process of its own that prints what it found.

mod cargo;
mod contract;
pub(crate) mod python;

use std::path::Path;

use serde::Deserialize;

use crate::child::Child;
pub(crate) use contract::{Contract, GRAPHIUM, contract_table};

/// A peer, by how it is brought here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) contract: Contract,
    kind: Kind,
    /// What its program is told beside folder, callers and lives.
    extra: &'static [&'static str],
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A package below `benches/peers` with a workspace of its own.
    Cargo(&'static str),
    /// A program below `benches/peers/python`.
    Python(&'static str),
}

/// What a peer found.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Found {
    pub(crate) lives_per_second: f64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    /// As its connection says it: 2 is FULL.
    pub(crate) synchronous: u8,
}

/// The peers.
pub(crate) const PEERS: [Peer; 6] = [
    Peer { contract: contract::APALIS, kind: Kind::Cargo("apalis"), extra: &["1"] },
    Peer { contract: contract::APALIS_BATCHES, kind: Kind::Cargo("apalis"), extra: &["10"] },
    Peer { contract: contract::HONKER, kind: Kind::Cargo("honker"), extra: &[] },
    Peer { contract: contract::LITEQUEUE, kind: Kind::Python("litequeue_race.py"), extra: &[] },
    Peer { contract: contract::HUEY, kind: Kind::Python("huey_race.py"), extra: &[] },
    Peer { contract: contract::PERSIST_QUEUE, kind: Kind::Python("persist_queue_race.py"), extra: &[] },
];

impl Peer {
    /// Brings it here, and lets it live so many lives by so many callers.
    pub(crate) async fn race(&self, folder: &Path, callers: usize, lives: usize) -> anyhow::Result<Found> {
        let mut arguments = vec![folder.as_os_str().to_owned(), callers.to_string().into(), lives.to_string().into()];
        arguments.extend(self.extra.iter().map(Into::into));
        let mut child = match self.kind {
            Kind::Cargo(package) => Child::start(cargo::program(package).await?, arguments)?,
            Kind::Python(script) => {
                let python = python::with_peers().await?;
                Child::python(&python, &python::script(&format!("peers/python/{script}")), arguments)?
            }
        };
        let found = child.hear().await?;
        child.end().await?;
        Ok(found)
    }
}
