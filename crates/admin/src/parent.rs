//! What a path says before its last list: in `/services/demo/routes`, the service.

use axum::extract::RawPathParams;
use serde_json::json;
use sluice_config::{Certificate, Config, Consumer, ConsumerGroup, Route, Service, Upstream};
use uuid::Uuid;

use crate::entities::{Entity, find};
use crate::error::Error;
use crate::sent::Sent;

/// The entity that those of a list belong to.
pub(crate) struct Parent {
    /// The field that names it in them.
    pub field: &'static str,
    pub id: Uuid,
    pub name: String,
}

/// The parts of a path that are no fixed words.
#[derive(Clone, Default)]
pub(crate) struct PathKeys {
    /// The table and the key of the parent, if there is one.
    parent: Option<(String, String)>,
    /// The key of the one that is asked for; empty for a list.
    pub key: String,
}

impl PathKeys {
    /// The keys in a path of entities of this table.
    pub fn of(params: &RawPathParams, table: &str) -> Self {
        let mut keys = Self::default();
        for (name, value) in params {
            if name == table {
                keys.key = value.to_owned();
            } else {
                keys.parent = Some((name.to_owned(), value.to_owned()));
            }
        }
        keys
    }

    /// Whether the path names a parent.
    pub fn has_parent(&self) -> bool {
        self.parent.is_some()
    }

    /// The parent, if the path names one.
    pub fn parent(&self, config: &Config) -> Result<Option<Parent>, Error> {
        let Some((table, key)) = &self.parent else { return Ok(None) };
        Parent::find(config, table, key).map(Some)
    }

    /// What was sent, with the parent that the path names: what the path says counts.
    pub fn with_parent(&self, sent: &Sent, config: &Config) -> Result<Sent, Error> {
        let mut sent = sent.clone();
        if let Some(parent) = self.parent(config)? {
            sent.fields.insert(parent.field.to_owned(), json!({ "id": parent.id }));
        }
        Ok(sent)
    }
}

impl Parent {
    fn find(config: &Config, table: &str, key: &str) -> Result<Self, Error> {
        match table {
            Service::TABLE => Self::of::<Service>("service", config, key),
            Route::TABLE => Self::of::<Route>("route", config, key),
            Consumer::TABLE => Self::of::<Consumer>("consumer", config, key),
            ConsumerGroup::TABLE => Self::of::<ConsumerGroup>("consumer_group", config, key),
            Upstream::TABLE => Self::of::<Upstream>("upstream", config, key),
            // Kong finds a certificate by one of its names as well.
            Certificate::TABLE => match config.snis.iter().find(|sni| sni.name == key) {
                Some(sni) => Self::of::<Certificate>("certificate", config, &sni.certificate.to_string()),
                None => Self::of::<Certificate>("certificate", config, key),
            },
            _ => Err(Error::NotFound),
        }
    }

    fn of<E: Entity>(field: &'static str, config: &Config, key: &str) -> Result<Self, Error> {
        let entity = find::<E>(config, key)?;
        Ok(Self { field, id: entity.id(), name: entity.name().unwrap_or_default().to_owned() })
    }

    /// Whether it is the one of this field and id.
    pub fn is(&self, field: &str, id: Uuid) -> bool {
        self.field == field && self.id == id
    }
}
