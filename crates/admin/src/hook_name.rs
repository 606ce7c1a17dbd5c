//! Names of hooks: what one may be, and a new one for a hook that came without.

use sluice_config::{EventHook, refuse_name};

/// Says what is wrong with a name, if anything is.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    if name == "sources" {
        return Err("\"sources\" is the list of sources; take another name");
    }
    refuse_name(name).map_or(Ok(()), Err)
}

/// A readable name that no hook has. Its end is random: a name that comes again would bring an old hook's id again.
pub(crate) fn generate(handler: Option<&str>, source: Option<&str>, hooks: &[EventHook]) -> String {
    let words: Vec<String> = [handler, source].into_iter().flatten().map(word).filter(|word| !word.is_empty()).collect();
    let stem = if words.is_empty() { "hook".to_owned() } else { words.join("-") };
    loop {
        let name = format!("{stem}-{:08x}", fastrand::u32(..));
        if hooks.iter().all(|hook| hook.name != name) {
            return name;
        }
    }
}

/// The text as a part of a name: `dao:crud` is `dao-crud`.
fn word(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(48).collect();
    plain.trim_matches('-').to_owned()
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

    #[test]
    fn a_generated_name_is_a_good_name() {
        for (handler, source) in [(Some("log"), Some("dao:crud")), (None, None), (Some("../\n"), Some(""))] {
            assert_eq!(check(&generate(handler, source, &[])), Ok(()));
        }
        assert!(generate(Some("log"), Some("dao:crud"), &[]).starts_with("log-dao-crud-"));
    }
}
