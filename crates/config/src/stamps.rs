//! When an entity came and when it last changed: carried from one configuration to the next.

use std::cell::LazyCell;
use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::block::Block;
use crate::entities::{
    CaCertificate, Certificate, Config, Consumer, ConsumerGroup, EventHook, PluginEntry, Route, Service, Sni, Stamps, Target,
    Upstream,
};

impl Config {
    /// Gives every entity its times: what `previous` had already keeps its own, and what differs from it changed `now`.
    pub fn stamp(&mut self, previous: Option<&Config>, now: u64) {
        carry(&mut self.services, previous.map(|old| &*old.services), now);
        carry(&mut self.upstreams, previous.map(|old| &*old.upstreams), now);
        carry(&mut self.targets, previous.map(|old| &*old.targets), now);
        carry(&mut self.routes, previous.map(|old| &*old.routes), now);
        carry(&mut self.consumers, previous.map(|old| &*old.consumers), now);
        carry(&mut self.consumer_groups, previous.map(|old| &*old.consumer_groups), now);
        carry(&mut self.certificates, previous.map(|old| &*old.certificates), now);
        carry(&mut self.snis, previous.map(|old| &*old.snis), now);
        carry(&mut self.ca_certificates, previous.map(|old| &*old.ca_certificates), now);
        carry(&mut self.plugins, previous.map(|old| &*old.plugins), now);
        carry(&mut self.event_hooks, previous.map(|old| &*old.event_hooks), now);
    }
}

/// What has times.
trait Stamped {
    fn id(&self) -> Uuid;
    fn stamps(&self) -> Stamps;
    fn set(&mut self, stamps: Stamps);
    /// Whether both say the same; their times are the same.
    fn says_the_same_as(&self, other: &Self) -> bool;
}

fn carry<E: Stamped>(new: &mut [E], old: Option<&[E]>, now: u64) {
    let old = old.unwrap_or_default();
    let by_id = LazyCell::new(|| old.iter().map(|entity| (entity.id(), entity)).collect::<HashMap<Uuid, &E>>());
    for (at, entity) in new.iter_mut().enumerate() {
        // Most stand where they stood.
        let same_place = old.get(at).filter(|old| old.id() == entity.id());
        let Some(old) = same_place.or_else(|| by_id.get(&entity.id()).copied()) else {
            entity.set(Stamps { created_at: now, updated_at: now });
            continue;
        };
        entity.set(old.stamps());
        if !entity.says_the_same_as(old) {
            entity.set(Stamps { updated_at: now, ..old.stamps() });
        }
    }
}

macro_rules! stamped {
    ($($entity:ty: $same:expr,)*) => {
        $(impl Stamped for $entity {
            fn id(&self) -> Uuid {
                self.id
            }
            fn stamps(&self) -> Stamps {
                self.stamps
            }
            fn set(&mut self, stamps: Stamps) {
                self.stamps = stamps;
            }
            fn says_the_same_as(&self, other: &Self) -> bool {
                let same: fn(&Self, &Self) -> bool = $same;
                same(self, other)
            }
        })*
    };
}

// Most entities are as they were, to the last field; what is not may say the same still, such as a route whose service has
// another name.
stamped! {
    Service: |a, b| a == b || shown(a) == shown(b),
    Upstream: |a, b| a == b || shown(a) == shown(b),
    Target: |a, b| a == b || shown(a) == shown(b),
    Route: |a, b| a == b || shown(a) == shown(b),
    Consumer: |a, b| (&a.username, &a.custom_id, &a.tags) == (&b.username, &b.custom_id, &b.tags),
    ConsumerGroup: |a, b| (&a.name, &a.tags) == (&b.name, &b.tags),
    Certificate: |a, b| shown(a) == shown(b),
    Sni: |a, b| shown(a) == shown(b),
    CaCertificate: |a, b| shown(a) == shown(b),
    PluginEntry: |a, b| a == b || a.fingerprint() == b.fingerprint(),
    EventHook: |a, b| a == b || a.fingerprint() == b.fingerprint(),
}

impl PluginEntry {
    fn fingerprint(&self) -> Value {
        json!([self.enabled, self.instance_name, self.protocols, self.tags, self.block.to_json()])
    }
}

impl EventHook {
    /// What two versions of a hook are compared by: all but the times. It holds secrets; it is not for showing.
    pub fn fingerprint(&self) -> Value {
        json!([
            self.source,
            self.event,
            self.events,
            self.filter.as_ref().map(Block::to_json),
            self.handler,
            self.format,
            self.on_change,
            self.snooze,
            self.digest,
            self.rate,
            self.enabled,
            self.timeout,
            self.retry,
            self.concurrency,
            self.secrets,
            self.tags,
            self.config.to_json()
        ])
    }
}

fn shown(entity: &impl Serialize) -> Value {
    serde_json::to_value(entity).expect("entities have string keys only")
}
