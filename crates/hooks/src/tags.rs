//! The tags of a template and the words in them, split exactly as tera's lexer does: what hides from this would hide from
//! the checks that are built on it.

/// A tag with code in it: one that prints, or a statement. Comments and `raw` blocks are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub statement: bool,
    pub code: &'a str,
}

/// Every tag, in the order of the template, which compiles.
pub(crate) fn tags(template: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut rest = template;
    while let Some((close, inside)) = next_tag(rest) {
        let inside = inside.strip_prefix('-').unwrap_or(inside);
        if close == "#}" {
            rest = inside.split_once(close).map_or("", |(_, after)| after);
        } else if close == "%}"
            && let Some(body) = after_tag(inside, "raw")
        {
            rest = after_raw(body);
        } else {
            let end = end_of_code(inside, close);
            tags.push(Tag { statement: close == "%}", code: inside[..end].trim_end_matches('-').trim() });
            rest = inside.get(end + close.len()..).unwrap_or_default();
        }
    }
    tags
}

/// What closes the next tag, and what follows its beginning.
fn next_tag(text: &str) -> Option<(&'static str, &str)> {
    let tags = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];
    let found = tags.into_iter().filter_map(|(open, close)| text.find(open).map(|at| (at, close)));
    found.min().map(|(at, close)| (close, &text[at + 2..]))
}

/// What follows the tag, if it is the one of this name and nothing else.
fn after_tag<'a>(inside: &'a str, name: &str) -> Option<&'a str> {
    let inside = inside.strip_prefix('-').unwrap_or(inside);
    let rest = inside.trim_ascii_start().strip_prefix(name)?.trim_ascii_start();
    rest.strip_prefix('-').unwrap_or(rest).strip_prefix("%}")
}

fn after_raw(body: &str) -> &str {
    let mut rest = body;
    while let Some((_, inside)) = rest.split_once("{%") {
        match after_tag(inside, "endraw") {
            Some(after) => return after,
            None => rest = inside,
        }
    }
    ""
}

/// Where the tag ends: a closing mark within a string does not count.
fn end_of_code(code: &str, close: &str) -> usize {
    let mut at = 0;
    while let Some(c) = code[at..].chars().next() {
        if code[at..].starts_with(close) {
            return at;
        }
        at += if is_quote(c) { string_length(&code[at..]) } else { c.len_utf8() };
    }
    code.len()
}

pub(crate) fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`')
}

/// How long the string is that begins here, quotes and all.
pub(crate) fn string_length(text: &str) -> usize {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match quote {
            None => quote = Some(c),
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => return at + 1,
            Some(_) => {}
        }
    }
    text.len()
}

/// The words of some code, each with what follows it; strings hold none.
pub(crate) fn words(code: &str) -> Vec<(&str, &str)> {
    let mut words = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        if is_quote(first) {
            rest = &rest[string_length(rest)..];
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            words.push(rest.split_at(end));
            rest = &rest[end..];
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_as_tera_finds_them() {
        let check = |template: &str, expected: &[&str]| {
            let found: Vec<&str> = tags(template).iter().map(|tag| tag.code).collect();
            assert_eq!(found, expected, "{template}");
        };
        check("a {{ b }} {%- if c -%}{{-d-}}", &["b", "if c", "d"]);
        check(r#"{{ "}}\"}}" ~ a }}{{ b }}"#, &[r#""}}\"}}" ~ a"#, "b"]);
        check("{# {{ a }} ' #}{{ b }}{#-#}{{ c }}", &["b", "c"]);
        check("{% raw %}endraw %} {{ ' {% endraw %}{{ a }}{{ ' ' }}", &["a", "' '"]);
        check("{%- raw -%}{% endraws %}{{ a }}{%- endraw -%}{{ b }}", &["b"]);
    }

    #[test]
    fn words_are_outside_strings() {
        let found = |code| words(code).into_iter().map(|(word, _)| word).collect::<Vec<_>>();
        assert_eq!(found(r#"a.b ~ "c \" d" ~ [1for e_2 in ...f]"#), ["a", "b", "for", "e_2", "in", "f"]);
    }
}
