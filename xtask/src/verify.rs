//! "May I push?": everything that must hold of a commit, cheapest first.

use crate::tidy::STAGES_WITH_CORE;
use crate::{repo, sys, test, tidy};
use anyhow::{Context, Result, bail};
use std::time::Instant;

/// A named check.
type Step<'a> = (&'a str, Box<dyn Fn() -> Result<()> + 'a>);

/// Runs every check and stops at the first that fails.
pub(crate) fn run(args: &test::TestArgs) -> Result<()> {
    let steps: [Step<'_>; 5] = [
        ("format", Box::new(|| cargo(&["fmt", "--all", "--check"]))),
        ("tidy", Box::new(tidy::run)),
        ("cores alone", Box::new(cores_alone)),
        ("clippy", Box::new(clippy)),
        (
            "tests and seeds",
            Box::new(|| {
                if test::run(args) {
                    Ok(())
                } else {
                    bail!("not all pass")
                }
            }),
        ),
    ];
    for (name, check) in steps {
        let begun = Instant::now();
        check().with_context(|| format!("verify: {name}"))?;
        eprintln!("verify: {name} holds ({} s)", begun.elapsed().as_secs());
    }
    println!("verify: you may push");
    Ok(())
}

fn clippy() -> Result<()> {
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])
}

/// A core that names anything of the shell does not compile without it.
fn cores_alone() -> Result<()> {
    for stage in STAGES_WITH_CORE {
        cargo(&["check", "-p", stage, "--no-default-features"])?;
    }
    Ok(())
}

fn cargo(args: &[&str]) -> Result<()> {
    sys::run(repo::cargo().args(args))
}
