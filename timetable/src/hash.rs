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
