//! `sluice schema`: the JSON Schema of gateway.toml, which the Admin API reads forms by.

use crate::explain::print;
use crate::run::Failure;

/// Prints the schema.
pub fn show() -> Result<(), Failure> {
    print(format!("{:#}", *sluice_admin::FILE_SCHEMA));
    Ok(())
}
