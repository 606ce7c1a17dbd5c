//! What the Admin API says, for people: tables, and a line for a delivery.

use std::collections::HashMap;

use serde_json::Value;

/// Rows under a head, each column as wide as it must be.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).chain([head[at].len()]).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let body = rows.iter().map(|row| line(std::array::from_fn(|at| row[at].as_str())));
    std::iter::once(line(head)).chain(body).collect()
}

/// A value in a cell. What others wrote has no say over the terminal.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

/// A text on one line, and without what a terminal would obey.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A time of the API.
pub fn time(value: &Value) -> String {
    value.as_u64().map_or_else(|| "-".to_owned(), sluice_hooks::utc)
}

/// Names of hooks by their ids. Records tell ids only.
#[derive(Default)]
pub struct Names(HashMap<String, String>);

impl Names {
    pub fn of(hooks: &[Value]) -> Self {
        Self(hooks.iter().filter_map(|hook| Some((hook["id"].as_str()?.to_owned(), cell(&hook["name"])))).collect())
    }

    /// The name of a record's hook; of a hook that is gone, its id.
    pub fn of_record(&self, record: &Value) -> String {
        let id = cell(&record["event_hook"]["id"]);
        self.0.get(&id).cloned().unwrap_or(id)
    }

    pub fn know(&self, record: &Value) -> bool {
        record["event_hook"]["id"].as_str().is_none_or(|id| self.0.contains_key(id))
    }
}

/// What the head of a table of deliveries says.
pub const DELIVERY: [&str; 8] = ["TIME", "HOOK", "ID", "EVENT", "STATE", "COUNT", "TRIES", "LAST"];

/// A delivery as a row under it.
pub fn delivery(record: &Value, names: &Names) -> [String; 8] {
    [
        time(&record["first_at"]),
        names.of_record(record),
        cell(&record["id"]),
        format!("{}/{}", cell(&record["source"]), cell(&record["event"])),
        cell(&record["state"]),
        cell(&record["count"]),
        cell(&record["attempts"]),
        last(record),
    ]
}

/// What the last try came to: the status, or why there is none.
pub fn last(record: &Value) -> String {
    let last = record["tries"].as_array().and_then(|tries| tries.last()).unwrap_or(&Value::Null);
    if last["status"].is_null() { cell(&last["error"]) } else { cell(&last["status"]) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [["größer".into(), "1".into()], ["a".into(), "-".into()]];
        assert_eq!(table(["NAME", "N"], &rows), ["NAME    N", "größer  1", "a       -"]);
    }

    #[test]
    fn what_a_receiver_wrote_cannot_steer_the_terminal() {
        let record = json!({ "tries": [{ "status": 500 }, { "status": null, "error": "\u{1b}[2Jgone\n" }] });
        assert_eq!(last(&record), " [2Jgone ");
    }
}
