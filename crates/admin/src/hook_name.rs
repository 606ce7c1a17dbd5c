//! Names of hooks: what one may be, and a new one for a hook that came without.

use serde_json::{Value, json};
use sluice_config::EventHook;

use crate::names;

/// Says what is wrong with a name, if anything is.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    names::check(name)?;
    match name {
        "sources" => Err("\"sources\" is the list of sources; take another name"),
        _ => Ok(()),
    }
}

/// What [`check`] takes.
pub(crate) fn schema() -> Value {
    let mut schema = names::schema();
    schema["not"] = json!({ "const": "sources" });
    schema
}

/// A readable name that no hook has.
pub(crate) fn generate(handler: Option<&str>, source: Option<&str>, hooks: &[EventHook]) -> String {
    let words = [handler, source];
    let words = if words == [None, None] { [Some("hook"), None] } else { words };
    names::generate(words.into_iter().flatten(), |name| hooks.iter().any(|hook| hook.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_an_entity_and_of_nothing_else() {
        assert_eq!(check("slack"), Ok(()));
        for bad in ["a/b", "sources"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
