//! `sluice import`: reads a configuration of Kong, as decK writes it, and writes a gateway.toml.
//!
//! What Sluice's own check refuses of it is left out and named, with the check's reason: the list is never shorter than the
//! truth. A plugin that cannot be carried over is named as one, since its routes are not guarded by it any more.

mod declarative;
mod leave_out;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::Value;

use crate::edit::to_table;
use crate::explain::print;
use crate::run::{Failure, read_file};
use declarative::Declarative;

/// A configuration of Kong.
#[derive(Args)]
pub struct Import {
    /// The file that `deck gateway dump` wrote, of format version 3.0
    file: PathBuf,
    /// Where gateway.toml is to be written, which must not be there yet; standard output if not given
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes the configuration, and tells what it cannot carry over. Whether there is any of that.
pub fn run(args: &Import) -> Result<bool, Failure> {
    let text = read_file(&args.file)?;
    let bad = |reason: String| Failure::Usage(format!("{}: {reason}", args.file.display()));
    let kong: Value = serde_saphyr::from_str(&text).map_err(|error| bad(format!("it is no YAML: {error}")))?;
    let Declarative { root, mut left_out } = Declarative::read(kong).map_err(bad)?;
    let (root, refused) = leave_out::what_is_refused(root)?;
    left_out.extend(refused);
    let written = toml_of(&args.file, &root, &left_out);
    match &args.output {
        Some(output) => write_new(output, &written)?,
        None => print(written.trim_end().to_owned()),
    }
    for one in &left_out {
        tracing::warn!("not carried over: {one}");
    }
    Ok(!left_out.is_empty())
}

/// The file: a comment that says where it is from and what it lacks, and the entities.
fn toml_of(from: &Path, root: &Value, left_out: &[String]) -> String {
    let mut text = format!("# Imported from {}.\n", from.display());
    if !left_out.is_empty() {
        text.push_str("#\n# Not carried over:\n");
        for line in left_out.iter().flat_map(|one| one.lines()) {
            text.push_str(&format!("# - {line}\n"));
        }
    }
    text.push('\n');
    if let Value::Object(root) = root {
        text.push_str(&toml_edit::DocumentMut::from(to_table(root)).to_string());
    }
    text
}

fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).open(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => anyhow!("{} is there already; name another file by --output", file.display()),
        _ => anyhow!("cannot write {}: {error}", file.display()),
    })?;
    out.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
    print(format!("{} is written; `sluice check {}` reads it", file.display(), file.display()));
    Ok(())
}
