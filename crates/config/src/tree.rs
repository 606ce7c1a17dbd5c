//! The values of a file, each with the place where it stands.

use std::ops::Range;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostics::{Place, Problem};
use crate::key_path::{KeyPath, Segment};

/// A value and where it stands in the text.
#[derive(Clone)]
pub(crate) struct Node {
    pub span: Range<usize>,
    pub value: Value,
}

/// What TOML knows.
#[derive(Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(Table),
}

/// A key with its place.
#[derive(Clone)]
pub(crate) struct Key {
    pub name: String,
    pub span: Range<usize>,
}

/// A table in the order of the file.
#[derive(Clone, Default)]
pub(crate) struct Table(pub Vec<(Key, Node)>);

impl Table {
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, node)| node)
    }

    pub fn entry(&self, name: &str) -> Option<&(Key, Node)> {
        self.0.iter().find(|(key, _)| key.name == name)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.0.iter_mut().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    pub fn remove(&mut self, name: &str) -> Option<Node> {
        let at = self.0.iter().position(|(key, _)| key.name == name)?;
        Some(self.0.remove(at).1)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.name.as_str())
    }
}

impl Node {
    pub fn empty_table() -> Self {
        Self { span: 0..0, value: Value::Table(Table::default()) }
    }

    /// What it is, for a message.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a string",
            Value::Integer(_) | Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    pub fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub fn table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The child at `segment`, and where its key stands.
    pub fn step(&self, segment: &Segment) -> Option<(Range<usize>, &Node)> {
        match (&self.value, segment) {
            (Value::Table(table), Segment::Key(key)) => table.entry(key).map(|(key, node)| (key.span.clone(), node)),
            (Value::Array(items), Segment::Index(index)) => items.get(*index).map(|item| (item.span.clone(), item)),
            _ => None,
        }
    }

    /// Takes the key at `path` out; false if there is none.
    pub fn remove(&mut self, path: &[Segment]) -> bool {
        match path.split_last() {
            Some((Segment::Key(key), above)) => {
                self.at_mut(above).and_then(Node::table_mut).is_some_and(|table| table.remove(key).is_some())
            }
            _ => false,
        }
    }

    /// The list at `path`.
    pub fn list_at(&mut self, path: &[Segment]) -> Option<&mut Vec<Node>> {
        match &mut self.at_mut(path)?.value {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    fn at_mut(&mut self, path: &[Segment]) -> Option<&mut Node> {
        path.iter().try_fold(self, |node, segment| match (&mut node.value, segment) {
            (Value::Table(table), Segment::Key(key)) => table.get_mut(key),
            (Value::Array(items), Segment::Index(index)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// The tree of a parsed text that begins at `start`; what does not fit into it is added to `misfits`.
    pub fn from_toml(table: &DeTable<'_>, start: usize, misfits: &mut Vec<Problem>) -> Self {
        Self { span: 0..0, value: Convert { start, misfits, path: KeyPath::default() }.table(table) }
    }

    /// Whether both say the same, wherever they stand.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Text(one), Value::Text(other)) => one == other,
            (Value::Integer(one), Value::Integer(other)) => one == other,
            (Value::Float(one), Value::Float(other)) => one == other,
            (Value::Boolean(one), Value::Boolean(other)) => one == other,
            (Value::Array(one), Value::Array(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.says_the_same_as(other))
            }
            (Value::Table(one), Value::Table(other)) => {
                one.0.len() == other.0.len()
                    && one
                        .0
                        .iter()
                        .zip(&other.0)
                        .all(|((key, one), (other_key, other))| key.name == other_key.name && one.says_the_same_as(other))
            }
            _ => false,
        }
    }

    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Text(text) => Json::from(text.as_str()),
            Value::Integer(number) => Json::from(*number),
            Value::Float(number) => Json::from(*number),
            Value::Boolean(on) => Json::from(*on),
            Value::Array(items) => items.iter().map(Node::to_json).collect(),
            Value::Table(table) => table.0.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect(),
        }
    }
}

/// Converts what was parsed of a text that begins at `start`.
struct Convert<'a> {
    start: usize,
    misfits: &'a mut Vec<Problem>,
    /// Where it is.
    path: KeyPath,
}

impl Convert<'_> {
    fn table(&mut self, table: &DeTable<'_>) -> Value {
        let entries = table.iter().map(|(key, value)| {
            let (segment, node) = self.below(Segment::Key(key.get_ref().to_string()), value);
            let name = if let Segment::Key(name) = segment { name } else { String::new() };
            (Key { name, span: self.place(key.span()) }, node)
        });
        Value::Table(Table(entries.collect()))
    }

    /// What stands there, and the way to it again.
    fn below(&mut self, segment: Segment, value: &Spanned<DeValue<'_>>) -> (Segment, Node) {
        self.path.0.push(segment);
        let node = self.node(value);
        (self.path.0.pop().unwrap_or(Segment::Index(0)), node)
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>) -> Node {
        let span = self.place(value.span());
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or_else(|_| {
                    let problem = Problem::at(self.path.clone(), "this number is too large");
                    self.misfits.push(Problem { place: Place::Span(span.clone()), ..problem });
                    0
                }))
            }
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or_default()),
            DeValue::Boolean(on) => Value::Boolean(*on),
            DeValue::Datetime(time) => Value::Text(time.to_string()),
            DeValue::Array(items) => {
                Value::Array(items.iter().enumerate().map(|(at, item)| self.below(Segment::Index(at), item).1).collect())
            }
            DeValue::Table(table) => self.table(table),
        };
        Node { span, value }
    }

    /// Where it stands in the whole. What was not written stands nowhere.
    fn place(&self, span: Range<usize>) -> Range<usize> {
        if span.is_empty() { 0..0 } else { self.start + span.start..self.start + span.end }
    }
}
