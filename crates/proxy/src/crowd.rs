//! How many connections there are at once, in all and of each address.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

/// The connections that are open.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    all: AtomicUsize,
    by_ip: DashMap<IpAddr, usize>,
}

/// A connection's place. Dropped, it is another one's.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    /// Whose it is, if that counts.
    ip: Option<IpAddr>,
}

impl Crowd {
    /// A place for one more, if there are fewer than so many.
    pub fn enter(self: &Arc<Self>, most: usize) -> Option<Place> {
        let one_more = |all: usize| (all < most).then_some(all + 1);
        let entered = self.all.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_more);
        entered.is_ok().then(|| Place { crowd: self.clone(), ip: None })
    }
}

impl Place {
    /// Whether the address has fewer than so many places; then this is one more of them.
    pub fn is_of(&mut self, ip: IpAddr, most: usize) -> bool {
        if most == 0 {
            return true;
        }
        let ip = subscriber(ip);
        let mut open = self.crowd.by_ip.entry(ip).or_insert(0);
        let room = *open < most;
        if room {
            *open += 1;
            self.ip = Some(ip);
        }
        room
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.all.fetch_sub(1, Ordering::AcqRel);
        if let Some(ip) = self.ip {
            self.crowd.by_ip.remove_if_mut(&ip, |_, open| {
                *open -= 1;
                *open == 0
            });
        }
    }
}

/// Who has an address: of IPv6, whoever has its /64.
pub(crate) fn subscriber(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_may_be_and_who_goes_makes_room() {
        let crowd = Arc::new(Crowd::default());
        let mut places: Vec<_> = (0..5).map_while(|_| crowd.enter(3)).collect();
        assert_eq!(places.len(), 3);
        places.pop();
        assert!(crowd.enter(3).is_some());
    }

    #[test]
    fn an_address_has_its_own_number_of_places() {
        let crowd = Arc::new(Crowd::default());
        let enter = |ip: &str| {
            let mut place = crowd.enter(100).expect("there is room");
            place.is_of(ip.parse().expect("an address"), 2).then_some(place)
        };
        let places = [
            enter("2001:db8::1"),
            enter("2001:db8::2"),
            enter("2001:db8::3"),
            enter("2001:db8:0:1::1"),
            enter("::ffff:192.0.2.1"),
        ];
        let had: Vec<bool> = places.iter().map(Option::is_some).collect();
        assert_eq!(had, [true, true, false, true, true]);
        drop(places);
        assert!(crowd.by_ip.is_empty() && crowd.all.load(Ordering::Acquire) == 0);
    }
}
