//! `sluice schema`: the JSON Schema of gateway.toml, put together from the registries.

use sluice_config::{Extensions, json_schema};
use sluice_hooks::HANDLERS;
use sluice_plugins::PLUGINS;

use crate::explain::print;
use crate::run::Failure;

/// Prints the schema.
pub fn show() -> Result<(), Failure> {
    let credentials = PLUGINS.iter().filter_map(|kind| kind.credential).map(|kind| (kind.list, (kind.schema)()));
    let extensions = Extensions {
        plugins: PLUGINS.iter().map(|kind| (kind.name, (kind.schema)())).collect(),
        handlers: HANDLERS.iter().map(|kind| (kind.name, (kind.schema)())).collect(),
        credentials: credentials.collect(),
    };
    print(format!("{:#}", json_schema(&extensions)));
    Ok(())
}
