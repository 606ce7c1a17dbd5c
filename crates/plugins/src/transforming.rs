//! What `request-transformer` and `response-transformer` have in common: rules on headers and on the fields of a body.
//!
//! Rules are applied in Kong's order: remove, rename, replace, add, append.

mod fields;
mod headers;
mod pairs;
mod query;
mod template;

pub(crate) use fields::{Fields, Kind};
pub(crate) use headers::{apply, check_name};
pub(crate) use pairs::{Pairs, Reader, Rules};
pub(crate) use query::Query;
pub(crate) use template::{Env, Template};
