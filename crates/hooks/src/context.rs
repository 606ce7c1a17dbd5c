//! What a template sees: the event's fields, `source`, `event`, `count`, `first_at` and `last_at`, always in the same shape.
//!
//! The shape is that of the event's sample. What an event lacks of it (the consumer of an anonymous request, a route's
//! `hosts`) is there all the same, and empty: so a name that the shape does not know is a mistake that shows at load,
//! and a value that happens to be absent prints as nothing, as in Kong.

use serde_json::{Map, Value};
use sluice_events::EventKind;

use crate::handler::Delivery;

/// The shape of one kind of event.
pub(crate) struct Shape {
    pub kind: &'static EventKind,
    sample: Map<String, Value>,
}

impl Shape {
    /// The shape of events of this kind.
    pub fn of(kind: &'static EventKind) -> Self {
        let sample = match (kind.sample)() {
            Value::Object(sample) => sample,
            _ => Map::new(),
        };
        Self { kind, sample }
    }

    /// The shapes of all events that one template sees. Kinds of one type are one event that has several names: what one
    /// of them has is there for all, and empty where it is absent.
    pub fn all_of(kinds: &[&'static EventKind]) -> Vec<Self> {
        let mut all: Vec<Self> = kinds.iter().map(|kind| Self::of(kind)).collect();
        for shape in &mut all {
            for other in kinds.iter().filter(|other| other.is_like(shape.kind)) {
                complete(&mut shape.sample, &Self::of(other).sample);
            }
        }
        all
    }

    /// What templates see of this delivery.
    pub fn fields(&self, delivery: &Delivery) -> Map<String, Value> {
        let mut fields = delivery.data.clone();
        complete(&mut fields, &self.sample);
        fields.insert("source".into(), self.kind.source.into());
        fields.insert("event".into(), self.kind.name.into());
        Delivery { data: fields, ..delivery.clone() }.counted_data()
    }

    /// A delivery of the sample.
    pub fn full(&self) -> Delivery {
        self.delivery(self.sample.clone())
    }

    /// A delivery of the sample with nothing in its entities: an anonymous request without service or route.
    pub fn bare(&self) -> Delivery {
        let emptied = |value: &Value| if value.is_object() { Value::Object(Map::new()) } else { value.clone() };
        self.delivery(self.sample.iter().map(|(name, value)| (name.clone(), emptied(value))).collect())
    }

    fn delivery(&self, data: Map<String, Value>) -> Delivery {
        Delivery {
            id: "msg_sample".into(),
            kind: self.kind,
            data,
            count: 1,
            first_at: 1_700_000_000_000,
            last_at: 1_700_000_000_000,
            attempt: 1,
        }
    }
}

/// Adds to `data` what it lacks of the sample, as empty values.
fn complete(data: &mut Map<String, Value>, sample: &Map<String, Value>) {
    for (name, example) in sample {
        let value = data.entry(name.clone()).or_insert(Value::Null);
        match (value, example) {
            (value @ Value::Null, example) => *value = empty(example),
            (Value::Object(inner), Value::Object(example)) => complete(inner, example),
            _ => {}
        }
    }
}

/// The empty value that can be used where the example can: what has none is null, which prints as nothing too.
fn empty(example: &Value) -> Value {
    match example {
        Value::String(_) => Value::from(""),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(fields) => Value::Object(fields.iter().map(|(name, value)| (name.clone(), empty(value))).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_absent_is_empty_and_what_is_there_stays() {
        let check = |data: Value, sample: Value, expected: Value| {
            let (Value::Object(mut data), Value::Object(sample)) = (data, sample) else { panic!("objects") };
            complete(&mut data, &sample);
            assert_eq!(Value::Object(data), expected);
        };
        let sample =
            json!({ "consumer": { "username": "Joe", "tags": ["x"], "created_at": 1, "deep": { "a": "b" } }, "limit": 3 });
        check(
            json!({}),
            sample.clone(),
            json!({ "consumer": { "username": "", "tags": [], "created_at": null, "deep": { "a": "" } }, "limit": null }),
        );
        check(
            json!({ "consumer": null, "limit": 4 }),
            sample.clone(),
            json!({ "consumer": { "username": "", "tags": [], "created_at": null, "deep": { "a": "" } }, "limit": 4 }),
        );
        check(
            json!({ "consumer": { "username": "Ada", "more": 1, "deep": null } }),
            sample,
            json!({ "consumer": { "username": "Ada", "more": 1, "deep": { "a": "" }, "tags": [], "created_at": null }, "limit": null }),
        );
    }
}
