//! Makes a value one that TOML can hold, and one that means in the file what it meant in the request.

use serde_json::{Map, Number, Value};
use sluice_config::KeyPath;

use crate::violations::Violations;

/// How deep tables and lists may nest.
const DEEPEST: usize = 16;

/// What becomes of null, which TOML does not know.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Nulls {
    /// The key is left out.
    LeaveOut,
    /// The key stays: null takes it out of the file.
    Keep,
}

/// Fits a table. A `${` is escaped, so that no request reads the gateway's environment or files.
pub(crate) fn fit(table: &mut Map<String, Value>, nulls: Nulls, violations: &mut Violations) {
    fit_table(table, &KeyPath::default(), nulls, violations);
}

fn fit_table(table: &mut Map<String, Value>, path: &KeyPath, nulls: Nulls, violations: &mut Violations) {
    if nulls == Nulls::LeaveOut {
        table.retain(|_, value| !value.is_null());
    }
    for (key, value) in table {
        if !value.is_null() {
            fit_value(value, path.key(key), nulls, violations);
        }
    }
}

fn fit_value(value: &mut Value, path: KeyPath, nulls: Nulls, violations: &mut Violations) {
    if path.0.len() > DEEPEST {
        return violations.push(path, "is nested too deeply");
    }
    match value {
        Value::Object(table) => fit_table(table, &path, nulls, violations),
        Value::Array(items) => {
            items.iter_mut().enumerate().for_each(|(at, item)| fit_value(item, path.index(at), Nulls::LeaveOut, violations));
        }
        Value::String(text) if text.contains("${") => *text = text.replace("${", "$${"),
        Value::Number(number) if number.is_u64() && !number.is_i64() => violations.push(path, "this number is too large"),
        // JSON has one kind of numbers: 10.0 is 10.
        Value::Number(number) if whole(number).is_some() => *value = whole(number).into(),
        Value::Null => violations.push(path, "a list has no place for null"),
        _ => {}
    }
}

/// A number without a fraction, if it is written with one.
fn whole(number: &Number) -> Option<i64> {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() <= LARGEST).map(|float| float as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: &Value, nulls: Nulls, expected: &Value) {
        let mut table = value.as_object().cloned().unwrap();
        let mut violations = Violations::default();
        fit(&mut table, nulls, &mut violations);
        assert_eq!(violations, Violations::default());
        assert_eq!(&Value::from(table), expected);
    }

    #[test]
    fn references_are_literal_and_nulls_are_left_out_or_kept() {
        check(&json!({"a": 10.0, "b": [-1.0, 0.5]}), Nulls::Keep, &json!({"a": 10, "b": [-1, 0.5]}));
        let value = json!({"a": null, "b": {"c": null, "d": "$x ${y} $${z}"}, "l": ["${v}", {"n": null}]});
        check(&value, Nulls::LeaveOut, &json!({"b": {"d": "$x $${y} $$${z}"}, "l": ["$${v}", {}]}));
        check(&value, Nulls::Keep, &json!({"a": null, "b": {"c": null, "d": "$x $${y} $$${z}"}, "l": ["$${v}", {}]}));
    }

    #[test]
    fn what_toml_cannot_hold_is_told() {
        let mut deep = json!(1);
        (0..20).for_each(|_| deep = json!({ "d": deep }));
        let value = json!({"n": u64::MAX, "l": [1, null], "deep": deep});
        let mut violations = Violations::default();
        fit(&mut value.as_object().cloned().unwrap(), Nulls::Keep, &mut violations);
        let message = violations.message();
        assert!(
            message.starts_with("3 schema violations (n: this number is too large; l[1]: a list has no place for null; deep.d"),
            "{message}"
        );
    }
}
