//! What a client says in ever so small pieces: each wakes the runtime, which costs as much as a whole head does. So they are
//! listened to less often, and not without end.

use std::time::Duration;

use pingora_core::protocols::Stream;

/// How long is waited, once pieces are many, for more of them to come together.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);
/// So many packets are too many if they brought less than so many bytes each. A head that is written line by line has some
/// dozens, and the packets of a network that takes the least are twice as long.
const MOST: u32 = 256;
const SMALL: u64 = 256;

/// What a client had sent at some time, as the kernel counts it: what is read at once may have woken us often.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pieces {
    packets: u32,
    bytes: u64,
}

impl Pieces {
    /// As it is now; nothing, where that is not counted.
    pub fn of(stream: &Stream) -> Self {
        let counts = stream.get_socket_digest().and_then(|digest| digest.tcp_info());
        counts.map_or_else(Self::default, |counts| Self { packets: counts.tcpi_data_segs_in, bytes: counts.tcpi_bytes_received })
    }

    /// Whether too many came since then.
    pub fn are_too_many(self, before: Self) -> bool {
        let packets = self.packets.wrapping_sub(before.packets);
        packets > MOST && self.bytes.wrapping_sub(before.bytes) < SMALL * u64::from(packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_packets_are_too_many_only_if_they_are_small() {
        let before = Pieces { packets: u32::MAX - 100, bytes: 1_000_000 };
        let check = |packets: u32, each: u64, expected: bool| {
            let now = Pieces { packets: before.packets.wrapping_add(packets), bytes: before.bytes + u64::from(packets) * each };
            assert_eq!(now.are_too_many(before), expected, "{packets} of {each} bytes");
        };
        check(0, 0, false);
        check(MOST, 1, false);
        check(MOST + 1, 1, true);
        check(MOST + 1, SMALL - 1, true);
        check(MOST + 1, SMALL, false);
        check(1_000_000, 1448, false);
    }
}
