//! The `sluice` binary: reads the command line and starts what it asks for.

mod access_log;
mod announce;
mod api;
mod cli;
mod config_file;
mod console;
mod control;
mod crud;
mod difference;
mod edit;
mod endpoint;
mod expiry;
mod explain;
mod files;
mod handover;
mod hooks;
mod import;
mod life;
mod listeners;
mod logging;
mod metrics;
mod place;
mod prepared;
mod priority;
mod renewal;
mod run;
mod schema;
mod services;
mod signals;
mod socket_file;
mod stop;
mod targets;
mod watch;
mod wiring;
mod write_back;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, LogFormat};
use crate::handover::successor::Successor;
use crate::run::Start;

/// Two allocators were measured under load: see benches/README.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a process of a bad configuration or command line ends with (`EX_USAGE` of sysexits.h, as linkerd does).
const BAD_CONFIGURATION: u8 = 64;

/// What `sluice diff` ends with if there is a difference, as terraform's and decK's do, and `sluice import` if the file that it
/// writes is not all that it read.
const DIFFERENT: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => {
            // Help is a kind of error to clap, and no failure.
            let _ = said.print();
            return if said.use_stderr() { ExitCode::from(BAD_CONFIGURATION) } else { ExitCode::SUCCESS };
        }
    };
    logging::start(cli.log_format);
    let say = match cli.log_format {
        LogFormat::Text => say_plainly,
        LogFormat::Json => say_in_the_log,
    };
    // The one TLS provider of the process; whoever needs TLS finds it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let successor = Successor::remember(cli.command.is_some());
    let start = |demo, upgrade| run::run(&cli.config, Start { demo, upgrade, successor });
    let outcome = match cli.command.unwrap_or(Command::Run { upgrade: false }) {
        Command::Run { upgrade } => start(None, upgrade),
        Command::Demo { httpbin, upgrade } => start(Some(httpbin), upgrade),
        Command::Httpbin { listen } => run::httpbin(listen),
        Command::Check { file } => explain::check(file.as_ref().unwrap_or(&cli.config)),
        Command::Plugins => explain::plugins(),
        Command::Events => explain::events(),
        Command::Handlers => explain::handlers(),
        Command::Schema => schema::show(),
        Command::Get(named) => console::get(&cli.config, &named),
        Command::Set(set) => console::set(&cli.config, &set),
        Command::Delete(named) => console::delete(&cli.config, &named),
        Command::Diff(args) => match console::diff(&cli.config, &args) {
            Ok(true) => return ExitCode::from(DIFFERENT),
            told => told.map(drop),
        },
        Command::Apply(args) => console::apply(&cli.config, &args),
        Command::Dump(whole) => console::dump(&cli.config, &whole),
        Command::Import(args) => match import::run(&args) {
            Ok(true) => return ExitCode::from(DIFFERENT),
            written => written.map(drop),
        },
        Command::Hooks(args) => hooks::run(&cli.config, &args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(run::Failure::BadConfiguration(diagnostics)) => {
            say(&diagnostics.to_string());
            ExitCode::from(BAD_CONFIGURATION)
        }
        Err(run::Failure::Usage(reason)) => {
            say(&format!("sluice: {reason}"));
            ExitCode::from(BAD_CONFIGURATION)
        }
        Err(run::Failure::Start(error)) => {
            say(&format!("sluice: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard error, where the answer to a failed command belongs.
fn say_plainly(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The same for whoever reads nothing but JSON.
fn say_in_the_log(text: &str) {
    tracing::error!("{text}");
}
