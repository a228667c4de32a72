//! A real MariaDB on loopback, with a database and a user for the archive and its tests.

use crate::services::{self, Process, Running};
use crate::{repo, sys};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The port unless told otherwise.
pub(crate) const DEFAULT_PORT: u16 = 13306;
const START_LIMIT: Duration = Duration::from_secs(60);
/// Who runs the server when we are root: it refuses root, and this user is everywhere.
const UNPRIVILEGED: &str = "nobody";

/// Run at every start. The user may also make databases of its own called `tidewheel_…`, so that
/// tests need not share one.
const INIT: &str = "\
CREATE DATABASE IF NOT EXISTS tidewheel CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'tidewheel'@'127.0.0.1' IDENTIFIED BY 'tidewheel';
CREATE USER IF NOT EXISTS 'tidewheel'@'localhost' IDENTIFIED BY 'tidewheel';
GRANT ALL ON tidewheel.* TO 'tidewheel'@'127.0.0.1';
GRANT ALL ON tidewheel.* TO 'tidewheel'@'localhost';
GRANT ALL ON `tidewheel\\_%`.* TO 'tidewheel'@'127.0.0.1';
GRANT ALL ON `tidewheel\\_%`.* TO 'tidewheel'@'localhost';
";

#[derive(Subcommand)]
pub(crate) enum MysqlCommand {
    /// Start it, or say where it already runs; prints its URL
    Up {
        #[arg(long, default_value_t = DEFAULT_PORT)]
        port: u16,
    },
    /// End it
    Down {
        #[arg(long, default_value_t = DEFAULT_PORT)]
        port: u16,
        /// Remove its data too, so that the next `up` is empty
        #[arg(long)]
        wipe: bool,
    },
    /// What runs, where, with which process id
    Status,
    /// The command-line client, ARGS as for `mariadb`
    Client(ClientArgs),
}

#[derive(Args)]
pub(crate) struct ClientArgs {
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(command: MysqlCommand) -> Result<()> {
    match command {
        MysqlCommand::Up { port } => {
            let (running, _) = up(port)?;
            println!("{}", running.address);
            Ok(())
        }
        MysqlCommand::Down { port, wipe } => down(port, wipe),
        MysqlCommand::Status => services::print_status("mysql"),
        MysqlCommand::Client(args) => {
            let mut client = Command::new("mariadb");
            client.args(["--no-defaults", "-h127.0.0.1", "-utidewheel", "-ptidewheel"]);
            client
                .arg(format!("-P{}", args.port))
                .args(&args.args)
                .arg("tidewheel");
            sys::run(&mut client)
        }
    }
}

/// Runs one statement in `database` (`""` for none) and returns what it answers, without headers.
pub(crate) fn query(running: &Running, database: &str, sql: &str) -> Result<String> {
    sys::capture(client(running.port).args(["-N", "-B", "-e", sql, database]))
}

fn client(port: u16) -> Command {
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "-h127.0.0.1", "-utidewheel", "-ptidewheel"]);
    client.arg(format!("-P{port}"));
    client
}

/// Brings MariaDB up, or finds it up; says whether this call started it.
pub(crate) fn up(port: u16) -> Result<(Running, bool)> {
    let _lock = services::lock()?;
    if let Some(running) = Running::load("mysql", port)? {
        if running.is_alive() && greets(port) {
            return Ok((running, false));
        }
        running.stop(false)?;
    }
    if !services::is_free(port) {
        bail!("port {port} is taken by something that `mysql up` did not start");
    }
    let programs = ["mariadbd", "mariadb-install-db", "mariadb"];
    sys::install(&programs, &["mariadb-server-core", "mariadb-client-core"])?;
    let home = home(port)?;
    let running = start(port, &home)?;
    wait_ready(&running)?;
    Ok((running, true))
}

/// Ends MariaDB on this port; when it is down already, says so.
pub(crate) fn down(port: u16, wipe: bool) -> Result<()> {
    let _lock = services::lock()?;
    match Running::load("mysql", port)? {
        Some(running) => {
            running.stop(wipe)?;
            println!("mysql on port {port} is down");
        }
        None => println!("mysql on port {port} was not up"),
    }
    Ok(())
}

/// Where its data goes: target/services, unless the server's user could not walk there.
fn home(port: u16) -> Result<PathBuf> {
    let name = format!("mysql-{port}");
    let wanted = repo::services_dir()?.join("data").join(&name);
    let home = if sys::is_root() && !open_to_all(&wanted) {
        PathBuf::from("/var/tmp").join(format!("tidewheel-{name}"))
    } else {
        wanted
    };
    repo::dir(home)
}

/// Whether every directory above `path` that exists may be entered by anyone.
fn open_to_all(path: &Path) -> bool {
    path.ancestors().skip(1).all(|dir| {
        std::fs::metadata(dir).map_or(true, |meta| meta.permissions().mode() & 0o001 != 0)
    })
}

fn start(port: u16, home: &Path) -> Result<Running> {
    let data = home.join("data");
    let user = if sys::is_root() {
        Some(UNPRIVILEGED)
    } else {
        None
    };
    let init = home.join("init.sql");
    std::fs::write(&init, INIT).context("write init.sql")?;
    if !data.join("mysql").is_dir() {
        install_data(home, &data, user)?;
    }
    let log = home.join("mysqld.log");
    let pid = sys::start_detached(&server(port, home, &data, user), &log)?;
    let running = Running {
        kind: "mysql".to_owned(),
        port,
        address: format!("mysql://tidewheel:tidewheel@127.0.0.1:{port}/tidewheel"),
        version: sys::capture(Command::new("mariadbd").args(["--no-defaults", "--version"]))?,
        processes: vec![Process {
            pid,
            mark: data.display().to_string(),
            port,
            log,
        }],
        secure: String::new(),
        data: home.to_path_buf(),
        owned: true,
    };
    running.save()?;
    Ok(running)
}

fn install_data(home: &Path, data: &Path, user: Option<&str>) -> Result<()> {
    services::remove_dir(data)?;
    repo::dir(data.to_path_buf())?;
    let mut install = Command::new("mariadb-install-db");
    install.args(["--no-defaults", "--auth-root-authentication-method=normal"]);
    install.args(["--skip-test-db", "--skip-name-resolve"]);
    install.arg(format!("--datadir={}", data.display()));
    if let Some(user) = user {
        sys::run(Command::new("chown").arg("-R").arg(user).arg(home))?;
        install.arg(format!("--user={user}"));
    }
    sys::capture(&mut install).context("make mariadb's data directory")?;
    Ok(())
}

fn server(port: u16, home: &Path, data: &Path, user: Option<&str>) -> Command {
    let program = sys::find("mariadbd").unwrap_or_else(|| PathBuf::from("mariadbd"));
    let mut server = Command::new(program);
    server
        .arg("--no-defaults")
        .arg(format!("--datadir={}", data.display()));
    server
        .arg(format!("--port={port}"))
        .arg("--bind-address=127.0.0.1");
    server.arg(format!("--socket={}", data.join("mysqld.sock").display()));
    server.arg(format!("--pid-file={}", data.join("mysqld.pid").display()));
    server.arg(format!("--init-file={}", home.join("init.sql").display()));
    // Loopback needs no name lookup. Tests may lose the last second on a power cut.
    server.args(["--skip-name-resolve", "--innodb-flush-log-at-trx-commit=2"]);
    server.args(["--innodb-buffer-pool-size=256M", "--max-connections=200"]);
    if let Some(user) = user {
        server.arg(format!("--user={user}"));
    }
    server
}

fn wait_ready(running: &Running) -> Result<()> {
    let ready = sys::wait_until(START_LIMIT, || !running.is_alive() || greets(running.port));
    if ready && running.is_alive() {
        return Ok(());
    }
    let logs: Vec<String> = running
        .processes
        .iter()
        .map(|process| services::tail(&process.log, 20))
        .collect();
    running.stop(false)?;
    bail!(
        "mariadb does not answer on port {}:\n{}",
        running.port,
        logs.join("\n")
    )
}

/// Whether something on this port says hello as a MySQL server does: a packet of protocol 10.
fn greets(port: u16) -> bool {
    let limit = Duration::from_secs(2);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, limit) else {
        return false;
    };
    let mut hello = [0; 5];
    let read = stream
        .set_read_timeout(Some(limit))
        .and_then(|()| stream.read_exact(&mut hello));
    read.is_ok() && hello[4] == 10
}
