//! Which partition number a task lives under, in every topic alike.

use serde::{Deserialize, Serialize};

/// One partition number across all topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(pub u16);

/// How many partitions every topic has; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shards(pub std::num::NonZeroU16);

impl Shards {
    /// The shipped default: 8.
    pub const DEFAULT: Self = match std::num::NonZeroU16::new(8) {
        Some(n) => Self(n),
        None => unreachable!(),
    };

    /// `count` shards; `None` for zero.
    #[must_use]
    pub fn new(count: u16) -> Option<Self> {
        std::num::NonZeroU16::new(count).map(Self)
    }

    /// How many.
    #[must_use]
    pub fn count(self) -> u16 {
        self.0.get()
    }

    /// All of them, ascending.
    pub fn all(self) -> impl Iterator<Item = Shard> {
        (0..self.count()).map(Shard)
    }

    /// The shard Java's default partitioner picks for a record key.
    #[must_use]
    pub fn of_key(self, key: &[u8]) -> Shard {
        self.of_hash(murmur2(key))
    }

    /// The shard of a key whose [`murmur2`] is known.
    #[must_use]
    pub fn of_hash(self, hash: u32) -> Shard {
        let positive = hash & 0x7fff_ffff;
        let shard = positive % u32::from(self.count());
        Shard(u16::try_from(shard).unwrap_or(0))
    }
}

/// The murmur2 of Kafka's Java client (`org.apache.kafka.common.utils.Utils.murmur2`), seed included.
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut h = SEED ^ length;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = chunk.iter().rev().fold(0, |k, b| (k << 8) | u32::from(*b));
        k = k.wrapping_mul(M);
        k ^= k >> R;
        k = k.wrapping_mul(M);
        h = h.wrapping_mul(M) ^ k;
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        h ^= rest.iter().rev().fold(0, |k, b| (k << 8) | u32::from(*b));
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn hashes_as_javas_client_does() {
        let cases: [(&str, i32); 7] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
            ("", 275_646_681),
        ];
        for (text, hash) in cases {
            assert_eq!(murmur2(text.as_bytes()), hash.cast_unsigned(), "{text}");
        }
    }
}
