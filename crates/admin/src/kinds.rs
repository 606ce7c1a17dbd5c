//! The kinds of entities: one file each.

mod ca_certificate;
mod certificate;
mod consumer;
mod consumer_group;
mod credential;
mod membership;
mod plugin;
mod route;
mod service;
mod sni;
mod target;
mod upstream;

pub(crate) use credential::{ACLS, BASIC_AUTHS, Credential, JWTS, KEY_AUTHS};
pub(crate) use membership::{leave_group, members_endpoint, memberships_endpoint, remove_consumer};
pub(crate) use target::find_target;
