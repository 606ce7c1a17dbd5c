//! For any document and any step: what the step does not name is the same, byte for byte.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use sluice_admin::Step;
use sluice_config::{KeyPath, Source};

use super::tests::apply_to;
use super::{Refusal, in_whole, one_by_one};

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

/// Entities of two sections, in any order.
fn mixed() -> impl Strategy<Value = Vec<(&'static str, Written)>> {
    (document(), any::<u8>()).prop_map(|(all, sections)| {
        let of = |(n, one): (usize, Written)| match sections >> n & 1 {
            0 => ("s", one),
            _ => ("t", Written { text: one.text.replace("[s.", "[t.").replace("[ s ", "[ t "), ..one }),
        };
        all.into_iter().enumerate().map(of).collect()
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

    #[test]
    fn a_part_says_what_the_whole_would(all in mixed(), returns in any::<bool>(), top in "(# top\n)?(first = 1\n)?", end in "(# end\n)?", pick in any::<prop::sample::Index>(), kind in 0..9usize, value in any::<i64>()) {
        let (section, one) = &all[pick.index(all.len())];
        let at = KeyPath::of([*section, &one.name]);
        let new = || table(&json!({ "x": value, "inner": { "y": [value] } }));
        let step = match kind {
            0 => Step::Merge { at, changes: table(&json!({ "x": value, "new": { "a": [value] } })) },
            1 => Step::Put { at, table: table(&json!({ "x": value })), keep: Vec::new() },
            2 => Step::Remove { at },
            3 => Step::Push { at: at.key("list"), value: json!({ "x": value }) },
            4 => Step::Put { at: at.key("plugins").key("p"), table: new(), keep: Vec::new() },
            5 => Step::Put { at: KeyPath::of([section, "new"]), table: new(), keep: Vec::new() },
            6 => Step::Put { at: KeyPath::of([section, "new", "plugins", "p"]), table: new(), keep: Vec::new() },
            7 => Step::Put { at, table: table(&json!({ "inner": { "z": value } })), keep: vec!["x".into(), "list".into()] },
            _ => Step::Rename { at, name: "other".into() },
        };
        let text: String = [top].into_iter().chain(all.iter().map(|(_, one)| one.text.clone())).chain([end]).collect();
        let text = if returns { text.replace('\n', "\r\n") } else { text };
        let whole = in_whole(&[Source::new("a", &*text)], std::slice::from_ref(&step)).map(|files| files[0].text.clone());
        let part = one_by_one(&[Source::new("a", &*text)], &[step]).map(|files| files[0].text.clone());
        let said = |refusal: Refusal| match refusal {
            Refusal::File(reason) => reason,
            _ => "another".to_owned(),
        };
        // Where a new header comes and what spaces it has may differ; the lines are the same, and so is what they say.
        let lines = |text: &str| {
            let header = |line: &str| if line.starts_with('[') { line.replace(' ', "") } else { line.to_owned() };
            let mut lines: Vec<String> = text.lines().map(header).collect();
            lines.sort();
            lines
        };
        match (part, whole) {
            (Ok(part), Ok(whole)) => {
                prop_assert_eq!(toml::from_str::<toml::Table>(&part), toml::from_str(&whole), "{}", text);
                prop_assert_eq!(lines(&part), lines(&whole), "{}", text);
            }
            (part, whole) => prop_assert_eq!(part.map_err(said), whole.map_err(said), "{}", text),
        }
    }
}
