//! Entities by the tables that Kong has for them, for whoever tells of what became of them.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use sluice_config::{
    CaCertificate, Certificate, Config, Consumer, ConsumerGroup, EventHook, PluginEntry, Route, Service, Sni, Target, Upstream,
};
use sluice_events::Operation;
use uuid::Uuid;

use crate::entities::Entity;
use crate::kinds::{ACLS, BASIC_AUTHS, Credential, JWTS, KEY_AUTHS};

/// Every table.
pub static TABLES: &[Table] = &[
    Table::of::<Service>(),
    Table::of::<Upstream>(),
    Table::of::<Target>(),
    Table::of::<Route>(),
    Table::of::<Consumer>(),
    Table::of::<Certificate>(),
    Table::of::<Sni>(),
    Table::of::<CaCertificate>(),
    Table::of::<PluginEntry>(),
    Table::of::<EventHook>(),
    Table::of::<ConsumerGroup>(),
    Table::of::<Credential<KEY_AUTHS>>(),
    Table::of::<Credential<BASIC_AUTHS>>(),
    Table::of::<Credential<JWTS>>(),
    Table::of::<Credential<ACLS>>(),
];

/// All entities of a kind.
pub struct Table {
    /// Kong's name of it.
    pub name: &'static str,
    rows: fn(&Config) -> Vec<Row>,
    differences: fn(&Config, &Config) -> Vec<Difference>,
}

/// What became of an entity.
pub struct Difference {
    /// The table that it is of.
    pub table: &'static str,
    /// What was done with it.
    pub operation: Operation,
    /// The entity, as it is or as it was last.
    pub row: Row,
    /// What it was before, if it changed.
    pub old: Option<Row>,
}

/// What becomes, or would become, of an entity.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub struct Told {
    /// `create`, `update` or `delete`.
    pub operation: &'static str,
    /// Its table.
    pub table: &'static str,
    /// Its name, or its id if it has none.
    pub name: String,
    /// Its id.
    pub id: Uuid,
}

/// An entity.
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// It as the Admin API shows it.
    pub shown: Value,
    /// What is not shown of it.
    unshown: Value,
}

impl Table {
    const fn of<E: Entity>() -> Self {
        let rows = |config: &Config| E::all(config).iter().map(|entity| Row::of(entity, config)).collect();
        Self { name: E::TABLE, rows, differences: differences::<E> }
    }

    /// Its entities, in the order of the file.
    pub fn rows(&self, config: &Config) -> Vec<Row> {
        (self.rows)(config)
    }

    /// What differs between two configurations, in the order of the new one; what is gone comes last.
    pub fn differences(&self, before: &Config, after: &Config) -> Vec<Difference> {
        (self.differences)(before, after)
    }
}

impl Difference {
    /// The entity, by its name or its id, such as `services demo`.
    pub fn entity(&self) -> String {
        format!("{} {}", self.table, self.row.name())
    }

    /// The same for whoever asks.
    pub fn told(&self) -> Told {
        Told { operation: self.operation.name(), table: self.table, name: self.row.name(), id: self.row.id }
    }
}

fn differences<E: Entity>(before: &Config, after: &Config) -> Vec<Difference> {
    if E::are_as_they_were(before, after) {
        return Vec::new();
    }
    let (old, new) = (E::all(before), E::all(after));
    let is_same = |(old, new): &(&E, &E)| old.id() == new.id() && new.is_as_it_was(after, (old, before));
    // Most of a configuration is as it was, above what changed and below it.
    let above = old.iter().zip(&*new).take_while(is_same).count();
    let (old, new) = (&old[above..], &new[above..]);
    let below = old.iter().rev().zip(new.iter().rev()).take_while(is_same).count();
    let (old, new) = (&old[..old.len() - below], &new[..new.len() - below]);
    let mut left: HashMap<Uuid, &E> = old.iter().map(|entity| (entity.id(), entity)).collect();
    let of_table = |operation, row, old| Difference { table: E::TABLE, operation, row, old };
    let mut all = Vec::new();
    for entity in new {
        let old = left.remove(&entity.id());
        if old.is_some_and(|old| is_same(&(old, entity))) {
            continue;
        }
        let (old, row) = (old.map(|old| Row::of(old, before)), Row::of(entity, after));
        match &old {
            None => all.push(of_table(Operation::Create, row, None)),
            Some(was) if !was.says_the_same_as(&row) => all.push(of_table(Operation::Update, row, old)),
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|entity| left.contains_key(&entity.id()));
    all.extend(gone.map(|entity| of_table(Operation::Delete, Row::of(entity, before), None)));
    all
}

impl Row {
    fn of<E: Entity>(entity: &E, config: &Config) -> Self {
        Self { id: entity.id(), shown: entity.show(config), unshown: entity.unshown(config) }
    }

    /// What people call it: its name, or its id if it has none.
    pub fn name(&self) -> String {
        let name = ["name", "username", "target", "group"].iter().find_map(|key| self.shown[*key].as_str());
        name.map_or_else(|| self.id.to_string(), str::to_owned)
    }

    /// Whether both say the same, whenever that was.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        fn fields(row: &Row) -> impl Iterator<Item = (&String, &Value)> {
            row.shown.as_object().into_iter().flat_map(Map::iter).filter(|(name, _)| *name != "updated_at")
        }
        self.unshown == other.unshown && fields(self).eq(fields(other))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use sluice_config::{ProcessEnvironment, Source, read};

    const TEXT: &str = r#"
[services.demo]
url = "http://127.0.0.1:8080/anything"
tags = ["a"]
[upstreams.app]
host_header = "app.example.com"
tags = ["a"]
targets = [{ target = "127.0.0.1:8080", tags = ["a"] }]
[routes.demo]
service = "demo"
hosts = ["example.com"]
paths = ["/demo"]
methods = ["GET"]
tags = ["a"]
[consumers.Joe]
custom_id = "joe-1"
tags = ["a"]
groups = ["gold"]
key-auth = [{ key = "joe-key", tags = ["a"] }]
basic-auth = [{ username = "joe", password = "joe-key-2", tags = ["a"] }]
jwt = [{ key = "joe-key-3", secret = "joe-key-4", algorithm = "HS256", rsa_public_key = "none", tags = ["a"] }]
acls = [{ group = "admins", tags = ["a"] }]
[certificates.site]
cert = """
-----BEGIN CERTIFICATE-----
MIIBWzCCAQ2gAwIBAgIUaR59CW5WyPNazrkNFcWWmTEJ834wBQYDK2VwMBYxFDAS
BgNVBAMMC2V4YW1wbGUuY29tMCAXDTI2MTEyODEzMDUyMFoYDzIxMjYxMTA0MTMw
NTIwWjAWMRQwEgYDVQQDDAtleGFtcGxlLmNvbTAqMAUGAytlcAMhAHHEmVktgZaR
RViIt1gW8D7gftsHcVhQOpRA1EIjtonWo2swaTAdBgNVHQ4EFgQUonsMaMubvSfa
NXMg5HjBHmJwr/4wHwYDVR0jBBgwFoAUonsMaMubvSfaNXMg5HjBHmJwr/4wDwYD
VR0TAQH/BAUwAwEB/zAWBgNVHREEDzANggtleGFtcGxlLmNvbTAFBgMrZXADQQAb
FDlfNRSuSPutCRzLBV4Vn9WrShPIUZQIF9Qq35cGSbdPD0nH0hyqM+3+DPWYuS/9
mU/ZiaJgmY4+JhglGHQD
-----END CERTIFICATE-----
"""
key = """
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIIGbk9zzAKzpcvSIcjJMfIljbW1rBiuhn+44DQ+qyUn9
-----END PRIVATE KEY-----
"""
tags = ["a"]
[ca_certificates.site]
cert = """
-----BEGIN CERTIFICATE-----
MIIBWzCCAQ2gAwIBAgIUaR59CW5WyPNazrkNFcWWmTEJ834wBQYDK2VwMBYxFDAS
BgNVBAMMC2V4YW1wbGUuY29tMCAXDTI2MTEyODEzMDUyMFoYDzIxMjYxMTA0MTMw
NTIwWjAWMRQwEgYDVQQDDAtleGFtcGxlLmNvbTAqMAUGAytlcAMhAHHEmVktgZaR
RViIt1gW8D7gftsHcVhQOpRA1EIjtonWo2swaTAdBgNVHQ4EFgQUonsMaMubvSfa
NXMg5HjBHmJwr/4wHwYDVR0jBBgwFoAUonsMaMubvSfaNXMg5HjBHmJwr/4wDwYD
VR0TAQH/BAUwAwEB/zAWBgNVHREEDzANggtleGFtcGxlLmNvbTAFBgMrZXADQQAb
FDlfNRSuSPutCRzLBV4Vn9WrShPIUZQIF9Qq35cGSbdPD0nH0hyqM+3+DPWYuS/9
mU/ZiaJgmY4+JhglGHQD
-----END CERTIFICATE-----
"""
tags = ["a"]
[consumer_groups.gold]
tags = ["a"]
[services.demo.plugins.rate-limiting-advanced]
limit = [3]
window_size = [60]
instance_name = "demo-limit"
tags = ["a"]
[event_hooks.slack]
source = "config"
handler = "webhook"
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
tags = ["a"]
config = { url = "http://x/", secret = "hush-hush", headers = { authorization = "hush-hush" } }
"#;

    fn config(text: &str) -> Config {
        let draft = read(Source::new("t", text), &ProcessEnvironment);
        assert_eq!(draft.problems, []);
        draft.config
    }

    fn rows(config: &Config) -> impl Iterator<Item = (&'static str, Row)> {
        TABLES.iter().flat_map(|table| table.rows(config).into_iter().map(|row| (table.name, row)))
    }

    #[test]
    fn whoever_names_a_field_in_a_template_is_shown_it_and_the_other_way_round() {
        let without_nulls = |value: &Value| {
            let fields = value.as_object().expect("an entity has fields").iter().filter(|(_, value)| !value.is_null());
            fields.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        let config = config(TEXT);
        let mut seen = 0;
        for (table, row) in rows(&config) {
            let sample = (sluice_events::kind_of("crud", table).expect("every table has its event").sample)();
            let known = without_nulls(&sample["entity"]);
            let unknown: Vec<_> = without_nulls(&row.shown).into_iter().filter(|name| !known.contains(name)).collect();
            assert_eq!(unknown, Vec::<String>::new(), "{table}");
            let absent = known.iter().find(|name| row.shown.get(name.as_str()).is_none());
            assert_eq!(absent, None, "{table}");
            seen += 1;
        }
        assert_eq!(seen, TABLES.len());
    }

    #[test]
    fn what_is_shown_of_an_entity_is_described() {
        let config = config(TEXT);
        for (table, row) in rows(&config) {
            let described = crate::schemas::described(table).expect("every table is described").into_schema();
            let fields =
                |value: &Value| value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
            let unknown: Vec<_> = fields(&row.shown).difference(&fields(&described["properties"])).cloned().collect();
            assert_eq!(unknown, Vec::<String>::new(), "{table}");
        }
    }

    #[test]
    fn secrets_are_not_shown_and_a_change_of_one_is_a_change() {
        let old = config(TEXT);
        assert!(rows(&old).all(|(_, row)| !row.shown.to_string().contains("joe-key") && !row.shown.to_string().contains("hush")));
        assert!(rows(&old).all(|(_, row)| !row.shown.to_string().contains("PRIVATE KEY")));
        let check = |from: &str, to: &str, changed: &[&str]| {
            let new = config(&TEXT.replacen(from, to, 1));
            let pairs = rows(&old).zip(rows(&new)).filter(|((_, old), (_, new))| !old.says_the_same_as(new));
            assert_eq!(pairs.map(|((table, _), _)| table).collect::<Vec<_>>(), changed, "{from} -> {to}");
        };
        check("joe-key", "joe-key", &[]);
        check("joe-key", "another", &["keyauth_credentials"]);
        check("joe-key-2", "another", &["basicauth_credentials"]);
        check("joe-key-4", "another", &["jwt_secrets"]);
        check("admins", "users", &["acls"]);
        check("secret = \"hush-hush\"", "secret = \"hush\"", &["event_hooks"]);
        check("limit = [3]", "limit = [4]", &["plugins"]);
        check("custom_id = \"joe-1\"", "custom_id = \"joe-2\"", &["consumers"]);
    }

    #[test]
    fn a_time_of_change_alone_is_no_change() {
        let (old, mut new) = (config(TEXT), config(TEXT));
        new.services[0].stamps.updated_at += 1;
        assert!(rows(&old).zip(rows(&new)).all(|((_, old), (_, new))| old.says_the_same_as(&new)));
    }
}
