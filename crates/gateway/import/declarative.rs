//! decK's declarative format, version 3.0, as the tables of gateway.toml: what is nested there stands under its name here.

use serde_json::{Map, Value, json};

/// A configuration of Kong as tables, unchecked, and what has no place in them.
pub struct Declarative {
    pub root: Value,
    pub left_out: Vec<String>,
}

/// What says nothing here.
const NOT_OURS: [&str; 3] = ["created_at", "updated_at", "ws_id"];
/// Kong's lists of credentials, and ours.
const CREDENTIALS: [(&str, &str); 4] =
    [("keyauth_credentials", "key-auth"), ("basicauth_credentials", "basic-auth"), ("jwt_secrets", "jwt"), ("acls", "acls")];

impl Declarative {
    /// Reads the format, or says why it is none.
    pub fn read(kong: Value) -> Result<Self, String> {
        let Value::Object(mut kong) = kong else { return Err("it is no table of Kong's entities".into()) };
        match kong.shift_remove("_format_version").as_ref().map(plain) {
            Some(version) if version == "3.0" || version == "3" => {}
            Some(version) => return Err(format!("its format version is {version}; `deck file convert` makes it 3.0")),
            None => return Err("`_format_version` is missing: it is no file of decK".into()),
        }
        let mut import = Self { root: json!({}), left_out: Vec::new() };
        for key in ["_transform", "_workspace", "_konnect"] {
            kong.shift_remove(key);
        }
        for service in list(&mut kong, "services") {
            import.service(service);
        }
        for route in list(&mut kong, "routes") {
            import.route(route, None);
        }
        for upstream in list(&mut kong, "upstreams") {
            import.upstream(upstream);
        }
        for certificate in list(&mut kong, "certificates") {
            import.certificate(certificate);
        }
        for authority in list(&mut kong, "ca_certificates") {
            let name = import.free_name("ca_certificates", None, "authority");
            import.put(&["ca_certificates", &name], authority);
        }
        let groups = list(&mut kong, "consumer_groups");
        for consumer in list(&mut kong, "consumers") {
            import.consumer(consumer);
        }
        groups.into_iter().for_each(|group| import.group(group));
        for plugin in list(&mut kong, "plugins") {
            import.plugin(plugin);
        }
        for (section, value) in kong {
            import
                .left_out
                .push(format!("{section}: {}", if value.is_array() { "Sluice has no such entities" } else { "unknown here" }));
        }
        Ok(import)
    }

    fn service(&mut self, mut service: Map<String, Value>) {
        let host = service.get("host").map(plain);
        let name = self.name_of(&mut service, "services", host.as_deref().unwrap_or("service"));
        let (routes, plugins) = (list(&mut service, "routes"), list(&mut service, "plugins"));
        self.named_reference(&mut service, "client_certificate");
        self.put(&["services", &name], service);
        self.plugins_below(&["services", &name], plugins);
        routes.into_iter().for_each(|route| self.route(route, Some(&name)));
    }

    fn route(&mut self, mut route: Map<String, Value>, service: Option<&str>) {
        let name = self.name_of(&mut route, "routes", service.unwrap_or("route"));
        let plugins = list(&mut route, "plugins");
        self.named_reference(&mut route, "service");
        if let Some(service) = service {
            route.insert("service".into(), service.into());
        }
        self.put(&["routes", &name], route);
        self.plugins_below(&["routes", &name], plugins);
    }

    fn upstream(&mut self, mut upstream: Map<String, Value>) {
        let name = self.name_of(&mut upstream, "upstreams", "upstream");
        // As it is here.
        if upstream.get("use_srv_name") == Some(&json!(false)) {
            upstream.shift_remove("use_srv_name");
        }
        self.put(&["upstreams", &name], upstream);
    }

    fn certificate(&mut self, mut certificate: Map<String, Value>) {
        let snis = list_of_values(&mut certificate, "snis");
        let names: Vec<String> = snis.iter().map(|sni| sni.get("name").map_or_else(|| plain(sni), plain)).collect();
        let name = self.free_name("certificates", names.first().cloned(), "certificate");
        certificate.insert("snis".into(), json!(names));
        self.put(&["certificates", &name], certificate);
    }

    fn consumer(&mut self, mut consumer: Map<String, Value>) {
        let username = consumer.shift_remove("username").filter(|name| !name.is_null()).map(|name| plain(&name));
        let custom_id = consumer.get("custom_id").filter(|id| !id.is_null()).map(plain);
        let name = self.free_name("consumers", username.or(custom_id), "consumer");
        let plugins = list(&mut consumer, "plugins");
        for (kongs, ours) in CREDENTIALS {
            if let Some(credentials) = consumer.shift_remove(kongs) {
                consumer.insert(ours.into(), credentials);
            }
        }
        let groups: Vec<String> = list_of_values(&mut consumer, "groups").iter().map(name_in).collect();
        if !groups.is_empty() {
            consumer.insert("groups".into(), json!(groups));
        }
        self.put(&["consumers", &name], consumer);
        self.plugins_below(&["consumers", &name], plugins);
    }

    fn group(&mut self, mut group: Map<String, Value>) {
        let name = self.name_of(&mut group, "consumer_groups", "group");
        let plugins = list(&mut group, "plugins");
        for member in list_of_values(&mut group, "consumers") {
            let member = name_in(&member);
            match self.root["consumers"].get_mut(&member) {
                Some(consumer) => match &mut consumer["groups"] {
                    Value::Array(groups) if groups.contains(&json!(name)) => {}
                    Value::Array(groups) => groups.push(json!(name)),
                    groups => *groups = json!([name]),
                },
                None => self.left_out.push(format!("consumer_groups.{name}: its consumer {member} is not in the file")),
            }
        }
        self.put(&["consumer_groups", &name], group);
        self.plugins_below(&["consumer_groups", &name], plugins);
    }

    /// A plugin of the top level, which may say what it belongs to.
    fn plugin(&mut self, mut plugin: Map<String, Value>) {
        let mut owners = Vec::new();
        for (field, section) in
            [("service", "services"), ("route", "routes"), ("consumer", "consumers"), ("consumer_group", "consumer_groups")]
        {
            if let Some(owner) = plugin.shift_remove(field).filter(|owner| !owner.is_null()) {
                owners.push((section, self.name_by_id(section, name_in(&owner))));
            }
        }
        match owners.as_slice() {
            [] => self.plugins_below(&[], vec![plugin]),
            [(section, name)] => self.plugins_below(&[section, name], vec![plugin]),
            _ => {
                let name = plugin.get("name").map(plain).unwrap_or_default();
                let owners: Vec<String> = owners.iter().map(|(section, name)| format!("{section} {name}")).collect();
                self.left_out
                    .push(format!("the plugin {name} of {} together: here one belongs to one of them", owners.join(" and ")));
            }
        }
    }

    fn plugins_below(&mut self, owner: &[&str], plugins: Vec<Map<String, Value>>) {
        for mut plugin in plugins {
            let name = plugin.shift_remove("name").map(|name| plain(&name)).unwrap_or_default();
            let mut table = match plugin.shift_remove("config") {
                Some(Value::Object(config)) => config,
                _ => Map::new(),
            };
            table.extend(plugin);
            if table.get("enabled") == Some(&json!(true)) {
                table.shift_remove("enabled");
            }
            let path: Vec<&str> = owner.iter().copied().chain(["plugins", &name]).collect();
            self.put(&path, table);
        }
    }

    /// Puts a table where it belongs, without what says nothing.
    fn put(&mut self, path: &[&str], table: Map<String, Value>) {
        let mut place = &mut self.root;
        for key in path {
            place = &mut place[*key];
        }
        let mut value = in_our_words(Value::Object(table));
        if let (Value::Object(old), Value::Object(new)) = (&mut *place, &mut value) {
            old.append(new);
        } else {
            *place = value;
        }
    }

    /// Takes the name out; one that is missing is made of another.
    fn name_of(&self, entity: &mut Map<String, Value>, section: &str, other: &str) -> String {
        match entity.shift_remove("name").filter(|name| !name.is_null()) {
            Some(name) => plain(&name),
            None => self.free_name(section, None, other),
        }
    }

    fn free_name(&self, section: &str, wanted: Option<String>, stem: &str) -> String {
        let is_free = |name: &String| self.root[section].get(name).is_none();
        let numbered = (1..).map(|n| format!("{stem}-{n}"));
        wanted.into_iter().chain(numbered).find(is_free).unwrap_or_default()
    }

    /// Makes a reference by an id or a name the name.
    fn named_reference(&self, entity: &mut Map<String, Value>, field: &str) {
        let section = if field == "service" { "services" } else { "certificates" };
        if let Some(value) = entity.get_mut(field).filter(|value| !value.is_null()) {
            *value = self.name_by_id(section, name_in(value)).into();
        }
    }

    fn name_by_id(&self, section: &str, key: String) -> String {
        let all = self.root[section].as_object().into_iter().flatten();
        all.into_iter().find(|(_, entity)| entity["id"] == json!(key)).map_or(key, |(name, _)| name.clone())
    }
}

/// Takes out a list of tables.
fn list(table: &mut Map<String, Value>, key: &str) -> Vec<Map<String, Value>> {
    let values = list_of_values(table, key);
    values.into_iter().filter_map(|value| if let Value::Object(table) = value { Some(table) } else { None }).collect()
}

fn list_of_values(table: &mut Map<String, Value>, key: &str) -> Vec<Value> {
    match table.shift_remove(key) {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    }
}

/// A name that is written as one, or as `{name: …}`, `{username: …}` or `{id: …}`.
fn name_in(value: &Value) -> String {
    ["name", "username", "id"].iter().find_map(|key| value.get(*key)).map_or_else(|| plain(value), plain)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Without what is not set, and with references to the environment in our words.
fn in_our_words(value: Value) -> Value {
    match value {
        Value::Object(table) => {
            let said = table.into_iter().filter(|(key, value)| !value.is_null() && !NOT_OURS.contains(&key.as_str()));
            said.map(|(key, value)| (key, in_our_words(value))).collect()
        }
        Value::Array(items) => items.into_iter().filter(|item| !item.is_null()).map(in_our_words).collect(),
        Value::String(text) => in_our_references(&text).into(),
        value => value,
    }
}

/// decK's `${{ env "DECK_X" }}` is `${DECK_X}`; any other `${` is meant literally.
fn in_our_references(text: &str) -> String {
    let mut parts = text.split("${");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let reference = part.strip_prefix('{').and_then(|inner| inner.split_once("}}")).and_then(|(inner, rest)| {
            let name = inner.trim().strip_prefix("env")?.trim().trim_matches('"');
            Some((name, rest))
        });
        match reference {
            Some((name, rest)) => all.push_str(&format!("${{{name}}}{rest}")),
            None => all.push_str(&format!("$${{{part}")),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_the_environment_are_ours() {
        assert_eq!(in_our_references("a ${{ env \"DECK_KEY\" }} b ${x}"), "a ${DECK_KEY} b $${x}");
    }

    #[test]
    fn what_is_nested_stands_under_its_name() {
        let read = |kong: Value| Declarative::read(kong);
        assert!(read(json!({ "_format_version": "1.1" })).is_err_and(|why| why.contains("convert")));
        assert!(read(json!({})).is_err());
        let import = read(json!({
            "_format_version": "3.0",
            "services": [{ "id": "i", "host": "h", "routes": [{ "paths": ["/a"] }, { "paths": ["/b"], "tags": null }] }],
            "plugins": [{ "name": "cors", "service": "i", "config": { "credentials": true, "max_age": null } }],
            "consumers": [{ "custom_id": 7, "keyauth_credentials": [{ "key": "k" }] }],
            "consumer_groups": [{ "name": "gold", "consumers": [{ "username": "7" }] }],
            "vaults": [{ "name": "v" }],
        }))
        .unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(
            import.root,
            json!({
                "services": { "h-1": { "id": "i", "host": "h", "plugins": { "cors": { "credentials": true } } } },
                "routes": { "h-1-1": { "paths": ["/a"], "service": "h-1" }, "h-1-2": { "paths": ["/b"], "service": "h-1" } },
                "consumers": { "7": { "custom_id": 7, "key-auth": [{ "key": "k" }], "groups": ["gold"] } },
                "consumer_groups": { "gold": {} },
            })
        );
        assert_eq!(import.left_out, ["vaults: Sluice has no such entities"]);
    }
}
