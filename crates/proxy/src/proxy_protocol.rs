//! The PROXY protocol, versions 1 and 2: what stands before us says for whom it connects.
//!
//! Of version 2 the addresses count; what else it tells (TLVs) is skipped. It is bounded in bytes here, and in time by the
//! caller.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::{GetSocketDigest, SocketDigest};
use tokio::io::AsyncReadExt;

/// The longest line of version 1, with its end.
const LONGEST_LINE: usize = 107;
/// What version 2 may take after its first 16 bytes.
const LONGEST: usize = 4096;
/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Who connects, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    from: SocketAddr,
    to: SocketAddr,
}

/// What stands at the beginning of a connection.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// It has no end yet.
    Partial,
    /// So many bytes say this; nothing, if it speaks for itself.
    Whole(usize, Option<Ends>),
    /// It is not that protocol, or not well said.
    Wrong(&'static str),
}

/// Reads it off the stream, whose ends are from now on those that were said.
pub(crate) async fn read(stream: &mut Stream) -> io::Result<()> {
    let mut said = Vec::with_capacity(256);
    loop {
        match parse(&said) {
            Found::Partial => {}
            Found::Wrong(why) => return Err(io::Error::new(io::ErrorKind::InvalidData, why)),
            Found::Whole(length, ends) => {
                stream.rewind(&said[length..]);
                if let Some(Ends { from, to }) = ends {
                    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
                    // They are set once, here.
                    let _ = digest.peer_addr.set(Some(from.into()));
                    let _ = digest.local_addr.set(Some(to.into()));
                    stream.set_socket_digest(digest);
                }
                return Ok(());
            }
        }
        if stream.read_buf(&mut said).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// How many bytes say for whom a connection is, and from where and to where that is; or why they do not.
pub type Introduction = Result<(usize, Option<[SocketAddr; 2]>), &'static str>;

/// What these bytes introduce; none if that is not known yet. What `fuzz/` sees.
pub fn introduction(said: &[u8]) -> Option<Introduction> {
    match parse(said) {
        Found::Partial => None,
        Found::Whole(length, ends) => Some(Ok((length, ends.map(|Ends { from, to }| [from, to])))),
        Found::Wrong(why) => Some(Err(why)),
    }
}

fn parse(said: &[u8]) -> Found {
    let begins = |with: &[u8]| said.iter().zip(with).all(|(said, with)| said == with);
    match said.first() {
        None => Found::Partial,
        Some(b'P') if begins(b"PROXY ") => line(said),
        Some(b'\r') if begins(SIGNATURE) => binary(said),
        Some(_) => Found::Wrong("it does not begin with the PROXY protocol"),
    }
}

/// Version 1: `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`.
fn line(said: &[u8]) -> Found {
    let within = &said[..said.len().min(LONGEST_LINE)];
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return if said.len() < LONGEST_LINE { Found::Partial } else { Found::Wrong("its line has no end") };
    };
    let Ok(text) = std::str::from_utf8(&said[..end]) else { return Found::Wrong("its line is no text") };
    let ends = match text.split(' ').collect::<Vec<_>>().as_slice() {
        ["PROXY", "UNKNOWN", ..] => return Found::Whole(end + 2, None),
        ["PROXY", "TCP4", from, to, ports @ ..] => ends(from.parse::<Ipv4Addr>(), to.parse::<Ipv4Addr>(), ports),
        ["PROXY", "TCP6", from, to, ports @ ..] => ends(from.parse::<Ipv6Addr>(), to.parse::<Ipv6Addr>(), ports),
        _ => None,
    };
    ends.map_or(Found::Wrong("its line is none of version 1"), |ends| Found::Whole(end + 2, Some(ends)))
}

fn ends<A: Into<IpAddr>, E>(from: Result<A, E>, to: Result<A, E>, ports: &[&str]) -> Option<Ends> {
    let [from_port, to_port] = ports else { return None };
    let port = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    Some(Ends { from: (from.ok()?, port(from_port)?).into(), to: (to.ok()?, port(to_port)?).into() })
}

/// Version 2: the signature, version and command, family, length, and the addresses.
fn binary(said: &[u8]) -> Found {
    let [_, _, _, _, _, _, _, _, _, _, _, _, command, family, high, low, rest @ ..] = said else { return Found::Partial };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if command >> 4 != 2 {
        return Found::Wrong("its version is not 2");
    }
    if length > LONGEST {
        return Found::Wrong("it is too long");
    }
    let Some(body) = rest.get(..length) else { return Found::Partial };
    let whole = |ends| Found::Whole(16 + length, ends);
    match (command & 0xf, family) {
        // It speaks for itself, such as to see whether we are alive; or for what has no such address.
        (0, _) | (1, 0x00 | 0x31) => whole(None),
        (1, 0x11) => addresses::<4>(body).map_or(Found::Wrong("its addresses are cut off"), |ends| whole(Some(ends))),
        (1, 0x21) => addresses::<16>(body).map_or(Found::Wrong("its addresses are cut off"), |ends| whole(Some(ends))),
        (1, _) => Found::Wrong("its addresses are not of TCP"),
        _ => Found::Wrong("its command is unknown"),
    }
}

/// Both addresses, and then both ports.
fn addresses<const N: usize>(body: &[u8]) -> Option<Ends>
where
    IpAddr: From<[u8; N]>,
{
    let (from, rest) = body.split_first_chunk::<N>()?;
    let (to, rest) = rest.split_first_chunk::<N>()?;
    let (from_port, rest) = rest.split_first_chunk()?;
    let (to_port, _) = rest.split_first_chunk()?;
    let end = |ip: &[u8; N], port: &[u8; 2]| SocketAddr::new(IpAddr::from(*ip), u16::from_be_bytes(*port));
    Some(Ends { from: end(from, from_port), to: end(to, to_port) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version_1(ends: Ends) -> Vec<u8> {
        let family = if ends.from.is_ipv4() { "TCP4" } else { "TCP6" };
        let Ends { from, to } = ends;
        format!("PROXY {family} {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port()).into_bytes()
    }

    fn version_2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut said = SIGNATURE.to_vec();
        said.extend([0x20 | command, family]);
        said.extend(u16::try_from(body.len()).expect("a short body").to_be_bytes());
        said.extend(body);
        said
    }

    fn body(ends: Ends, more: &[u8]) -> (u8, Vec<u8>) {
        let octets = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let Ends { from, to } = ends;
        let parts = [octets(from.ip()), octets(to.ip()), from.port().to_be_bytes().into(), to.port().to_be_bytes().into()];
        (if from.is_ipv4() { 0x11 } else { 0x21 }, [parts.concat(), more.to_vec()].concat())
    }

    fn any_ends() -> impl Strategy<Value = Ends> {
        let four = (any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(from, to)| (IpAddr::from(from), IpAddr::from(to)));
        let six = (any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(|(from, to)| (IpAddr::from(from), IpAddr::from(to)));
        (prop_oneof![four, six], any::<(u16, u16)>())
            .prop_map(|((from, to), ports)| Ends { from: (from, ports.0).into(), to: (to, ports.1).into() })
    }

    proptest! {
        #[test]
        fn what_was_said_is_understood_and_what_follows_is_left(ends in any_ends(), more in prop::collection::vec(any::<u8>(), 0..40)) {
            let (family, body) = body(ends, &more);
            for said in [version_1(ends), version_2(1, family, &body)] {
                let whole = [&said[..], b"GET / HTTP/1.1"].concat();
                prop_assert_eq!(parse(&whole), Found::Whole(said.len(), Some(ends)));
                for cut in 0..said.len() {
                    prop_assert_eq!(parse(&said[..cut]), Found::Partial, "{}", cut);
                }
            }
        }

        #[test]
        fn rubbish_is_refused_and_never_waited_for_without_end(said in prop::collection::vec(any::<u8>(), 0..6000)) {
            for begin in [&b""[..], b"PROXY ", SIGNATURE] {
                let said = [begin, &said[..]].concat();
                let found = parse(&said);
                prop_assert!(found != Found::Partial || said.len() < 16 + LONGEST, "{:?}", found);
                if let Found::Whole(length, _) = found {
                    prop_assert!(length <= said.len());
                }
            }
        }
    }

    #[test]
    fn who_speaks_for_itself_keeps_its_own_address() {
        for said in
            [version_2(0, 0, &[]), version_2(0, 0x11, &[0; 12]), version_2(1, 0, &[1, 2, 3]), version_2(1, 0x31, &[0; 216])]
        {
            assert_eq!(parse(&said), Found::Whole(said.len(), None));
        }
        assert_eq!(parse(b"PROXY UNKNOWN\r\nx"), Found::Whole(15, None));
        assert_eq!(parse(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), Found::Whole(35, None));
    }

    #[test]
    fn what_is_badly_said_is_refused() {
        for said in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"POST / HTTP/1.1\r\n",
            b"\x16\x03\x01",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
            b"PROXY TCP4 ::1 ::2 1 2\r\n",
            b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
            b"PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
            b"PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        ] {
            assert!(matches!(parse(said), Found::Wrong(_)), "{}", String::from_utf8_lossy(said));
        }
        assert!(matches!(parse(&[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat()), Found::Wrong(_)));
        for said in [
            version_2(2, 0x11, &[0; 12]),
            version_2(1, 0x12, &[0; 12]),
            version_2(1, 0x11, &[0; 11]),
            version_2(1, 0x21, &[0; 12]),
        ] {
            assert!(matches!(parse(&said), Found::Wrong(_)), "{said:?}");
        }
        let mut old = version_2(1, 0x11, &[0; 12]);
        old[12] = 0x11;
        assert!(matches!(parse(&old), Found::Wrong(_)));
    }
}
