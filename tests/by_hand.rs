//! Somebody edits gateway.toml while the Admin API writes it: neither loses anything.

use std::fs::{File, OpenOptions};
use std::io::Write;

use crate::harness::{Answer, Gateway, eventually};

fn add(gateway: &Gateway, name: &str) -> Answer {
    gateway.admin("POST", "/consumers", &format!("{{\"username\": \"{name}\"}}"))
}

#[test]
fn whoever_writes_the_file_is_waited_for() {
    let gateway = Gateway::start("[consumers.first]\n");
    assert_eq!(add(&gateway, "second").status, 201);
    let text = gateway.config_text();
    let truncating = File::create(gateway.config_file()).unwrap();
    let appending = OpenOptions::new().append(true).open(gateway.config_file()).unwrap();
    // What is there so far is sound, and not all.
    (&truncating).write_all(text.as_bytes()).unwrap();
    let busy = add(&gateway, "third");
    assert!(busy.status == 409 && busy.body.contains("somebody else is writing"), "{}", busy.body);
    assert_eq!(gateway.config_text(), text);
    (&truncating).write_all(b"[consumers.by-hand]\n").unwrap();
    (&appending).write_all(b"[consumers.below]\n").unwrap();
    drop((truncating, appending));
    assert_eq!(add(&gateway, "third").status, 201);
    let text = gateway.config_text();
    for name in ["first", "second", "third", "by-hand", "below"] {
        assert!(text.contains(&format!("[consumers.{name}]")), "{name} is in {text}");
        eventually(name, || (gateway.admin("GET", &format!("/consumers/{name}"), "").status == 200).then_some(()));
    }
}

#[test]
fn whoever_only_reads_holds_nobody_up() {
    let gateway = Gateway::start("[consumers.first]\n");
    let reading = File::open(gateway.config_file()).unwrap();
    for name in ["second", "third"] {
        assert_eq!(add(&gateway, name).status, 201);
    }
    drop(reading);
    std::fs::write(gateway.config_file(), "").unwrap();
    let broken = add(&gateway, "fourth");
    assert!(broken.status == 409 && broken.body.contains("the file is empty"), "{}", broken.body);
}
