//! Listing: pages by cursor, narrowed by filters.

use std::time::Duration;

use super::StoreHarness;
use super::scene::{agent, completed, stack, task, task_for, task_of};
use crate::id::{ContainerName, TaskId};
use crate::store::{Cursor, MAX_PAGE, Page, PageRequest, StoreErrorKind, TaskFilter, paging};
use crate::task::{Priority, Task, TaskStatus, TaskType};

fn ids(page: &Page<Task>) -> Vec<TaskId> {
    page.items.iter().map(Task::id).collect()
}

async fn all(harness: &StoreHarness, filter: TaskFilter) -> Vec<TaskId> {
    ids(&harness.store.tasks(filter, PageRequest::default()).await.unwrap())
}

pub(super) async fn tasks_are_listed_newest_first_page_by_page(harness: &StoreHarness) {
    let mut submitted = harness.submit((0..7).map(|_| task())).await;
    submitted.reverse();
    let mut found = Vec::new();
    let mut page = PageRequest { limit: 3, after: None };
    let sizes = [3, 3, 1];
    for size in sizes {
        let answer = harness.store.tasks(TaskFilter::default(), page.clone()).await.unwrap();
        assert_eq!(answer.items.len(), size);
        found.extend(ids(&answer));
        // What is submitted meanwhile does not shift the pages.
        harness.submit_one(task()).await;
        page.after = answer.next;
    }
    assert_eq!(page.after, None);
    assert_eq!(found, submitted);
}

pub(super) async fn tasks_are_found_by_their_ids(harness: &StoreHarness) {
    let submitted = harness.submit((0..5).map(|_| task())).await;
    harness.worker("vm1").work(completed()).await;
    let wanted = [submitted[3], submitted[0], TaskId::generate(), submitted[1]];
    let named = |ids: &[TaskId]| TaskFilter { ids: ids.iter().copied().collect(), ..TaskFilter::default() };

    assert_eq!(all(harness, named(&wanted)).await, [submitted[3], submitted[1], submitted[0]]);
    assert_eq!(all(harness, named(&wanted[2..3])).await, [], "an unknown id is no task");
    let statuses = vec![TaskStatus::Completed];
    assert_eq!(all(harness, TaskFilter { statuses, ..named(&wanted) }).await, [submitted[0]]);
    let open = TaskFilter { claim_order: true, ..named(&wanted) };
    assert_eq!(all(harness, open).await, [submitted[1], submitted[3]]);
    let paged =
        paging::all(|page| harness.store.tasks(named(&wanted), PageRequest { limit: 1, ..page })).await.unwrap();
    assert_eq!(paged.len(), 3, "page by page");
}

pub(super) async fn a_list_of_more_ids_than_a_page_has_is_refused(harness: &StoreHarness) {
    let named = |count: usize| TaskFilter {
        ids: std::iter::repeat_with(TaskId::generate).take(count).collect(),
        ..TaskFilter::default()
    };
    let page = PageRequest { limit: MAX_PAGE, ..PageRequest::default() };
    assert_eq!(harness.store.tasks(named(MAX_PAGE), page.clone()).await.unwrap().items, []);
    let error = harness.store.tasks(named(MAX_PAGE + 1), page).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
}

pub(super) async fn each_field_of_a_filter_narrows_the_list(harness: &StoreHarness) {
    let plain = harness.submit_one(task()).await;
    harness.pass(Duration::from_secs(1));
    let since = harness.now();
    let other = harness.submit_one(task_for("vm2")).await;
    let placed = harness.submit_one(task_of(1)).await;
    let mut special = task();
    special.task_type = TaskType::Custom("special".into());
    let special = harness.submit_one(special).await;
    harness.worker("vm2").work(completed()).await;

    let filter = TaskFilter::default;
    let statuses = vec![TaskStatus::Completed, TaskStatus::Failed];
    assert_eq!(all(harness, TaskFilter { statuses, ..filter() }).await, [other]);
    let task_type = Some(TaskType::Custom("special".into()));
    assert_eq!(all(harness, TaskFilter { task_type, ..filter() }).await, [special]);
    assert_eq!(all(harness, TaskFilter { stack: Some(stack("shop")), ..filter() }).await, [placed]);
    assert_eq!(all(harness, TaskFilter { agent: Some(agent("vm2")), ..filter() }).await, [other]);
    let container = Some(ContainerName::new("web").unwrap());
    assert_eq!(all(harness, TaskFilter { container, ..filter() }).await, [placed]);
    assert_eq!(all(harness, TaskFilter { since: Some(since), ..filter() }).await, [special, placed, other]);
    let both = TaskFilter { agent: Some(agent("vm1")), statuses: vec![TaskStatus::Pending], ..filter() };
    assert_eq!(all(harness, both).await, [special, placed, plain]);
}

pub(super) async fn the_open_tasks_of_an_agent_are_listed_in_claim_order(harness: &StoreHarness) {
    let done = harness.submit_one(task()).await;
    harness.worker("vm1").work(completed()).await;
    let first = harness.submit_one(task()).await;
    let second = harness.submit_one(task()).await;
    let mut urgent = task();
    urgent.priority = Priority::HIGHEST;
    let urgent = harness.submit_one(urgent).await;
    harness.submit_one(task_for("vm2")).await;

    let filter = TaskFilter { agent: Some(agent("vm1")), claim_order: true, ..TaskFilter::default() };
    let page = |after| PageRequest { limit: 2, after };
    let one = harness.store.tasks(filter.clone(), page(None)).await.unwrap();
    let two = harness.store.tasks(filter, page(one.next.clone())).await.unwrap();

    assert_eq!([ids(&one), ids(&two)].concat(), [urgent, first, second]);
    assert_eq!(two.next, None);
    assert_eq!(harness.status(done).await, TaskStatus::Completed);
    let new = harness.worker("vm1");
    assert_eq!(new.claim_ids(9).await, [urgent, first, second], "as they are claimed");
}

pub(super) async fn a_page_out_of_bounds_is_refused(harness: &StoreHarness) {
    for limit in [0, MAX_PAGE + 1] {
        let page = PageRequest { limit, after: None };
        let error = harness.store.tasks(TaskFilter::default(), page.clone()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
        let error = harness.store.records(crate::store::RecordKind::Stack, "", page).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
    }
}

pub(super) async fn a_cursor_of_another_list_is_refused(harness: &StoreHarness) {
    harness.submit([task(), task()]).await;
    let page = |after| PageRequest { limit: 1, after };
    let by_age = harness.store.tasks(TaskFilter::default(), page(None)).await.unwrap().next;
    let in_order = TaskFilter { claim_order: true, ..TaskFilter::default() };
    for cursor in [by_age, Some(Cursor("nonsense".into())), Some(Cursor(String::new()))] {
        let error = harness.store.tasks(in_order.clone(), page(cursor)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
    }
}
