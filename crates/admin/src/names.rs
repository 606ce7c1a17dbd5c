//! Names of entities: what one may be, and a new one for an entity that came without.

use serde_json::{Value, json};
use sluice_config::refuse_name;

/// How long a name may be, in bytes.
const LONGEST: usize = 128;

/// Says what is wrong with a name that stands in paths, if anything is.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    refuse_name(name).map_or(Ok(()), Err)
}

/// Says what is wrong with a name that may be anything, such as an address of mail.
pub(crate) fn check_any(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > LONGEST {
        return Err("must have 1 to 128 bytes");
    }
    if name.chars().any(char::is_control) {
        return Err("must not have control characters");
    }
    if crate::entities::as_id(name).is_some() {
        return Err("must not be a UUID, which would be taken for an id");
    }
    Ok(())
}

/// What [`check`] takes.
pub(crate) fn schema() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": r"^[\p{L}\p{N}._~-]+$" })
}

/// What [`check_any`] takes.
pub(crate) fn schema_of_any() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": r"^[^\x00-\x1F\x7F-\x9F]+$" })
}

/// A readable name that is not taken. Its end is random: a name that comes again would bring an old entity's id again.
pub(crate) fn generate<'a>(words: impl IntoIterator<Item = &'a str>, is_taken: impl Fn(&str) -> bool) -> String {
    let words: Vec<String> = words.into_iter().map(word).filter(|word| !word.is_empty()).collect();
    loop {
        let name = format!("{}-{:08x}", words.join("-"), fastrand::u32(..));
        if !is_taken(&name) {
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
    fn a_username_may_be_nearly_anything() {
        assert_eq!(check_any("ada@example.com / work"), Ok(()));
        for bad in ["", "a\nb", "00000000-0000-5000-8000-000000000001", &"a".repeat(129)] {
            assert!(check_any(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_generated_name_is_a_good_name() {
        for words in [vec!["log", "dao:crud"], vec!["hook"], vec!["../\n", "", "x"]] {
            assert_eq!(check(&generate(words, |_| false)), Ok(()));
        }
        assert!(generate(["log", "dao:crud"], |_| false).starts_with("log-dao-crud-"));
    }
}
