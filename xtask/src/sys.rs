//! Processes and packages: run, start detached, end by id, install.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Runs a command with our own stdin, stdout and stderr; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("start {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Runs a command and returns its trimmed stdout; an exit code other than 0 is an error that
/// carries stderr.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("start {}", line(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} ended with {}: {}",
            line(command),
            output.status,
            stderr.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command as a person would type it, for error messages.
pub(crate) fn line(command: &Command) -> String {
    let mut text = format!("`{}", command.get_program().to_string_lossy());
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text.push('`');
    text
}

/// Starts `command` in a session of its own, so that it outlives this process and its terminal;
/// stdout and stderr are appended to `log`. Returns the process id.
pub(crate) fn start_detached(command: &Command, log: &Path) -> Result<u32> {
    let out = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("open `{}`", log.display()))?;
    // `setsid` does not fork unless it leads a process group, so the id stays that of the service.
    let mut detached = Command::new("setsid");
    detached.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            detached.env(key, value);
        }
    }
    if let Some(dir) = command.get_current_dir() {
        detached.current_dir(dir);
    }
    detached
        .stdin(Stdio::null())
        .stderr(out.try_clone()?)
        .stdout(out);
    let child = detached
        .spawn()
        .with_context(|| format!("start {}", line(command)))?;
    Ok(child.id())
}

/// Whether process `pid` lives and its command line contains `mark`: ids are used again.
pub(crate) fn alive(pid: u32, mark: &str) -> bool {
    for _ in 0..100 {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            return false;
        };
        let Ok(cmdline) = std::fs::read(format!("/proc/{pid}/cmdline")) else {
            return false;
        };
        // `pid (name) S …`: the name may hold anything, so look behind its last bracket.
        let ended = stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'));
        if ended || !cmdline.is_empty() {
            return !ended
                && String::from_utf8_lossy(&cmdline)
                    .replace('\0', " ")
                    .contains(mark);
        }
        // In the middle of `exec` a process has no command line.
        sleep(Duration::from_millis(5));
    }
    false
}

/// Sends a signal (`TERM`, `KILL`, `STOP`, `CONT`) to a process; one that is gone is no error.
pub(crate) fn signal(pid: u32, name: &str) -> Result<()> {
    let mut command = Command::new("kill");
    command
        .args([&format!("-{name}"), &pid.to_string()])
        .stderr(Stdio::null());
    command
        .status()
        .with_context(|| format!("send SIG{name} to {pid}"))?;
    Ok(())
}

/// Sends a signal to a process that still is what was started.
pub(crate) fn signal_if_alive(pid: u32, mark: &str, name: &str) -> Result<()> {
    if alive(pid, mark) {
        signal(pid, name)
    } else {
        Ok(())
    }
}

/// Ends a process that [`start_detached`] started: TERM, up to `grace`, then KILL.
pub(crate) fn end(pid: u32, mark: &str, grace: Duration) -> Result<()> {
    if !alive(pid, mark) {
        return Ok(());
    }
    signal(pid, "TERM")?;
    if wait_until(grace, || !alive(pid, mark)) {
        return Ok(());
    }
    signal(pid, "KILL")?;
    if !wait_until(Duration::from_secs(10), || !alive(pid, mark)) {
        bail!("process {pid} ({mark}) does not end");
    }
    Ok(())
}

/// Asks `condition` every 100 ms until it holds or `limit` is over; says which.
pub(crate) fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        sleep(Duration::from_millis(100));
    }
}

/// The full path of a program, looked for on the path and in the two `sbin` directories.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Whether we are root, who alone may install.
pub(crate) fn is_root() -> bool {
    capture(Command::new("id").arg("-u")).is_ok_and(|uid| uid == "0")
}

/// Installs Debian packages, unless every one of `programs` is there already.
pub(crate) fn install(programs: &[&str], packages: &[&str]) -> Result<()> {
    let absent: Vec<_> = programs
        .iter()
        .copied()
        .filter(|name| find(name).is_none())
        .collect();
    if absent.is_empty() {
        return Ok(());
    }
    install_packages(packages).with_context(|| format!("{} not found", absent.join(", ")))
}

/// Installs Debian packages; as root, or by a sudo that does not ask.
pub(crate) fn install_packages(packages: &[&str]) -> Result<()> {
    let wanted = packages.join(" ");
    let sudo = !is_root();
    if find("apt-get").is_none() || (sudo && find("sudo").is_none()) {
        bail!("install `{wanted}` by your package manager and try again");
    }
    eprintln!("installing {wanted}");
    apt(sudo, &["update", "-qq"])?;
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(packages);
    apt(sudo, &args)
}

fn apt(sudo: bool, args: &[&str]) -> Result<()> {
    let mut last = None;
    for attempt in 1..=3u64 {
        let mut command = if sudo {
            Command::new("sudo")
        } else {
            Command::new("apt-get")
        };
        if sudo {
            command.args(["-n", "apt-get"]);
        }
        // apt speaks at length on stdout, which belongs to our own lines.
        command
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null());
        match run(&mut command) {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(error),
        }
        sleep(Duration::from_secs(5 * attempt));
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("apt-get was not tried")))
}
