//! Tells hooks what became of entities: which of them a change of the configuration created, changed and deleted.

use std::sync::Arc;

use sluice_admin::{Difference, Row, TABLES};
use sluice_events::{Bus, Change, Emitter, Entity, Operation};

/// Raises the events of every table.
pub struct Crud(Vec<OfTable>);

/// Raises the events of one table. Each change is one event under each of its names.
struct OfTable {
    table: &'static str,
    create: [Emitter<Change>; 3],
    update: [Emitter<Change>; 3],
    delete: [Emitter<Change>; 3],
}

impl Crud {
    /// The events of all tables.
    pub fn new(bus: &Arc<Bus>) -> Self {
        Self(TABLES.iter().map(|table| OfTable::new(table.name, bus)).collect())
    }

    /// Tells what is different.
    pub fn tell(&self, differences: &[Difference]) {
        for difference in differences {
            self.0.iter().filter(|of| of.table == difference.table).for_each(|of| of.raise(difference));
        }
    }
}

impl OfTable {
    fn new(table: &'static str, bus: &Arc<Bus>) -> Self {
        let emitters = |operation: Operation| {
            let narrow = format!("{table}:{}", operation.name());
            [("crud", table), ("crud", &narrow), ("dao:crud", operation.name())]
                .map(|(source, name)| bus.emitter_as(source, name))
        };
        Self {
            table,
            create: emitters(Operation::Create),
            update: emitters(Operation::Update),
            delete: emitters(Operation::Delete),
        }
    }

    fn raise(&self, Difference { operation, row, old, .. }: &Difference) {
        let emitters = match operation {
            Operation::Create => &self.create,
            Operation::Update => &self.update,
            Operation::Delete => &self.delete,
        };
        if emitters.iter().any(Emitter::is_wanted) {
            let old_entity = old.as_ref().map(entity);
            let change = Change { operation: *operation, entity: entity(row), old_entity, schema: self.table };
            emitters.iter().for_each(|emitter| emitter.emit(|| change.clone()));
        }
    }
}

fn entity(row: &Row) -> Arc<Entity> {
    Arc::new(Entity::new(row.id.as_u128(), row.shown.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::difference::differences;
    use sluice_config::{Config, ProcessEnvironment, Source, read};

    const OLD: &str = "[services.a]\nurl = \"http://a\"\n[services.b]\nurl = \"http://b\"\n[consumers.Joe]\nkey-auth = [{ key = \"joe-key\" }]\n\
                       [event_hooks.h]\nsource = \"config\"\nhandler = \"log\"\nsecrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]\n";

    fn config(text: &str, previous: Option<&Config>) -> Config {
        let draft = read(Source::new("t", text), &ProcessEnvironment);
        assert_eq!(draft.problems, []);
        let mut config = draft.config;
        config.stamp(previous, 1);
        config
    }

    /// What is told under the names that `wants` takes: source, name, the entity's name, the data.
    fn told(new: &str, wants: impl Fn(&str, &str) -> bool) -> Vec<(String, serde_json::Value)> {
        let bus = Arc::<Bus>::default();
        bus.set_wanted(|kind| wants(kind.source, kind.name));
        let before = config(OLD, None);
        Crud::new(&bus).tell(&differences(&before, &config(new, Some(&before))));
        let mut all = Vec::new();
        bus.try_collect(&mut all);
        all.iter().map(|one| (format!("{} {}", one.event.kind().source, one.event.kind().name), one.event.data())).collect()
    }

    fn check(new: &str, wants: impl Fn(&str, &str) -> bool, expected: &[&str]) {
        let names: Vec<String> = told(new, wants)
            .iter()
            .map(|(kind, data)| {
                let entity = &data["entity"];
                let name = ["name", "username", "key"].iter().find_map(|key| entity[key].as_str()).unwrap_or_default();
                format!("{kind} {name}")
            })
            .collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_change_is_one_event_of_each_of_its_names() {
        let all = |_: &str, _: &str| true;
        check(OLD, all, &[]);
        check(&OLD.replace("//b", "//c"), all, &["crud services b", "crud services:update b", "dao:crud update b"]);
        check(
            &OLD.replace("services.a", "services.c"),
            |source, name| source == "dao:crud" || name == "services:delete",
            &["dao:crud create c", "crud services:delete a", "dao:crud delete a"],
        );
        check(
            &OLD.replace("joe-key\" }", "another\" }, { key = \"second\" }"),
            |source, _| source == "dao:crud",
            &["dao:crud update ***", "dao:crud create ***"],
        );
    }

    #[test]
    fn an_update_tells_what_was_before_and_no_secret() {
        let new = OLD.replace("//b", "//c").replace("joe-key", "other-key").replace("MfKQ", "NfKQ");
        let all = told(&new, |source, _| source == "dao:crud");
        let tables: Vec<_> = all.iter().map(|(_, data)| data["schema"].as_str().unwrap_or_default()).collect();
        assert_eq!(tables, ["services", "event_hooks", "keyauth_credentials"]);
        let (_, service) = &all[0];
        assert_eq!((&service["entity"]["host"], &service["old_entity"]["host"]), (&"c".into(), &"b".into()));
        assert!(service["entity"].get("path").is_none(), "what is null is left out");
        for (_, data) in &all {
            let text = data.to_string();
            assert!(["joe-key", "other-key", "fKQ9"].iter().all(|secret| !text.contains(secret)), "{text}");
        }
    }
}
