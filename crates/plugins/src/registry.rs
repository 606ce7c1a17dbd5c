//! The registry of plugins: one line an entry.

use crate::concurrency_limiting::ConcurrencyLimiting;
use crate::key_auth::KeyAuth;
use crate::plugin::Kind;
use crate::rate_limiting::RateLimiting;
use crate::rate_limiting_advanced::RateLimitingAdvanced;

/// Every plugin, in the order in which they are asked.
pub static PLUGINS: &[Kind] =
    &[Kind::of::<KeyAuth>(), Kind::of::<RateLimiting>(), Kind::of::<RateLimitingAdvanced>(), Kind::of::<ConcurrencyLimiting>()];

/// The plugin of this name.
pub fn plugin(name: &str) -> Option<&'static Kind> {
    PLUGINS.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_listed_once_and_by_falling_priority() {
        assert!(PLUGINS.windows(2).all(
            |pair| (std::cmp::Reverse(pair[0].priority), pair[0].name) < (std::cmp::Reverse(pair[1].priority), pair[1].name)
        ));
    }

    #[test]
    fn every_option_is_explained() {
        for kind in PLUGINS {
            let schema = (kind.schema)();
            let options = schema["properties"].as_object().expect("options are a table");
            for (name, option) in options {
                assert!(option["description"].is_string(), "{}: {name} is not explained: {option}", kind.name);
            }
        }
    }
}
