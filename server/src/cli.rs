//! The commands, as typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A delay queue and trigger engine over Kafka.
#[derive(Debug, Parser)]
#[command(name = "tidewheel", version)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process over a log on disk: no Kafka, no keys, for a laptop.
    Dev(Dev),
    /// Run one or more roles.
    Server(Server),
    /// Make the topics what they should be.
    #[command(subcommand)]
    Topics(Topics),
    /// Work with the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Receive callbacks, print each with its lateness.
    Echo(Echo),
    /// Work with cron expressions.
    #[command(subcommand)]
    Cron(Cron),
}

/// Options of `dev`.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Directory of the log, the index and the archive.
    #[arg(long, default_value = ".tidewheel")]
    pub(crate) data: PathBuf,
    /// Address of the HTTP door.
    #[arg(long, default_value = "127.0.0.1:7800")]
    pub(crate) http: SocketAddr,
    /// Configuration on top of dev's own.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
}

/// Options of `server`.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The roles of this process.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) role: Vec<RoleName>,
    /// The configuration file.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
}

/// What a process can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum RoleName {
    /// The HTTP door.
    Ingest,
    /// Registrations to placements.
    Planner,
    /// Placements to fires.
    Trigger,
    /// Fires to calls.
    Dispatcher,
    /// Outcomes to rows.
    Archive,
}

/// What to do with the topics.
#[derive(Debug, Subcommand)]
pub(crate) enum Topics {
    /// Show what `apply` would do.
    Plan(ConfigFile),
    /// Create what is missing and correct settings.
    Apply(ConfigFile),
    /// Exit non-zero unless everything is as it should be.
    Check(ConfigFile),
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Report every problem at once.
    Check(ConfigFile),
    /// Print every option with its default and meaning.
    Default,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
}

/// Options of `echo`.
#[derive(Debug, Args)]
pub(crate) struct Echo {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9000")]
    pub(crate) listen: SocketAddr,
}

/// What to do with a cron expression.
#[derive(Debug, Subcommand)]
pub(crate) enum Cron {
    /// Say it in words, with its next occurrences and what clock changes make of them.
    Explain(CronExplain),
}

/// Options of `cron explain`.
#[derive(Debug, Args)]
pub(crate) struct CronExplain {
    /// Five fields, six with seconds first, seven with the year last, or `@daily` and the like.
    pub(crate) expression: String,
    /// The IANA time zone.
    #[arg(long, default_value = "UTC")]
    pub(crate) zone: String,
    /// What becomes of times that clocks skip: skip, shift or end.
    #[arg(long)]
    pub(crate) gap: Option<String>,
    /// What becomes of times that clocks show twice: first, last or both.
    #[arg(long)]
    pub(crate) fold: Option<String>,
    /// How many occurrences.
    #[arg(long, default_value_t = 10)]
    pub(crate) n: usize,
    /// Those after this time (RFC 3339) instead of now.
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// The task whose hash `H` takes, as `tenant/id`.
    #[arg(long, default_value = "")]
    pub(crate) task: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl RoleName {
    /// All, in flow order.
    pub(crate) const ALL: [Self; 5] = [
        Self::Ingest,
        Self::Planner,
        Self::Trigger,
        Self::Dispatcher,
        Self::Archive,
    ];
}
