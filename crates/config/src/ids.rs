//! Ids: the same name always has the same id, so that a file needs none.

use uuid::Uuid;

/// The namespace of Sluice's ids: UUIDv5 of the DNS namespace and `sluice.gateway`.
fn namespace() -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"sluice.gateway")
}

/// The id of the entity of this kind (`services`, `routes`, …) and name: UUIDv5 over `kind/name`.
pub fn entity_id(kind: &str, name: &str) -> Uuid {
    Uuid::new_v5(&namespace(), format!("{kind}/{name}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_kind_and_name_only() {
        assert_eq!(entity_id("services", "demo"), entity_id("services", "demo"));
        assert_ne!(entity_id("services", "demo"), entity_id("routes", "demo"));
        assert_eq!(entity_id("services", "demo").get_version_num(), 5);
    }
}
