//! Lists that come in pages, read to their end.

use std::future::Future;

use super::{MAX_PAGE, Page, PageRequest};

/// The entries of as many pages as it takes to have `limit` of them.
///
/// # Errors
/// That of the first page that could not be fetched.
pub async fn up_to<T, E, F>(limit: usize, fetch: impl Fn(PageRequest) -> F) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<Page<T>, E>>,
{
    let (mut items, mut after) = (Vec::new(), None);
    while items.len() < limit {
        let page = fetch(PageRequest { limit: MAX_PAGE.min(limit - items.len()), after }).await?;
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(items)
}

/// The entries of every page. What is added or goes while it reads may be among them or not.
///
/// # Errors
/// As [`up_to`].
pub async fn all<T, E, F>(fetch: impl Fn(PageRequest) -> F) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<Page<T>, E>>,
{
    up_to(usize::MAX, fetch).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Cursor;

    async fn numbers(page: PageRequest) -> Result<Page<usize>, ()> {
        let first: usize = page.after.map_or(0, |cursor| cursor.0.parse().unwrap());
        let end = (first + page.limit).min(2500);
        let next = (end < 2500).then(|| Cursor(end.to_string()));
        Ok(Page { items: (first..end).collect(), next })
    }

    #[tokio::test]
    async fn a_list_goes_over_as_many_pages_as_it_takes() {
        assert_eq!(all(numbers).await.unwrap(), (0..2500).collect::<Vec<_>>());
        assert_eq!(up_to(1001, numbers).await.unwrap().len(), 1001);
        assert_eq!(up_to(0, numbers).await.unwrap().len(), 0);
    }
}
