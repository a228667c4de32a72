//! A Python with Confluent's client: somebody else's producer for real input.

use crate::{repo, sys};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// The interpreter of a virtual environment that has `confluent-kafka`; makes it when absent.
pub(crate) fn ensure() -> Result<PathBuf> {
    let home = repo::services_dir()?.join("python");
    let python = home.join("bin").join("python");
    let check = || sys::capture(Command::new(&python).args(["-c", "import confluent_kafka"]));
    if python.is_file() && check().is_ok() {
        return Ok(python);
    }
    sys::install(&["python3"], &["python3", "python3-venv"])?;
    let make = || {
        sys::capture(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&home),
        )
    };
    if make().is_err() {
        // Debian's python3 has `venv` but not what it needs.
        sys::install_packages(&["python3-venv"])?;
        make().context("make a python environment")?;
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "confluent-kafka"]);
    sys::capture(&mut pip).context("install python's confluent-kafka")?;
    Ok(python)
}
