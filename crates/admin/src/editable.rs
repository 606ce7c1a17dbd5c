//! A kind of entity that is made, changed and deleted here, and so in the file.

use serde_json::{Map, Value};
use sluice_config::{Config, KeyPath};

use crate::control::{Planned, Step};
use crate::entities::Entity;
use crate::error::Error;
use crate::sent::Sent;

/// What a change is of: the whole entity, or fields of it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Extent {
    /// What is not said is as if it had never been.
    Whole,
    /// What is not said stays.
    Fields,
}

impl Extent {
    /// The step that makes the table at this place say so. An id stays, and of a whole entity what is to be kept.
    pub fn step(self, at: KeyPath, table: Map<String, Value>, mut keep: Vec<String>) -> Step {
        match self {
            Self::Fields => Step::Merge { at, changes: table },
            Self::Whole => {
                keep.push("id".to_owned());
                Step::Put { at, table, keep }
            }
        }
    }
}

/// A kind of entity that can be changed.
pub(crate) trait Editable: Entity {
    /// The field that may stand in a path in the place of the id.
    const KEY: &'static str;

    /// What its fields are in the file, for forms, which know only strings.
    fn schema() -> &'static Value;

    /// A new one.
    fn create(sent: Sent, config: &Config) -> Result<Planned, Error>;

    /// A change of this one.
    fn change(&self, sent: Sent, extent: Extent, config: &Config) -> Result<Planned, Error>;

    /// Its end, or why it cannot go.
    fn delete(&self, config: &Config) -> Result<Vec<Step>, Error>;

    /// The field that is meant by a key below the entity's place in the file.
    fn field_of(path: KeyPath) -> KeyPath {
        path
    }

    /// A credential is shown with its secrets to who makes it: nobody could use one that was made up for him otherwise.
    fn show_made(&self, config: &Config) -> Value {
        self.show(config)
    }
}
