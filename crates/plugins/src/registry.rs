//! The registry of plugins: one line an entry.

use crate::acl::Acl;
use crate::basic_auth::BasicAuth;
use crate::concurrency_limiting::ConcurrencyLimiting;
use crate::correlation_id::CorrelationId;
use crate::cors::Cors;
use crate::ip_restriction::IpRestriction;
use crate::jwt::Jwt;
use crate::key_auth::KeyAuth;
use crate::plugin::Kind;
use crate::rate_limiting::RateLimiting;
use crate::rate_limiting_advanced::RateLimitingAdvanced;
use crate::request_size_limiting::RequestSizeLimiting;
use crate::request_termination::RequestTermination;
use crate::request_transformer::RequestTransformer;
use crate::response_transformer::ResponseTransformer;

/// Every plugin, in the order in which they are asked.
pub static PLUGINS: &[Kind] = &[
    Kind::of::<CorrelationId>(),
    Kind::of::<Cors>(),
    Kind::of::<Jwt>(),
    Kind::of::<KeyAuth>(),
    Kind::of::<BasicAuth>(),
    Kind::of::<IpRestriction>(),
    Kind::of::<RequestSizeLimiting>(),
    Kind::of::<Acl>(),
    Kind::of::<RateLimiting>(),
    Kind::of::<RateLimitingAdvanced>(),
    Kind::of::<ConcurrencyLimiting>(),
    Kind::of::<RequestTransformer>(),
    Kind::of::<ResponseTransformer>(),
    Kind::of::<RequestTermination>(),
];

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
