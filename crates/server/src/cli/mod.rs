//! The command line: its commands, and where they run.
//!
//! Exit codes: see [`CliErrorKind`]; 0 is success.

mod config;
mod demo;
mod demo_script;
mod demo_story;
mod log;
mod operator_commands;
mod serve;

use crate::{
    config::{Config, Layers, Setting},
    handover::program::TAKE_OVER,
};
use clap::{Args, Parser, Subcommand};
use std::{fs, io::Write as _, path::PathBuf, process::ExitCode};

/// Messaging for the users of a web application.
#[derive(Debug, Parser)]
#[command(name = "parlor", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Run the server.
    Serve {
        #[command(flatten)]
        args: ConfigArgs,
        /// The address and port to listen on.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
        /// Serve the web client from this folder instead of the built-in one.
        #[arg(long, value_name = "FOLDER")]
        web: Option<String>,
        /// Echo WebSocket messages at /conformance/echo.
        #[arg(long)]
        conformance_echo: bool,
        /// Only check that the configuration is right.
        #[arg(long)]
        check: bool,
        /// Take over the sockets of the program that this one replaces.
        #[arg(long = TAKE_OVER, hide = true)]
        take_over: bool,
    },
    /// Restart the running server in place, after an upgrade or a change of the configuration: sockets of the
    /// application's pages stay open.
    Restart {
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// Try Parlor: run a server with sample conversations, which are deleted at the end.
    Demo {
        /// Let a script write as Ben, for one visitor, until somebody opens Ben's link.
        #[arg(long)]
        alone: bool,
        /// The address and port to listen on.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
        /// Keep the sample data in this folder.
        #[arg(long, value_name = "FOLDER")]
        data: Option<String>,
        /// Serve the web client from this folder instead of the built-in one.
        #[arg(long, value_name = "FOLDER")]
        web: Option<String>,
    },
    /// Print the configuration in force, and where each value came from.
    Config {
        #[command(flatten)]
        args: ConfigArgs,
    },
    /// Manage users.
    #[command(subcommand)]
    User(operator_commands::user::UserCommand),
    /// Manage contexts, which conversations can be about.
    #[command(subcommand)]
    Context(operator_commands::context::ContextCommand),
    /// Look at reports of messages.
    #[command(subcommand)]
    Report(operator_commands::report::ReportCommand),
    /// Manage the mirror of the host's message table.
    #[command(subcommand)]
    Mirror(operator_commands::mirror::MirrorCommand),
    /// Import the messages of an application for good.
    #[command(subcommand)]
    Import(operator_commands::import::ImportCommand),
    /// Write a copy of the database, even while a server is running.
    Backup {
        /// The file to write; it must not exist yet.
        file: PathBuf,
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// Replace the database with a copy. No server may be running.
    Restore {
        /// The file that `parlor backup` wrote.
        file: PathBuf,
        /// Replace an existing database; the old one is kept beside it.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// Check that the database is intact. No server may be running.
    Verify {
        #[command(flatten)]
        args: OperatorArgs,
    },
}

/// Where the configuration and the data are.
#[derive(Clone, Debug, Default, Args)]
struct ConfigArgs {
    /// The configuration file; also set by `PARLOR_CONFIG`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
}

/// The arguments that all operator commands share.
#[derive(Clone, Debug, Default, Args)]
struct OperatorArgs {
    #[command(flatten)]
    args: ConfigArgs,
    /// Print one line of JSON instead of text, including errors.
    #[arg(long)]
    json: bool,
}

impl std::ops::Deref for OperatorArgs {
    type Target = ConfigArgs;
    fn deref(&self) -> &ConfigArgs {
        &self.args
    }
}

/// Why a command failed: what to print, and the exit code.
#[derive(Debug)]
struct CliError {
    message: String,
    kind: CliErrorKind,
    /// Whether it is printed as JSON.
    is_json: bool,
}

/// Kinds of errors, with their exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum CliErrorKind {
    /// The disk, the database or something else failed.
    Failed = 1,
    /// Wrong usage: an unknown flag, an error in the configuration.
    Usage = 2,
    /// A rule or a limit forbids it.
    Refused = 3,
    /// There is no such user, context or database.
    NotFound = 4,
    /// It already exists: a user of that name, a file.
    Exists = 5,
    /// The data folder is in use, or the server that uses it does not answer.
    InUse = 6,
    /// The store is damaged.
    Damaged = 7,
}

impl CliErrorKind {
    fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::InUse => "in_use",
            Self::Damaged => "damaged",
        }
    }
}

impl CliError {
    fn of(kind: CliErrorKind, message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), kind, is_json: false }
    }

    fn new(message: impl std::fmt::Display) -> Self {
        Self::of(CliErrorKind::Failed, message)
    }

    fn usage(message: impl std::fmt::Display) -> Self {
        Self::of(CliErrorKind::Usage, message)
    }

    fn print_line(&self) {
        if self.is_json {
            let (kind, detail) = (self.kind.name(), self.message.as_str());
            return print_line(&serde_json::json!({ "error": { "kind": kind, "detail": detail } }).to_string());
        }
        for line in self.message.lines() {
            eprint_line(&format!("parlor: {line}"));
        }
    }
}

/// Runs the command line.
#[must_use]
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        CliCommand::Serve { args, listen, web, conformance_echo, check, take_over } => {
            let echo = conformance_echo.then(|| "true".to_owned());
            let flags = [
                ("listen", "--listen", listen),
                ("web", "--web", web),
                ("conformance_echo", "--conformance-echo", echo),
            ];
            let load = || args.load(flags).map(|(config, _)| config);
            if check { load().and_then(|config| serve::check(&config)) } else { serve::serve(load, take_over) }
        }
        CliCommand::Restart { args } => operator_commands::restart(&args),
        CliCommand::Demo { alone, listen, data, web } => demo::demo(listen, data, web, alone),
        CliCommand::Config { args } => args.load([]).map(|(_, settings)| config::print(&settings)),
        CliCommand::User(command) => operator_commands::user::run_user(command),
        CliCommand::Context(command) => operator_commands::context::run_context(command),
        CliCommand::Report(command) => operator_commands::report::run_report(&command),
        CliCommand::Mirror(command) => operator_commands::mirror::run_mirror(&command),
        CliCommand::Import(command) => operator_commands::import::run_import(&command),
        CliCommand::Backup { file, args } => operator_commands::database::backup(&file, &args),
        CliCommand::Restore { file, force, args } => operator_commands::database::restore(&file, force, &args),
        CliCommand::Verify { args } => operator_commands::database::verify(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print_line();
            ExitCode::from(error.kind as u8)
        }
    }
}

impl ConfigArgs {
    /// Layers the file, the environment and the flags over the defaults.
    fn load<const N: usize>(
        &self,
        flags: [(&'static str, &'static str, Option<String>); N],
    ) -> Result<(Config, Vec<Setting>), CliError> {
        let named = self.config.clone().or_else(|| std::env::var_os("PARLOR_CONFIG").map(PathBuf::from));
        let file = match named {
            None => None,
            Some(path) => match fs::read_to_string(&path) {
                Ok(text) => Some((path, text)),
                Err(error) => return Err(CliError::usage(format!("{}: {error}", path.display()))),
            },
        };
        let flags = flags.into_iter().chain([("data", "--data", self.data.clone())]);
        let flags = flags.filter_map(|(path, flag, value)| value.map(|value| (path, flag, value))).collect();
        Layers { file, environment: environment(), flags }.load().map_err(CliError::usage)
    }
}

/// Returns the environment variables that are valid text.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Prints a line to standard output. It is not an error if nobody reads it.
fn print_line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn eprint_line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Runs a future on a new runtime.
fn block_on<T>(future: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::new)?;
    let result = runtime.block_on(future);
    // Work that is still running, such as a password check, is not waited for.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
