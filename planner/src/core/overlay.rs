//! What is written but not yet committed, over what is: the store holds the last commit, one layer
//! the turn on its way, one the turn being gathered. An aborted turn is forgotten by dropping this.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::{BufMut, Bytes, BytesMut};
use schemas::Millis;

use crate::error::StoreError;
use crate::store::{Store, Write};

/// Keys of this machine only, never in the changelog: the order of what waits, of what ended, where
/// a revoked firing belongs, who waits for which step, when a recurring task is to be looked at, which
/// name a calendar, and what the store knows of itself.
pub(crate) const WAITING: u8 = b'o';
pub(crate) const LOOKED: u8 = b'l';
pub(crate) const ENDED: u8 = b'e';
pub(crate) const REVOKED: u8 = b'i';
pub(crate) const NEEDED: u8 = b'n';
pub(crate) const NAMED: u8 = b'h';
const SELF: &[u8] = b"!";
/// How keys and values of this machine only are laid out. Raise it with every change of them: a store
/// of another layout is built anew.
const LAYOUT: u8 = 2;

type Layer = BTreeMap<Bytes, Option<Bytes>>;

/// Reads through three layers, writes into the top one.
pub(crate) struct Overlay<S> {
    /// `None` where it could not be opened; broken then.
    store: Option<S>,
    committing: Layer,
    gathering: Layer,
    /// The first failure of the store; what was read after it means nothing.
    broken: Option<StoreError>,
}

/// What a store knows of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoreFacts {
    /// Sequence number of the last index record applied.
    pub(crate) sequence: u64,
    /// Every index record below this offset was applied.
    pub(crate) offset: i64,
    /// When this was written.
    pub(crate) written_at: Millis,
}

/// Some keys, ascending, and where to go on.
pub(crate) struct Scan {
    pub(crate) keys: Vec<Bytes>,
    /// First key not looked at; `None` when the range is done.
    pub(crate) next: Option<Bytes>,
}

impl<S: Store> Overlay<S> {
    pub(crate) fn new(store: Result<S, StoreError>) -> Self {
        let (store, broken) = match store {
            Ok(store) => (Some(store), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            store,
            committing: Layer::new(),
            gathering: Layer::new(),
            broken,
        }
    }

    pub(crate) fn get(&mut self, key: &[u8]) -> Option<Bytes> {
        let above = self.gathering.get(key).or_else(|| self.committing.get(key));
        if let Some(value) = above {
            return value.clone();
        }
        let value = self.store.as_ref()?.get(key);
        self.noted(value).flatten()
    }

    /// As of the last commit.
    pub(crate) fn committed(&mut self, key: &[u8]) -> Option<Bytes> {
        let value = self.store.as_ref()?.get(key);
        self.noted(value).flatten()
    }

    /// As of the last commit: the first pairs of a range.
    pub(crate) fn committed_scan(
        &mut self,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Vec<(Bytes, Bytes)> {
        let Some(store) = &self.store else {
            return Vec::new();
        };
        let found = store.scan(from, to, limit);
        self.noted(found).unwrap_or_default()
    }

    pub(crate) fn put(&mut self, key: Bytes, value: Bytes) {
        self.gathering.insert(key, Some(value));
    }

    pub(crate) fn remove(&mut self, key: Bytes) {
        self.gathering.insert(key, None);
    }

    /// The keys of `from <= key < to`, about `limit` of them.
    pub(crate) fn scan(&mut self, from: &[u8], to: &[u8], limit: usize) -> Scan {
        let stored = self.committed_scan(from, to, limit);
        let full = stored.len() >= limit;
        let next = stored.last().filter(|_| full).map(|(key, _)| after(key));
        let bound = next.as_deref().unwrap_or(to);
        let mut keys: BTreeMap<Bytes, bool> =
            stored.into_iter().map(|(key, _)| (key, true)).collect();
        if from < bound {
            for layer in [&self.committing, &self.gathering] {
                let range = (Bound::Included(from), Bound::Excluded(bound));
                for (key, value) in layer.range::<[u8], _>(range) {
                    keys.insert(key.clone(), value.is_some());
                }
            }
        }
        let keys = keys.into_iter();
        Scan {
            keys: keys.filter_map(|(key, is)| is.then_some(key)).collect(),
            next,
        }
    }

    /// Whether the turn being gathered has rows.
    pub(crate) fn is_clean(&self) -> bool {
        self.gathering.is_empty()
    }

    /// How many rows are not yet in the store.
    pub(crate) fn rows(&self) -> usize {
        self.gathering.len() + self.committing.len()
    }

    /// The gathered rows begin their way; they are told in key order.
    pub(crate) fn cut(&mut self) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        debug_assert!(
            self.committing.is_empty(),
            "one turn at a time is on its way"
        );
        self.committing = std::mem::take(&mut self.gathering);
        self.committing.iter().filter(|(key, _)| !is_local(key))
    }

    /// One more row of the turn that was just cut.
    pub(crate) fn add_to_cut(&mut self, key: Bytes, value: Bytes) {
        self.committing.insert(key, Some(value));
    }

    /// The turn on its way is durable: it goes into the store, with what the store then knows.
    pub(crate) fn flush(&mut self, facts: Option<StoreFacts>) {
        let mut batch: Vec<Write> = std::mem::take(&mut self.committing).into_iter().collect();
        // Last, so that a torn write is never taken for a whole one.
        batch.extend(facts.map(|facts| (Bytes::from_static(SELF), Some(facts.encode()))));
        if batch.is_empty() || self.broken.is_some() {
            return;
        }
        let done = self
            .store
            .as_mut()
            .map_or(Ok(()), |store| store.apply(batch));
        self.noted(done);
    }

    pub(crate) fn facts(&mut self) -> Option<StoreFacts> {
        let bytes = self.committed(SELF)?;
        StoreFacts::decode(&bytes)
    }

    pub(crate) fn wipe(&mut self) {
        self.gathering.clear();
        self.committing.clear();
        let done = self.store.as_mut().map_or(Ok(()), Store::wipe);
        self.noted(done);
    }

    /// Empties a store that cannot be trusted; `false` where even that fails.
    pub(crate) fn discard(&mut self) -> bool {
        self.gathering.clear();
        self.committing.clear();
        let store = self.store.as_mut();
        store.is_some_and(|store| store.wipe().is_ok())
    }

    pub(crate) fn broken(&self) -> Option<&StoreError> {
        self.broken.as_ref()
    }

    /// Marks the table as not to be trusted.
    pub(crate) fn break_with(&mut self, error: StoreError) {
        self.broken.get_or_insert(error);
    }

    pub(crate) fn into_store(self) -> Option<S> {
        self.store
    }

    fn noted<T>(&mut self, result: Result<T, StoreError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.break_with(error);
                None
            }
        }
    }
}

impl StoreFacts {
    fn encode(self) -> Bytes {
        let mut out = BytesMut::with_capacity(25);
        out.put_u8(LAYOUT);
        out.put_u64(self.sequence);
        out.put_i64(self.offset);
        out.put_i64(self.written_at.0);
        out.freeze()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (layout, rest) = bytes.split_first()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let written_at = rest.first_chunk::<8>().filter(|_| rest.len() == 8)?;
        (*layout == LAYOUT).then_some(Self {
            sequence: u64::from_be_bytes(*sequence),
            offset: i64::from_be_bytes(*offset),
            written_at: Millis(i64::from_be_bytes(*written_at)),
        })
    }
}

/// Whether a key is of this machine only.
fn is_local(key: &[u8]) -> bool {
    matches!(
        key.first(),
        Some(&WAITING | &LOOKED | &ENDED | &REVOKED | &NEEDED | &NAMED)
    )
}

/// The key right behind `key`.
pub(crate) fn after(key: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(key.len() + 1);
    out.put_slice(key);
    out.put_u8(0);
    out.freeze()
}

/// `prefix` time name: ordered by time. Times before 1970 sort first.
pub(crate) fn timed(prefix: u8, time: Millis, name: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(9 + name.len());
    out.put_u8(prefix);
    out.put_u64(time.0.cast_unsigned() ^ (1 << 63));
    out.put_slice(name);
    out.freeze()
}

/// The time and name of a [`timed`] key.
pub(crate) fn timed_parts(key: &[u8]) -> Option<(Millis, &[u8])> {
    let (time, name) = key.get(1..)?.split_first_chunk::<8>()?;
    let time = (u64::from_be_bytes(*time) ^ (1 << 63)).cast_signed();
    Some((Millis(time), name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    fn key(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn names(scan: &Scan) -> Vec<&str> {
        scan.keys
            .iter()
            .map(|key| std::str::from_utf8(key).unwrap())
            .collect()
    }

    #[test]
    fn a_scan_sees_all_three_layers() {
        let mut table = Overlay::new(Ok(MemoryStore::default()));
        for name in ["oa", "ob", "oc", "od"] {
            table.put(key(name), Bytes::new());
        }
        assert_eq!(table.cut().count(), 0, "orders are not told");
        table.flush(None);
        table.remove(key("ob"));
        assert_eq!(table.cut().count(), 0);
        table.put(key("obb"), Bytes::new());
        table.remove(key("od"));
        let first = table.scan(b"o", b"p", 2);
        assert_eq!(names(&first), ["oa"]);
        let next = first.next.unwrap();
        assert_eq!(names(&table.scan(&next, b"p", 9)), ["obb", "oc"]);
        assert_eq!(table.get(b"ob"), None);
        assert_eq!(table.committed(b"od"), Some(Bytes::new()));
    }

    #[test]
    fn times_sort_as_keys_do() {
        let times = [i64::MIN, -1, 0, 1, 1_796_086_800_000, i64::MAX];
        let keys: Vec<Bytes> = times
            .iter()
            .map(|time| timed(WAITING, Millis(*time), b"x"))
            .collect();
        assert!(keys.is_sorted());
        for (time, key) in times.iter().zip(&keys) {
            assert_eq!(timed_parts(key), Some((Millis(*time), b"x".as_slice())));
        }
    }
}
