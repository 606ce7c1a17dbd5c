//! A hook as a client sends it: its name, its id, and the table that goes into the file.

use serde_json::{Map, Value};
use sluice_config::KeyPath;
use uuid::Uuid;

use crate::entities::as_id;
use crate::error::Error;
use crate::toml_fit::{Nulls, fit};
use crate::violations::Violations;
use crate::{dotted, hook_name, mask};

/// What a body said.
#[derive(Clone, Debug)]
pub(crate) struct HookBody {
    /// The name, if one was given.
    pub name: Option<String>,
    /// The id, if one was given.
    pub id: Option<Uuid>,
    /// The other fields.
    pub table: Map<String, Value>,
}

/// What the body is for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Use {
    /// The whole hook.
    Whole,
    /// Changes of a hook.
    Changes,
}

impl HookBody {
    /// Takes a body apart and says what is wrong with it as far as it can be known here.
    pub fn take(mut table: Map<String, Value>, purpose: Use) -> Result<Self, Error> {
        let mut violations = Violations::default();
        let name = text(&mut table, "name", &mut violations);
        let id = text(&mut table, "id", &mut violations);
        if let Some(name) = &name
            && let Err(why) = hook_name::check(name)
        {
            violations.push(KeyPath::of(["name"]), why);
        }
        if id.as_deref().is_some_and(|id| as_id(id).is_none()) {
            violations.push(KeyPath::of(["id"]), "expected a valid UUID");
        }
        for key in dotted::TABLES {
            if table.get(*key).is_some_and(|value| !value.is_object() && !value.is_null()) {
                violations.push(KeyPath::of([*key]), "expected a table");
            }
        }
        // Times are the gateway's; a client that sends back what it read need not take them out.
        table.retain(|key, _| key != "created_at" && key != "updated_at");
        let nulls = if purpose == Use::Changes {
            mask::drop_masked(&mut table, &KeyPath::default());
            Nulls::Keep
        } else {
            Nulls::LeaveOut
        };
        mask::refuse_masked(&table, &KeyPath::default(), &mut violations);
        fit(&mut table, nulls, &mut violations);
        violations.into_result()?;
        Ok(Self { name, id: id.as_deref().and_then(as_id), table })
    }

    /// Refuses a name or an id that differs from what the hook has: both are for its life.
    pub fn same(&self, name: Option<&str>, id: Option<Uuid>) -> Result<(), Error> {
        let mut violations = Violations::default();
        let differ = self.name.as_deref().zip(name).is_some_and(|(given, name)| given != name);
        if differ {
            violations.push(KeyPath::of(["name"]), "cannot be changed; make a new hook and delete this one");
        }
        if self.id.zip(id).is_some_and(|(given, id)| given != id) {
            violations.push(KeyPath::of(["id"]), "cannot be changed");
        }
        violations.into_result()
    }

    /// A name for a hook that came without.
    pub fn name_or_new(&self, hooks: &[sluice_config::EventHook]) -> String {
        let word = |key| self.table.get(key).and_then(Value::as_str);
        let first_source = || self.table.get("events")?.get(0)?.get("source")?.as_str();
        self.name.clone().unwrap_or_else(|| hook_name::generate(word("handler"), word("source").or_else(first_source), hooks))
    }

    /// The table with this id in it.
    pub fn table_with(mut self, id: Option<Uuid>) -> Map<String, Value> {
        if let Some(id) = id {
            self.table.insert("id".to_owned(), id.to_string().into());
        }
        self.table
    }
}

/// Takes a string out of the table; null is the same as none.
fn text(table: &mut Map<String, Value>, key: &str, violations: &mut Violations) -> Option<String> {
    match table.shift_remove(key) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(_) => {
            violations.push(KeyPath::of([key]), "expected a string");
            None
        }
    }
}
