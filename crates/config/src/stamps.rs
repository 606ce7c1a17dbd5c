//! When an entity came and when it last changed: carried from one configuration to the next.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::block::Block;
use crate::entities::{Config, EventHook, PluginEntry, Stamps};

impl Config {
    /// Gives every entity its times: what `previous` had already keeps its own, and what differs from it changed `now`.
    pub fn stamp(&mut self, previous: Option<&Config>, now: u64) {
        let old = previous.map(Config::fingerprints).unwrap_or_default();
        let stamps = |id: Uuid, print: &Value| match old.get(&id) {
            Some((stamps, same)) if same == print => *stamps,
            Some((stamps, _)) => Stamps { updated_at: now, ..*stamps },
            None => Stamps { created_at: now, updated_at: now },
        };
        for service in &mut self.services {
            service.stamps = stamps(service.id, &untimed(service));
        }
        for upstream in &mut self.upstreams {
            upstream.stamps = stamps(upstream.id, &untimed(upstream));
        }
        for target in &mut self.targets {
            target.stamps = stamps(target.id, &untimed(target));
        }
        for route in &mut self.routes {
            route.stamps = stamps(route.id, &untimed(route));
        }
        for consumer in &mut self.consumers {
            consumer.stamps = stamps(consumer.id, &untimed(consumer));
        }
        for group in &mut self.consumer_groups {
            group.stamps = stamps(group.id, &untimed(group));
        }
        for certificate in &mut self.certificates {
            certificate.stamps = stamps(certificate.id, &untimed(certificate));
        }
        for sni in &mut self.snis {
            sni.stamps = stamps(sni.id, &untimed(sni));
        }
        for authority in &mut self.ca_certificates {
            authority.stamps = stamps(authority.id, &untimed(authority));
        }
        for plugin in &mut self.plugins {
            plugin.stamps = stamps(plugin.id, &plugin.fingerprint());
        }
        for hook in &mut self.event_hooks {
            hook.stamps = stamps(hook.id, &hook.fingerprint());
        }
    }

    fn fingerprints(&self) -> HashMap<Uuid, (Stamps, Value)> {
        let services = self.services.iter().map(|e| (e.id, (e.stamps, untimed(e))));
        let upstreams = self.upstreams.iter().map(|e| (e.id, (e.stamps, untimed(e))));
        let targets = self.targets.iter().map(|e| (e.id, (e.stamps, untimed(e))));
        let routes = self.routes.iter().map(|e| (e.id, (e.stamps, untimed(e))));
        let consumers = self.consumers.iter().map(|e| (e.id, (e.stamps, untimed(e))));
        let groups = self.consumer_groups.iter().map(|e| (e.id, (e.stamps, untimed(e))));
        let plugins = self.plugins.iter().map(|e| (e.id, (e.stamps, e.fingerprint())));
        let hooks = self.event_hooks.iter().map(|e| (e.id, (e.stamps, e.fingerprint())));
        let certificates = self.certificates.iter().map(|e| (e.id, (e.stamps, untimed(e))));
        let snis = self.snis.iter().map(|e| (e.id, (e.stamps, untimed(e))));
        let authorities = self.ca_certificates.iter().map(|e| (e.id, (e.stamps, untimed(e))));
        let served = services.chain(upstreams).chain(targets).chain(routes);
        let own = served.chain(consumers).chain(groups).chain(plugins).chain(hooks);
        own.chain(certificates).chain(snis).chain(authorities).collect()
    }
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

/// What two versions of an entity are compared by: all but the times.
fn untimed(entity: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(entity).expect("entities have string keys only");
    if let Some(map) = value.as_object_mut() {
        map.remove("created_at");
        map.remove("updated_at");
    }
    value
}
