//! What functions say by `log`: kept while they run, a few lines of bounded length.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::{Function, Lua, Value, Variadic};

use crate::lambda::fault::message;
use crate::lambda::json;

/// How many lines are kept of one delivery.
const LINES: usize = 16;
/// How long a line may be, in bytes.
const LENGTH: usize = 4096;

/// The lines of one Lua state.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    lines: Vec<String>,
    left_out: u64,
}

impl Journal {
    /// What was said since the last time.
    pub fn take(&self) -> Vec<String> {
        let Kept { mut lines, left_out } = std::mem::take(&mut *self.kept());
        if left_out > 0 {
            lines.push(format!("{left_out} lines more were left out; a delivery may log {LINES}"));
        }
        lines
    }

    /// The function `log`.
    pub fn function(&self, lua: &Lua) -> mlua::Result<Function> {
        let journal = self.clone();
        lua.create_function(move |_, values: Variadic<Value>| {
            journal.add(&values);
            Ok(())
        })
    }

    fn add(&self, values: &[Value]) {
        let mut kept = self.kept();
        if kept.lines.len() < LINES {
            kept.lines.push(line(values));
        } else {
            kept.left_out += 1;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line(values: &[Value]) -> String {
    let mut line = String::new();
    for value in values {
        if line.len() > LENGTH {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&text(value));
    }
    one_line(&line, LENGTH)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let bytes = text.as_bytes();
            String::from_utf8_lossy(&bytes[..bytes.len().min(LENGTH + 1)]).into_owned()
        }
        Value::Error(error) => message(error),
        Value::Number(number) if !number.is_finite() => number.to_string(),
        // No method of the value is called: the state has its lock, and the line its length.
        _ => json::encode(value).unwrap_or_else(|_| format!("({})", value.type_name())),
    }
}

/// The text on one line, whatever is in it, and not longer than this.
pub(crate) fn one_line(text: &str, length: usize) -> String {
    let mut line = String::new();
    for c in text.chars() {
        if line.len() >= length {
            line.push('…');
            break;
        }
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_bounded() {
        let check = |text: &str, expected: &str| assert_eq!(one_line(text, 8), expected, "{text:?}");
        check("häß", "häß");
        check("a\nb\u{1b}[1m", "a\\nb\\u{1b}…");
        check("12345678", "12345678");
        check("123456789", "12345678…");
    }
}
