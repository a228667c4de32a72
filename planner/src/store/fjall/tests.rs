use std::time::{Duration, Instant};

use super::*;

fn key(n: u32) -> Bytes {
    Bytes::copy_from_slice(&n.to_be_bytes())
}

#[test]
fn a_database_that_cannot_be_read_is_made_anew_and_one_in_use_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let open = || FjallStores::open(path, 1 << 20, 1 << 20);
    for damage in ["version", "keyspaces"] {
        let mut stores = open().unwrap();
        let mut store = stores.open(Shard(0)).unwrap();
        store.apply(vec![(key(1), Some(key(2)))]).unwrap();
        let in_use = open().err().unwrap();
        assert!(in_use.to_string().contains("Locked"), "{in_use}");
        assert_eq!(store.get(&key(1)), Ok(Some(key(2))));
        drop((stores, store));
        std::fs::write(path.join("notes"), b"somebody's").unwrap();
        spoil(&path.join(damage));
        let mut stores = open().unwrap();
        let store = stores.open(Shard(0)).unwrap();
        assert_eq!(store.get(&key(1)), Ok(None), "{damage}");
        assert!(path.join("notes").exists());
    }
}

#[test]
fn fjall_looks_for_what_it_can_let_go_of_when_rows_were_written_out() {
    let directory = tempfile::tempdir().unwrap();
    let mut stores = FjallStores::open(directory.path(), 1 << 20, 1 << 20).unwrap();
    let mut store = stores.open(Shard(0)).unwrap();
    let value = Bytes::from(vec![7; 1_024]);
    let rows = |count| (0..count).map(|n| (key(n), Some(value.clone()))).collect();
    store.apply(rows(900)).unwrap();
    assert!(is_in_memory(&store.rows));
    assert_eq!(stores.epochs.table_count(), 0);
    // More than is held in memory; what follows is far from it.
    store.apply(rows(200)).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while stores.epochs.table_count() == 0 {
        let tables = store.rows.table_count();
        assert!(Instant::now() < until, "nothing follows {tables} tables");
        store.apply(vec![(key(0), Some(key(0)))]).unwrap();
    }
    assert!(store.rows.table_count() > 0);
}

/// Overwrites every file of a database there.
fn spoil(path: &Path) {
    if path.is_file() {
        return std::fs::write(path, b"FJL\x01 not what it was").unwrap();
    }
    for entry in std::fs::read_dir(path).unwrap() {
        spoil(&entry.unwrap().path());
    }
}

#[test]
fn shards_share_what_is_in_memory_and_the_fullest_is_written_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let value = Bytes::from(vec![7; 1_024]);
    let rows = |count| (0..count).map(|n| (key(n), Some(value.clone()))).collect();
    let mut stores = FjallStores::open(path, 1 << 20, 4 << 20).unwrap();
    let mut one = stores.open(Shard(1)).unwrap();
    let mut two = stores.open(Shard(2)).unwrap();
    // Alone far from what is written out; with the other's too much. One that is taken back counts as well.
    two.apply(rows(2_400)).unwrap();
    let written = two.rows.clone();
    stores.close(Shard(2), two);
    one.apply(rows(1_200)).unwrap();
    assert!(is_in_memory(&one.rows) && is_in_memory(&written));
    one.apply(rows(600)).unwrap();
    wait_for_tables(&written);
    one.apply(rows(1_200)).unwrap();
    assert!(is_in_memory(&one.rows));
    // Wiped, it begins anew.
    one.wipe().unwrap();
    one.apply(rows(3_000)).unwrap();
    assert!(is_in_memory(&one.rows));
    let count = written.table_count();
    drop((one, written, stores));
    // What the journal brings back is counted by nobody, so it is written out.
    let mut stores = FjallStores::open(path, 1 << 20, 4 << 20).unwrap();
    let one = stores.open(Shard(1)).unwrap();
    wait_for_tables(&one.rows);
    let two = stores.open(Shard(2)).unwrap();
    assert_eq!(two.rows.table_count(), count);
    assert_eq!(two.get(&key(7)), Ok(Some(value)));
}

#[test]
fn rows_have_the_room_that_cached_blocks_do_not_take() {
    let directory = tempfile::tempdir().unwrap();
    let value = Bytes::from(vec![7; 1_024]);
    let rows = |count| (0..count).map(|n| (key(n), Some(value.clone()))).collect();
    let mut stores = FjallStores::open(directory.path(), 4 << 20, 6 << 20).unwrap();
    let mut one = stores.open(Shard(1)).unwrap();
    let mut two = stores.open(Shard(2)).unwrap();
    two.apply(rows(4_400)).unwrap();
    assert!(is_in_memory(&two.rows));
    two.wipe().unwrap();
    one.apply(rows(8_000)).unwrap();
    wait_for_tables(&one.rows);
    for n in 0..8_000 {
        assert_eq!(one.get(&key(n)), Ok(Some(value.clone())), "{n}");
    }
    let cached = stores.database.cache_size();
    assert!(cached >= 2 << 20, "{cached} bytes");
    // Less than there is room for by itself, as above; not beside those blocks.
    two.apply(rows(4_400)).unwrap();
    wait_for_tables(&two.rows);
}

/// Nothing is written out, and nothing waits for it.
fn is_in_memory(rows: &Keyspace) -> bool {
    (rows.sealed_memtable_count(), rows.table_count()) == (0, 0)
}

fn wait_for_tables(rows: &Keyspace) {
    let until = Instant::now() + Duration::from_secs(60);
    while rows.table_count() == 0 {
        assert!(Instant::now() < until, "nothing was written out");
        std::thread::yield_now();
    }
}

#[test]
fn what_was_written_is_there_after_opening_again_until_wiped() {
    let directory = tempfile::tempdir().unwrap();
    {
        let mut stores = FjallStores::open(directory.path(), 1 << 20, 1 << 20).unwrap();
        let mut store = stores.open(Shard(3)).unwrap();
        let rows = (0..10_000).map(|n| (key(n), Some(key(n + 1)))).collect();
        store.apply(rows).unwrap();
        store.apply(vec![(key(5), None)]).unwrap();
        stores.close(Shard(3), store);
    }
    let mut stores = FjallStores::open(directory.path(), 1 << 20, 1 << 20).unwrap();
    let mut store = stores.open(Shard(3)).unwrap();
    assert_eq!(store.get(&key(9_999)), Ok(Some(key(10_000))));
    assert_eq!(store.get(&key(5)), Ok(None));
    let found = store.scan(&key(4), &key(100), 2).unwrap();
    assert_eq!(found, vec![(key(4), key(5)), (key(6), key(7))]);
    assert_eq!(stores.open(Shard(4)).unwrap().get(&key(1)), Ok(None));
    store.wipe().unwrap();
    assert_eq!(store.get(&key(9_999)), Ok(None));
}
