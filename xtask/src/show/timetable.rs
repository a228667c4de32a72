//! time.1 and time.6: expressions, zones and fixed rates against what was written apart from them.

use super::ShowArgs;
use super::report::{Aim, Report};
use crate::{repo, sys};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::process::Command;

const TRIALS: u64 = 1_000_000;
const MALFORMED: u64 = 10_000;
/// Where other crates mean something else; `docs/schedules.md` says of each why.
const EXPLAINED: [(&str, &str); 3] = [
    ("croner", "counts `*/n` years from the year 1"),
    ("croner", "takes `SUN-SUN` for a whole week"),
    ("cron", "does not read it"),
];

/// What the example `prove` of the crate `timetable` prints.
#[derive(Debug, Deserialize)]
struct Proof {
    trials: f64,
    impossible: f64,
    wrong: f64,
    wrong_examples: Vec<String>,
    compared: BTreeMap<String, f64>,
    differ: Vec<Differ>,
    zones: f64,
    changes: f64,
    edge_questions: f64,
    edge_wrong: f64,
    edge_examples: Vec<String>,
    all_zones: f64,
    closest_changes_s: f64,
    offsets_wrong: f64,
    malformed: f64,
    malformed_wrong: f64,
    malformed_examples: Vec<String>,
    drift_ms: f64,
    per_second: f64,
    parsed_per_second: f64,
}

/// Answers in which a crate differs, of one kind.
#[derive(Debug, Deserialize)]
struct Differ {
    #[serde(rename = "crate")]
    name: String,
    kind: String,
    count: f64,
    example: String,
}

/// time.1: a million random expressions and instants, every clock change, ten thousand malformed expressions.
pub(super) fn expressions(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let trials = if args.debug { TRIALS / 1_000 } else { TRIALS };
    let proof = prove(args, trials, MALFORMED)?;
    let none = Aim::Is(0.0);
    disagreements(&proof, report);
    let figures = [
        ("random questions", proof.trials, Aim::Is(trials as f64)),
        ("in zones", proof.zones, Aim::AtLeast(20.0)),
        ("refused as impossible", proof.impossible, Aim::Told),
        ("answers that the walk does not give", proof.wrong, none),
        (
            "clock changes of 2024 to 2030",
            proof.changes,
            Aim::AtLeast(200.0),
        ),
        (
            "questions around them",
            proof.edge_questions,
            Aim::AtLeast(proof.changes),
        ),
        ("answers there not as documented", proof.edge_wrong, none),
        (
            "zones held to chrono-tz",
            proof.all_zones,
            Aim::AtLeast(500.0),
        ),
        (
            "offsets that differ, of 2,000 each",
            proof.offsets_wrong,
            none,
        ),
        (
            "malformed expressions",
            proof.malformed,
            Aim::Is(MALFORMED as f64),
        ),
        (
            "accepted, or refused at a wrong place",
            proof.malformed_wrong,
            none,
        ),
    ];
    for (name, value, aim) in figures {
        report.figure(name, value, "", aim);
    }
    let closest = proof.closest_changes_s / 3600.0;
    let name = "closest two changes of one zone, 1970 to 2100";
    report.figure(name, closest, "h", Aim::AtLeast(48.0));
    let name = "next occurrences, slowest common expression";
    report.figure(name, proof.per_second, "/s", Aim::Told);
    report.figure("expressions read", proof.parsed_per_second, "/s", Aim::Told);
    let wrong = [
        &proof.wrong_examples,
        &proof.edge_examples,
        &proof.malformed_examples,
    ];
    for example in wrong.into_iter().flatten() {
        report.note(example.clone());
    }
    Ok(())
}

/// Where other crates answer otherwise: every kind must be one that the docs explain.
fn disagreements(proof: &Proof, report: &mut Report) {
    for (name, count) in &proof.compared {
        report.figure(
            format!("asked of {name} too"),
            *count,
            "",
            Aim::AtLeast(1.0),
        );
    }
    let others = proof.compared.len() as f64;
    report.figure(
        "other crates that were asked",
        others,
        "",
        Aim::AtLeast(1.0),
    );
    let mut unexplained = 0.0;
    for differ in &proof.differ {
        let is_known = EXPLAINED.contains(&(differ.name.as_str(), differ.kind.as_str()));
        unexplained += if is_known { 0.0 } else { differ.count };
        let name = format!("{}: {}", differ.name, differ.kind);
        report.figure(name, differ.count, "", Aim::Told);
        report.note(format!("{}, as in {}", differ.name, differ.example));
    }
    let name = "disagreements that docs/schedules.md does not explain";
    report.figure(name, unexplained, "", Aim::Is(0.0));
}

/// time.6: a fixed rate over a million occurrences.
pub(super) fn drift(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let proof = prove(args, 0, 0)?;
    let name = "drift over 1,000,000 occurrences of 100 ms to 1 h";
    report.figure(name, proof.drift_ms, "ms", Aim::Is(0.0));
    Ok(())
}

fn prove(args: &ShowArgs, trials: u64, malformed: u64) -> Result<Proof> {
    let mut cargo = repo::cargo();
    cargo.args(["build", "--quiet", "-p", "timetable", "--example", "prove"]);
    if !args.debug {
        cargo.arg("--release");
    }
    sys::run(&mut cargo)?;
    let profile = if args.debug { "debug" } else { "release" };
    let program = repo::target_dir()
        .join(profile)
        .join("examples")
        .join("prove");
    let mut prove = Command::new(program);
    let told = sys::capture(prove.args([trials.to_string(), malformed.to_string()]))?;
    serde_json::from_str(&told).with_context(|| format!("`{told}`"))
}
