//! Templates: compiled once when a hook is built, and tried on a sample of every event that the hook will see.

use serde_json::{Map, Value};
use sluice_config::one_of;
use tera::{Context, ErrorKind, Tera};

use crate::context::Shape;
use crate::filters::{self, Capped};
use crate::guard;
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

const TOO_LONG: &str = "the template renders more than 64 KiB";

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
        filters::register(&mut tera);
        let name = if escape == Escape::Json { "template.json" } else { "template" };
        match tera.add_raw_template(name, text) {
            Ok(()) => guard::check(text).map(|()| Self { tera, name, text: text.to_owned() }),
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
        let printed = self.print(&context(&fields)).map_err(|fault| fault.refusal("the template fails"))?;
        let printed_bare = self.print(&context(&shape.fields(&shape.bare()))).map_err(|fault| {
            let refusal = fault.refusal("fails for a request without consumer, service or route");
            refusal.help("guard it, as in {% if consumer.username %}…{% endif %}")
        })?;
        Ok([printed, printed_bare])
    }

    /// Prints it with these fields.
    pub fn render(&self, fields: &Context) -> Result<String, String> {
        self.print(fields).map_err(|fault| match fault {
            Fault::TooLong => TOO_LONG.to_owned(),
            Fault::Fails(message) => message,
        })
    }

    fn print(&self, fields: &Context) -> Result<String, Fault> {
        let mut printed = Capped::default();
        match self.tera.render_to(self.name, fields, &mut printed) {
            Ok(()) => String::from_utf8(printed.bytes).map_err(|error| Fault::Fails(error.to_string())),
            Err(_) if printed.full => Err(Fault::TooLong),
            Err(error) => Err(Fault::Fails(message(&error))),
        }
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

/// Why a template does not print.
enum Fault {
    TooLong,
    Fails(String),
}

impl Fault {
    fn refusal(self, what: &str) -> Refusal {
        match self {
            Self::TooLong => Refusal::new(format!("{TOO_LONG} on the sample")),
            Self::Fails(message) => Refusal::new(format!("{what}: {message}")),
        }
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

    #[test]
    fn what_makes_much_of_little_is_refused() {
        let a = "a".repeat(300);
        let squared = format!("{{{{ '{a}' | replace(from='a', to='{a}') }}}}");
        refused(&squared, "a text in it is more than 64 KiB", "");
        refused(&format!("{{{{ '{a}' | split(pat='') | join(sep='{a}') }}}}"), "more than 64 KiB", "");
        refused("{{ ip | indent(width=1000) }}", "indent is not available", "");
        refused("{{ range(end=3) }}", "range is not available: loops go over the event's own lists", "");
        let quotes = format!("{{{{ '\"'{} }}}}", " | json | str".repeat(20));
        refused(&quotes, "more than 64 KiB", "");
        let quotes = format!("{{{{ '\"'{} }}}}", " | escape | str".repeat(20));
        refused(&quotes, "more than 64 KiB", "");
        check("{{ 'a-b' | replace(from='-', to='+') }}{{ ['a', 1] | join(sep=', ') }}", "a+ba, 1", "a+ba, 1");
    }

    #[test]
    fn what_prints_too_much_is_refused_at_load_and_fails_later() {
        let limit = filters::TEXT_LIMIT;
        assert!(tried(&"x".repeat(limit), Escape::No).is_ok());
        refused(&"x".repeat(limit + 1), "the template renders more than 64 KiB on the sample", "");
        let template = Template::compile("{% for p in route.paths %}{{ p }}{% endfor %}", Escape::No).unwrap();
        template.try_on(&shape()).unwrap();
        let fields = serde_json::json!({ "route": { "paths": vec!["x".repeat(1000); 70] } });
        assert_eq!(template.render(&context(fields.as_object().unwrap())), Err("the template renders more than 64 KiB".into()));
    }
}
