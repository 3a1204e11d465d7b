//! Cursors: where a page ended, as text that only a store reads.

use super::{Cursor, MAX_PAGE, PageRequest, StoreError, StoreErrorKind, TaskFilter};
use crate::clock::Timestamp;
use crate::id::{Seq, TaskId};
use crate::task::{AGEING_STEP, Task};

fn no_cursor(cursor: &Cursor) -> StoreError {
    let shown: String = cursor.0.chars().take(80).collect();
    let message = format!("{shown:?} is no cursor of this list: pass the one that the page before gave, or none");
    StoreError::new(StoreErrorKind::Invalid, message)
}

/// Refuses a page size that is out of bounds.
pub(super) fn check_limit(limit: usize) -> Result<(), StoreError> {
    if limit == 0 || limit > MAX_PAGE {
        let message = format!("a page of {limit} is out of range: 1 to {MAX_PAGE}");
        return Err(StoreError::new(StoreErrorKind::Invalid, message));
    }
    Ok(())
}

/// Refuses a filter that names more tasks than a page may have.
pub(super) fn check_filter(filter: &TaskFilter) -> Result<(), StoreError> {
    let count = filter.ids.len();
    if count > MAX_PAGE {
        let message = format!("{count} ids are too many for one list: at most {MAX_PAGE}");
        return Err(StoreError::new(StoreErrorKind::Invalid, message));
    }
    Ok(())
}

/// How many entries of the log one question looks at. A narrow filter thus ends early, and says how far it came.
pub(super) const MAX_EXAMINED: u64 = 10_000;

/// Refuses to give more events at once than fit a page.
pub(super) fn check_events(limit: usize) -> Result<(), StoreError> {
    if limit > MAX_PAGE {
        let message = format!("{limit} events are too many at once: at most {MAX_PAGE}");
        return Err(StoreError::new(StoreErrorKind::Invalid, message));
    }
    Ok(())
}

/// The error for a reader of events that cannot go on where it was.
pub(super) fn no_place(after: Seq, oldest: Seq, head: Seq) -> StoreError {
    let message = format!(
        "the log does not go on after event {after}: events {oldest} to {head} are kept; read the present state, then the \
         events after {head}"
    );
    StoreError::new(StoreErrorKind::Gone, message)
}

/// A place in the list of tasks, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByNumber(pub(super) u64);

/// A place in the list of tasks in claim order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ByOrder(pub(super) i64, pub(super) TaskId);

/// A place in the list of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ByName(pub(super) String);

impl ByNumber {
    pub(super) fn cursor(self) -> Cursor {
        Cursor(format!("n{}", self.0))
    }

    pub(super) fn after(page: &PageRequest) -> Result<Option<Self>, StoreError> {
        let read = |cursor: &Cursor| cursor.0.strip_prefix('n').and_then(|text| text.parse().ok()).map(Self);
        page.after.as_ref().map(|cursor| read(cursor).ok_or_else(|| no_cursor(cursor))).transpose()
    }
}

impl ByOrder {
    /// The place of a task.
    pub(super) fn of(task: &Task) -> Self {
        let steps = u32::from(task.spec.priority.get());
        Self(Timestamp::before(task.ready_at, AGEING_STEP * steps).as_micros(), task.id())
    }

    pub(super) fn cursor(self) -> Cursor {
        Cursor(format!("o{}/{}", self.0, self.1))
    }

    pub(super) fn after(page: &PageRequest) -> Result<Option<Self>, StoreError> {
        let read = |cursor: &Cursor| {
            let (micros, id) = cursor.0.strip_prefix('o')?.split_once('/')?;
            Some(Self(micros.parse().ok()?, id.parse().ok()?))
        };
        page.after.as_ref().map(|cursor| read(cursor).ok_or_else(|| no_cursor(cursor))).transpose()
    }
}

impl ByName {
    pub(super) fn cursor(&self) -> Cursor {
        Cursor(format!("r{}", hex::encode(&self.0)))
    }

    pub(super) fn after(page: &PageRequest) -> Result<Option<Self>, StoreError> {
        let read = |cursor: &Cursor| {
            let bytes = hex::decode(cursor.0.strip_prefix('r')?).ok()?;
            String::from_utf8(bytes).ok().map(Self)
        };
        page.after.as_ref().map(|cursor| read(cursor).ok_or_else(|| no_cursor(cursor))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(cursor: Cursor) -> PageRequest {
        PageRequest { after: Some(cursor), ..PageRequest::default() }
    }

    #[test]
    fn each_cursor_reads_back_as_the_place_it_was_made_from() {
        let order = ByOrder(-5, TaskId::generate());
        assert_eq!(ByNumber::after(&page(ByNumber(7).cursor())).unwrap(), Some(ByNumber(7)));
        assert_eq!(ByOrder::after(&page(order.cursor())).unwrap(), Some(order));
        let name = ByName("shop/ä".into());
        assert_eq!(ByName::after(&page(name.cursor())).unwrap(), Some(name));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_place_or_is_refused(text in "[nor]?[-+0-9a-f/]{0,44}|\\PC{0,20}") {
            let page = page(Cursor(text));
            let kinds = [
                ByNumber::after(&page).map(drop),
                ByOrder::after(&page).map(drop),
                ByName::after(&page).map(drop),
            ];
            proptest::prop_assert!(kinds.into_iter().filter_map(Result::err).all(|e| e.kind() == StoreErrorKind::Invalid));
        }

        #[test]
        fn any_place_reads_back(number: u64, order: i64) {
            let order = ByOrder(order, TaskId::generate());
            proptest::prop_assert_eq!(ByNumber::after(&page(ByNumber(number).cursor())).unwrap(), Some(ByNumber(number)));
            proptest::prop_assert_eq!(ByOrder::after(&page(order.cursor())).unwrap(), Some(order));
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let error = ByOrder::after(&page(ByNumber(7).cursor())).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
    }

    #[test]
    fn a_page_has_1_to_1000_entries() {
        assert!(check_limit(0).is_err());
        assert!(check_limit(1).is_ok());
        assert!(check_limit(MAX_PAGE).is_ok());
        assert!(check_limit(MAX_PAGE + 1).is_err());
    }
}
