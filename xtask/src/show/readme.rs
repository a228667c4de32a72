//! pipe.1: what the README tells people to type is run as it stands there.

use super::ShowArgs;
use super::report::{Aim, Report};
use crate::harness::http;
use crate::services::{self, remove_dir};
use crate::{repo, sys, test};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// As the README's first command says.
const DOOR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7800);
/// A first build is part of it.
const READY_LIMIT: Duration = Duration::from_secs(1_800);
const TASK: &str = "order-42-close";

pub(super) fn as_written(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let readme =
        std::fs::read_to_string(repo::root().join("README.md")).context("read README.md")?;
    let run = blocks(&readme, "Run");
    let [dev, echo, curl] = run.as_slice() else {
        bail!(
            "README.md's section `Run` has {} commands, not dev, echo and curl",
            run.len()
        );
    };
    first_task(args, [dev, echo, curl], report)?;
    let tests = blocks(&readme, "Test");
    let [tests] = tests.as_slice() else {
        bail!("README.md's section `Test` has not one command")
    };
    if !args.debug {
        all_tests(tests, report)?;
    }
    Ok(())
}

fn first_task(args: &ShowArgs, [dev, echo, curl]: [&String; 3], report: &mut Report) -> Result<()> {
    let dir = repo::root()
        .join("target")
        .join("show")
        .join("runs")
        .join("readme");
    remove_dir(&dir)?;
    let dir = repo::dir(dir)?;
    let fit = |command: &str| {
        if args.debug {
            command.replace(" --release", "")
        } else {
            command.to_owned()
        }
    };
    let mut dev = Shell::start(&fit(dev), &dir, "dev")?;
    dev.wait(|| http::request(DOOR, "GET", "/ready", None).is_ok_and(|a| a.status == 200))?;
    let mut echo = Shell::start(&fit(echo), &dir, "echo")?;
    echo.wait(|| std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, 9000)).is_ok())?;
    let begun = Instant::now();
    let answer = sys::capture(Command::new("bash").args(["-c", curl]))?;
    report.note(format!("curl: {answer}"));
    let mut line = None;
    sys::wait_until(Duration::from_secs(15), || {
        let printed = std::fs::read_to_string(&echo.log).unwrap_or_default();
        line = printed_call(&printed).map(str::to_owned);
        line.is_some()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let line = line.context("`tidewheel echo` printed nothing of the task")?;
    report.figure("printed after", seconds, "s", Aim::AtMost(4.0));
    let late = lateness(&line).with_context(|| format!("no lateness in `{line}`"))?;
    report.figure("lateness printed", late, "ms", Aim::AtLeast(0.0));
    report.note(format!("echo: {line}"));
    Ok(())
}

/// The README's test command, and the counts of its last line.
fn all_tests(command: &str, report: &mut Report) -> Result<()> {
    let mut shell = Command::new("bash");
    shell.args(["-c", command]).current_dir(repo::root());
    let mut last = String::new();
    let result = test::stream(&mut shell, |line| line.clone_into(&mut last));
    for count in last.split(", ") {
        let (number, kind) = count.split_once(' ').unwrap_or_default();
        let number: f64 = number
            .parse()
            .with_context(|| format!("counts in `{last}`"))?;
        let aim = if kind == "passed" {
            Aim::AtLeast(1.0)
        } else {
            Aim::Is(0.0)
        };
        report.figure(format!("tests {kind}"), number, "", aim);
    }
    result
}

/// The `sh` blocks of a README's section.
fn blocks(readme: &str, section: &str) -> Vec<String> {
    let heading = format!("## {section}");
    let lines = readme.lines().skip_while(|line| *line != heading).skip(1);
    let mut blocks = Vec::new();
    let mut inside = false;
    for line in lines.take_while(|line| !line.starts_with("## ")) {
        match line {
            "```sh" => {
                inside = true;
                blocks.push(String::new());
            }
            "```" => inside = false,
            line if inside => {
                if let Some(block) = blocks.last_mut() {
                    block.push_str(line);
                    block.push('\n');
                }
            }
            _ => {}
        }
    }
    blocks
}

/// The first line of the call that names our task: its headers stand indented behind it.
fn printed_call(printed: &str) -> Option<&str> {
    let mut call = None;
    for line in printed.lines() {
        if !line.starts_with(' ') {
            call = Some(line);
        }
        if line.contains(TASK) {
            return call;
        }
    }
    None
}

/// The number in front of the first `ms`.
fn lateness(line: &str) -> Option<f64> {
    let (before, _) = line.split_once("ms")?;
    let number = before.trim_end();
    let start = number.rfind(|c: char| !c.is_ascii_digit() && c != '.' && c != '-')? + 1;
    number[start..].parse().ok()
}

/// A command as a person starts it in a terminal; ended with all that it started.
struct Shell {
    child: Child,
    log: PathBuf,
}

impl Shell {
    fn start(command: &str, dir: &Path, name: &str) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let out = File::create(&log).with_context(|| format!("create `{}`", log.display()))?;
        let mut bash = Command::new("bash");
        // Cargo finds the repository from below; data goes where the command stands.
        bash.args(["-c", command]).current_dir(dir).process_group(0);
        bash.stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out);
        let child = bash.spawn().with_context(|| format!("start `{command}`"))?;
        Ok(Self { child, log })
    }
}

impl Shell {
    /// Waits until what it starts answers; it may have to be built first.
    fn wait(&mut self, mut answers: impl FnMut() -> bool) -> Result<()> {
        let mut ended = None;
        let up = sys::wait_until(READY_LIMIT, || {
            ended = self.child.try_wait().ok().flatten();
            ended.is_some() || answers()
        });
        if ended.is_some() || !up {
            let words = services::tail(&self.log, 10);
            bail!("a command of the README does not come up ({ended:?}):\n{words}");
        }
        Ok(())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // The group: cargo and the program that it runs.
        let kill = format!("kill -TERM -- -{}", self.child.id());
        let ended = Command::new("bash").args(["-c", &kill]).status();
        if let Err(error) = ended.and_then(|_| self.child.wait()) {
            eprintln!("error: end a command of the README: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_their_section_only() {
        let readme = "## Run\ntext\n```sh\na \\\n  b\n```\n```toml\nx\n```\n```sh\nc\n```\n## Test\n```sh\nd\n```\n";
        assert_eq!(blocks(readme, "Run"), ["a \\\n  b\n", "c\n"]);
        assert_eq!(blocks(readme, "Test"), ["d\n"]);
    }

    #[test]
    fn the_readme_has_what_the_claim_runs() {
        let readme = include_str!("../../../README.md");
        assert_eq!(blocks(readme, "Run").len(), 3);
        assert_eq!(blocks(readme, "Test"), ["cargo xtask test\n"]);
        assert!(readme.contains(TASK));
    }

    #[test]
    fn a_call_is_found_by_the_task_in_its_headers() {
        let printed = "listening on http://127.0.0.1:9000\nPOST /a  +9 ms\n  tidewheel-task: shop/other\n\
            POST /b  +3 ms\n  host: x\n  tidewheel-task: shop/order-42-close\n";
        assert_eq!(printed_call(printed), Some("POST /b  +3 ms"));
        assert_eq!(printed_call("POST /a  +9 ms\n"), None);
    }

    #[test]
    fn lateness_is_the_number_before_its_unit() {
        let cases = [
            (
                "12:00:00 shop/order-42-close late 3 ms attempt 1",
                Some(3.0),
            ),
            ("lateness=0.8ms", Some(0.8)),
            ("nothing", None),
        ];
        for (line, expected) in cases {
            assert_eq!(lateness(line), expected, "{line}");
        }
    }
}
