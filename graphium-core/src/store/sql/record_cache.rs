//! The records that every call of a server asks for, in memory: who bears a token is no question for the disk.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::store::{Record, RecordKey, RecordKind};

/// The most records that are remembered: more than there are agents and tokens of one server.
const MAX_REMEMBERED: usize = 32 * 1024;

/// Remembers records as they are kept. A record that is on its way into the file is neither told nor remembered until its
/// batch has ended, so that whoever asks here hears the same as one who reads the file.
#[derive(Debug, Default)]
pub(super) struct RecordCache(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    records: HashMap<RecordKey, Kept>,
    /// In how many batches on their way each record is that may be remembered.
    flying: HashMap<RecordKey, usize>,
    /// Grows whenever a write of such a record takes off or lands: what was read before may be old.
    turns: u64,
}

/// A record with its content as text, which takes a quarter of the memory of the values in it.
#[derive(Debug)]
struct Kept {
    version: u64,
    body: Box<str>,
    updated_at: Timestamp,
}

impl Kept {
    fn of(record: &Record) -> Self {
        Self { version: record.version, body: record.body.to_string().into(), updated_at: record.updated_at }
    }

    fn record(&self, key: &RecordKey) -> Option<Record> {
        let body = serde_json::from_str(&self.body).ok()?;
        Some(Record { key: key.clone(), version: self.version, body, updated_at: self.updated_at, unreadable: None })
    }
}

/// What is known of a record.
#[derive(Debug, PartialEq)]
pub(super) enum Recall {
    /// This is it.
    Known(Record),
    /// It has to be read; then it may be [remembered](RecordCache::remember) with this.
    Unknown(Asked),
}

/// When it was asked for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked(u64);

/// Whether records of this kind are remembered: those that are small, asked for at each call and rarely written.
fn is_remembered(kind: RecordKind) -> bool {
    match kind {
        RecordKind::Credential | RecordKind::Token => true,
        RecordKind::Stack | RecordKind::Deployment | RecordKind::Installation => false,
    }
}

impl RecordCache {
    pub(super) fn recall(&self, key: &RecordKey) -> Recall {
        let remembered = self.lock();
        let known = remembered.records.get(key).and_then(|kept| kept.record(key));
        known.map_or(Recall::Unknown(Asked(remembered.turns)), Recall::Known)
    }

    /// Keeps what was read, unless a record was written since it was asked for.
    pub(super) fn remember(&self, asked: Asked, record: &Record) {
        let mut remembered = self.lock();
        let key = &record.key;
        if !is_remembered(key.kind) || asked.0 != remembered.turns || remembered.flying.contains_key(key) {
            return;
        }
        if remembered.records.len() >= MAX_REMEMBERED {
            remembered.records.clear();
        }
        remembered.records.insert(key.clone(), Kept::of(record));
    }

    /// A batch that writes these is on its way.
    pub(super) fn takes_off<'a>(&self, keys: impl IntoIterator<Item = &'a RecordKey>) {
        let mut remembered = self.lock();
        for key in keys.into_iter().filter(|key| is_remembered(key.kind)) {
            remembered.turns += 1;
            remembered.records.remove(key);
            *remembered.flying.entry(key.clone()).or_default() += 1;
        }
    }

    /// That batch is kept, or never will be.
    pub(super) fn lands<'a>(&self, keys: impl IntoIterator<Item = &'a RecordKey>) {
        let mut remembered = self.lock();
        for key in keys.into_iter().filter(|key| is_remembered(key.kind)) {
            remembered.turns += 1;
            if let Entry::Occupied(mut flying) = remembered.flying.entry(key.clone()) {
                *flying.get_mut() -= 1;
                if *flying.get() == 0 {
                    flying.remove();
                }
            }
        }
    }

    /// Forgets everything, as a store does that is closed.
    pub(super) fn clear(&self) {
        self.lock().records.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &RecordKey, version: u64) -> Record {
        Record {
            key: key.clone(),
            version,
            body: serde_json::Value::Null,
            updated_at: Timestamp::EPOCH,
            unreadable: None,
        }
    }

    fn token() -> RecordKey {
        RecordKey::new(RecordKind::Token, "t1")
    }

    fn asked(cache: &RecordCache, key: &RecordKey) -> Asked {
        match cache.recall(key) {
            Recall::Unknown(asked) => asked,
            Recall::Known(record) => panic!("{record:?} is remembered"),
        }
    }

    fn knows(cache: &RecordCache, key: &RecordKey) -> bool {
        matches!(cache.recall(key), Recall::Known(_))
    }

    #[test]
    fn a_record_is_remembered_until_it_is_written() {
        let (cache, key) = (RecordCache::default(), token());
        cache.remember(asked(&cache, &key), &record(&key, 1));
        assert_eq!(cache.recall(&key), Recall::Known(record(&key, 1)));

        cache.takes_off([&key]);
        assert!(!knows(&cache, &key));
    }

    #[test]
    fn what_was_read_before_a_write_is_not_remembered_after_it() {
        let (cache, key) = (RecordCache::default(), token());
        let before = asked(&cache, &key);
        cache.takes_off([&key]);
        cache.lands([&key]);
        cache.remember(before, &record(&key, 1));
        assert!(!knows(&cache, &key));
    }

    #[test]
    fn what_was_read_while_a_write_was_on_its_way_is_not_remembered_after_it() {
        let (cache, key) = (RecordCache::default(), token());
        cache.takes_off([&key]);
        let meanwhile = asked(&cache, &key);
        cache.lands([&key]);
        cache.remember(meanwhile, &record(&key, 1));
        assert!(!knows(&cache, &key));
    }

    #[test]
    fn a_record_on_its_way_is_not_remembered() {
        let (cache, key) = (RecordCache::default(), token());
        cache.takes_off([&key]);
        cache.takes_off([&key]);
        cache.lands([&key]);
        cache.remember(asked(&cache, &key), &record(&key, 1));
        assert!(!knows(&cache, &key));

        cache.lands([&key]);
        cache.remember(asked(&cache, &key), &record(&key, 2));
        assert!(knows(&cache, &key));
    }

    #[test]
    fn large_records_are_not_remembered() {
        let (cache, key) = (RecordCache::default(), RecordKey::new(RecordKind::Stack, "web"));
        cache.remember(asked(&cache, &key), &record(&key, 1));
        assert!(!knows(&cache, &key));
    }

    #[test]
    fn no_more_records_are_remembered_than_there_is_room_for() {
        let cache = RecordCache::default();
        for number in 0..=MAX_REMEMBERED {
            let key = RecordKey::new(RecordKind::Token, number.to_string());
            cache.remember(asked(&cache, &key), &record(&key, 1));
        }
        assert!(cache.lock().records.len() <= MAX_REMEMBERED);
    }
}
