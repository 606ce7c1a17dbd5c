//! A delivery as a CloudEvent 1.0: as one JSON object, or as headers and a body.
//!
//! Its data is the event's own. How many events it stands for, and when the first and the last of them happened, are the
//! extension attributes `count`, `firstat` and `lastat`, because attributes have lower-case letters and digits only.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::handler::Delivery;
use crate::rfc3339;

const DATA_TYPE: &str = "datacontenttype";

/// A delivery, to be told as a CloudEvent.
pub(crate) struct CloudEvent<'a>(pub &'a Delivery);

impl CloudEvent<'_> {
    /// The whole as one JSON object.
    pub fn structured(&self) -> Value {
        let mut all: Map<String, Value> = self.attributes().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        all.insert(DATA_TYPE.to_owned(), "application/json".into());
        all.insert("data".to_owned(), self.0.data.clone().into());
        all.into()
    }

    /// The data, which is the body; the attributes go into the headers, but for the content type, which HTTP has itself.
    pub fn binary(&self, headers: &mut HeaderMap) -> Value {
        for (name, value) in self.attributes() {
            let name = HeaderName::try_from(format!("ce-{name}")).expect("attributes have letters and digits only");
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            headers.insert(name, HeaderValue::try_from(value).expect("ids, times and the names of events are visible ASCII"));
        }
        self.0.data.clone().into()
    }

    fn attributes(&self) -> [(&'static str, Value); 8] {
        let Delivery { id, kind, count, first_at, last_at, .. } = self.0;
        [
            ("specversion", "1.0".into()),
            ("id", id.as_str().into()),
            ("source", format!("/sluice/{}", kind.source).into()),
            ("type", format!("sluice.{}.{}", kind.source, kind.name).into()),
            ("time", rfc3339::utc(*first_at).into()),
            // CloudEvents knows no larger number.
            ("count", i32::try_from(*count).unwrap_or(i32::MAX).into()),
            ("firstat", rfc3339::utc(*first_at).into()),
            ("lastat", rfc3339::utc(*last_at).into()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Shape;
    use serde_json::json;

    /// What the specification demands of the attributes of any CloudEvent.
    fn check(attributes: &Map<String, Value>) {
        for required in ["id", "source", "specversion", "type"] {
            assert!(attributes[required].as_str().is_some_and(|text| !text.is_empty()), "{required}");
        }
        for (name, value) in attributes {
            assert!(name.len() <= 20 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
            assert!(value.is_string() || value.is_i64(), "{name}");
        }
        assert_eq!(attributes["specversion"], "1.0");
        let base = url::Url::parse("http://example.com/").expect("a base");
        assert!(base.join(attributes["source"].as_str().expect("checked")).is_ok());
    }

    #[test]
    fn every_kind_of_event_makes_a_good_one_in_both_forms() {
        for kind in sluice_events::kinds() {
            let delivery = Delivery { count: 3, last_at: 1_700_000_001_500, ..Shape::of(kind).full() };
            let Value::Object(mut structured) = CloudEvent(&delivery).structured() else { panic!("an object") };
            assert_eq!(structured.shift_remove("data"), Some(delivery.data.clone().into()));
            check(&structured);
            assert_eq!(structured.shift_remove("datacontenttype"), Some(json!("application/json")));

            let mut headers = HeaderMap::new();
            assert_eq!(CloudEvent(&delivery).binary(&mut headers), Value::from(delivery.data.clone()));
            assert_eq!(headers.len(), structured.len());
            for (name, value) in structured {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                assert_eq!(headers[format!("ce-{name}")], text);
            }
        }
    }

    #[test]
    fn the_attributes_say_what_happened() {
        let kind = sluice_events::kind_of("config", "applied").expect("an event");
        let mut delivery = Delivery { count: 3, last_at: 1_700_000_001_500, ..Shape::of(kind).full() };
        delivery.data = Map::from_iter([("version".to_owned(), 2.into())]);
        let expected = json!({
            "specversion": "1.0", "id": "msg_sample", "source": "/sluice/config", "type": "sluice.config.applied",
            "time": "2023-11-14T22:13:20.000Z", "count": 3, "firstat": "2023-11-14T22:13:20.000Z", "lastat": "2023-11-14T22:13:21.500Z",
            "datacontenttype": "application/json", "data": { "version": 2 }
        });
        assert_eq!(CloudEvent(&delivery).structured(), expected);
        delivery.count = u64::MAX;
        assert_eq!(CloudEvent(&delivery).structured()["count"], i32::MAX);
    }
}
