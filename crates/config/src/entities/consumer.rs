//! Consumers: who calls.

use uuid::Uuid;

use super::Stamps;
use crate::block::Block;

/// Somebody who calls.
#[derive(Clone)]
pub struct Consumer {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub username: String,
    /// The id that the user's own systems know.
    pub custom_id: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Credentials, by the plugin that knows them.
    pub credentials: Vec<CredentialEntry>,
    /// When it came and changed.
    pub stamps: Stamps,
}

/// One credential of a consumer, unread.
#[derive(Clone)]
pub struct CredentialEntry {
    /// The plugin that knows it.
    pub plugin: String,
    /// What stands in the file.
    pub block: Block,
}
