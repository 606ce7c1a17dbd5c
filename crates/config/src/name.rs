//! Names of entities that also stand in paths of the Admin API.

use uuid::Uuid;

/// How long a name may be, in bytes.
const LONGEST: usize = 128;

/// Says what is wrong with a name, if anything is.
pub fn refuse_name(name: &str) -> Option<&'static str> {
    let letters = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '~');
    if name.is_empty() || name.len() > LONGEST {
        return Some("must have 1 to 128 bytes");
    }
    if !name.chars().all(letters) || name.chars().all(|c| c == '.') {
        return Some("must be letters, digits, '.', '-', '_' and '~'");
    }
    let is_id = name.len() == 36 && Uuid::parse_str(name).is_ok();
    is_id.then_some("must not be a UUID, which would be taken for an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_a_path() {
        for good in ["slack", "a.b-c_d~e", "größe", "log-1a2b3c4d"] {
            assert_eq!(refuse_name(good), None, "{good}");
        }
        for bad in ["", "a b", "a/b", "a\n", "..", "00000000-0000-5000-8000-000000000001", &"a".repeat(129)] {
            assert!(refuse_name(bad).is_some(), "{bad}");
        }
    }
}
