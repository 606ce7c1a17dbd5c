//! What went wrong in Lua, in one line that says where.

use mlua::Error;

use crate::lambda::journal::one_line;
use crate::lambda::sandbox::MEMORY;

/// The name of every chunk: Lua writes `line:3: …` then, and we `line 3: …`.
pub(crate) const CHUNK: &str = "=line";

const LENGTH: usize = 1024;

/// The message of an error, with the line of the function.
pub(crate) fn message(error: &Error) -> String {
    one_line(&found(error), LENGTH)
}

fn found(error: &Error) -> String {
    match error {
        Error::MemoryError(_) => format!("it needs more than {} MiB of memory", MEMORY / 1024 / 1024),
        Error::CallbackError { traceback, cause } => with_line(&found(cause), traceback),
        Error::SyntaxError { message, .. } | Error::RuntimeError(message) => {
            let first = message.split_once("\nstack traceback:").map_or(message.as_str(), |(first, _)| first);
            with_line(first, message)
        }
        other => other.to_string(),
    }
}

/// Puts the line before the message: its own, or that of the innermost call that has one.
fn with_line(message: &str, traceback: &str) -> String {
    if message.starts_with("line ") {
        return message.to_owned();
    }
    if let Some((line, rest)) = message.strip_prefix("line:").and_then(|rest| rest.split_once(':')) {
        return format!("line {line}:{rest}");
    }
    let line = traceback.lines().find_map(|call| call.trim().strip_prefix("line:")).unwrap_or_default();
    let digits = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len());
    match &line[..digits] {
        "" => message.to_owned(),
        line => format!("line {line}: {message}"),
    }
}
