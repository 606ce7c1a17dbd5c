//! Plugin `rate-limiting-advanced`: how many requests a client may make in a window, or in several.
//!
//! Kong's words. Unlike Kong, `disable_penalty` is true if it is not written: a refused request is not counted, so that
//! a client that waits `Retry-After` gets in. The rest of Kong's options is refused by name.

mod options;
#[cfg(test)]
mod tests;
mod windows;

use sluice_config::Problem;

use crate::cx::Cx;
use crate::limiting::RateLimit;
use crate::plugin::{BuildCx, Configured, Flow, Phases, Plugin};

pub use options::Options;

/// The plugin.
pub struct RateLimitingAdvanced(RateLimit);

impl Configured for RateLimitingAdvanced {
    const NAME: &'static str = "rate-limiting-advanced";
    const SUMMARY: &'static str = "Limits how many requests a client may make in one window or several";
    const PRIORITY: u32 = 910;
    const PHASES: Phases = Phases { request: true, ..Phases::NONE };
    const LATER: &'static [&'static str] = &["consumer_groups", "enforce_consumer_groups", "redis"];
    const NEVER: &'static [(&'static str, &'static str)] = &[
        ("dictionary_name", "counts are kept in memory of their own, not in a named zone"),
        ("lock_dictionary_name", "nothing is locked to count"),
    ];
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        options.check(Self::NAME, cx).map(Self)
    }
}

impl Plugin for RateLimitingAdvanced {
    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        self.0.on_request(cx)
    }
}
