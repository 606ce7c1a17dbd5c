//! Keeps the work of a template in proportion to its own length and to the event's data, whatever it says.
//!
//! tera has no limit on its work, so what multiplies is refused: loops over anything but the event's data, loops within
//! loops that do not go down into it, values made of values that the template has set itself, and templates in templates.

use std::collections::HashSet;

use crate::tags::{Tag, tags, words};
use crate::template::Refusal;

/// The statements that there are; `raw` is none by the time tags are seen.
const STATEMENTS: &[&str] = &["if", "elif", "else", "endif", "for", "endfor", "break", "continue", "set", "set_global", "endset"];

/// What is said of `range`, at load and should it ever be called.
pub(crate) const NO_RANGE: &str = "range is not available: loops go over the event's own lists";

const FOR: &str = "write it as in {% for path in route.paths %}";

/// Checks a template that compiles.
pub(crate) fn check(template: &str) -> Result<(), Refusal> {
    let tags = tags(template);
    let set: HashSet<&str> = tags.iter().filter_map(|tag| set_name(tag)).collect();
    let mut loops = Vec::new();
    for tag in &tags {
        let words = words(tag.code);
        check_words(tag, &words)?;
        if !tag.statement {
            continue;
        }
        match words.first().map_or(("", ""), |word| *word) {
            (name, _) if !tag.code.starts_with(name) || !STATEMENTS.contains(&name) => {
                let written = tag.code.split_whitespace().next().unwrap_or_default();
                let refusal = Refusal::new(format!("the statement {{% {written} %}} is not available in the template of a hook"));
                return Err(refusal.help("there are if, for, set and raw"));
            }
            ("for", rest) => loops.push(check_for(rest, &set, loops.last())?),
            ("endfor", _) => drop(loops.pop()),
            ("set" | "set_global", rest) => check_set(rest, &set)?,
            _ => {}
        }
    }
    Ok(())
}

fn set_name<'a>(tag: &Tag<'a>) -> Option<&'a str> {
    let words = words(tag.code);
    let is_set = tag.statement && matches!(words.first(), Some(("set" | "set_global", _)));
    is_set.then(|| words.get(1).map(|(name, _)| *name)).flatten()
}

fn check_words(tag: &Tag<'_>, words: &[(&str, &str)]) -> Result<(), Refusal> {
    for (index, (word, after)) in words.iter().enumerate() {
        match *word {
            "range" if after.trim_ascii_start().starts_with('(') => return Err(Refusal::new(NO_RANGE)),
            // A list made by a loop. The statement begins with the word.
            "for" if index > 0 || !tag.statement => {
                return Err(Refusal::new("a list cannot be made by a loop in it").help("write {% for … %} around what it prints"));
            }
            "__tera_context" => return Err(Refusal::new("__tera_context is not available: name the fields")),
            _ => {}
        }
    }
    Ok(())
}

/// A loop goes over a field, and one within another over what the other one gives; so all of them together go over the
/// data no more than once for each that is written. Gives the names that the loop sets.
fn check_for<'a>(rest: &'a str, set: &HashSet<&str>, outer: Option<&Vec<&'a str>>) -> Result<Vec<&'a str>, Refusal> {
    let not_a_field = || Refusal::new("a loop goes over one of the event's own lists, and over nothing else").help(FOR);
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    let at = rest.split_ascii_whitespace().rev().nth(1).filter(|word| *word == "in").ok_or_else(not_a_field)?;
    let (names, path) = rest.rsplit_once(at).ok_or_else(not_a_field)?;
    let path: Vec<&str> = path.trim_ascii().split('.').collect();
    let names: Vec<&str> = names.split(',').map(str::trim_ascii).collect();
    let root = path.first().copied().unwrap_or_default();
    if !path.iter().chain(&names).all(|word| is_word(word)) || set.contains(root) {
        return Err(not_a_field());
    }
    if outer.is_some_and(|names| !names.contains(&root)) {
        let refusal = Refusal::new(format!("a loop in a loop goes over what the outer one gives, not over {root}"));
        return Err(refusal.help("end the first loop before the second"));
    }
    Ok(names)
}

/// What is set is made of fields, not of what was set before: else each line could double the one above it.
fn check_set(rest: &str, set: &HashSet<&str>) -> Result<(), Refusal> {
    let words = words(rest);
    let Some((name, after)) = words.first() else { return Ok(()) };
    if !after.trim_ascii_start().starts_with('=') {
        let refusal = Refusal::new(format!("{name} is set to a block of text, which is not available in the template of a hook"));
        return Err(refusal.help("write {% set name = … %}"));
    }
    match words.iter().skip(1).find(|(word, _)| set.contains(word)) {
        Some((word, _)) => Err(Refusal::new(format!("{name} is made of {word}, which the template has set itself"))
            .help("make it of the event's fields")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_over_the_data_once_is_good() {
        let good = |template: &str| assert_eq!(check(template), Ok(()), "{template}");
        good("{% for p in route.paths %}{{ loop.index }}{{ p }}{% else %}none{% endfor %}");
        good("{%- for k , v in consumer -%}{% for x in v %}{% for x in x %}{{ x }}{% endfor %}{% endfor %}{%- endfor -%}");
        good("{% for p in route.paths %}{% endfor %}{% for t in consumer.tags %}{% endfor %}");
        good("{% set who = consumer.username | default(value='for range( for') %}{{ who }}");
        good("for range( {# {% for x in [1] %} #}{% raw %}{% for x in [1] %}{% endraw %}{{ \"{% include 'x' %}\" }}");
        good("{% if limit > 5 %}a{% elif rate in [1, 2] %}b{% else %}c{% endif %}{{ 'a' if limit else 'b' }}");
    }

    #[test]
    fn what_multiplies_is_refused() {
        let bad = |template: &str, message: &str| {
            let refusal = check(template).expect_err(template);
            assert!(refusal.message.contains(message), "{template}: {}", refusal.message);
        };
        bad("{% for i in range(end=5) %}{% endfor %}", NO_RANGE);
        bad("{% if limit > 5000000 %}{{ range (end=5) }}{% endif %}", NO_RANGE);
        bad("{{ [...range(end=5)] }}", NO_RANGE);
        bad("{% for c in 'aaaa' %}{% endfor %}", "own lists");
        bad("{% for i in [1, 1] %}{% endfor %}", "own lists");
        bad("{% for i in route.paths | reverse %}{% endfor %}", "own lists");
        bad("{% for i in route.paths[0] %}{% endfor %}", "own lists");
        bad("{% set x = 'aaaa' %}{% for c in x %}{% endfor %}", "own lists");
        bad("{% for x in route.paths %}{% set x = 'aaaa' %}{% for c in x %}{% endfor %}{% endfor %}", "own lists");
        bad("{% for a in ip %}{% for b in ip %}{% endfor %}{% endfor %}", "outer one");
        bad("{% for a in x %}{% for b in a %}{% for c in a %}{% endfor %}{% endfor %}{% endfor %}", "outer one");
        bad("{{ [1for a in ip] }}", "made by a loop");
        bad("{% if [a for a in ip] %}{% endif %}", "made by a loop");
        bad("{% set s = 'a' %}{% set s = s ~ s %}", "set itself");
        bad("{% for a in ip %}{% set_global s = s ~ s %}{% endfor %}", "set itself");
        bad("{% set s %}a{% endset %}", "block of text");
        bad("{% set s = 'a' %}{% set t = __tera_context | str %}", "name the fields");
        bad("{% filter upper %}a{% endfilter %}", "{% filter %}");
        bad("{% block a %}a{% endblock %}", "{% block %}");
        bad("{% include 'template' %}", "{% include %}");
        bad("{% extends 'template' %}", "{% extends %}");
        bad("{% component a() %}{{<a />}}{% endcomponent %}", "{% component %}");
        bad("{% <a()> %}{% </a> %}", "{% <a()> %}");
        bad(r#"{{ "\"" }}{% for c in 'a' %}{% endfor %}{{ "\"" }}"#, "own lists");
        bad("{% raw %}endraw %} {{ ' {% endraw %}{% for c in 'a' %}{% endfor %}{{ '' }}", "own lists");
    }
}
