//! What both stores answer, held against each other.

use std::fmt::Debug;
use std::future::Future;

use graphium_core::id::Seq;
use graphium_core::store::{
    EventFilter, MAX_PAGE, PageRequest, RecordKind, StoreError, TaskFilter, TaskStats, TaskStore,
};
use graphium_core::task::{TaskStatus, TaskType};

use crate::pair::{Pair, agent, shop};

/// What an error says, so that two can be compared.
fn told<T>(result: Result<T, StoreError>) -> Result<T, (String, String)> {
    result.map_err(|error| (error.kind().as_str().to_owned(), error.to_string()))
}

pub(crate) async fn same<T: Debug + PartialEq>(
    model: impl Future<Output = Result<T, StoreError>>,
    sqlite: impl Future<Output = Result<T, StoreError>>,
) -> Option<T> {
    let (model, sqlite) = (told(model.await), told(sqlite.await));
    assert_eq!(model, sqlite, "the model is on the left");
    model.ok()
}

/// The part of the statistics that outlives a restart.
fn counts(stats: TaskStats) -> TaskStats {
    TaskStats { by_status: stats.by_status, by_type: stats.by_type, ..TaskStats::default() }
}

impl Pair {
    /// Everything that can be read.
    pub(crate) async fn compare_everything(&self) {
        let (model, sqlite) = (&self.model, self.sqlite());
        for id in &self.tasks {
            same(model.task(*id), sqlite.task(*id)).await;
            same(model.history(*id), sqlite.history(*id)).await;
        }
        same(model.hosts(), sqlite.hosts()).await;
        let filter = EventFilter::default;
        same(model.events(Seq(0), filter(), MAX_PAGE), sqlite.events(Seq(0), filter(), MAX_PAGE)).await;
        for filter in filters() {
            let page = || PageRequest { limit: 5, after: None };
            let first = same(model.tasks(filter.clone(), page()), sqlite.tasks(filter.clone(), page())).await;
            let next = || PageRequest { limit: 5, after: first.as_ref().and_then(|page| page.next.clone()) };
            same(model.tasks(filter.clone(), next()), sqlite.tasks(filter, next())).await;
        }
        let page = PageRequest::default;
        let records = (model.records(RecordKind::Token, "r", page()), sqlite.records(RecordKind::Token, "r", page()));
        same(records.0, records.1).await;
        let (of_model, of_sqlite) = (model.stats().await.expect("stats"), sqlite.stats().await.expect("stats"));
        assert_eq!(counts(of_model), counts(of_sqlite));
    }
}

fn filters() -> Vec<TaskFilter> {
    let any = TaskFilter::default;
    vec![
        any(),
        TaskFilter { claim_order: true, ..any() },
        TaskFilter { claim_order: true, agent: Some(agent(0)), ..any() },
        TaskFilter { statuses: vec![TaskStatus::Cancelled, TaskStatus::Failed], ..any() },
        TaskFilter { stack: Some(shop()), ..any() },
        TaskFilter { task_type: Some(TaskType::Custom("type1".into())), ..any() },
    ]
}
