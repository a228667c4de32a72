//! A spread that stays the same for ever: whoever changes it moves every `H` and every jitter there is.

/// Sixty-four well-mixed bits of a seed and a number (the finish of SplitMix64, twice).
pub(crate) fn mix(seed: u64, number: u64) -> u64 {
    finish(finish(seed) ^ number)
}

fn finish(bits: u64) -> u64 {
    let mut bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The seed of a task by its name: what `H`, jitter and window of it come from, the same for ever. FNV-1a, then mixed.
#[must_use]
pub fn seed(name: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    finish(name.bytes().fold(0xcbf2_9ce4_8422_2325, fold))
}
