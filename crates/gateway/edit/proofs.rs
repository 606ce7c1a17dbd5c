//! For any document and any step: what the step does not name is the same, byte for byte.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use sluice_admin::Step;
use sluice_config::KeyPath;

use super::tests::apply_to;

/// An entity as somebody wrote it: its header or key with what stands around it, on lines of their own.
#[derive(Clone, Debug)]
struct Written {
    name: String,
    text: String,
}

const FORMS: usize = 4;

fn written(name: String, form: usize, comment: &str, value: i64) -> Written {
    let text = match form {
        0 => format!("# {comment}\n[s.{name}] # {comment}\nx   = {value} # {comment}\n  list = [ 1,  # {comment}\n 2 ]\n\n"),
        1 => format!("[s.{name}]\nx={value}\ny = '''{comment}'''\n[s.{name}.inner] # {comment}\nz = 0x1f\n"),
        2 => format!("\n\n[ s . {name} ]\n  \"x\" = {value}\ninner.z = 1_000 # {comment}\n"),
        _ => format!("[[s.{name}.list]]\nx = {value}\n[[s.{name}.list]] # {comment}\nx = \"{comment}\"\n"),
    };
    Written { name, text }
}

prop_compose! {
    fn entity()(form in 0..FORMS, comment in "[a-z äß.]{0,12}", value in any::<i64>()) -> (usize, String, i64) {
        (form, comment, value)
    }
}

fn document() -> impl Strategy<Value = Vec<Written>> {
    proptest::collection::vec(entity(), 1..8).prop_map(|all| {
        let all = all.into_iter().enumerate();
        all.map(|(n, (form, comment, value))| written(format!("e{n}"), form, &comment, value)).collect()
    })
}

fn text_of(all: &[Written]) -> String {
    let parts = all.iter().map(|one| one.text.as_str());
    ["# the head of the file\nfirst = true\n\n"].into_iter().chain(parts).collect()
}

fn table(value: &Json) -> serde_json::Map<String, Json> {
    value.as_object().cloned().unwrap_or_default()
}

proptest! {
    #[test]
    fn a_step_changes_its_entity_and_nothing_else(all in document(), returns in any::<bool>(), pick in any::<prop::sample::Index>(), kind in 0..5usize, value in any::<i64>()) {
        let one = &all[pick.index(all.len())];
        let at = KeyPath::of(["s", &one.name]);
        let step = match kind {
            0 => Step::Merge { at, changes: table(&json!({ "x": value, "new": { "a": [value] } })) },
            1 => Step::Put { at, table: table(&json!({ "x": value })), keep: Vec::new() },
            2 => Step::Remove { at },
            3 => Step::Push { at: at.key("list"), value: json!({ "x": value }) },
            _ => Step::Rename { at, name: format!("other{value}") },
        };
        let ends = |text: &str| if returns { text.replace('\n', "\r\n") } else { text.to_owned() };
        let before = ends(&text_of(&all));
        let after = apply_to(&before, &[step]).expect("every step fits");
        let found: toml_edit::DocumentMut = after.parse().expect("it is TOML still");
        prop_assert!(found.get("first").is_some());
        for other in all.iter().filter(|other| other.name != one.name) {
            prop_assert!(after.contains(&ends(other.text.trim())), "{} is another:\n{before}\n---\n{after}", other.name);
        }
        prop_assert!(after.starts_with(&ends("# the head of the file\nfirst = true\n")));
    }

    #[test]
    fn what_is_written_so_already_is_not_written_again(all in document(), value in any::<i64>()) {
        let mut all = all;
        all.push(written("last".into(), 0, "mine", value));
        let before = text_of(&all);
        let step = Step::Put { at: KeyPath::of(["s", "last"]), table: table(&json!({ "x": value, "list": [1, 2] })), keep: Vec::new() };
        prop_assert_eq!(apply_to(&before, &[step]).expect("it fits"), before);
    }

    #[test]
    fn what_is_added_and_taken_out_again_leaves_no_trace(all in document(), value in any::<i64>()) {
        let before = text_of(&all);
        let at = KeyPath::of(["s", "new"]);
        let put = Step::Put { at: at.clone(), table: table(&json!({ "x": value, "inner": { "y": [value] } })), keep: Vec::new() };
        let after = apply_to(&before, &[put, Step::Remove { at }]).expect("it fits");
        prop_assert_eq!(after, before);
    }
}
