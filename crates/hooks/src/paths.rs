//! Finds the dotted paths that a template names, such as `consumer.username`: in what it prints and in its statements, but
//! not in strings, comments and `raw` blocks.

/// Every path with a dot, in the order of the template, which compiles.
pub(crate) fn dotted_paths(template: &str) -> Vec<&str> {
    let mut paths = Vec::new();
    let mut rest = template;
    while let Some((close, inside)) = next_tag(rest) {
        let end = end_of_tag(inside, close);
        let code = &inside[..end];
        rest = inside.get(end + close.len()..).unwrap_or_default();
        if close == "%}" && code.trim_matches(['-', ' ', '\t', '\n', '\r']) == "raw" {
            rest = rest.find("endraw").map_or("", |at| &rest[at..]);
            rest = rest.find("%}").map_or("", |at| &rest[at + 2..]);
        } else if close != "#}" {
            collect(code, &mut paths);
        }
    }
    paths
}

/// What closes the next tag, and what follows its beginning.
fn next_tag(text: &str) -> Option<(&'static str, &str)> {
    let tags = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];
    let found = tags.into_iter().filter_map(|(open, close)| text.find(open).map(|at| (at, close)));
    found.min().map(|(at, close)| (close, &text[at + 2..]))
}

/// Where the tag ends: a closing mark within a string does not count, except in a comment.
fn end_of_tag(inside: &str, close: &str) -> usize {
    let mut quote = None;
    for (at, c) in inside.char_indices() {
        match quote {
            None if inside[at..].starts_with(close) => return at,
            None if close != "#}" && is_quote(c) => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
    }
    inside.len()
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`')
}

fn collect<'a>(code: &'a str, paths: &mut Vec<&'a str>) {
    let mut rest = code;
    while let Some(start) = rest.find(|c: char| is_quote(c) || c.is_ascii_alphanumeric() || c == '_') {
        rest = &rest[start..];
        let first = rest.chars().next().unwrap_or_default();
        if is_quote(first) {
            rest = rest[1..].split_once(first).map_or("", |(_, after)| after);
            continue;
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
        let path = rest[..end].trim_end_matches('.');
        if path.contains('.') && !first.is_ascii_digit() {
            paths.push(path);
        }
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_where_they_mean_something() {
        let check = |template: &str, expected: &[&str]| assert_eq!(dotted_paths(template), expected, "{template}");
        check("plain.text {{ a.b }} and {{c.d.e|upper}}", &["a.b", "c.d.e"]);
        check("{% if a.b and not x %}{{ y.0.z }}{% endif %}", &["a.b", "y.0.z"]);
        check("{{ a | default(value='b.c }}') }}{{ d.e }}", &["d.e"]);
        check("{# it's a.b #}{{ c.d }}", &["c.d"]);
        check("{%- raw -%}{{ a.b }}{% endraw %}{{ c.d }}", &["c.d"]);
        check("{{ 1.5 + a.b }}{{ a.b.", &["a.b", "a.b"]);
        check("{{ \"é\" ~ a.b }}", &["a.b"]);
    }
}
