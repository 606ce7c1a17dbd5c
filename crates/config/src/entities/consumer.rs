//! Consumers: who calls.

use uuid::Uuid;

use super::Stamps;
use crate::block::Block;

/// Somebody who calls.
#[derive(Clone, PartialEq)]
pub struct Consumer {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub username: String,
    /// The id that the user's own systems know.
    pub custom_id: Option<String>,
    /// The names of its groups.
    pub groups: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Credentials, by the plugin that knows them.
    pub credentials: Vec<CredentialEntry>,
    /// When it came and changed.
    pub stamps: Stamps,
}

/// Several who call, with plugins of their own.
#[derive(Clone, PartialEq)]
pub struct ConsumerGroup {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Tags.
    pub tags: Vec<String>,
    /// When it came and changed.
    pub stamps: Stamps,
}

/// One credential of a consumer, unread.
#[derive(Clone, PartialEq)]
pub struct CredentialEntry {
    /// The list that it stands in: it has the name of a plugin, or one that a plugin gave it.
    pub list: String,
    /// What stands in the file.
    pub block: Block,
}
