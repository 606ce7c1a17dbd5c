//! What is wrong with the functions of a hook is told at their keys.

use sluice_hooks::build;

use crate::support::{entries, hook};

fn check(functions: &str, expected: &[(&str, &str, &str)]) {
    let (_, problems) =
        build(&entries(&hook("h", &format!("handler = \"lambda\"\nconfig.functions = {functions}"))), &Default::default());
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, (path, message, help)) in problems.iter().zip(expected) {
        assert_eq!(problem.path.to_string(), format!("event_hooks.h.config.functions{path}"));
        assert!(problem.message.contains(message), "{}", problem.message);
        assert!(problem.help.clone().unwrap_or_default().contains(help), "{:?}", problem.help);
    }
}

#[test]
fn functions_are_refused_at_their_keys() {
    let good = "\"return function(data) return true end\"";
    check(&format!("[{good}]"), &[]);
    check(
        &format!("[\"retrun 1\", {good}, \"return {{}}\"]"),
        &[
            ("[0]", "it does not compile: line 1: ", "write: return function"),
            ("[2]", "returned a table", "write: return function"),
        ],
    );
    check(
        "[\"return function() kong.log('x') return true end\"]",
        &[("[0]", "line 1: attempt to index nil with 'log'", "log(text) writes to the log")],
    );
    check("[]", &[("", "there are 0 functions", "write 1 to 32")]);
    check(&format!("[{}]", [good; 33].join(",")), &[("", "there are 33 functions", "write 1 to 32")]);
    check("\"return function() end\"", &[("", "expected", "")]);
}
