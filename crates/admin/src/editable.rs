//! A kind of entity that is made, changed and deleted here, and so in the file.

use serde_json::{Map, Value};
use sluice_config::{Config, KeyPath};
use uuid::Uuid;

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

    /// A new one for the sake of what is wrong with it. What another has that no two may have is not: it is good by itself.
    fn rehearse(mut sent: Sent, config: &Config) -> Result<Planned, Error> {
        loop {
            let taken: Vec<String> = match Self::create(sent.clone(), config) {
                Err(Error::IdTaken(_)) if sent.take("id").is_some() => continue,
                Err(Error::IdTaken(_)) => vec![Self::KEY.to_owned()],
                Err(Error::Unique(fields)) => {
                    fields.into_iter().filter(|(_, value)| value.is_string()).map(|(field, _)| field.to_owned()).collect()
                }
                planned => return planned,
            };
            sent.fields.extend(taken.into_iter().map(|field| (field, Uuid::new_v4().simple().to_string().into())));
        }
    }

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
