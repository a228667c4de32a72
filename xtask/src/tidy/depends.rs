//! Who may depend on whom.

use super::Finding;

/// Stages: they share records and the driver, never each other.
const STAGES: [&str; 6] = [
    "ingest",
    "planner",
    "trigger",
    "dispatcher",
    "archive",
    "console",
];
/// Stages with a pure core that compiles alone.
pub(crate) const STAGES_WITH_CORE: [&str; 4] = ["planner", "trigger", "dispatcher", "archive"];

/// Crates that know none of ours.
const ROOTS: [&str; 1] = ["timetable"];
const OURS: [&str; 3] = ["schemas", "pipeline", "sim"];

/// An outside crate and the only ones of ours that may name it.
const GATES: [(&str, &[&str]); 3] = [
    // Kafka can be replaced by replacing one crate.
    ("rdkafka", &["pipeline"]),
    // No stage waits for a database.
    ("sqlx", &["archive", "console"]),
    // Calls leave the process in one place; the others look at our own doors.
    ("reqwest", &["dispatcher", "server", "loadtest"]),
];

/// Checks one Cargo.toml, given its path in the repository (`trigger/Cargo.toml`).
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let Some((name, _)) = path.split_once('/') else {
        // The workspace's own file only fixes versions.
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (line, dependency) in dependencies(text) {
        let what = match GATES.iter().find(|(gated, _)| *gated == dependency) {
            Some((_, allowed)) if !allowed.contains(&name) => {
                format!("only {} may depend on `{dependency}`", allowed.join(", "))
            }
            None if STAGES.contains(&name)
                && STAGES.contains(&dependency)
                && name != dependency =>
            {
                format!("stage `{name}` may not know stage `{dependency}`")
            }
            None if ROOTS.contains(&name)
                && (OURS.contains(&dependency) || STAGES.contains(&dependency)) =>
            {
                format!("`{name}` may know none of ours, such as `{dependency}`")
            }
            _ => continue,
        };
        findings.push(Finding {
            rule: "depends",
            path: path.to_owned(),
            line,
            what,
        });
    }
    findings
}

/// The names in every dependency table, with their line numbers from 1.
fn dependencies(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            inside = header.ends_with("dependencies");
            // `[dependencies.rdkafka]`
            if let Some((table, name)) = header.rsplit_once('.')
                && table.ends_with("dependencies")
            {
                found.push((number + 1, name));
            }
        } else if inside && !line.starts_with('#') {
            let end = line.find(['.', '=', ' ']).unwrap_or(0);
            if end > 0 {
                found.push((number + 1, &line[..end]));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(path, text)
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn gates_hold_in_every_kind_of_table() {
        let cases: &[(&str, &str, &[usize])] = &[
            (
                "pipeline/Cargo.toml",
                "[dependencies]\nrdkafka.workspace = true\n",
                &[],
            ),
            (
                "trigger/Cargo.toml",
                "[dependencies]\nrdkafka.workspace = true\n",
                &[2],
            ),
            (
                "trigger/Cargo.toml",
                "[dev-dependencies]\nsqlx = \"0.9\"\n",
                &[2],
            ),
            (
                "server/Cargo.toml",
                "[dependencies.sqlx]\nworkspace = true\n",
                &[1],
            ),
            (
                "loadtest/Cargo.toml",
                "[dependencies]\nreqwest = { workspace = true }\n",
                &[],
            ),
            (
                "planner/Cargo.toml",
                "[dependencies]\ntrigger.workspace = true\n",
                &[2],
            ),
            (
                "server/Cargo.toml",
                "[dependencies]\ntrigger.workspace = true\n",
                &[],
            ),
            (
                "planner/Cargo.toml",
                "[features]\nshell = [\"dep:trigger\"]\n# sqlx = 1\n",
                &[],
            ),
            (
                "timetable/Cargo.toml",
                "[dependencies]\nchrono.workspace = true\nschemas.workspace = true\n",
                &[3],
            ),
            (
                "schemas/Cargo.toml",
                "[dependencies]\ntimetable.workspace = true\n",
                &[],
            ),
            (
                "Cargo.toml",
                "[workspace.dependencies]\nrdkafka = \"0.39\"\n",
                &[],
            ),
        ];
        for (path, text, expected) in cases {
            assert_eq!(lines(path, text), *expected, "{path}: {text}");
        }
    }
}
