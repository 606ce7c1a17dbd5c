//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::console::{Named, Set, Whole, WithFile};
use crate::hooks::args::Hooks;
use crate::import::Import;

/// A reverse-proxy gateway that limits traffic and tells you when it does.
#[derive(Parser)]
#[command(name = "sluice", version, max_term_width = 100)]
pub struct Cli {
    /// The configuration file
    #[arg(long, global = true, default_value = "gateway.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// How log lines look; they go to standard error, and RUST_LOG says which
    #[arg(long, global = true, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// How log lines look.
#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// A JSON object a line
    Json,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the gateway (what `sluice` does by itself)
    Run {
        /// Take the listeners over from the gateway that runs on the same `state_dir`, and have it stop
        #[arg(long)]
        upgrade: bool,
    },
    /// Run the gateway and an httpbin-style upstream to try it on
    Demo {
        /// Where that upstream listens
        #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
        httpbin: SocketAddr,
        /// Take the listeners over from the demo that runs on the same `state_dir`, and have it stop
        #[arg(long)]
        upgrade: bool,
    },
    /// Run the httpbin-style upstream alone
    Httpbin {
        /// Where it listens
        #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
        listen: SocketAddr,
    },
    /// Read a configuration, explain every problem in it, and start nothing (exit code 0 or 64)
    #[command(alias = "validate")]
    Check {
        /// The file; the one of --config if not given
        file: Option<PathBuf>,
    },
    /// Print something of a running gateway: `sluice get services`, `sluice get routes/demo`
    Get(Named),
    /// Change something of a running gateway, and of its file: `sluice set services/demo retries=3`
    Set(Set),
    /// Delete something of a running gateway, and of its file: `sluice delete routes/demo`
    Delete(Named),
    /// Tell what a file would change in a running gateway (exit code 2 if it would change anything)
    Diff(WithFile),
    /// Make a file the configuration of a running gateway, in one step
    #[command(alias = "sync")]
    Apply(WithFile),
    /// Write a gateway.toml of a Kong's configuration, as decK dumps it (exit code 2 if not all of it could be carried over)
    Import(Import),
    /// Print the configuration of a running gateway, its secrets masked
    Dump(Whole),
    /// Look after the event hooks of a running gateway: list, test, pause, replay what failed
    Hooks(Hooks),
    /// List the plugins with their options
    Plugins,
    /// List the events that hooks can wait for
    Events,
    /// List the handlers of hooks with their options
    Handlers,
    /// Print the JSON Schema of gateway.toml, for editors
    Schema,
}
