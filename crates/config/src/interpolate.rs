//! `${NAME}`, `${NAME:-default}` and `${file:/path}` inside strings.

use std::path::Path;

/// Where references are looked up; tests give their own.
pub trait Environment {
    /// The value of a variable, if it is set.
    fn variable(&self, name: &str) -> Option<String>;
    /// The text of a file.
    fn file(&self, path: &Path) -> std::io::Result<String>;
}

/// How large a file may be that a reference names.
const LARGEST_FILE: u64 = 64 * 1024;

/// The environment of this process and its file system.
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> std::io::Result<String> {
        // A pipe would be waited for, and a device has no end.
        let about = std::fs::metadata(path)?;
        if !about.is_file() || about.len() > LARGEST_FILE {
            return Err(std::io::Error::other(format!("it is no ordinary file of at most {LARGEST_FILE} bytes")));
        }
        std::fs::read_to_string(path)
    }
}

/// A string after its references were replaced.
pub(crate) struct Interpolated {
    pub text: String,
    /// What came from the environment or a file: never shown to anybody.
    pub secrets: Vec<String>,
}

/// Replaces every reference in `text`. `None` if there is none; `$${` is a literal `${`.
pub(crate) fn interpolate(text: &str, env: &dyn Environment) -> Option<Result<Interpolated, String>> {
    text.contains("${").then(|| replace_all(text, env))
}

fn replace_all(text: &str, env: &dyn Environment) -> Result<Interpolated, String> {
    let mut out = Interpolated { text: String::with_capacity(text.len()), secrets: Vec::new() };
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        if let Some(escaped) = before.strip_suffix('$') {
            out.text.push_str(escaped);
            out.text.push_str("${");
            rest = &reference[2..];
            continue;
        }
        out.text.push_str(before);
        let end = reference.find('}').ok_or("`${` without its `}`; write `$${` for a literal `${`")?;
        let value = resolve(&reference[2..end], env)?;
        out.text.push_str(&value.text);
        if value.secret && !value.text.is_empty() {
            out.secrets.push(value.text);
        }
        rest = &reference[end + 1..];
    }
    out.text.push_str(rest);
    Ok(out)
}

struct Value {
    text: String,
    secret: bool,
}

fn resolve(reference: &str, env: &dyn Environment) -> Result<Value, String> {
    if let Some(path) = reference.strip_prefix("file:") {
        let text = env.file(Path::new(path)).map_err(|error| format!("cannot read the file `{path}`: {error}"))?;
        return Ok(Value { text: text.trim_end_matches(['\r', '\n']).to_owned(), secret: true });
    }
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(format!(
            "`${{{reference}}}` names no variable; write `${{NAME}}`, `${{NAME:-default}}` or `${{file:/path}}`"
        ));
    }
    match (env.variable(name).filter(|value| default.is_none() || !value.is_empty()), default) {
        (Some(text), _) => Ok(Value { text, secret: true }),
        (None, Some(default)) => Ok(Value { text: default.to_owned(), secret: false }),
        (None, None) => Err(format!("the environment variable {name} is not set; set it, or write `${{{name}:-default}}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake;
    impl Environment for Fake {
        fn variable(&self, name: &str) -> Option<String> {
            match name {
                "USER" => Some("ubuntu".into()),
                "EMPTY" => Some(String::new()),
                _ => None,
            }
        }
        fn file(&self, path: &Path) -> std::io::Result<String> {
            if path == Path::new("/run/token") { Ok("t0ken\n".into()) } else { Err(std::io::ErrorKind::NotFound.into()) }
        }
    }

    fn check(text: &str, expected: Option<Result<&str, &str>>) {
        let found = interpolate(text, &Fake);
        match (found, expected) {
            (None, None) => {}
            (Some(Ok(found)), Some(Ok(expected))) => assert_eq!(found.text, expected),
            (Some(Err(found)), Some(Err(expected))) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("{text}: {:?} is not {expected:?}", found.map(|f| f.map(|f| f.text))),
        }
    }

    #[test]
    fn references_are_replaced_and_a_missing_one_says_what_to_write() {
        check("plain $ text", None);
        check("hi ${USER}!", Some(Ok("hi ubuntu!")));
        check("${NOPE:-x}${EMPTY:-y}", Some(Ok("xy")));
        check("${EMPTY}", Some(Ok("")));
        check("${file:/run/token}", Some(Ok("t0ken")));
        check("$${USER}", Some(Ok("${USER}")));
        check("${NOPE}", Some(Err("NOPE is not set")));
        check("${file:/nope}", Some(Err("cannot read the file `/nope`")));
        check("${", Some(Err("without its `}`")));
        check("${a-b}", Some(Err("names no variable")));
    }
}
