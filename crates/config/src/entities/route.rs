//! Routes: which requests go to a service.

use uuid::Uuid;

use super::Stamps;

/// Which requests go to a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The name and the id of its service.
    pub service: Option<(String, Uuid)>,
    /// Host names in lower case; a leading or trailing label may be `*`.
    pub hosts: Vec<String>,
    /// Beginnings of the path.
    pub paths: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Whether the matched beginning of the path is taken off.
    pub strip_path: bool,
    /// Whether the upstream sees the Host that the client sent.
    pub preserve_host: bool,
    /// Tags.
    pub tags: Vec<String>,
    /// When it came and changed.
    pub stamps: Stamps,
}
