//! The `filter` of a hook: a body may name a field by one dotted key or by tables, and the file may as well.

use serde_json::{Map, Value};
use sluice_config::{EventHook, KeyPath};
use sluice_hooks::{dotted_filter, filter_as_written};

use crate::form::Misplaced;

/// The hook with every field of its filter named by one dotted key.
pub(crate) fn with_dotted_names(mut hook: Map<String, Value>) -> Result<Map<String, Value>, Misplaced> {
    if let Some(Value::Object(filter)) = hook.get_mut("filter") {
        let twice = |name: String| Misplaced(KeyPath::of(["filter", &name]), "is given in two ways that exclude each other");
        *filter = dotted_filter(filter).map_err(twice)?;
    }
    Ok(hook)
}

/// Names the fields in changes of a hook as its filter in the file does, so that each is found there.
pub(crate) fn as_written(changes: &mut Map<String, Value>, hook: &EventHook) {
    let written = hook.filter.as_ref().map(sluice_config::Block::to_json);
    if let (Some(Value::Object(filter)), Some(Value::Object(written))) = (changes.get_mut("filter"), written) {
        *filter = filter_as_written(std::mem::take(filter), &written);
    }
}
