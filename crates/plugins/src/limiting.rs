//! The rooms that all plugins share that limit something: whom a request counts for, whom it does not, what is said.

pub(crate) mod calendar;
mod client_key;
mod cost;
mod exempt;
mod headers;
mod identity;
mod limit;
mod rate_limit;
mod refusal;
mod strategy;
mod throttle;
mod told;
mod warn_at;

pub(crate) use client_key::ClientKey;
pub(crate) use cost::Cost;
pub(crate) use exempt::{Exempt, Exemptions};
pub(crate) use headers::{Headers, Style};
pub(crate) use identity::{CounterKey, Identifier, Identity, ipv6_prefix};
pub use limit::{Client, Limit, Shown, ShownWindow, Usage};
pub(crate) use rate_limit::RateLimit;
pub(crate) use refusal::{Refusal, problem, rate_limit_exceeded, status, too_many_requests};
pub(crate) use strategy::{Strategy, check_strategy};
pub(crate) use throttle::{Held, Queue, Throttling};
pub(crate) use told::Told;
pub(crate) use warn_at::WarnAt;
