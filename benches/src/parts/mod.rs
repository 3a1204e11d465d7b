//! What is measured: a file for each part.

mod fleet;
mod history;
mod http;
mod latency;
mod lives;
mod peers;
mod pinned_reader;
mod postgres;
mod priority;
mod recovery;

use anyhow::Context;

use crate::part::Part;

/// Every part, in the order of the document.
pub(crate) fn all() -> Vec<Box<dyn Part>> {
    vec![
        Box::new(lives::Lives),
        Box::new(peers::Peers),
        Box::new(latency::Latency),
        Box::new(history::History),
        Box::new(pinned_reader::PinnedReader),
        Box::new(priority::Priority),
        Box::new(recovery::Recovery),
        Box::new(postgres::Postgres),
        Box::new(http::Http),
        Box::new(fleet::Fleet),
    ]
}

/// The parts with these names; all when there are none.
pub(crate) fn chosen(names: &[String]) -> anyhow::Result<Vec<Box<dyn Part>>> {
    if names.is_empty() {
        return Ok(all());
    }
    let find = |name: &String| {
        let known = all().iter().map(|part| part.name()).collect::<Vec<_>>().join(", ");
        let found = all().into_iter().find(|part| part.name() == name);
        found.with_context(|| format!("there is no part {name:?}: choose from {known}"))
    };
    names.iter().map(find).collect()
}
