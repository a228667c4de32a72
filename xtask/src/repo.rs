//! Where things are: the repository, its services, its commit.

use crate::sys;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// The repository's root: the parent of this crate. Cargo says at run time where that is; a
/// program started by hand stands by what it was built from.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().unwrap_or(&here).to_path_buf()
}

/// `target/services`, created when absent. Not below `CARGO_TARGET_DIR`: services are shared.
pub(crate) fn services_dir() -> Result<PathBuf> {
    dir(root().join("target").join("services"))
}

/// Where cargo puts what it builds: we start it in the root, so a relative path counts from there.
pub(crate) fn target_dir() -> PathBuf {
    let told = std::env::var_os("CARGO_TARGET_DIR");
    root().join(told.map_or_else(|| PathBuf::from("target"), PathBuf::from))
}

/// Creates `path` with its parents and returns it.
pub(crate) fn dir(path: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&path).with_context(|| format!("create `{}`", path.display()))?;
    Ok(path)
}

/// A command that runs in the repository's root.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The `cargo` that started us, or the one on the path.
pub(crate) fn cargo() -> Command {
    let mut cargo = command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    if std::env::var_os("CI").is_some() {
        // Gigabytes that only a second build of the same checkout is faster for.
        cargo.env("CARGO_INCREMENTAL", "0");
    }
    cargo
}

/// The commit of the checkout.
pub(crate) fn commit() -> String {
    sys::capture(command("git").args(["rev-parse", "--short=12", "HEAD"]))
        .unwrap_or_else(|_| "unknown".to_owned())
}

/// Whether the checkout differs from its commit, files that git does not know included. True where
/// git cannot tell.
pub(crate) fn is_dirty() -> bool {
    sys::capture(command("git").args(["status", "--porcelain"]))
        .map_or(true, |text| !text.is_empty())
}
