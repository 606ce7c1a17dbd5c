//! What is different between two configurations: entity by entity, for the log, for hooks, and for whoever asks first.

use sluice_admin::{Change, Row, TABLES, Told};
use sluice_config::Config;
use sluice_events::Operation;

/// How many entities a line of the log names.
const NAMED: usize = 20;

/// What became of one entity.
pub struct Difference {
    /// The table that it is of.
    pub table: &'static str,
    pub operation: Operation,
    /// The entity, as it is or as it was last.
    pub row: Row,
    /// What it was before, if it changed.
    pub old: Option<Row>,
}

impl Difference {
    /// The entity, by its name or its id, such as `services demo`.
    fn entity(&self) -> String {
        format!("{} {}", self.table, self.row.name())
    }

    /// The same for whoever asks.
    pub fn told(&self) -> Told {
        Told { operation: self.operation.name(), table: self.table, name: self.row.name(), id: self.row.id }
    }
}

/// What differs between the two, in the order of the tables.
pub fn differences(before: &Config, after: &Config) -> Vec<Difference> {
    let of_table = |table: &'static sluice_admin::Table| {
        table.changes(before, after).into_iter().filter_map(|change| {
            let (operation, row, old) = match change {
                Change { old, new: Some(row) } if old.is_none() => (Operation::Create, row, None),
                Change { old, new: Some(row) } => (Operation::Update, row, old),
                Change { old, new: None } => (Operation::Delete, old?, None),
            };
            Some(Difference { table: table.name, operation, row, old })
        })
    };
    TABLES.iter().flat_map(of_table).collect()
}

/// The entities of one operation, by name.
pub fn named(differences: &[Difference], operation: Operation) -> Vec<String> {
    differences.iter().filter(|difference| difference.operation == operation).map(Difference::entity).collect()
}

/// The differences in a line: what was added, changed and removed, and what waits for the next start.
pub fn summary(differences: &[Difference], waiting: &[&str]) -> String {
    let parts = [("added", Operation::Create), ("changed", Operation::Update), ("removed", Operation::Delete)];
    let mut told: Vec<String> = Vec::new();
    for (word, operation) in parts {
        let names = named(differences, operation);
        match names.len() {
            0 => {}
            count if count > NAMED => told.push(format!("{word} {count}: {}, …", names[..NAMED].join(", "))),
            count => told.push(format!("{word} {count}: {}", names.join(", "))),
        }
    }
    if !waiting.is_empty() {
        told.push(format!("waits for the next start: {}", waiting.join(", ")));
    }
    if told.is_empty() { "no entity is different".to_owned() } else { told.join("; ") }
}

#[cfg(test)]
mod tests {
    use sluice_config::{ProcessEnvironment, Source, read};

    use super::*;

    fn config(text: &str) -> Config {
        read(Source::new("t", text), &ProcessEnvironment).config
    }

    #[test]
    fn a_difference_is_told_in_a_line() {
        let old = config("[services.a]\nurl = \"http://a\"\n[services.b]\nurl = \"http://b\"\n");
        let new = config("[services.b]\nurl = \"http://c\"\n[consumers.Joe]\n");
        let found = differences(&old, &new);
        assert_eq!(
            summary(&found, &["[server]"]),
            "added 1: consumers Joe; changed 1: services b; removed 1: services a; waits for the next start: [server]"
        );
        assert_eq!(summary(&differences(&old, &old), &[]), "no entity is different");
        let many: String = (0..30).map(|n| format!("[services.s{n}]\nurl = \"http://a\"\n")).collect();
        let told = summary(&differences(&config(""), &config(&many)), &[]);
        assert!(told.starts_with("added 30: services s0, ") && told.ends_with("services s19, …"), "{told}");
    }
}
