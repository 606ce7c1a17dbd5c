//! Credentials: elements of a list of their consumer. Each of Kong's tables of them is a kind.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use sluice_config::{Block, Config, Consumer, KeyPath};
use sluice_plugins::credential_id;
use uuid::Uuid;

use crate::coerce;
use crate::control::{Planned, Step};
use crate::editable::{Editable, Extent};
use crate::entities::Entity;
use crate::error::Error;
use crate::mask;
use crate::named::id_of;
use crate::parent::Parent;
use crate::schemas::Described;
use crate::sent::Sent;
use crate::violations::MISSING;

/// The number of one of Kong's tables of credentials.
pub(crate) const KEY_AUTHS: usize = 0;
pub(crate) const BASIC_AUTHS: usize = 1;
pub(crate) const JWTS: usize = 2;
pub(crate) const ACLS: usize = 3;

/// What differs between the tables.
struct Table {
    /// Kong's name.
    name: &'static str,
    /// The consumer's list in the file.
    list: &'static str,
    /// The field that stands for one in a path, and that no other has; of groups, no other of the consumer.
    key: &'static str,
    /// Fields that are made up if they are not said.
    made_up: &'static [&'static str],
    /// Fields without which there is none.
    required: &'static [&'static str],
}

const TABLES: [Table; 4] = [
    Table { name: "keyauth_credentials", list: "key-auth", key: "key", made_up: &["key"], required: &[] },
    Table {
        name: "basicauth_credentials",
        list: "basic-auth",
        key: "username",
        made_up: &[],
        required: &["username", "password"],
    },
    Table { name: "jwt_secrets", list: "jwt", key: "key", made_up: &["key", "secret"], required: &[] },
    Table { name: "acls", list: "acls", key: "group", made_up: &[], required: &["group"] },
];

/// One of a table, by where the configuration has it.
#[derive(Clone, PartialEq)]
pub(crate) struct Credential<const TABLE: usize> {
    id: Uuid,
    consumer: usize,
    entry: usize,
}

impl<const TABLE: usize> Credential<TABLE> {
    const KIND: &'static Table = &TABLES[TABLE];

    pub fn consumer<'a>(&self, config: &'a Config) -> &'a Consumer {
        &config.consumers[self.consumer]
    }

    fn block<'a>(&self, config: &'a Config) -> &'a Block {
        &self.consumer(config).credentials[self.entry].block
    }

    fn whole(&self, config: &Config) -> Value {
        let mut shown = json!({ "id": self.id });
        if let (Some(fields), Value::Object(written)) = (shown.as_object_mut(), self.block(config).to_json()) {
            fields.extend(written);
        }
        shown["id"] = json!(self.id);
        shown["consumer"] = json!({ "id": self.consumer(config).id });
        shown
    }
}

impl<const TABLE: usize> Entity for Credential<TABLE> {
    const TABLE: &'static str = TABLES[TABLE].name;
    const SPARSE: bool = true;

    fn all(config: &Config) -> Cow<'_, [Self]> {
        let mut all = Vec::new();
        for (consumer, of) in config.consumers.iter().enumerate() {
            for (entry, credential) in of.credentials.iter().enumerate().filter(|(_, one)| one.list == Self::KIND.list) {
                all.push(Self { id: credential_id(Self::KIND.name, &credential.block), consumer, entry });
            }
        }
        Cow::Owned(all)
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn name(&self) -> Option<&str> {
        None
    }

    fn described() -> Described {
        let fields = Described::of(Self::schema()).refers("consumer", Consumer::TABLE).needed("consumer");
        let fields = fields.made_up(Self::KIND.made_up).fixed(&["consumer"]);
        if TABLE == ACLS { fields } else { fields.unique(Self::KIND.key) }
    }
    fn show(&self, config: &Config) -> Value {
        let mut shown = self.whole(config);
        mask::hide(&mut shown);
        shown
    }

    fn unshown(&self, config: &Config) -> Value {
        self.block(config).to_json()
    }

    /// An id follows from a place: to make them all takes longer than to see that nothing is different.
    fn are_as_they_were(before: &Config, after: &Config) -> bool {
        let same = |(old, new): (&Consumer, &Consumer)| old.id == new.id && old.credentials == new.credentials;
        before.consumers.len() == after.consumers.len() && before.consumers.iter().zip(&after.consumers).all(same)
    }

    fn is_as_it_was(&self, config: &Config, (old, old_config): (&Self, &Config)) -> bool {
        let same_consumer = self.consumer(config).id == old.consumer(old_config).id;
        same_consumer && self.id == old.id && self.block(config) == old.block(old_config)
    }

    fn is_called(&self, key: &str, config: &Config) -> bool {
        self.block(config).to_json()[Self::KIND.key] == *key
    }

    fn belongs_to(&self, parent: &Parent, config: &Config) -> bool {
        parent.is("consumer", self.consumer(config).id)
    }
}

impl<const TABLE: usize> Editable for Credential<TABLE> {
    const KEY: &'static str = TABLES[TABLE].key;

    fn schema() -> &'static Value {
        &coerce::table_of(Consumer::TABLE)["properties"][Self::KIND.list]["items"]
    }

    fn create(mut sent: Sent, config: &Config) -> Result<Planned, Error> {
        let written = sent.id();
        let consumer = sent.reference::<Consumer>("consumer", config)?;
        if consumer.is_none() && !sent.violations.has(&KeyPath::of(["consumer"])) {
            sent.refuse("consumer", MISSING);
        }
        for field in
            Self::KIND.made_up.iter().filter(|field| sent.fields.get(**field).is_none_or(Value::is_null)).collect::<Vec<_>>()
        {
            // A token by a public key has no secret.
            let is_made = *field != "secret" || sent.fields.get("rsa_public_key").is_none_or(Value::is_null);
            if is_made {
                sent.fields.insert((*field).to_owned(), secret().into());
            }
        }
        for field in Self::KIND.required {
            if sent.fields.get(*field).is_none_or(Value::is_null) {
                sent.refuse(field, MISSING);
            }
        }
        let sent_fields = sent.fields.clone();
        let (fields, _) = sent.into_table(Extent::Whole)?;
        let Some(consumer) = consumer else { return Err(Error::NotFound) };
        Self::check_unique(&sent_fields, (&consumer, None), config)?;
        let id = written.unwrap_or_else(Uuid::new_v4);
        if Self::all(config).iter().any(|other| other.id == id) {
            return Err(Error::IdTaken(id));
        }
        let list = KeyPath::of([Consumer::TABLE, &consumer.username, Self::KIND.list]);
        let at = list.index(consumer.credentials.iter().filter(|one| one.list == Self::KIND.list).count());
        // The id is written: it would follow from the place in the list, and change with it.
        let mut table = id_of(id);
        table.extend(fields);
        Ok(Planned { steps: vec![Step::Push { at: list, value: table.into() }], at, id })
    }

    fn change(&self, mut sent: Sent, extent: Extent, config: &Config) -> Result<Planned, Error> {
        sent.same_id(self.id);
        let consumer = self.consumer(config);
        if sent.reference::<Consumer>("consumer", config)?.is_some_and(|other| other.id != consumer.id) {
            sent.refuse("consumer", "cannot be changed; make a new credential and delete this one");
        }
        sent.drop_unchanged(&self.show(config), extent);
        if extent == Extent::Whole {
            for field in Self::KIND.made_up.iter().chain(Self::KIND.required) {
                let is_said = sent.fields.get(*field).is_some_and(|value| !value.is_null());
                if !is_said {
                    sent.keep.push((*field).to_owned());
                }
            }
        }
        let sent_fields = sent.fields.clone();
        let (table, keep) = sent.into_table(extent)?;
        Self::check_unique(&sent_fields, (consumer, Some(self.id)), config)?;
        let at = self.block(config).path().clone();
        // Its id stays, also if it followed from its place so far.
        Ok(Planned { steps: vec![extent.step(at.clone(), table, keep)], at, id: self.id })
    }

    fn delete(&self, config: &Config) -> Result<Vec<Step>, Error> {
        let list = |entry: usize| &self.consumer(config).credentials[entry];
        let later =
            (self.entry + 1..self.consumer(config).credentials.len()).filter(|entry| list(*entry).list == Self::KIND.list);
        // Ids that follow from a place in the list are written before the places change.
        let mut steps: Vec<Step> = later.filter_map(|entry| pin(Self::KIND.name, &list(entry).block)).collect();
        steps.push(Step::Remove { at: self.block(config).path().clone() });
        Ok(steps)
    }

    fn show_made(&self, config: &Config) -> Value {
        let mut shown = self.whole(config);
        if TABLE == BASIC_AUTHS {
            mask::hide(&mut shown);
        }
        shown
    }
}

impl<const TABLE: usize> Credential<TABLE> {
    /// Whether another has the field that no other may have.
    fn check_unique(
        fields: &Map<String, Value>,
        (consumer, own): (&Consumer, Option<Uuid>),
        config: &Config,
    ) -> Result<(), Error> {
        let key = Self::KIND.key;
        let Some(value) = fields.get(key) else { return Ok(()) };
        let all = Self::all(config);
        let mut others = all.iter().filter(|other| Some(other.id) != own);
        let is_taken = others.any(|other| {
            (TABLE != ACLS || other.consumer(config).id == consumer.id) && other.block(config).to_json()[key] == *value
        });
        match (is_taken, TABLE) {
            (false, _) => Ok(()),
            (true, ACLS) => Err(Error::Unique(vec![("consumer", json!({ "id": consumer.id })), (key, value.clone())])),
            (true, _) => Err(Error::Unique(vec![(key, value.clone())])),
        }
    }
}

/// A secret that nobody guesses: 32 letters and digits.
fn secret() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Writes the id of a credential if it follows from its place.
fn pin(table: &str, block: &Block) -> Option<Step> {
    let is_written = block.to_json().get("id").is_some();
    (!is_written).then(|| Step::Merge { at: block.path().clone(), changes: id_of(credential_id(table, block)) })
}

/// Writes the ids of all credentials of a consumer that follow from its name.
pub(super) fn pins(consumer: &Consumer) -> Vec<Step> {
    let of_table = |list: &str| TABLES.iter().find(|table| table.list == list);
    let all = consumer.credentials.iter().filter_map(|entry| pin(of_table(&entry.list)?.name, &entry.block));
    all.collect()
}
