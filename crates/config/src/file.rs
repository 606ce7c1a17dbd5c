//! What users write: one type for each kind of table, with its defaults. Unknown keys are mistakes.

mod access_log;
mod admin;
mod certificate;
mod clients;
mod consumer;
mod event_hook;
mod plugin;
mod route;
mod server;
mod service;
mod upstream;

pub(crate) use access_log::AccessLogTable;
pub(crate) use admin::{AdminTable, Places, TokenTable};
pub(crate) use certificate::{CaCertificateTable, CertificateTable};
pub(crate) use clients::ClientsTable;
pub(crate) use consumer::{ConsumerGroupTable, ConsumerTable};
pub(crate) use event_hook::EventHookTable;
pub(crate) use plugin::PluginTable;
pub(crate) use route::RouteTable;
pub(crate) use server::{HooksTable, LimitsTable, ServerTable, TlsTable};
pub(crate) use service::ServiceTable;
pub(crate) use upstream::{TargetText, UpstreamTable};

fn yes() -> bool {
    true
}
