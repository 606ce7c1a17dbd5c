//! What a request costs: always the same, or what one of its headers says, up to a cap.
//!
//! The header comes from the client. So it can make a request dearer, up to the cap, but never cheaper than one.

use http::header::HeaderName;
use http::request::Parts;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sluice_config::Problem;

use crate::plugin::BuildCx;

/// What a request costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Cost {
    /// Every request the same.
    Fixed(u32),
    /// What a header says.
    Header(OfHeader),
}

impl Default for Cost {
    fn default() -> Self {
        Self::Fixed(1)
    }
}

/// A header that says what a request costs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfHeader {
    /// Its name.
    #[serde(deserialize_with = "header_name", serialize_with = "text")]
    #[schemars(with = "String")]
    header: HeaderName,
    /// The cost where the header is missing or no whole number.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    default: u32,
    /// The most that a request costs, whatever the header says.
    #[schemars(range(min = 1))]
    max: u32,
}

impl OfHeader {
    #[inline(never)]
    fn cost(&self, request: &Parts) -> u32 {
        let written = request.headers.get(&self.header).and_then(|value| parse(value.as_bytes()));
        written.map_or(self.default, |cost| cost.clamp(1, self.max))
    }
}

impl Cost {
    /// What this request costs, at least one.
    #[inline]
    pub fn of(&self, request: &Parts) -> u32 {
        match self {
            Self::Fixed(cost) => *cost,
            Self::Header(header) => header.cost(request),
        }
    }

    /// Says what is wrong with it where the least that fits at all is `room`.
    pub fn check(&self, cx: &BuildCx<'_>, room: Option<u64>, problems: &mut Vec<Problem>) {
        let costs = match self {
            Self::Fixed(cost) => vec![("cost", *cost)],
            Self::Header(of) => vec![("cost.default", of.default), ("cost.max", of.max)],
        };
        for (key, cost) in &costs {
            if *cost == 0 {
                problems.push(cx.block.problem_at(key, "must be at least 1").help("`exempt` names who pays nothing"));
            } else if let Some(room) = room.filter(|room| *room > 0 && u64::from(*cost) > *room) {
                problems.push(
                    cx.block
                        .problem_at(key, format!("a request of cost {cost} never fits into a limit of {room}"))
                        .help(format!("write {room} or less, or raise the limit")),
                );
            }
        }
        if let Self::Header(OfHeader { default, max, .. }) = self
            && default > max
        {
            problems.push(cx.block.problem_at("cost.default", format!("must not be above `max`, which is {max}")));
        }
    }
}

/// A whole number in decimal digits and nothing else; what is too large is the largest.
fn parse(text: &[u8]) -> Option<u32> {
    let digits = text.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0'))))
}

fn one() -> u32 {
    1
}

fn header_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderName, D::Error> {
    let name = String::deserialize(deserializer)?;
    HeaderName::try_from(&name).map_err(|_| de::Error::custom(format!("`{name}` is no header name")))
}

fn text<S: Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Cost;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number, or a table such as { header = \"X-Cost\", max = 100 }")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Cost, E> {
                u32::try_from(value).map(Cost::Fixed).map_err(|_| E::custom(format!("must be between 1 and {}", u32::MAX)))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Cost, E> {
                u32::try_from(value).map(Cost::Fixed).map_err(|_| E::custom(format!("must be between 1 and {}", u32::MAX)))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Cost, A::Error> {
                OfHeader::deserialize(MapAccessDeserializer::new(map)).map(Cost::Header)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Cost {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cost".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let table = OfHeader::json_schema(generator);
        schemars::json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, table] })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cost(value: Option<&[u8]>) -> u32 {
        let mut request = http::Request::builder();
        if let Some(value) = value {
            request = request.header("X-Cost", value);
        }
        let request = request.body(()).expect("a request").into_parts().0;
        Cost::Header(OfHeader { header: HeaderName::from_static("x-cost"), default: 2, max: 100 }).of(&request)
    }

    #[test]
    fn a_header_says_what_a_request_costs() {
        let check = |value: &str, expected| assert_eq!(cost(Some(value.as_bytes())), expected, "{value:?}");
        check("7", 7);
        check(" 7 ", 7);
        check("007", 7);
        check("0", 1);
        check("100", 100);
        check("101", 100);
        check("99999999999999999999", 100);
        for bad in ["", "-5", "+5", "1.5", "1e3", "seven", "7 8", "0x10"] {
            check(bad, 2);
        }
        assert_eq!(cost(None), 2);
    }

    proptest! {
        #[test]
        fn no_header_makes_a_request_cheaper_than_one_or_dearer_than_the_cap(value in "[ -~]{0,24}|[0-9]{1,24}") {
            prop_assert!((1..=100).contains(&cost(Some(value.as_bytes()))));
        }

        #[test]
        fn a_number_costs_itself_up_to_the_cap(number: u64) {
            prop_assert_eq!(u64::from(cost(Some(number.to_string().as_bytes()))), number.clamp(1, 100));
        }
    }
}
