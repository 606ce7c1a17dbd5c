//! Plugins, and where they apply.

use uuid::Uuid;

use super::{RouteProtocol, Stamps};
use crate::block::Block;

/// Where a plugin applies; of one name the most specific applies to a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// To every route.
    Global,
    /// To the routes of a service.
    Service(String),
    /// To a route.
    Route(String),
    /// To the requests of a consumer.
    Consumer(String),
    /// To the requests of all consumers of a group.
    ConsumerGroup(String),
}

/// One plugin in one scope, its options unread.
#[derive(Clone, PartialEq)]
pub struct PluginEntry {
    /// Its id.
    pub id: Uuid,
    /// The plugin's name.
    pub name: String,
    /// A name that no other plugin has.
    pub instance_name: Option<String>,
    /// Where it applies.
    pub scope: Scope,
    /// The id of what it belongs to, if it does not apply everywhere.
    pub owner: Option<Uuid>,
    /// Whether it runs.
    pub enabled: bool,
    /// What requests it applies to may come by.
    pub protocols: Vec<RouteProtocol>,
    /// Tags.
    pub tags: Vec<String>,
    /// Its options.
    pub block: Block,
    /// When it came and changed.
    pub stamps: Stamps,
}
