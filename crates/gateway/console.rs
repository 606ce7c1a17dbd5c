//! `sluice get`, `set`, `delete`, `diff`, `apply` and `dump`: the configuration of a running gateway from a terminal, by its
//! Admin API.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use crate::api::place::{Place, Reach};
use crate::api::{Api, is_absent};
use crate::explain::print;
use crate::run::{Failure, read_file};

/// Something of a running gateway.
#[derive(Args)]
pub struct Named {
    #[command(flatten)]
    reach: Reach,
    /// A path of the Admin API, such as `services`, `services/demo` or `services/demo/plugins`
    path: String,
}

/// Something of a running gateway, and what it is to be.
#[derive(Args)]
pub struct Set {
    #[command(flatten)]
    named: Named,
    /// Fields as in a form: `url=http://x`, `config.limit[]=3`; an empty value takes a field out
    #[arg(value_name = "FIELD=VALUE")]
    fields: Vec<String>,
}

/// A file, and a running gateway.
#[derive(Args)]
pub struct WithFile {
    #[command(flatten)]
    reach: Reach,
    /// A file as gateway.toml; - is standard input
    file: PathBuf,
}

/// A running gateway.
#[derive(Args)]
pub struct Whole {
    #[command(flatten)]
    reach: Reach,
}

/// `sluice get`: prints one, or all of a list.
pub fn get(file: &Path, named: &Named) -> Result<(), Failure> {
    on(file, &named.reach, async |api| {
        let path = parts(&named.path);
        let found = if is_list(&path) { Value::Array(api.list(&path, &[], usize::MAX).await?) } else { api.get(&path).await? };
        print(format!("{found:#}"));
        Ok(())
    })
}

/// `sluice set`: changes one, makes it if there is none, or adds to a list.
pub fn set(file: &Path, args: &Set) -> Result<(), Failure> {
    let fields = args.fields.iter().map(|field| match field.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::Usage(format!("`{field}` is no field; write one such as retries=3"))),
    });
    let fields: Vec<_> = fields.collect::<Result<_, _>>()?;
    on(file, &args.named.reach, async |api| {
        let path = parts(&args.named.path);
        let set = if is_list(&path) {
            api.send_fields(Method::POST, &path, &fields).await
        } else {
            match api.send_fields(Method::PATCH, &path, &fields).await {
                Err(failure) if is_absent(&failure) => api.send_fields(Method::PUT, &path, &fields).await,
                patched => patched,
            }
        };
        print(format!("{:#}", set?));
        Ok(())
    })
}

/// `sluice delete`.
pub fn delete(file: &Path, named: &Named) -> Result<(), Failure> {
    on(file, &named.reach, async |api| {
        let path = parts(&named.path);
        // A list of the Admin API says nothing if there was none; whoever types a name wants to know.
        if path.len() == 2 {
            api.get(&path).await?;
        }
        api.delete(&path).await
    })
}

/// `sluice diff`: what a file would change; the process ends with 2 if it would change anything.
pub fn diff(file: &Path, args: &WithFile) -> Result<bool, Failure> {
    let text = text_of(&args.file)?;
    on(file, &args.reach, async |api| {
        let said = api.send_configuration(&["config", "check"], text).await?;
        Ok(tell(&said["changes"]))
    })
}

/// `sluice apply`: makes a file the configuration of the running gateway.
pub fn apply(file: &Path, args: &WithFile) -> Result<(), Failure> {
    let text = text_of(&args.file)?;
    on(file, &args.reach, async |api| {
        let said = api.send_configuration(&["config"], text).await?;
        tell(&said["changes"]);
        for waiting in said["waiting_for_start"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            print(format!("{waiting} takes effect at the next start"));
        }
        print(format!("version {} is in force", said["version"]));
        Ok(())
    })
}

/// `sluice dump`: prints the configuration in force.
pub fn dump(file: &Path, args: &Whole) -> Result<(), Failure> {
    on(file, &args.reach, async |api| {
        print(api.configuration().await?.trim_end().to_owned());
        Ok(())
    })
}

/// Does something with the Admin API of a running gateway.
fn on<T>(file: &Path, reach: &Reach, work: impl AsyncFnOnce(&Api) -> Result<T, Failure>) -> Result<T, Failure> {
    let api = Api::new(Place::find(file, reach)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    runtime.block_on(work(&api))
}

fn parts(path: &str) -> Vec<&str> {
    path.trim_matches('/').split('/').collect()
}

/// Names and lists alternate: `services`, its `demo`, the `plugins` of that.
fn is_list(path: &[&str]) -> bool {
    path.len() % 2 == 1
}

fn text_of(file: &Path) -> Result<String, Failure> {
    if file == Path::new("-") {
        return Ok(std::io::read_to_string(std::io::stdin()).context("cannot read standard input")?);
    }
    read_file(file)
}

/// Prints what becomes of entities, a line each. Whether there is anything.
fn tell(changes: &Value) -> bool {
    let changes = changes.as_array().map(Vec::as_slice).unwrap_or_default();
    for change in changes {
        let sign = match change["operation"].as_str() {
            Some("create") => '+',
            Some("delete") => '-',
            _ => '~',
        };
        let word = |key: &str| change[key].as_str().unwrap_or_default().to_owned();
        print(format!("{sign} {} {}", word("table"), word("name")));
    }
    if changes.is_empty() {
        print("no entity is different".to_owned());
    }
    !changes.is_empty()
}
