//! Every stored record against bytes in `tests/golden/`, one file a record, in hex.
//!
//! A file says what releases in the field have written: it is never overwritten. A new record gets its
//! file by `WRITE_GOLDEN=1 cargo test -p schemas --test golden`. Where a test fails because a record
//! changed shape, raise [`codec::VERSION`], keep the old decoder, and keep the old file beside the new.

mod samples;

use std::path::PathBuf;

use bytes::Bytes;
use samples::{instance, names, samples, work};
use schemas::codec::{self, Kind};
use schemas::outcome::Completed;
use schemas::{BucketRecord, DeadLetter, DecodeError};

/// The bytes of a golden file; writes it where there is none and that was asked for.
fn golden(name: &str, now: &Bytes) -> Bytes {
    let path: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "tests",
        "golden",
        &format!("{name}.hex"),
    ]
    .iter()
    .collect();
    if !path.exists() && std::env::var_os("WRITE_GOLDEN").is_some() {
        let lines: Vec<String> = now
            .chunks(32)
            .map(|line| {
                line.iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>()
                    + "\n"
            })
            .collect();
        std::fs::write(&path, lines.concat()).expect(name);
    }
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{name}: {error}; WRITE_GOLDEN=1 adds what is missing"));
    let digits: Vec<u8> = text
        .bytes()
        .filter(|it| !it.is_ascii_whitespace())
        .collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect(name), 16);
    digits
        .chunks(2)
        .map(|pair| byte(pair).expect(name))
        .collect()
}

#[test]
fn every_record_is_written_and_read_as_it_always_was() {
    for it in samples() {
        let bytes = golden(it.name, &it.bytes);
        assert_eq!(
            (it.read)(&bytes),
            Ok(it.holds.clone()),
            "{} is read otherwise",
            it.name
        );
        assert!(
            bytes == it.bytes,
            "{} is written otherwise than in its file",
            it.name
        );
    }
    for (name, now) in names() {
        assert_eq!(
            golden(name, &now),
            now,
            "{name} is written otherwise than in its file"
        );
    }
}

#[test]
fn every_golden_file_is_read_by_a_test() {
    let known: Vec<&str> = samples()
        .iter()
        .map(|it| it.name)
        .chain(names().iter().map(|(name, _)| *name))
        .collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    for entry in std::fs::read_dir(folder).expect(folder) {
        let name = entry
            .expect(folder)
            .file_name()
            .into_string()
            .expect("a name");
        let name = name.strip_suffix(".hex").unwrap_or(&name);
        assert!(known.contains(&name), "{name} belongs to no record");
    }
}

#[test]
fn a_record_cut_short_or_spoilt_never_panics_and_its_head_is_never_guessed() {
    for it in samples() {
        let json = it.name.starts_with("dead_letter");
        let head = it.bytes.get(2..6).map_or(0, |length| {
            6 + usize::try_from(u32::from_le_bytes(length.try_into().expect("four"))).expect("fits")
        });
        let needed = if json { it.bytes.len() } else { head };
        for cut in 0..needed {
            let read = (it.read)(&it.bytes.slice(..cut));
            assert!(
                read.is_err(),
                "{} of {cut} bytes is read as {read:?}",
                it.name
            );
        }
        for place in 0..it.bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut spoilt = it.bytes.to_vec();
                spoilt[place] ^= flip;
                let read = (it.read)(&spoilt.into());
                assert!(
                    json || place > 1 || read.is_err(),
                    "{}: byte {place}",
                    it.name
                );
            }
        }
    }
}

#[test]
fn unknown_versions_and_kinds_are_refused_by_name() {
    let seal = BucketRecord::Free(instance()).encode();
    let changed = |place: usize, byte: u8| {
        let mut bytes = seal.to_vec();
        bytes[place] = byte;
        BucketRecord::decode(&bytes.into()).expect_err("refused")
    };
    let newer = codec::VERSION + 1;
    assert_eq!(
        changed(0, newer),
        DecodeError::Version {
            kind: Kind::Bucket,
            found: newer
        }
    );
    assert_eq!(
        changed(1, 99),
        DecodeError::Kind {
            kind: Kind::Bucket,
            found: 99
        }
    );
    let of_another_kind = work().encode(b"");
    let error = BucketRecord::decode(&of_another_kind).expect_err("another kind");
    assert_eq!(error.to_string(), "record is of kind 1, expected Bucket");
    let letter = Bytes::from_static(br#"{"version": 2, "new": true}"#);
    let error = DeadLetter::decode(&letter).expect_err("newer");
    assert_eq!(
        error,
        DecodeError::Version {
            kind: Kind::DeadLetter,
            found: 2
        }
    );
}

#[test]
fn a_head_that_claims_more_than_there_is_is_cut_short() {
    let claims = Bytes::from_static(&[
        codec::VERSION,
        Kind::Bucket as u8,
        0xff,
        0xff,
        0xff,
        0xff,
        0,
    ]);
    let error = BucketRecord::decode(&claims).expect_err("short");
    assert_eq!(
        error,
        DecodeError::Short {
            kind: Kind::Bucket,
            length: 7
        }
    );
}

#[test]
fn how_late_completed_legs_began_is_told_without_reading_them() {
    let late = |name: &str| {
        let it = samples()
            .into_iter()
            .find(|it| it.name == name)
            .expect(name);
        Completed::peek(&it.bytes)
    };
    assert_eq!(late("outcome.completed"), Some(70_000));
    for other in [
        "outcome.success",
        "outcome.missed",
        "outcome.drained",
        "lane.fire",
    ] {
        assert_eq!(late(other), None, "{other}");
    }
    assert_eq!(Completed::peek(&Bytes::new()), None);
}
