//! Who has flooded a connection of HTTP/2 lately: his next ones may say less at once, so that coming again and again costs
//! others ever less. Nobody is refused for it: whoever shares his address asks as before.

use std::net::IpAddr;
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;

use crate::crowd::subscriber;

/// How many addresses are remembered at most.
const MOST: usize = 4096;
/// More floods than these are as bad as they are.
const WORST: u32 = 5;
/// How long one is remembered, one after the other.
const FORGIVEN: Duration = Duration::from_secs(10);

/// The addresses, and until when each is remembered. Only floods and new connections of HTTP/2 come here.
#[derive(Default)]
pub(crate) struct Floods(DashMap<IpAddr, Instant>);

impl Floods {
    /// How many of an address are remembered.
    pub fn of(&self, ip: IpAddr) -> u32 {
        self.0.get(&subscriber(ip)).map_or(0, |until| left(*until))
    }

    /// One more of this address.
    pub fn add(&self, ip: IpAddr) {
        let (ip, now) = (subscriber(ip), Instant::now());
        if self.0.len() >= MOST {
            self.0.retain(|_, until| *until > now);
        }
        if self.0.len() < MOST || self.0.contains_key(&ip) {
            let mut until = self.0.entry(ip).or_insert(now);
            *until = ((*until).max(now) + FORGIVEN).min(now + FORGIVEN * WORST);
        }
    }
}

/// How many are remembered until then.
fn left(until: Instant) -> u32 {
    let left = until.saturating_duration_since(Instant::now()).as_millis();
    u32::try_from(left.div_ceil(FORGIVEN.as_millis())).unwrap_or(WORST)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[tokio::test(start_paused = true)]
    async fn floods_add_up_to_the_worst_and_are_forgiven_one_by_one() {
        let floods = Floods::default();
        assert_eq!(floods.of(ATTACKER), 0);
        for expected in [1, 2, 3, 4, 5, 5, 5] {
            floods.add(ATTACKER);
            assert_eq!(floods.of(ATTACKER), expected);
        }
        for expected in [4, 3, 2, 1, 0, 0] {
            tokio::time::advance(FORGIVEN).await;
            assert_eq!(floods.of(ATTACKER), expected);
        }
        floods.add(ATTACKER);
        assert_eq!(floods.of(ATTACKER), 1);
    }

    #[test]
    fn only_his_own_count_and_of_ipv6_those_of_his_network() {
        let floods = Floods::default();
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        floods.add(ip("2001:db8::1"));
        floods.add(ATTACKER);
        let counts =
            ["2001:db8::2", "2001:db8:0:1::1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"].map(|text| floods.of(ip(text)));
        assert_eq!(counts, [1, 0, 1, 1, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_for_so_many_and_again_once_they_are_forgiven() {
        let floods = Floods::default();
        let address = |n: usize| IpAddr::from(Ipv4Addr::from_bits(u32::try_from(n).expect("a small number")));
        for n in 0..MOST + 10 {
            floods.add(address(n));
        }
        floods.add(address(0));
        assert_eq!((floods.of(address(0)), floods.of(address(MOST)), floods.0.len()), (2, 0, MOST));
        tokio::time::advance(FORGIVEN).await;
        floods.add(address(MOST));
        assert_eq!((floods.of(address(MOST)), floods.0.len()), (1, 2));
    }
}
