//! Ids: the same name always has the same id, so that a file needs none.

use uuid::Uuid;

/// The namespace of Sluice's ids: UUIDv5 of the DNS namespace and `sluice.gateway`.
const NAMESPACE: Uuid = Uuid::from_u128(0x7d0b7601_e578_513d_9a48_de28effdc5f8);

/// The id of the entity of this kind (`services`, `routes`, …) and name: UUIDv5 over `kind/name`.
pub fn entity_id(kind: &str, name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{kind}/{name}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_kind_and_name_only() {
        assert_eq!(entity_id("services", "demo"), entity_id("services", "demo"));
        assert_ne!(entity_id("services", "demo"), entity_id("routes", "demo"));
        assert_eq!(NAMESPACE, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"sluice.gateway"));
        assert_eq!(entity_id("services", "demo").get_version_num(), 5);
    }
}
