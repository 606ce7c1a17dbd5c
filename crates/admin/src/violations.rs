//! What is wrong with the fields of an entity, in Kong's shape: one message, and a tree of the fields.

use serde_json::{Map, Value, json};
use sluice_config::{Diagnostic, Diagnostics, KeyPath, Segment};

use crate::error::Error;

/// What Kong says of a field that must be there.
pub(crate) const MISSING: &str = "required field missing";

/// Where Kong puts what is wrong with an entity as a whole.
const ENTITY: &str = "@entity";

/// An element of a list farther back than this is told of at the list.
const LAST_INDEX: usize = 1000;

/// Every field at fault, by its path below the entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Violations(Vec<(KeyPath, String)>);

impl Violations {
    /// A single field at fault.
    pub fn one(path: KeyPath, message: impl Into<String>) -> Self {
        Self(vec![(path, message.into())])
    }

    /// One field more.
    pub fn push(&mut self, path: KeyPath, message: impl Into<String>) {
        self.0.push((path, message.into()));
    }

    /// The same, each told at another field.
    pub fn mapped(self, field_of: impl Fn(KeyPath) -> KeyPath) -> Self {
        Self(self.0.into_iter().map(|(path, message)| (field_of(path), message)).collect())
    }

    /// Whether something is told of this field.
    pub fn has(&self, field: &KeyPath) -> bool {
        self.0.iter().any(|(path, _)| path == field)
    }

    /// An error, if there is any.
    pub fn into_result(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Schema(self)) }
    }

    /// All of them in a line, those of the entity as a whole first.
    pub fn message(&self) -> String {
        let (whole, fields): (Vec<_>, Vec<_>) = self.0.iter().partition(|(path, _)| path.0.is_empty());
        let told: Vec<String> = whole
            .iter()
            .map(|(_, message)| message.clone())
            .chain(fields.iter().map(|(path, message)| format!("{path}: {message}")))
            .collect();
        match told.as_slice() {
            [one] => format!("schema violation ({one})"),
            all => format!("{} schema violations ({})", all.len(), all.join("; ")),
        }
    }

    /// All of them as a tree.
    pub fn fields(&self) -> Value {
        let mut root = Value::Object(Map::new());
        for (path, message) in &self.0 {
            place(&mut root, &path.0, message);
        }
        root
    }
}

/// Puts a message at its place in the tree.
fn place(slot: &mut Value, path: &[Segment], message: &str) {
    match path {
        [Segment::Key(key), rest @ ..] => place(&mut table_at(slot)[key], rest, message),
        [Segment::Index(index), rest @ ..] if *index <= LAST_INDEX && !slot.is_object() => {
            place(element(slot, *index), rest, message);
        }
        _ => match slot {
            Value::Null => *slot = json!(message),
            Value::String(earlier) => *earlier = format!("{earlier}; {message}"),
            whole => note(table_at(whole), message),
        },
    }
}

/// The slot as a table; what stood there is told of the table as a whole.
fn table_at(slot: &mut Value) -> &mut Value {
    if !slot.is_object() {
        let earlier = std::mem::replace(slot, Value::Object(Map::new()));
        if let Some(message) = earlier.as_str() {
            note(slot, message);
        }
    }
    slot
}

fn element(slot: &mut Value, index: usize) -> &mut Value {
    if !slot.is_array() {
        let earlier = std::mem::replace(slot, Value::Array(Vec::new()));
        if let (Some(message), Value::Array(items)) = (earlier.as_str(), &mut *slot) {
            items.push(json!(message));
        }
    }
    if let Value::Array(items) = slot
        && items.len() <= index
    {
        items.resize(index + 1, Value::Null);
    }
    &mut slot[index]
}

fn note(table: &mut Value, message: &str) {
    match &mut table[ENTITY] {
        Value::Array(all) => all.push(json!(message)),
        slot => *slot = json!([message]),
    }
}

/// The diagnostics of a refused change: violations of the entity that stands at `entity`, told at its fields, or what the
/// rest of the configuration would lack.
pub(crate) fn explain(entity: &KeyPath, diagnostics: &Diagnostics, field_of: impl Fn(KeyPath) -> KeyPath) -> Error {
    let mut violations = Violations::default();
    for diagnostic in &diagnostics.0 {
        if let Some(path) = diagnostic.path.below(entity).filter(|_| !entity.0.is_empty()) {
            let (path, message) = in_kongs_words(path, diagnostic);
            violations.push(field_of(path), message);
        }
    }
    match violations.into_result() {
        Err(violation) => violation,
        Ok(()) => Error::Needed(diagnostics.0.iter().map(line).collect()),
    }
}

/// The same of a hook. `missing` are the required fields that are known to be missing, told or not.
pub(crate) fn explain_with(entity: &KeyPath, diagnostics: &Diagnostics, missing: &[KeyPath]) -> Error {
    let mut violations = match explain(entity, diagnostics, |path| path) {
        Error::Schema(violations) => violations,
        other if missing.is_empty() => return other,
        _ => Violations::default(),
    };
    for path in missing {
        if !violations.has(path) {
            violations.push(path.clone(), MISSING);
        }
    }
    Error::Schema(violations)
}

/// A missing or unknown field is told at the field itself, as Kong does.
fn in_kongs_words(path: KeyPath, diagnostic: &Diagnostic) -> (KeyPath, String) {
    let message = diagnostic.message.as_str();
    if let Some(field) = message.strip_prefix("required field missing: ") {
        return (path.key(field), MISSING.to_owned());
    }
    let message = if message.starts_with("unknown key ") { "unknown field" } else { message };
    (path, with_help(message, diagnostic))
}

/// A diagnostic in one line.
pub(crate) fn line(diagnostic: &Diagnostic) -> String {
    let place = format!("{}:{}:{}", diagnostic.file.display(), diagnostic.position.line, diagnostic.position.column);
    let message = with_help(&diagnostic.message, diagnostic);
    if diagnostic.path.0.is_empty() { format!("{place}: {message}") } else { format!("{place} {}: {message}", diagnostic.path) }
}

fn with_help(message: &str, diagnostic: &Diagnostic) -> String {
    match &diagnostic.help {
        Some(help) => format!("{message} ({help})"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(violations: &[(KeyPath, &str)], message: &str, fields: &Value) {
        let violations = Violations(violations.iter().map(|(path, message)| (path.clone(), (*message).to_owned())).collect());
        assert_eq!(violations.message(), message);
        assert_eq!(&violations.fields(), fields);
    }

    #[test]
    fn violations_nest_as_in_kong() {
        let url = KeyPath::of(["config", "url"]);
        let missing = "required field missing";
        check(
            &[(url.clone(), missing)],
            "schema violation (config.url: required field missing)",
            &json!({"config": {"url": missing}}),
        );
        check(
            &[(KeyPath::of(["source"]), "no"), (KeyPath::default(), "whole")],
            "2 schema violations (whole; source: no)",
            &json!({"source": "no", "@entity": ["whole"]}),
        );
        check(
            &[(KeyPath::of(["a"]).index(1).key("b"), "x"), (KeyPath::of(["a"]).index(1).key("b"), "y")],
            "2 schema violations (a[1].b: x; a[1].b: y)",
            &json!({"a": [null, {"b": "x; y"}]}),
        );
    }

    #[test]
    fn a_message_is_kept_wherever_the_others_stand() {
        let (a, b) = (KeyPath::of(["a"]), KeyPath::of(["a", "b"]));
        check(
            &[(a.clone(), "x"), (b.clone(), "y")],
            "2 schema violations (a: x; a.b: y)",
            &json!({"a": {"@entity": ["x"], "b": "y"}}),
        );
        check(&[(b, "y"), (a.clone(), "x")], "2 schema violations (a.b: y; a: x)", &json!({"a": {"b": "y", "@entity": ["x"]}}));
        check(&[(a.clone(), "x"), (a.index(0), "y")], "2 schema violations (a: x; a[0]: y)", &json!({"a": ["x; y"]}));
        check(&[(a.index(5000), "far")], "schema violation (a[5000]: far)", &json!({"a": "far"}));
    }
}
