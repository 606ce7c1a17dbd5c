//! Templates: compiled once when a hook is built, and tried on a sample of every event that the hook will see.

use std::io::{self, Write};

use serde_json::{Map, Value};
use sluice_config::one_of;
use tera::{Context, ErrorKind, Kwargs, State, Tera};

use crate::context::Shape;
use crate::paths::dotted_paths;

/// Kong's syntax that means something else here, and what to write instead.
const KONG: &[(&str, &str, &str)] = &[
    ("{*", "*}", "write {{ … }}: values are not HTML-escaped here (in a JSON body, {{ … | safe }} leaves out the JSON escapes)"),
    ("{(", ")}", "there are no files to include; write the text itself"),
    ("{[", "]}", "there are no files to include; write the text itself"),
    ("{-raw-}", "{-raw-}", "write {% raw %}…{% endraw %}"),
    ("{-verbatim-}", "{-verbatim-}", "write {% raw %}…{% endraw %}"),
];

const LUA: &str = "Lua code is not run here; {% … %} takes statements such as {% if consumer.username %}…{% else %}…{% endif %}";

/// A template that was compiled.
pub(crate) struct Template {
    tera: Tera,
    name: &'static str,
    text: String,
}

/// What printed values are escaped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// Nothing: they are text.
    No,
    /// The inside of a JSON string.
    Json,
}

/// Why a template is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub message: String,
    pub help: Option<String>,
}

impl Refusal {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Template {
    /// Compiles a template.
    pub fn compile(text: &str, escape: Escape) -> Result<Self, Refusal> {
        refuse_kong(text)?;
        let mut tera = Tera::default();
        tera.autoescape_on([".json"]);
        tera.set_escape_fn(escape_json);
        tera.register_filter("json", json);
        let name = if escape == Escape::Json { "template.json" } else { "template" };
        match tera.add_raw_template(name, text) {
            Ok(()) => Ok(Self { tera, name, text: text.to_owned() }),
            Err(error) => {
                let refusal = Refusal::new(format!("the template does not compile: {}", message(&error)));
                Err(if text.contains("{%") { refusal.help(LUA) } else { refusal })
            }
        }
    }

    /// Tries it on the sample of an event and on one without consumer, service and route; gives what was printed.
    pub fn try_on(&self, shape: &Shape) -> Result<[String; 2], Refusal> {
        let fields = shape.fields(&shape.full());
        self.check_names(&fields)?;
        let fails = |error| Refusal::new(format!("the template fails: {}", message(&error)));
        let printed = self.print(&context(&fields)).map_err(fails)?;
        let printed_bare = self.print(&context(&shape.fields(&shape.bare()))).map_err(|error| {
            let refusal = Refusal::new(format!("fails for a request without consumer, service or route: {}", message(&error)));
            refusal.help("guard it, as in {% if consumer.username %}…{% endif %}")
        })?;
        Ok([printed, printed_bare])
    }

    /// Prints it with these fields.
    pub fn render(&self, fields: &Context) -> Result<String, String> {
        self.print(fields).map_err(|error| message(&error))
    }

    fn print(&self, fields: &Context) -> Result<String, tera::Error> {
        self.tera.render(self.name, fields)
    }

    /// Every name that is written must be a field, also in a branch that the sample does not take.
    fn check_names(&self, fields: &Map<String, Value>) -> Result<(), Refusal> {
        let names = self.tera.get_template_variables(self.name).map_err(|error| Refusal::new(message(&error)))?;
        if let Some(name) = names.iter().filter(|name| !fields.contains_key(**name)).min() {
            return Err(unknown_name(name, name, fields));
        }
        // Others than these are the template's own: loop variables and what `set` sets.
        let of_fields = |path: &&str| path.split('.').next().is_some_and(|name| names.contains(name));
        dotted_paths(&self.text).into_iter().filter(of_fields).try_for_each(|path| check_path(path, fields))
    }
}

/// Checks a path such as `consumer.username`, as far as the sample has objects.
fn check_path(path: &str, fields: &Map<String, Value>) -> Result<(), Refusal> {
    let mut known = fields;
    for name in path.split('.') {
        match known.get(name) {
            None => return Err(unknown_name(name, path, known)),
            Some(Value::Object(inner)) => known = inner,
            Some(_) => break,
        }
    }
    Ok(())
}

fn refuse_kong(text: &str) -> Result<(), Refusal> {
    for (open, close, instead) in KONG {
        let Some((_, rest)) = text.split_once(open) else { continue };
        if rest.contains(close) {
            return Err(Refusal::new(format!("`{open} … {close}` is Kong's syntax and has no meaning here")).help(*instead));
        }
    }
    Ok(())
}

fn unknown_name(name: &str, path: &str, known: &Map<String, Value>) -> Refusal {
    let refusal = Refusal::new(format!("the template names an unknown field: {path}"));
    refusal.help(one_of(name, known.keys().map(String::as_str)))
}

/// Fields as tera takes them.
pub(crate) fn context(fields: &Map<String, Value>) -> Context {
    Context::from_serialize(fields).expect("fields are a map with string keys")
}

/// What went wrong, in one line.
fn message(error: &tera::Error) -> String {
    let text = match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => report.message().to_owned(),
        _ => error.to_string(),
    };
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Escapes text for the inside of a JSON string.
fn escape_json(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let quoted = serde_json::to_string(text)?;
    out.write_all(&quoted.as_bytes()[1..quoted.len() - 1])
}

/// The filter `json`: a value as JSON, quotes and all.
fn json(value: &tera::Value, _: Kwargs, _: &State<'_>) -> tera::TeraResult<tera::Value> {
    let text = serde_json::to_string(value).map_err(|error| tera::Error::message(error.to_string()))?;
    Ok(tera::Value::safe_string(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape::of(sluice_events::kind_of("rate-limiting-advanced", "rate-limit-exceeded").unwrap())
    }

    fn tried(text: &str, escape: Escape) -> Result<[String; 2], Refusal> {
        Template::compile(text, escape)?.try_on(&shape())
    }

    fn check(text: &str, full: &str, bare: &str) {
        assert_eq!(tried(text, Escape::No).unwrap(), [full, bare], "{text}");
    }

    fn refused(text: &str, message: &str, help: &str) {
        let refusal = tried(text, Escape::No).unwrap_err();
        assert!(refusal.message.contains(message), "{text}: {}", refusal.message);
        assert!(refusal.help.clone().unwrap_or_default().contains(help), "{text}: {:?}", refusal.help);
    }

    #[test]
    fn kongs_dotted_paths_print_and_absent_values_print_nothing() {
        check(
            "Rate limit exceeded by username '{{ consumer.username }}' on service '{{ service.name }}'",
            "Rate limit exceeded by username 'Joe' on service 'demo'",
            "Rate limit exceeded by username '' on service ''",
        );
        check(
            "{{ rate }} > {{ limit }} a {{ window }} from {{ip}}",
            "4 > 3 a minute from 192.0.2.1",
            "4 > 3 a minute from 192.0.2.1",
        );
        check(
            "{{ source }}/{{ event }} {{ count }}x",
            "rate-limiting-advanced/rate-limit-exceeded 1x",
            "rate-limiting-advanced/rate-limit-exceeded 1x",
        );
        check(
            "{{ service.port }}{{ service.enabled }}{{ route.service.id }}",
            "8080true00000000-0000-5000-8000-000000000002",
            "",
        );
        check("{{ consumer.username | upper }}{% for p in route.paths %}{{ p }}{% endfor %}", "JOE/demo", "");
    }

    #[test]
    fn nothing_is_html_escaped() {
        check("<{{ service.path }}> & \"{{ consumer.username }}\"", "</anything> & \"Joe\"", "<> & \"\"");
    }

    #[test]
    fn unknown_names_are_refused_with_a_suggestion() {
        refused("{{ consumr.username }}", "unknown field: consumr", "did you mean \"consumer\"?");
        refused("{{ consumer.nope }}", "unknown field: consumer.nope", "username");
        refused("{{ consumer.usrname }}", "unknown field: consumer.usrname", "did you mean \"username\"?");
        refused("a {{ route.service.di }} b", "unknown field: route.service.di", "did you mean \"id\"?");
        refused("{{ consumer.usrname | upper }}", "consumer.usrname", "did you mean \"username\"?");
        refused("{{ consumer.usrname | default(value='x') }}", "consumer.usrname", "did you mean \"username\"?");
        refused("{% if limit > 5 %}{{ consumer.usrname }}{% endif %}", "consumer.usrname", "username");
        refused("{% if limit > 5 %}{{ consumr }}{% endif %}", "unknown field: consumr", "consumer");
        refused("{{ username }}", "unknown field: username", "consumer");
    }

    #[test]
    fn what_does_not_compile_is_refused() {
        refused("{{ consumer.username", "does not compile", "");
        refused("{{ consumer.username | nofilter }}", "nofilter", "");
        refused("{% local x = 1 %}", "does not compile", "Lua");
        refused("{* consumer.username *}", "Kong's syntax", "write {{ … }}");
        refused("{(file.html)}", "Kong's syntax", "write the text itself");
    }

    #[test]
    fn what_fails_without_a_consumer_is_refused() {
        refused("{{ consumer.created_at + 1 }}", "without consumer", "{% if");
        refused("{% if consumer.username %}x{% else %}{{ consumer.created_at + 1 }}{% endif %}", "without consumer", "");
        check("{% if consumer.created_at %}{{ consumer.created_at + 1 }}{% endif %}", "1700000001", "");
    }

    #[test]
    fn in_json_values_are_escaped_and_the_filter_json_gives_whole_values() {
        let template = Template::compile(
            r#"{"a": "{{ ip }}", "b": {{ rate }}, "c": {{ consumer | json }}, "d": {{ ip | json }}}"#,
            Escape::Json,
        )
        .unwrap();
        let fields = serde_json::json!({ "ip": "q\"\n\\", "rate": 4, "consumer": { "x": null } });
        let printed = template.render(&context(fields.as_object().unwrap())).unwrap();
        let value: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(value, serde_json::json!({ "a": "q\"\n\\", "b": 4, "c": { "x": null }, "d": "q\"\n\\" }));
    }
}
