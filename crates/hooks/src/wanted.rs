//! Which events a hook wants: the conditions of its `filter`, which must all hold.
//!
//! A field is named by its dotted path, as one key or as tables: `"consumer.username" = "Joe"` and
//! `consumer.username = "Joe"` say the same. Of several events that the full channel counted as one, because their unique
//! fields are the same, the first decides for all.

use serde_json::{Map, Value};
use sluice_config::{Block, KeyPath, Problem, one_of};
use sluice_events::{Event, EventKind};

use crate::condition::{Condition, WORDS};

/// The conditions, each with the path of its field.
#[derive(Default)]
pub(crate) struct Wanted(Vec<(Vec<String>, Condition)>);

impl Wanted {
    /// Reads a filter for events of these kinds, or tells everything that is wrong with it.
    pub fn read(filter: &Block, kinds: &[&EventKind]) -> Result<Self, Vec<Problem>> {
        let Value::Object(table) = filter.to_json() else {
            return Err(vec![filter.problem("expected a table of fields and what they must be")]);
        };
        let samples: Vec<Value> = kinds.iter().map(|kind| (kind.sample)()).collect();
        let (mut all, mut problems): (Vec<(Vec<String>, Condition)>, _) = (Vec::new(), Vec::new());
        for (keys, condition) in fields(&table) {
            let path = filter.path().join(&KeyPath::of(keys.iter().copied()));
            let names: Vec<String> = name(&keys).split('.').map(str::to_owned).collect();
            if all.iter().any(|(known, _)| *known == names) {
                problems.push(Problem::at_key(path, "the field is named twice").help("say all of it at one of them"));
                continue;
            }
            if let Err((message, help)) = check_field(&names, &samples) {
                problems.push(Problem::at_key(path, message).help(help));
                continue;
            }
            all.push((names, Condition::read(condition, &path, &mut problems)));
        }
        if problems.is_empty() { Ok(Self(all)) } else { Err(problems) }
    }

    /// Whether all conditions hold for this event.
    pub fn wants(&self, event: &Event) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let data = event.data();
        self.0.iter().all(|(names, condition)| {
            let field = names.iter().try_fold(&data, |value, name| value.get(name)).filter(|field| !field.is_null());
            condition.holds(field)
        })
    }
}

/// Every field of a filter as it is written: the keys on the way to its condition. A table without a word of a condition
/// is a table of fields, and one without anything says nothing.
fn fields(table: &Map<String, Value>) -> Vec<(Vec<&str>, &Value)> {
    let mut all = Vec::new();
    for (key, value) in table {
        match value {
            Value::Object(inner) if !inner.keys().any(|key| WORDS.contains(&key.as_str())) => {
                all.extend(fields(inner).into_iter().map(|(keys, condition)| ([&[key.as_str()], &keys[..]].concat(), condition)));
            }
            condition => all.push((vec![key], condition)),
        }
    }
    all
}

fn name(keys: &[&str]) -> String {
    keys.join(".")
}

/// The same filter with each field named by one dotted key; the name of a field that it names twice is the error.
pub fn dotted_filter(table: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut dotted = Map::new();
    for (keys, condition) in fields(table) {
        let name = name(&keys);
        if dotted.insert(name.clone(), condition.clone()).is_some() {
            return Err(name);
        }
    }
    Ok(dotted)
}

/// Changes of a filter, given by dotted keys, with the keys by which the filter as it is written names the same fields.
pub fn filter_as_written(changes: Map<String, Value>, written: &Map<String, Value>) -> Map<String, Value> {
    let known = fields(written);
    let keys = |dotted: &str| known.iter().find(|(keys, _)| name(keys) == dotted).map(|(keys, _)| keys.as_slice());
    let (as_tables, mut all): (Map<String, Value>, Map<String, Value>) =
        changes.into_iter().partition(|(dotted, _)| keys(dotted).is_some_and(|keys| keys.len() > 1));
    for (dotted, change) in as_tables {
        match keys(&dotted).and_then(|keys| slot(&mut all, keys)) {
            Some(slot) => *slot = change,
            None => drop(all.insert(dotted, change)),
        }
    }
    all
}

/// The place of this way through tables, which are made where there are none; nothing if something else is there.
fn slot<'a>(table: &'a mut Map<String, Value>, keys: &[&str]) -> Option<&'a mut Value> {
    let (last, tables) = keys.split_last()?;
    let table = tables
        .iter()
        .try_fold(table, |table, key| table.entry(*key).or_insert_with(|| Value::Object(Map::new())).as_object_mut())?;
    Some(table.entry(*last).or_insert(Value::Null))
}

/// Whether any of the samples has this field; or what is wrong, and what to write instead.
fn check_field(names: &[String], samples: &[Value]) -> Result<(), (String, String)> {
    // Without an event there is another problem, and nothing is known of fields.
    if samples.is_empty() {
        return Ok(());
    }
    let mut here: Vec<&Value> = samples.iter().collect();
    for (depth, name) in names.iter().enumerate() {
        let below: Vec<&Value> = here.iter().filter_map(|value| value.get(name)).collect();
        if below.is_empty() {
            let mut known: Vec<&str> =
                here.iter().filter_map(|value| value.as_object()).flat_map(Map::keys).map(String::as_str).collect();
            known.sort_unstable();
            known.dedup();
            return Err(if known.is_empty() {
                (format!("\"{}\" has no field \"{name}\"", names[..depth].join(".")), one_of(name, WORDS.iter().copied()))
            } else {
                (format!("no event of this hook has a field \"{}\"", names[..=depth].join(".")), one_of(name, known))
            });
        }
        here = below;
    }
    if here.iter().all(|value| value.is_object()) {
        let fields = here.iter().filter_map(|value| value.as_object()).flat_map(Map::keys);
        let example = fields.map(|field| format!("\"{}.{field}\"", names.join("."))).next().unwrap_or_default();
        return Err((format!("\"{}\" is a table", names.join(".")), format!("name one of its fields, such as {example}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn a_field_is_named_by_one_key_or_by_tables() {
        let written = json!({ "a": { "b": "x", "c.d": { "in": ["y"] } }, "e.f": 1, "g": { "not": { "h": 1 } }, "i": {} });
        let dotted = object(json!({ "a.b": "x", "a.c.d": { "in": ["y"] }, "e.f": 1, "g": { "not": { "h": 1 } } }));
        assert_eq!(dotted_filter(&object(written.clone())), Ok(dotted.clone()));
        assert_eq!(dotted_filter(&dotted), Ok(dotted));
        assert_eq!(dotted_filter(&object(json!({ "a.b": 1, "a": { "b": 2 } }))), Err("a.b".to_owned()));
        let changes = object(json!({ "a.b": null, "a.c.d": "z", "e.f": 2, "j.k": 3 }));
        let expected = json!({ "a": { "b": null, "c.d": "z" }, "e.f": 2, "j.k": 3 });
        assert_eq!(Value::from(filter_as_written(changes, &object(written.clone()))), expected);
        let expected = json!({ "a": null, "a.b": "y" });
        assert_eq!(Value::from(filter_as_written(object(json!({ "a.b": "y", "a": null })), &object(written))), expected);
    }

    #[test]
    fn a_field_that_no_event_has_is_told_with_what_there_is() {
        let samples = [json!({ "consumer": { "username": "Joe" }, "ip": "1" }), json!({ "consumer": { "id": 1 }, "version": 2 })];
        let check = |field: &str, message: &str, help: &str| {
            let names: Vec<String> = field.split('.').map(str::to_owned).collect();
            let (found, found_help) = check_field(&names, &samples).err().unwrap_or_default();
            assert!(found.contains(message) && found.is_empty() == message.is_empty(), "{found}");
            assert!(found_help.contains(help), "{found_help}");
        };
        check("ip", "", "");
        check("version", "", "");
        check("consumer.id", "", "");
        check("consumer.usernme", "no event of this hook has a field \"consumer.usernme\"", "did you mean \"username\"?");
        check("conumer.id", "a field \"conumer\"", "did you mean \"consumer\"?");
        check("nothing", "a field \"nothing\"", "consumer, ip, version");
        check("ip.matchs", "\"ip\" has no field \"matchs\"", "did you mean \"matches\"?");
        check("consumer", "is a table", "\"consumer.username\"");
    }
}
