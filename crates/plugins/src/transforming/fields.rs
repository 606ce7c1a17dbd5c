//! Rules on the fields of a JSON object. What is no object passes as it is.

use bytes::Bytes;
use serde_json::{Map, Value};

/// What is done to the fields of an object, the values known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pub remove: Vec<String>,
    pub rename: Vec<(String, String)>,
    pub replace: Vec<(String, Value)>,
    pub add: Vec<(String, Value)>,
    pub append: Vec<(String, Value)>,
}

/// What a body is, as far as rules know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Form,
    Multipart,
}

impl Kind {
    /// What a body of this content type is.
    pub fn of(content_type: &str) -> Option<Self> {
        let media = content_type.split(';').next().unwrap_or_default().trim();
        let known = [
            ("application/json", Self::Json),
            ("application/x-www-form-urlencoded", Self::Form),
            ("multipart/form-data", Self::Multipart),
        ];
        known.into_iter().find(|(name, _)| media.eq_ignore_ascii_case(name)).map(|(_, kind)| kind)
    }
}

impl Fields {
    /// The body with the rules applied.
    pub fn change(&self, body: Bytes) -> Bytes {
        let read = if body.is_empty() { Ok(Value::Object(Map::new())) } else { serde_json::from_slice(&body) };
        let Ok(Value::Object(mut object)) = read else { return body };
        self.apply(&mut object);
        Value::Object(object).to_string().into()
    }

    fn apply(&self, object: &mut Map<String, Value>) {
        for name in &self.remove {
            object.shift_remove(name);
        }
        for (from, to) in &self.rename {
            if let Some(value) = object.shift_remove(from) {
                object.insert(to.clone(), value);
            }
        }
        for (name, value) in &self.replace {
            if let Some(known) = object.get_mut(name) {
                *known = value.clone();
            }
        }
        for (name, value) in &self.add {
            object.entry(name).or_insert_with(|| value.clone());
        }
        for (name, value) in &self.append {
            match object.get_mut(name) {
                Some(Value::Array(list)) => list.push(value.clone()),
                Some(one) => *one = Value::Array(vec![one.take(), value.clone()]),
                None => drop(object.insert(name.clone(), Value::Array(vec![value.clone()]))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_change_the_fields_of_an_object_and_nothing_else() {
        let pair = |name: &str, value: &str| (name.to_owned(), Value::from(value));
        let fields = Fields {
            remove: vec!["gone".into()],
            rename: vec![("old".into(), "new".into()), ("none".into(), "x".into())],
            replace: vec![pair("b", "2"), pair("none", "2")],
            add: vec![pair("a", "3"), pair("added", "3")],
            append: vec![pair("list", "4"), pair("b", "4"), pair("fresh", "4")],
        };
        let check = |body: &'static str, expected: &str| {
            assert_eq!(fields.change(Bytes::from_static(body.as_bytes())), expected, "{body}");
        };
        check(
            r#"{"a":1,"gone":1,"old":1,"b":1,"list":[1]}"#,
            r#"{"a":1,"b":["2","4"],"list":[1,"4"],"new":1,"added":"3","fresh":["4"]}"#,
        );
        check("[1]", "[1]");
        check("{broken", "{broken");
        check("", r#"{"a":"3","added":"3","list":["4"],"b":["4"],"fresh":["4"]}"#);
    }

    #[test]
    fn a_body_is_what_its_content_type_says() {
        assert_eq!(Kind::of("Application/JSON; charset=utf-8"), Some(Kind::Json));
        assert_eq!(Kind::of("application/x-www-form-urlencoded"), Some(Kind::Form));
        assert_eq!(Kind::of("multipart/form-data; boundary=x"), Some(Kind::Multipart));
        assert_eq!(Kind::of("application/jsonp"), None);
    }
}
