//! Forms in Kong's notation: `a.b=c` is a table, `a[]=x`, `a[1]=x` and a repeated key are lists, an empty value is null.

use std::collections::BTreeMap;

use serde_json::Value;
use sluice_config::{KeyPath, Segment};

/// How many fields one form may have.
const MOST_FIELDS: usize = 1000;
/// How deep a name may nest.
const MOST_STEPS: usize = 16;

/// A field that has no place in the entity, and why.
#[derive(Debug, PartialEq)]
pub(crate) struct Misplaced(pub KeyPath, pub &'static str);

/// The object that the fields of a form make. Every value in it is a string or null.
pub(crate) fn parse(fields: impl IntoIterator<Item = (String, String)>) -> Result<Value, Misplaced> {
    let mut root = Node::Table(Vec::new());
    for (count, (name, value)) in fields.into_iter().enumerate() {
        let steps = steps(&name);
        let placed = if count >= MOST_FIELDS {
            Err("a form has at most 1000 fields")
        } else if steps.len() > MOST_STEPS {
            Err("is nested too deeply")
        } else {
            root.put(&steps, if value.is_empty() { Value::Null } else { value.into() })
        };
        placed.map_err(|why| Misplaced(path(&steps), why))?;
    }
    Ok(root.into_value())
}

/// One step of a field's name.
#[derive(Debug, PartialEq)]
enum Step {
    Key(String),
    At(u64),
    Next,
}

/// `a.b[1].c[]` as steps. What is in brackets and no number is part of the key.
fn steps(name: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in name.split('.') {
        let (key, indexes) = split_indexes(part);
        steps.push(Step::Key(key.to_owned()));
        steps.extend(indexes);
    }
    steps
}

fn split_indexes(part: &str) -> (&str, Vec<Step>) {
    let mut key = part;
    let mut indexes = Vec::new();
    while let Some((before, index)) = key.strip_suffix(']').and_then(|inner| inner.rsplit_once('[')) {
        indexes.push(match index.parse() {
            _ if before.is_empty() => break,
            Ok(index) => Step::At(index),
            Err(_) if index.is_empty() => Step::Next,
            Err(_) => break,
        });
        key = before;
    }
    indexes.reverse();
    (key, indexes)
}

fn path(steps: &[Step]) -> KeyPath {
    let segments = steps.iter().take(MOST_STEPS).map(|step| match step {
        Step::Key(key) => Segment::Key(key.clone()),
        Step::At(index) => Segment::Index(usize::try_from(*index).unwrap_or(usize::MAX)),
        Step::Next => Segment::Index(0),
    });
    KeyPath(segments.collect())
}

/// A value on its way: lists are kept by index, so that a large one costs nothing.
#[derive(Default)]
enum Node {
    #[default]
    Nothing,
    Values(Vec<Value>),
    Table(Vec<(String, Node)>),
    List(BTreeMap<u64, Node>),
}

impl Node {
    fn put(&mut self, steps: &[Step], value: Value) -> Result<(), &'static str> {
        if let Node::Nothing = self {
            *self = match steps {
                [] => Node::Values(Vec::new()),
                [Step::Key(_), ..] => Node::Table(Vec::new()),
                _ => Node::List(BTreeMap::new()),
            };
        }
        match (self, steps) {
            (Node::Values(values), []) => {
                values.push(value);
                Ok(())
            }
            (Node::Table(entries), [Step::Key(key), rest @ ..]) => child(entries, key).put(rest, value),
            (Node::List(items), [Step::At(index), rest @ ..]) => items.entry(*index).or_default().put(rest, value),
            (Node::List(items), [Step::Next, rest @ ..]) => {
                let next = items.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
                items.entry(next).or_default().put(rest, value)
            }
            _ => Err("is given in two ways that exclude each other"),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Node::Nothing => Value::Null,
            Node::Values(values) if values.len() == 1 => values.into_iter().next().unwrap_or_default(),
            Node::Values(values) => without_nulls(values),
            Node::List(items) => without_nulls(items.into_values().map(Node::into_value)),
            Node::Table(entries) => Value::Object(entries.into_iter().map(|(key, node)| (key, node.into_value())).collect()),
        }
    }
}

fn child<'a>(entries: &'a mut Vec<(String, Node)>, key: &str) -> &'a mut Node {
    let at = entries.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
        entries.push((key.to_owned(), Node::Nothing));
        entries.len() - 1
    });
    &mut entries[at].1
}

fn without_nulls(values: impl IntoIterator<Item = Value>) -> Value {
    values.into_iter().filter(|value| !value.is_null()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse_text(form: &str) -> Result<Value, Misplaced> {
        parse(form_urlencoded::parse(form.as_bytes()).into_owned())
    }

    fn check(form: &str, expected: &Value) {
        assert_eq!(parse_text(form).as_ref(), Ok(expected), "{form}");
    }

    #[test]
    fn names_nest_and_list() {
        check("", &json!({}));
        check("a=1&b=", &json!({"a": "1", "b": null}));
        check(
            "config.headers.content-type=a%2Fb&config.url=x+y",
            &json!({"config": {"headers": {"content-type": "a/b"}, "url": "x y"}}),
        );
        check("a=1&a=2", &json!({"a": ["1", "2"]}));
        check("a[]=x&a[]=y", &json!({"a": ["x", "y"]}));
        check("a[2]=x&a[1]=y&a[]=z", &json!({"a": ["y", "x", "z"]}));
        check("a[]=", &json!({"a": []}));
        check("a[9999999999]=x", &json!({"a": ["x"]}));
        check("a[1].b=x&a[1].c=y&a[2].b=z", &json!({"a": [{"b": "x", "c": "y"}, {"b": "z"}]}));
        check("a[b]=x&[1]=y&[]=z", &json!({"a[b]": "x", "[1]": "y", "[]": "z"}));
        check("=x&a..b=y", &json!({"": "x", "a": {"": {"b": "y"}}}));
    }

    #[test]
    fn a_field_without_a_place_is_refused() {
        let refused = |form: &str| parse_text(form).expect_err("there is no place for it").0.to_string();
        assert_eq!(refused("a=1&a.b=2"), "a.b");
        assert_eq!(refused("a.b=2&a=1"), "a");
        assert_eq!(refused("a[1]=2&a.b=1"), "a.b");
        assert!(refused(&format!("{}=1", "a.".repeat(500_000))).starts_with("a.a.a"));
        let many: Vec<String> = (0..1001).map(|n| format!("a{n}=1")).collect();
        assert_eq!(refused(&many.join("&")), "a1000");
    }

    /// An object of tables and lists whose leaves are strings, as a form can write it.
    fn object() -> impl Strategy<Value = Value> {
        let text = "[ -~äß✓]{1,12}".prop_map(Value::from);
        let inner = text.prop_recursive(4, 32, 5, |inner| {
            let list = prop::collection::vec(inner.clone(), 1..4).prop_map(Value::from);
            prop_oneof![list, table(inner)]
        });
        table(inner)
    }

    fn table(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
        prop::collection::vec(("[a-z_ä-]{1,8}", inner), 1..5).prop_map(|entries| Value::Object(entries.into_iter().collect()))
    }

    fn write(name: &str, value: &Value, out: &mut Vec<(String, String)>) {
        match value {
            Value::Object(table) => {
                let dot = if name.is_empty() { "" } else { "." };
                table.iter().for_each(|(key, value)| write(&format!("{name}{dot}{key}"), value, out));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| write(&format!("{name}[{}]", at + 1), item, out));
            }
            other => out.push((name.to_owned(), other.as_str().unwrap_or_default().to_owned())),
        }
    }

    proptest! {
        #[test]
        fn an_object_written_as_a_form_comes_back(object in object()) {
            let mut fields = Vec::new();
            write("", &object, &mut fields);
            let form: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            prop_assert_eq!(parse_text(&form), Ok(object));
        }

        #[test]
        fn no_form_breaks_the_parser(form in "([a-c\\[\\].=&0-9%]|\\PC){0,64}") {
            let _ = parse_text(&form);
        }
    }
}
