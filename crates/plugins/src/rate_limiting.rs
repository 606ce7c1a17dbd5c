//! Plugin `rate-limiting`: Kong's open-source limiter, with windows of the clock and the calendar in UTC.
//!
//! A second, a minute, an hour and a day begin with the clock's, a month on its first day and a year in January. Unlike
//! Kong a request is counted before it is let through, so that a burst gets no more than the limit.

mod options;
#[cfg(test)]
mod tests;

use sluice_config::Problem;

use crate::cx::Cx;
use crate::limiting::RateLimit;
use crate::plugin::{BuildCx, Configured, Flow, Phases, Plugin};

pub use options::Options;

/// The plugin.
pub struct RateLimiting(RateLimit);

impl Configured for RateLimiting {
    const NAME: &'static str = "rate-limiting";
    const SUMMARY: &'static str = "Limits how many requests a client may make a second, minute, hour, day, month or year";
    const PRIORITY: u32 = 910;
    const PHASES: Phases = Phases { request: true, ..Phases::NONE };
    const LATER: &'static [&'static str] = &[
        "redis",
        "redis_database",
        "redis_host",
        "redis_password",
        "redis_port",
        "redis_server_name",
        "redis_ssl",
        "redis_ssl_verify",
        "redis_timeout",
        "redis_username",
    ];
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        options.check(Self::NAME, cx).map(Self)
    }
}

impl Plugin for RateLimiting {
    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        self.0.on_request(cx)
    }
}
