//! Files that are no configuration, and files that were meant to be one, under a gateway that runs.

use crate::harness::run;

#[test]
fn whatever_is_written_the_old_configuration_serves_until_a_sound_one_comes() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/mutations.py");
    let said = run("timeout", &["-k", "5", "120", "python3", script, env!("CARGO_BIN_EXE_sluice"), "100", "1", "1"]);
    assert!(said.contains("100 files, seed 1: "), "{said}");
}
