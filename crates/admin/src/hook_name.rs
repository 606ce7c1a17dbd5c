//! Names of hooks: what one may be, and a new one for a hook that came without.

use sluice_config::EventHook;

/// How long a name may be, in bytes.
const LONGEST: usize = 128;

/// Says what is wrong with a name, if anything is.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > LONGEST {
        return Err("must have 1 to 128 bytes");
    }
    if !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '~')) || name.chars().all(|c| c == '.') {
        return Err("must be letters, digits, '.', '-', '_' and '~'");
    }
    if name == "sources" {
        return Err("\"sources\" is the list of sources; take another name");
    }
    if crate::entities::as_id(name).is_some() {
        return Err("must not be a UUID, which would be taken for an id");
    }
    Ok(())
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
    fn names_fit_into_a_path() {
        for good in ["slack", "a.b-c_d~e", "größe", "log-1a2b3c4d"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a/b", "a\n", "..", "sources", "00000000-0000-5000-8000-000000000001", &"a".repeat(129)] {
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
