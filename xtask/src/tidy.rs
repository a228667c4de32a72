//! The rules of the house that no compiler checks, each with its reason.
//!
//! | rule | why |
//! |---|---|
//! | `length` | a file holds one idea; past 400 lines it holds several |
//! | `name` | `util`, `helper`, `common`, `misc`, `manager` say nothing about what is inside |
//! | `core` | a core is a pure state machine: same inputs and times, same outputs |
//! | `unfinished` | `todo!`, `unimplemented!` and `#[ignore]` are work that only looks done |
//! | `depends` | one crate knows each outside world; stages know records, never each other |
//! | `shape` | all stages have the same files, so whoever knows one knows all |
//!
//! What has a good reason to break a rule stands in `xtask/tidy.allow`, with that reason; a line
//! there that nothing needs any more is itself an error.

mod allow;
mod code;
mod depends;

use crate::repo;
use allow::Allowed;
use anyhow::{Context, Result, bail};
pub(crate) use depends::STAGES_WITH_CORE;
use std::fmt;
use std::path::Path;

const MAX_LINES: usize = 400;
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "helper", "helpers", "common", "misc", "manager", "prelude",
];
/// What would let a clock, a thread or the network into a core.
const WORLD: [&str; 8] = [
    "tokio::",
    "rdkafka",
    ".await",
    "Instant::now",
    "SystemTime::now",
    "Utc::now",
    "std::thread",
    "std::net",
];
const UNFINISHED: [&str; 3] = ["todo!", "unimplemented!", "#[ignore"];
/// Files that every stage has.
const SHAPE: [&str; 7] = [
    "src/lib.rs",
    "src/core.rs",
    "src/run.rs",
    "src/config.rs",
    "src/metrics.rs",
    "src/error.rs",
    "tests/core.rs",
];

/// One broken rule, with where and how.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    rule: &'static str,
    /// Relative to the repository.
    path: String,
    /// From 1; 0 when the whole file is meant.
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {} ({})",
            self.path, self.line, self.what, self.rule
        )
    }
}

/// Checks every rule on every tracked file; prints the findings and fails if there are any.
pub(crate) fn run() -> Result<()> {
    let files = tracked_files()?;
    let mut findings = Vec::new();
    for path in files.iter().filter(|path| path.ends_with(".rs")) {
        findings.extend(source(path, &read(path)?));
    }
    for path in files.iter().filter(|path| path.ends_with("Cargo.toml")) {
        findings.extend(depends::check(path, &read(path)?));
    }
    findings.extend(shape(&files));
    let allow_file = "xtask/tidy.allow";
    let findings = Allowed::parse(&read(allow_file)?)?.filter(findings);
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!(
            "tidy found {} broken rule(s); exceptions go into {allow_file}",
            findings.len()
        );
    }
    println!("tidy: {} files, nothing found", files.len());
    Ok(())
}

/// Files that git tracks or would track; a deleted one is skipped.
fn tracked_files() -> Result<Vec<String>> {
    let mut git = repo::command("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let list = crate::sys::capture(&mut git)?;
    let mut files: Vec<String> = list.lines().map(str::to_owned).collect();
    files.retain(|path| repo::root().join(path).is_file());
    files.sort();
    files.dedup();
    Ok(files)
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(repo::root().join(path)).with_context(|| format!("read `{path}`"))
}

/// Every rule that looks at one source file.
fn source(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let finding = |rule, line, what| Finding {
        rule,
        path: path.to_owned(),
        line,
        what,
    };
    let length = text.lines().count();
    if length > MAX_LINES {
        findings.push(finding(
            "length",
            0,
            format!("{length} lines, at most {MAX_LINES}"),
        ));
    }
    let name = Path::new(path)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if EMPTY_NAMES.contains(&name.as_str()) {
        findings.push(finding(
            "name",
            0,
            format!("`{name}` says nothing about what is inside"),
        ));
    }
    let in_core = is_core(path);
    for (number, line) in code::only(text).lines().enumerate() {
        for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
            findings.push(finding("unfinished", number + 1, format!("`{word}`")));
        }
        for word in WORLD.iter().filter(|word| in_core && line.contains(**word)) {
            findings.push(finding("core", number + 1, format!("`{word}` in a core")));
        }
    }
    findings
}

/// `<crate>/src/core.rs`, everything below `<crate>/src/core/`, and all of `timetable`.
fn is_core(path: &str) -> bool {
    path.ends_with("/src/core.rs")
        || path.contains("/src/core/")
        || path.starts_with("timetable/src/")
}

fn shape(files: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for stage in STAGES_WITH_CORE {
        for file in SHAPE {
            let path = format!("{stage}/{file}");
            if !files.contains(&path) {
                let what = "every stage has this file".to_owned();
                findings.push(Finding {
                    rule: "shape",
                    path,
                    line: 0,
                    what,
                });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path, text, the rules it breaks with their lines.
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, usize)]);

    fn rules(path: &str, text: &str) -> Vec<(&'static str, usize)> {
        source(path, text)
            .into_iter()
            .map(|finding| (finding.rule, finding.line))
            .collect()
    }

    #[test]
    fn each_rule_finds_what_it_is_for_and_nothing_else() {
        let long = "x\n".repeat(MAX_LINES + 1);
        let cases: &[Case<'_>] = &[
            ("a/src/lib.rs", "fn f() {}\n", &[]),
            ("a/src/lib.rs", &long, &[("length", 0)]),
            ("a/src/utils.rs", "", &[("name", 0)]),
            (
                "a/src/core.rs",
                "async fn f() {\n    g().await;\n}\n",
                &[("core", 2)],
            ),
            (
                "a/src/core/wheel.rs",
                "let n = Instant::now();",
                &[("core", 1)],
            ),
            (
                "timetable/src/rule.rs",
                "let n = Utc::now();",
                &[("core", 1)],
            ),
            ("a/src/run.rs", "let n = Instant::now(); g().await;", &[]),
            ("a/src/core.rs", "// the shell may use tokio::time\n", &[]),
            ("a/src/core.rs", "let s = \"std::thread\";", &[]),
            ("a/src/lib.rs", "\nfn f() { todo!() }", &[("unfinished", 2)]),
            (
                "a/tests/t.rs",
                "#[ignore = \"slow\"]\nfn f() {}",
                &[("unfinished", 1)],
            ),
            ("a/src/lib.rs", "/* todo! */ // unimplemented!()", &[]),
        ];
        for (path, text, expected) in cases {
            assert_eq!(rules(path, text), *expected, "{path}: {text}");
        }
    }

    #[test]
    fn a_stage_without_one_of_its_files_is_named() {
        let has: Vec<String> = STAGES_WITH_CORE
            .iter()
            .flat_map(|stage| SHAPE.iter().map(move |file| format!("{stage}/{file}")))
            .filter(|path| path != "trigger/src/metrics.rs")
            .collect();
        let found: Vec<String> = shape(&has)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(found, ["trigger/src/metrics.rs"]);
    }
}
