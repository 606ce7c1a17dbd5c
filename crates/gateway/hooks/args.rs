//! What `sluice hooks` can be told.

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, Subcommand};
use sluice_hooks::WantedRecords;

use crate::api::place::Reach;

/// Look after the event hooks of a running gateway, by its Admin API
#[derive(Args)]
pub struct Hooks {
    #[command(flatten)]
    pub reach: Reach,
    /// Print what the Admin API says in JSON, an object a line
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// List the hooks, and how they are
    List,
    /// Have a hook do once what it is for, and tell what became of it (exit code 1 if it failed)
    Test {
        /// Its name or id
        hook: String,
        /// The data of the event, a JSON object; a sample if not given
        #[arg(long, value_name = "JSON")]
        data: Option<String>,
    },
    /// List deliveries, the newest first
    Deliveries {
        /// Of this hook only, by its name or id
        hook: Option<String>,
        /// In this state only
        #[arg(long, value_parser = states())]
        state: Option<String>,
        /// So many at most
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: usize,
    },
    /// Try a delivery again, or all of a hook that are dead
    Replay(Replay),
    /// Print deliveries as they come and as they change, until Ctrl-C; of old ones only those that wait
    Tail {
        /// Of this hook only, by its name or id
        hook: Option<String>,
    },
    /// Have what comes for a hook wait
    Pause {
        /// Its name or id
        hook: String,
    },
    /// Have a hook that was paused or disabled work again
    Resume {
        /// Its name or id
        hook: String,
    },
}

/// One delivery, or those of a hook within these bounds.
#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["id", "hook"]))]
pub struct Replay {
    /// The id of the delivery
    pub id: Option<String>,
    /// All deliveries of this hook, by its name or id
    #[arg(long)]
    pub hook: Option<String>,
    /// In this state; dead if not given
    #[arg(long, conflicts_with = "id", value_parser = states())]
    pub state: Option<String>,
    /// Taken in at this time or later, in Unix milliseconds
    #[arg(long, conflicts_with = "id", value_name = "MS")]
    pub since: Option<u64>,
    /// Taken in before this time, in Unix milliseconds
    #[arg(long, conflicts_with = "id", value_name = "MS")]
    pub until: Option<u64>,
}

fn states() -> PossibleValuesParser {
    PossibleValuesParser::new(WantedRecords::states())
}
