//! Who may call: consumers and their credentials, shared by the plugins of one configuration.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;
use http::HeaderValue;
use sluice_config::{Block, Config};
use sluice_events::Entity;
use uuid::Uuid;

/// Somebody who calls, as plugins need it.
pub struct Consumer {
    /// The id.
    pub id: Uuid,
    /// The name.
    pub username: String,
    /// The id that the user's own systems know.
    pub custom_id: Option<String>,
    /// The names of its groups.
    pub groups: Vec<String>,
    /// The entity that events show.
    pub entity: Arc<Entity>,
    /// The id, the name and the custom id as upstreams see them; a name that no header can hold is left out.
    pub headers: ConsumerHeaders,
}

/// What an upstream is told about a consumer.
pub struct ConsumerHeaders {
    /// `X-Consumer-ID`.
    pub id: Option<HeaderValue>,
    /// `X-Consumer-Username`.
    pub username: Option<HeaderValue>,
    /// `X-Consumer-Custom-ID`.
    pub custom_id: Option<HeaderValue>,
}

/// All consumers of a configuration.
#[derive(Default)]
pub struct Consumers {
    by_id: HashMap<Uuid, Arc<Consumer>>,
    /// Credentials by the list that they stand in, unread.
    credentials: Vec<(String, Block, Arc<Consumer>)>,
    /// What plugins made of credentials.
    shared: DashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Consumers {
    /// The consumers of this configuration.
    pub fn new(config: &Config) -> Self {
        let mut all = Self::default();
        for entry in &config.consumers {
            let shown = sluice_config::Consumer {
                username: entry.username.clone(),
                custom_id: entry.custom_id.clone(),
                tags: entry.tags.clone(),
                groups: Vec::new(),
                credentials: Vec::new(),
                ..*entry
            };
            let header = |text: &str| HeaderValue::from_str(text).ok();
            let consumer = Arc::new(Consumer {
                id: entry.id,
                username: entry.username.clone(),
                custom_id: entry.custom_id.clone(),
                groups: entry.groups.clone(),
                entity: Arc::new(Entity::of(entry.id.as_u128(), move || {
                    serde_json::to_value(shown).expect("a consumer has string keys only")
                })),
                headers: ConsumerHeaders {
                    id: header(&entry.id.to_string()),
                    username: header(&entry.username),
                    custom_id: entry.custom_id.as_deref().and_then(header),
                },
            });
            let credentials = entry.credentials.iter().map(|c| (c.list.clone(), c.block.clone(), consumer.clone()));
            all.credentials.extend(credentials);
            all.by_id.insert(entry.id, consumer);
        }
        all
    }

    /// The consumer of this id.
    pub fn get(&self, id: Uuid) -> Option<&Arc<Consumer>> {
        self.by_id.get(&id)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Consumer>> {
        self.by_id.values()
    }

    /// What all plugins of a kind need of the credentials, made when the first of them asks: it may be large, and there may be
    /// many of them.
    pub(crate) fn shared<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let known = self.shared.get(&TypeId::of::<T>()).map(|known| known.clone());
        known.and_then(|known| known.downcast::<T>().ok()).unwrap_or_else(|| {
            let made = Arc::new(make());
            self.shared.insert(TypeId::of::<T>(), made.clone());
            made
        })
    }

    /// The credentials in the lists of this name.
    pub fn credentials(&self, list: &str) -> impl Iterator<Item = (&Block, &Arc<Consumer>)> {
        self.credentials.iter().filter(move |(name, ..)| name == list).map(|(_, block, consumer)| (block, consumer))
    }
}
