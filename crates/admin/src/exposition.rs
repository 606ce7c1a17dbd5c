//! Numbers as Prometheus reads them: its text format, version 0.0.4.

use std::fmt::{Display, Write};

/// What is shown, family by family.
#[derive(Default)]
pub struct Exposition {
    text: String,
}

/// All numbers of one name. They are told apart by their labels, which are never chosen by clients.
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Exposition {
    /// A family of numbers that only grow, as long as the process lives.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// A family of numbers that come and go.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// A family of how often something was how large.
    pub fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.text
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        // Writing to memory does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { text: &mut self.text, name }
    }
}

impl Family<'_> {
    /// Its only number.
    pub fn value(&mut self, value: impl Display) {
        self.sample(&[], value);
    }

    /// The number under these labels.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, None, value);
    }

    /// How often it was up to each bound, beyond the last, and all of it together.
    pub fn times(&mut self, labels: &[(&str, &str)], (bounds, counts): (&[f64], &[u64]), sum: f64) {
        let mut count = 0;
        for (at, more) in counts.iter().enumerate() {
            count += more;
            let bound = bounds.get(at).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            self.line("_bucket", labels, Some(("le", &bound)), count);
        }
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, count);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], last: Option<(&str, &str)>, value: impl Display) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let mut before = '{';
        for (name, value) in labels.iter().copied().chain(last) {
            self.text.push(before);
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(value, self.text);
            self.text.push('"');
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

fn escape(value: &str, out: &mut String) {
    for char in value.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_the_format_says() {
        let mut shown = Exposition::default();
        shown.counter("a_total", "How many.").sample(&[("route", "x\"y\\z\n"), ("code", "200")], 3);
        shown.gauge("b", "What is left.").value(0.5);
        shown.histogram("c_seconds", "How long.").times(&[("route", "r")], (&[0.001, 2.5], &[1, 0, 2]), 7.25);
        let text = shown.into_text();
        let expected = [
            "# HELP a_total How many.",
            "# TYPE a_total counter",
            r#"a_total{route="x\"y\\z\n",code="200"} 3"#,
            "# HELP b What is left.",
            "# TYPE b gauge",
            "b 0.5",
            "# HELP c_seconds How long.",
            "# TYPE c_seconds histogram",
            r#"c_seconds_bucket{route="r",le="0.001"} 1"#,
            r#"c_seconds_bucket{route="r",le="2.5"} 1"#,
            r#"c_seconds_bucket{route="r",le="+Inf"} 3"#,
            r#"c_seconds_sum{route="r"} 7.25"#,
            r#"c_seconds_count{route="r"} 3"#,
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
