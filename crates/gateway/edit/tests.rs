//! Steps on texts as people write them.

use serde_json::{Map, Value as Json, json};

use super::*;

const FILE: &str = "# top\n[services.demo] # a service\nurl = \"http://x\"\n\n# mine\n[event_hooks.a]\nsource = \"s\" # why\nhandler = \"log\"\nconfig.url = \"${URL}\"\n\n# last\n[event_hooks.b]\nsource = \"t\"\n";

fn map(json: &Json) -> Map<String, Json> {
    json.as_object().cloned().expect("an object")
}

fn at(path: &str) -> KeyPath {
    let mut segments = Vec::new();
    for part in path.split('/') {
        segments.push(part.parse().map_or_else(|_| Segment::Key(part.to_owned()), Segment::Index));
    }
    KeyPath(segments)
}

fn put(path: &str, table: &Json, keep: &[&str]) -> Step {
    Step::Put { at: at(path), table: map(table), keep: keep.iter().map(|key| (*key).to_owned()).collect() }
}

fn merge(path: &str, changes: &Json) -> Step {
    Step::Merge { at: at(path), changes: map(changes) }
}

fn push(path: &str, value: &Json) -> Step {
    Step::Push { at: at(path), value: value.clone() }
}

fn remove(path: &str) -> Step {
    Step::Remove { at: at(path) }
}

/// The text of a single file after the steps.
pub(super) fn apply_to(text: &str, steps: &[Step]) -> Result<String, Refusal> {
    apply(&[Source::new("a", text)], steps).map(|mut files| files.remove(0).text)
}

fn check_in(file: &str, step: Step, expected: &str) {
    assert_eq!(apply_to(file, &[step]).expect("the step fits"), expected);
}

fn check(step: Step, expected: &str) {
    check_in(FILE, step, expected);
}

#[test]
fn a_new_entity_is_added_at_the_end() {
    let table = json!({ "source": "s", "snooze": 5, "id": null, "config": { "url": "http://x", "headers": { "a-b": "c" } } });
    let added = "\n[event_hooks.c]\nsource = \"s\"\nsnooze = 5\n\n[event_hooks.c.config]\nurl = \"http://x\"\n\n[event_hooks.c.config.headers]\na-b = \"c\"\n";
    check(put("event_hooks/c", &table, &[]), &format!("{FILE}{added}"));
}

#[test]
fn a_table_comes_below_the_one_that_it_belongs_to() {
    let expected =
        FILE.replace("url = \"http://x\"\n", "url = \"http://x\"\n\n[services.demo.plugins.key-auth]\nrealm = \"x\"\n");
    check(put("services/demo/plugins/key-auth", &json!({ "realm": "x" }), &[]), &expected);
    let inline = "[services]\ndemo = { url = \"http://x\" } # short\n";
    let expected = "[services]\ndemo = { url = \"http://x\", plugins = { key-auth = { realm = \"x\" } } } # short\n";
    check_in(inline, put("services/demo/plugins/key-auth", &json!({ "realm": "x" }), &[]), expected);
}

#[test]
fn a_patch_changes_what_it_names_and_keeps_comments() {
    let changes = json!({ "source": "u", "snooze": 3, "handler": null, "config": { "method": "POST" } });
    let expected = FILE
        .replace("source = \"s\" # why\nhandler = \"log\"\n", "source = \"u\" # why\n")
        .replace("config.url = \"${URL}\"\n", "config.url = \"${URL}\"\nconfig.method = \"POST\"\nsnooze = 3\n");
    check(merge("event_hooks/a", &changes), &expected);
    assert!(apply_to(FILE, &[merge("event_hooks/x", &changes)]).is_err());
}

#[test]
fn what_is_put_again_keeps_its_form_and_what_is_not_said_is_gone() {
    let table = json!({ "source": "s", "config": { "url": "no" }, "events": ["a"] });
    let expected = FILE
        .replace("handler = \"log\"\n", "")
        .replace("config.url = \"${URL}\"\n", "config.url = \"${URL}\"\nevents = [\"a\"]\n");
    check(put("event_hooks/a", &table, &["config"]), &expected);
    let file = "[a.b]\nlist = [\n  1, # one\n  2,\n]\n[a.b.plugins.x]\n";
    check_in(file, put("a/b", &json!({ "list": [1, 2] }), &["plugins"]), file);
    check_in(file, put("a/b", &json!({ "list": [3] }), &["plugins"]), "[a.b]\nlist = [3]\n[a.b.plugins.x]\n");
}

#[test]
fn a_removed_entity_takes_nothing_else_with_it() {
    let expected = FILE.split("\n# last").next().expect("text before it").to_owned();
    check(remove("event_hooks/b"), &expected);
    check(remove("event_hooks/nobody"), FILE);
    check(remove("nothing/nobody/0"), FILE);
}

#[test]
fn elements_come_and_go_in_the_form_of_the_list() {
    let file = "t = [\"a\", { target = \"b\" }] # all\n";
    check_in(file, push("t", &json!({ "target": "c" })), "t = [\"a\", { target = \"b\" }, { target = \"c\" }] # all\n");
    check_in(file, remove("t/0"), "t = [{ target = \"b\" }] # all\n");
    check_in(file, remove("t/1"), "t = [\"a\"] # all\n");
    check_in(file, remove("t/2"), file);
    check_in(
        "t = [\n    \"a\", # first\n    \"b\",\n]\n",
        push("t", &json!("c")),
        "t = [\n    \"a\", # first\n    \"b\",\n    \"c\",\n]\n",
    );
    check_in("t = [\"a\"]\n", push("t", &json!("b")), "t = [\"a\", \"b\"]\n");
    check_in("t = []\n", push("t", &json!("b")), "t = [\"b\"]\n");
    check_in("[c.j]\n", push("c/j/key-auth", &json!({ "key": "k" })), "[c.j]\nkey-auth = [{ key = \"k\" }]\n");
    check_in("[[c.j]]\nkey = \"a\"\n", push("c/j", &json!({ "key": "b" })), "[[c.j]]\nkey = \"a\"\n\n[[c.j]]\nkey = \"b\"\n");
    check_in("[[c.j]]\nkey = \"a\"\n\n[[c.j]]\nkey = \"b\"\n", remove("c/j/0"), "\n[[c.j]]\nkey = \"b\"\n");
    check_in(file, merge("t/1", &json!({ "weight": 3 })), "t = [\"a\", { target = \"b\", weight = 3 }] # all\n");
    check_in(
        file,
        put("t/0", &json!({ "target": "a", "weight": 3 }), &[]),
        "t = [{ target = \"a\", weight = 3 }, { target = \"b\" }] # all\n",
    );
}

#[test]
fn a_renamed_table_stays_where_it_is() {
    let file = "# above\n[s.a] # beside\nx = 1\n[s.a.plugins.p]\n[s.b]\n";
    check_in(
        file,
        Step::Rename { at: at("s/a"), name: "c d".into() },
        "# above\n[s.\"c d\"] # beside\nx = 1\n[s.\"c d\".plugins.p]\n[s.b]\n",
    );
    assert!(apply_to(file, &[Step::Rename { at: at("s/x"), name: "c".into() }]).is_err());
}

#[test]
fn a_broken_file_is_not_edited() {
    assert!(apply_to("a = [", &[remove("event_hooks/b")]).is_err());
    assert!(apply_to("a = 1", &[put("a/b", &json!({}), &[])]).is_err());
}

#[test]
fn an_entity_is_edited_where_it_stands_and_a_new_one_comes_into_the_main_file() {
    let files =
        [Source::new("main", "[s.a]\nx = 1\n"), Source::new("other", "[s.b] # b\nx = 1\n"), Source::new("third", "# 3\n[t.c]\n")];
    let check = |steps: &[Step], expected: [&str; 3]| {
        let after = apply(&files, steps).expect("the steps fit");
        assert_eq!(after.iter().map(|file| file.text.as_str()).collect::<Vec<_>>(), expected);
    };
    let [main, other, third] = files.each_ref().map(|file| file.text.as_str());
    check(&[merge("s/b", &json!({ "x": 2 }))], [main, "[s.b] # b\nx = 2\n", third]);
    check(&[remove("s/b"), put("t/c/plugins/p", &json!({}), &[])], [main, "\n", "# 3\n[t.c]\n\n[t.c.plugins.p]\n"]);
    check(&[put("s/d", &json!({ "x": 3 }), &[])], ["[s.a]\nx = 1\n\n[s.d]\nx = 3\n", other, third]);
    let renamed = Step::Rename { at: at("s/b"), name: "d".into() };
    check(&[renamed, merge("s/d", &json!({ "x": 2 }))], [main, "[s.d] # b\nx = 2\n", third]);
}

#[test]
fn what_stands_before_a_bracket_stands_there_again() {
    check_in("t = [ \"a\", \"b\" ]\n", push("t", &json!("c")), "t = [ \"a\", \"b\", \"c\" ]\n");
    check_in("t = [ \"a\", \"b\" ]\n", remove("t/1"), "t = [ \"a\" ]\n");
    check_in("t = [ \"a\", \"b\" ]\n", remove("t/0"), "t = [ \"b\" ]\n");
    check_in("t = [\n  \"a\",\n  \"b\"\n]\n", push("t", &json!("c")), "t = [\n  \"a\",\n  \"b\",\n  \"c\"\n]\n");
    check_in("t = [\n  \"a\",\n  \"b\" # b\n]\n", push("t", &json!("c")), "t = [\n  \"a\",\n  \"b\" # b\n,\n  \"c\"]\n");
}

#[test]
fn ends_of_lines_and_spaces_in_headers_stay() {
    let file = "[ s . a ]\r\nx = 1\r\n[s.b]\r\n";
    check_in(file, merge("s/b", &json!({ "y": 2 })), "[ s . a ]\r\nx = 1\r\n[s.b]\r\ny = 2\r\n");
    check_in(file, remove("s/a"), "[s.b]\r\n");
}
