//! One at a time, by key.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// Lets one holder of a key at a time through, within this process.
#[derive(Debug, Default)]
pub(super) struct Serial {
    locks: Mutex<BTreeMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl Serial {
    /// Waits until nobody else holds the key, and holds it until the guard is dropped.
    pub(super) async fn hold(&self, key: &str) -> OwnedMutexGuard<()> {
        self.lock_of(key).lock_owned().await
    }

    fn lock_of(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        locks.insert(key.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_held_by_one_and_forgotten_when_nobody_wants_it() {
        let serial = Serial::default();
        let first = serial.hold("a").await;
        let other = serial.hold("b").await;
        assert!(serial.lock_of("a").try_lock().is_err());

        drop((first, other));
        assert!(serial.lock_of("a").try_lock().is_ok());
        assert_eq!(serial.locks.lock().unwrap().len(), 1);
    }
}
