//! Where counts are kept: in this process. Kong's other places are refused until there is a store to share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::Problem;

use crate::plugin::BuildCx;

/// Where counts are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// In this process.
    #[default]
    Local,
    /// In Kong's database. Refused: there is none here.
    Cluster,
    /// In Redis. Not available yet.
    Redis,
}

/// Says what is wrong with the strategy that stands under `option`, and with `sync_rate` beside it.
pub(crate) fn check_strategy(
    option: &str,
    strategy: Strategy,
    sync_rate: Option<f64>,
    cx: &BuildCx<'_>,
    problems: &mut Vec<Problem>,
) {
    let refused = match strategy {
        Strategy::Local => None,
        Strategy::Cluster => Some("there is no database here in which a cluster could count"),
        Strategy::Redis => Some("counting in Redis is not available yet: every gateway counts for itself"),
    };
    if let Some(why) = refused {
        problems.push(cx.block.problem_at(option, why).help("write \"local\", or take it out"));
    }
    // Minus one is Kong's word for "never"; the number is what the user wrote, not a result.
    #[allow(clippy::float_cmp)]
    let synchronises = sync_rate.is_some_and(|rate| rate != -1.0);
    if synchronises {
        let message = format!("sync_rate can only be used with the redis {option}");
        problems.push(cx.block.problem_at("sync_rate", message).help("write -1, or take it out"));
    }
}
