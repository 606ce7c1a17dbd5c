//! Finds the dotted paths that a template names, such as `consumer.username`: in what it prints and in its statements, but
//! not in strings, comments and `raw` blocks.

use crate::tags::{is_quote, string_length, tags};

/// Every path with a dot, in the order of the template, which compiles.
pub(crate) fn dotted_paths(template: &str) -> Vec<&str> {
    let mut paths = Vec::new();
    tags(template).iter().for_each(|tag| collect(tag.code, &mut paths));
    paths
}

fn collect<'a>(code: &'a str, paths: &mut Vec<&'a str>) {
    let mut rest = code;
    while let Some(start) = rest.find(|c: char| is_quote(c) || c.is_ascii_alphanumeric() || c == '_') {
        rest = &rest[start..];
        let first = rest.chars().next().unwrap_or_default();
        if is_quote(first) {
            rest = &rest[string_length(rest)..];
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
