//! tera's filters that make much of little, with a limit or not at all.
#![expect(clippy::needless_pass_by_value, reason = "tera calls them like this")]

use std::io::{self, Write};

use tera::{Kwargs, State, StringInput, Tera, TeraResult, Value};

use crate::guard::NO_RANGE;

/// How long what a template prints may be, and any text on the way there.
pub(crate) const TEXT_LIMIT: usize = 64 * 1024;

const TOO_LONG: &str = "a text in it is more than 64 KiB";

/// Puts ours in the place of tera's.
pub(crate) fn register(tera: &mut Tera) {
    tera.set_escape_fn(escape_json);
    tera.register_filter("escape", escape);
    tera.register_filter("json", json);
    tera.register_filter("replace", replace);
    tera.register_filter("join", join);
    tera.register_filter("indent", indent);
    tera.register_function("range", range);
}

/// What is written, up to a limit.
#[derive(Default)]
pub(crate) struct Capped {
    pub bytes: Vec<u8>,
    /// It did not fit.
    pub full: bool,
}

impl Write for Capped {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.len() > TEXT_LIMIT - self.bytes.len() {
            self.full = true;
            return Err(io::Error::other(TOO_LONG));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn fits(length: usize) -> TeraResult<()> {
    if length > TEXT_LIMIT { Err(tera::Error::message(TOO_LONG)) } else { Ok(()) }
}

/// Escapes text for the inside of a JSON string.
fn escape_json(text: &str, out: &mut dyn Write) -> io::Result<()> {
    if text.len() > TEXT_LIMIT {
        return Err(io::Error::other(TOO_LONG));
    }
    let quoted = serde_json::to_string(text)?;
    out.write_all(&quoted.as_bytes()[1..quoted.len() - 1])
}

fn escape(value: StringInput<'_>, _: Kwargs, state: &State<'_>) -> TeraResult<Value> {
    fits(value.as_str().len())?;
    if value.is_safe() { Ok(value.into_value()) } else { Ok(Value::safe_string(&state.escape(value.as_str())?)) }
}

/// A value as JSON, quotes and all.
fn json(value: &Value, _: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    let mut text = Capped::default();
    serde_json::to_writer(&mut text, value).map_err(|error| tera::Error::message(error.to_string()))?;
    Ok(Value::safe_string(&String::from_utf8(text.bytes)?))
}

fn replace(value: StringInput<'_>, kwargs: Kwargs, state: &State<'_>) -> TeraResult<Value> {
    let (from, to) = (kwargs.must_get::<&str>("from")?, kwargs.must_get::<StringInput<'_>>("to")?);
    let safe = state.autoescaping_enabled() && (value.is_safe() || to.is_safe());
    let (text, to) =
        if safe { (value.rendered(state)?, to.rendered(state)?) } else { (value.as_str().into(), to.as_str().into()) };
    fits(text.len().saturating_add(text.matches(from).count().saturating_mul(to.len())))?;
    let replaced = text.replace(from, &to);
    Ok(if safe { Value::safe_string(&replaced) } else { Value::from(replaced) })
}

fn join(values: &[Value], kwargs: Kwargs, state: &State<'_>) -> TeraResult<Value> {
    let between = kwargs.get::<StringInput<'_>>("sep")?;
    let safe = state.autoescaping_enabled()
        && (values.iter().any(|value| value.is_string() && value.is_safe())
            || between.as_ref().is_some_and(StringInput::is_safe));
    let between = match &between {
        Some(between) if safe => between.rendered(state)?,
        Some(between) => between.as_str().into(),
        None => "".into(),
    };
    let mut joined = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            joined += &between;
        }
        match value {
            value if value.is_undefined() => {}
            value if safe => joined += &state.escape_if_needed(value)?,
            value => joined += &value.to_string(),
        }
        fits(joined.len())?;
    }
    Ok(if safe { Value::safe_string(&joined) } else { Value::from(joined) })
}

fn indent(_: &Value, _: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    Err(tera::Error::message("the filter indent is not available: write the spaces themselves"))
}

fn range(_: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    Err(tera::Error::message(NO_RANGE))
}
