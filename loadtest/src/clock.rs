//! The wall clock, finer than a millisecond: lateness is measured in microseconds.

/// Microseconds since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "a measuring program needs the wall clock finer than a millisecond"
)]
pub(crate) fn now_us() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
        })
}

/// Waits until the wall clock says `at`, microseconds since the Unix epoch.
pub(crate) async fn sleep_until_us(at: i64) {
    let left = at - now_us();
    if left > 0 {
        tokio::time::sleep(std::time::Duration::from_micros(left.cast_unsigned())).await;
    }
}
