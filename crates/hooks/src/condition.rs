//! One condition of a hook's `filter`: what a field must be.
//!
//! Values are compared as they are written: `3` and `"3"` are the same, so that a form, which has only strings, can say
//! what a file can. A field that is a list meets a test if one of its elements does. One that is absent meets none.

use serde_json::Value;
use sluice_config::{KeyPath, Problem, one_of};

/// What a condition is made of.
pub(crate) const WORDS: &[&str] = &["equals", "in", "matches", "not"];

/// Tests that must all hold.
#[derive(Default)]
pub(crate) struct Condition(Vec<Test>);

enum Test {
    /// The field is one of these.
    In(Vec<String>),
    /// The field is these parts, with anything between them.
    Matches(Vec<String>),
    /// The condition does not hold.
    Not(Condition),
}

impl Condition {
    /// Reads a condition: a value, a list of values, or a table of tests.
    pub fn read(value: &Value, path: &KeyPath, problems: &mut Vec<Problem>) -> Self {
        match value {
            Value::Object(table) if table.is_empty() => {
                problems.push(Problem::at(path.clone(), "a condition that says nothing").help(one_of("", WORDS.iter().copied())));
                Self::default()
            }
            Value::Object(table) => {
                Self(table.iter().filter_map(|(word, value)| test(word, value, &path.key(word), problems)).collect())
            }
            Value::Array(items) => Self(values(items, path, problems).into_iter().collect()),
            value => Self(text(value).map(|text| Test::In(vec![text])).into_iter().collect()),
        }
    }

    /// Whether it holds for this field.
    pub fn holds(&self, field: Option<&Value>) -> bool {
        self.0.iter().all(|test| test.holds(field))
    }
}

impl Test {
    fn holds(&self, field: Option<&Value>) -> bool {
        match (self, field) {
            (Self::Not(condition), field) => !condition.holds(field),
            (_, Some(Value::Array(items))) => items.iter().any(|item| self.holds(Some(item))),
            (Self::In(wanted), Some(value)) => text(value).is_some_and(|text| wanted.contains(&text)),
            (Self::Matches(parts), Some(value)) => text(value).is_some_and(|text| glob(parts, &text)),
            (_, None) => false,
        }
    }
}

fn test(word: &str, value: &Value, path: &KeyPath, problems: &mut Vec<Problem>) -> Option<Test> {
    let mut refuse = |message: &str, help: String| {
        problems.push(Problem::at(path.clone(), message).help(help));
        None
    };
    match (word, value) {
        ("equals", Value::Array(_)) => refuse("expected one value", "write `in` for a list of them".to_owned()),
        ("equals", value) => match text(value) {
            Some(text) => Some(Test::In(vec![text])),
            None => refuse("expected a string, a number, true or false", "one field has one value".to_owned()),
        },
        ("in", Value::Array(items)) => values(items, path, problems),
        ("in", _) => refuse("expected a list of values", "write `equals` for a single one".to_owned()),
        ("matches", Value::String(pattern)) => Some(Test::Matches(pattern.split('*').map(str::to_owned).collect())),
        ("matches", _) => {
            refuse("expected a pattern", "write a string in which * stands for anything, such as \"10.*\"".to_owned())
        }
        ("not", value) => Some(Test::Not(Condition::read(value, path, problems))),
        _ => {
            let problem = Problem::at_key(path.clone(), format!("unknown condition \"{word}\""));
            problems.push(problem.help(one_of(word, WORDS.iter().copied())));
            None
        }
    }
}

fn values(items: &[Value], path: &KeyPath, problems: &mut Vec<Problem>) -> Option<Test> {
    if items.is_empty() {
        problems.push(Problem::at(path.clone(), "no field is one of none").help("write what it may be, or leave the field out"));
        return None;
    }
    let mut wanted = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match text(item) {
            Some(text) => wanted.push(text),
            None => problems.push(Problem::at(path.index(at), "expected a string, a number, true or false")),
        }
    }
    Some(Test::In(wanted))
}

/// A plain value as it is written.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether the text is these parts with anything between them. The earliest place of each part leaves the most for the rest.
fn glob(parts: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = parts else { return parts.first().is_some_and(|only| only == text) };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        let Some((_, after)) = rest.split_once(part.as_str()) else { return false };
        rest = after;
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(condition: &Value, good: &[Value], bad: &[Value]) {
        let mut problems = Vec::new();
        let condition = Condition::read(condition, &KeyPath::default(), &mut problems);
        assert_eq!(problems, []);
        let holds = |field: &Value| condition.holds(Some(field).filter(|field| !field.is_null()));
        good.iter().for_each(|field| assert!(holds(field), "{field}"));
        bad.iter().for_each(|field| assert!(!holds(field), "{field}"));
    }

    #[test]
    fn a_field_is_equal_in_a_list_or_like_a_pattern() {
        let nothing = || json!(null);
        check(&json!("Joe"), &[json!("Joe"), json!(["Ann", "Joe"])], &[json!("joe"), nothing(), json!({}), json!([])]);
        check(&json!(3), &[json!(3), json!("3")], &[json!(4), json!(true)]);
        check(&json!(true), &[json!(true), json!("true")], &[json!(false), nothing()]);
        check(&json!(["a", 1]), &[json!("a"), json!(1), json!(["x", "a"])], &[json!("b"), nothing()]);
        check(&json!({ "in": ["a"] }), &[json!("a")], &[json!("b")]);
        check(&json!({ "matches": "10.*" }), &[json!("10.1.2.3"), json!("10.")], &[json!("110.1"), nothing()]);
        check(&json!({ "matches": "*" }), &[json!(""), json!(0)], &[nothing(), json!([])]);
        check(&json!({ "not": "a" }), &[json!("b"), nothing(), json!(["b"])], &[json!("a"), json!(["a", "b"])]);
        check(&json!({ "not": { "matches": "*" } }), &[nothing()], &[json!("a")]);
        check(&json!({ "matches": "a*", "not": ["ab", "ac"] }), &[json!("ad")], &[json!("ab"), json!("b")]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_at_its_place() {
        let check = |condition: Value, place: &str, words: &str| {
            let mut problems = Vec::new();
            Condition::read(&condition, &KeyPath::of(["f"]), &mut problems);
            let told: Vec<String> = problems.iter().map(|p| format!("{} {} {:?}", p.path, p.message, p.help)).collect();
            assert!(told.len() == 1 && told[0].starts_with(place) && told[0].contains(words), "{told:?}");
        };
        check(json!([]), "f ", "leave the field out");
        check(json!([["a"]]), "f[0] ", "expected a string");
        check(json!({}), "f ", "says nothing");
        check(json!({ "not": {} }), "f.not ", "says nothing");
        check(json!({ "equals": ["a"] }), "f.equals ", "write `in`");
        check(json!({ "in": "a" }), "f.in ", "write `equals`");
        check(json!({ "matches": 3 }), "f.matches ", "10.*");
        check(json!({ "not": { "equal": "a" } }), "f.not.equal ", "did you mean \\\"equals\\\"?");
    }

    /// The same as [`glob`], as slowly and as plainly as can be.
    fn plain(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            (['*', rest @ ..], text) => (0..=text.len()).any(|at| plain(rest, &text[at..])),
            ([one, rest @ ..], [first, others @ ..]) => one == first && plain(rest, others),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_glob_is_what_it_looks_like(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let parts: Vec<String> = pattern.split('*').map(str::to_owned).collect();
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(glob(&parts, &text), plain(&chars(&pattern), &chars(&text)));
        }
    }
}
