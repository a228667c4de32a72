//! Threads that must run the moment they wake.
//!
//! Linux shares out a processor in slices of some 3 ms. Who wakes while others compute waits for the end of such a
//! slice, and a call is on its way over three threads: on a busy machine it began 4 to 6 ms late for that alone. A thread that asks
//! for short slices gets the processor sooner, not more of it; that needs no privilege. Kernels before 6.12 take the wish
//! and do nothing.

use std::io::Error;

/// The shortest slice that the kernel gives, ns.
const SLICE_NS: u64 = 100_000;

/// Asks that this thread, and those that it will start, run soon when they wake. Nothing but speed depends on it.
pub fn be_prompt() {
    if let Err(error) = take_short_slices() {
        tracing::debug!(%error, "this thread keeps the slices it has");
    }
}

fn take_short_slices() -> Result<(), Error> {
    let mut attributes = read()?;
    let policy = i32::try_from(attributes.sched_policy);
    if policy != Ok(libc::SCHED_OTHER) {
        // Whoever chose another knows better.
        return Ok(());
    }
    attributes.sched_runtime = SLICE_NS;
    write(&attributes)
}

/// How this thread is scheduled.
#[expect(unsafe_code, reason = "no crate has this call in a safe form")]
fn read() -> Result<libc::sched_attr, Error> {
    // SAFETY: a struct of integers, of which zeros are a value.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>();
    // SAFETY: the kernel writes at most `size` bytes to it.
    let done = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if done == 0 {
        Ok(attributes)
    } else {
        Err(Error::last_os_error())
    }
}

#[expect(unsafe_code, reason = "no crate has this call in a safe form")]
fn write(attributes: &libc::sched_attr) -> Result<(), Error> {
    // SAFETY: the kernel reads as many bytes as it says that it has.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const *attributes, 0) };
    if done == 0 {
        Ok(())
    } else {
        Err(Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the kernel is of this release or a later one.
    fn is_kernel(major: u32, minor: u32) -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux");
        let mut parts = release.split(['.', '-']).map(|part| part.parse::<u32>());
        let mut next = || parts.next().and_then(Result::ok).unwrap_or(0);
        (next(), next()) >= (major, minor)
    }

    #[test]
    fn a_prompt_thread_has_short_slices_and_is_otherwise_as_it_was() {
        let seen = std::thread::spawn(|| {
            let before = read().expect("the kernel tells");
            be_prompt();
            let started = std::thread::spawn(|| read().expect("the kernel tells"));
            let after = read().expect("the kernel tells");
            (before, after, started.join().expect("no panic"))
        });
        let (before, after, started) = seen.join().expect("no panic");
        assert_eq!(after.sched_policy, before.sched_policy);
        assert_eq!(after.sched_nice, before.sched_nice);
        if before.sched_policy == 0 && is_kernel(6, 12) {
            assert_eq!(after.sched_runtime, SLICE_NS);
            assert_eq!(started.sched_runtime, SLICE_NS);
        }
    }
}
