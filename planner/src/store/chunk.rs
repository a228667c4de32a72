//! Where the rows of a shard lie in memory until they are on disk.

use bytes::{Bytes, BytesMut};

/// Of one piece of memory: as much as an allocator takes from the system for it alone, and gives back with it.
const CHUNK_BYTES: usize = 1 << 20;
/// What is longer has a piece of its own.
const LONG_BYTES: usize = CHUNK_BYTES / 8;

/// Copies keys and values one behind the other into pieces that no other shard and nothing short-lived uses. Each by
/// itself, they would lie among all else that is allocated meanwhile, on pages that then stay in memory for some row of
/// another shard: 40 to 60 MiB of a planner's with millions of tasks were such.
#[derive(Debug, Default)]
pub(super) struct Chunk(BytesMut);

impl Chunk {
    /// A copy that goes with the last of its piece.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() > LONG_BYTES {
            return Bytes::copy_from_slice(bytes);
        }
        if self.0.capacity() < bytes.len() {
            self.0 = BytesMut::with_capacity(CHUNK_BYTES);
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_lie_one_behind_the_other_until_the_piece_is_full() {
        let mut chunk = Chunk::default();
        let lengths = [100, 0, 7, LONG_BYTES, 3_000, LONG_BYTES + 1];
        let row = |n: usize| vec![u8::try_from(n % 251).unwrap(); lengths[n % lengths.len()]];
        let copies: Vec<_> = (0..200).map(|n| chunk.copy(&row(n))).collect();
        let (mut pieces, mut end, mut filled) = (0, std::ptr::null(), 0);
        for (n, copy) in copies.iter().enumerate() {
            assert_eq!(copy, &row(n), "{n}");
            if copy.is_empty() || copy.len() > LONG_BYTES {
                continue;
            }
            if copy.as_ptr() != end {
                pieces += 1;
                filled = 0;
            }
            filled += copy.len();
            assert!(filled <= CHUNK_BYTES, "{filled} bytes in one piece");
            end = copy.as_ptr_range().end;
        }
        let short: usize = copies
            .iter()
            .map(Bytes::len)
            .filter(|len| *len <= LONG_BYTES)
            .sum();
        let least = short.div_ceil(CHUNK_BYTES);
        assert!(
            (least..=least * 8 / 7 + 1).contains(&pieces),
            "{pieces} pieces for {short} bytes"
        );
    }
}
