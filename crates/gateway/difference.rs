//! What is different between two configurations: entity by entity, for the log, for hooks, and for whoever asks first.

use sluice_admin::{Difference, TABLES};
use sluice_config::Config;
use sluice_events::Operation;

/// How many entities a line of the log names.
const NAMED: usize = 20;

/// What differs between the two, in the order of the tables.
pub fn differences(before: &Config, after: &Config) -> Vec<Difference> {
    TABLES.iter().flat_map(|table| table.differences(before, after)).collect()
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
