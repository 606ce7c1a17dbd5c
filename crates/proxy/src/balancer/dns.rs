//! Asks name servers for the addresses of a name: unlike the system's resolver they say how long an address holds.
//!
//! Addresses of IPv4 come first, as in Kong: a name that has any is not asked for others.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long an address holds that the system found.
const WITHOUT_TTL: Duration = Duration::from_secs(30);
/// How long a server has, and how often each is asked.
const PATIENCE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;

/// Addresses, and how long they hold.
type Found = (Vec<IpAddr>, Duration);

/// Who is asked for names.
#[derive(Clone, Debug, Default)]
pub struct NameServers {
    /// Name servers, in their order.
    pub servers: Vec<SocketAddr>,
    /// Names that the system knows by itself.
    pub hosts: HashSet<String>,
    /// Whether the system is asked for what these servers do not know.
    pub system: bool,
}

impl NameServers {
    pub(crate) async fn look_up(&self, host: &str) -> Result<Found, String> {
        // Names without a dot are completed by the system, as it is set up to do.
        let by_system = self.hosts.contains(host) || !host.contains('.') || self.servers.is_empty();
        if by_system {
            return system(host).await;
        }
        match self.ask(host).await {
            Ok(found) => Ok(found),
            Err(error) if self.system => system(host).await.map_err(|_| error),
            Err(error) => Err(error),
        }
    }

    /// Asks one server after the other until one knows.
    async fn ask(&self, host: &str) -> Result<Found, String> {
        let mut last = String::new();
        for server in self.servers.iter().cycle().take(self.servers.len() * ROUNDS) {
            match addresses(*server, host).await {
                Ok(found) if found.0.is_empty() => return Err("it has no address".into()),
                Ok(found) => return Ok(found),
                Err(error) => last = format!("{server}: {error}"),
            }
        }
        Err(last)
    }
}

async fn system(host: &str) -> Result<Found, String> {
    let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| error.to_string())?;
    let mut found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    if found.iter().any(IpAddr::is_ipv4) {
        found.retain(IpAddr::is_ipv4);
    }
    Ok((found, WITHOUT_TTL))
}

async fn addresses(server: SocketAddr, host: &str) -> io::Result<Found> {
    let found = query(server, host, TYPE::A).await?;
    if found.0.is_empty() { query(server, host, TYPE::AAAA).await } else { Ok(found) }
}

async fn query(server: SocketAddr, host: &str, kind: TYPE) -> io::Result<Found> {
    // Nobody who has not seen the question can guess its number.
    let id = uuid::Uuid::new_v4().as_u128() as u16;
    let question = question(id, host, kind).map_err(io::Error::other)?;
    let answer = timeout(PATIENCE, over_udp(server, id, &question)).await??;
    match read(&answer, id) {
        Some(Answer::Found(found)) => Ok(found),
        Some(Answer::Cut) => {
            let answer = timeout(PATIENCE, over_tcp(server, &question)).await??;
            match read(&answer, id) {
                Some(Answer::Found(found)) => Ok(found),
                _ => Err(io::Error::other("the answer is broken")),
            }
        }
        Some(Answer::Failed(why)) => Err(io::Error::other(why)),
        None => Err(io::Error::other("the answer is broken")),
    }
}

fn question(id: u16, host: &str, kind: TYPE) -> Result<Vec<u8>, simple_dns::SimpleDnsError> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let host = host.trim_end_matches('.');
    packet.questions.push(Question::new(Name::new(host)?.into_owned(), kind.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec()
}

/// The first answer with the number of the question; others are not meant for us.
async fn over_udp(server: SocketAddr, id: u16, question: &[u8]) -> io::Result<Vec<u8>> {
    let any = if server.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { IpAddr::from(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut answer).await?;
        if answer[..length].starts_with(&id.to_be_bytes()) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[derive(Debug, PartialEq)]
enum Answer {
    Found(Found),
    /// There is more than fits.
    Cut,
    Failed(String),
}

/// What an answer says; none if it is none.
fn read(bytes: &[u8], id: u16) -> Option<Answer> {
    let packet = Packet::parse(bytes).ok()?;
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return None;
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Some(Answer::Cut);
    }
    match packet.rcode() {
        simple_dns::RCODE::NoError | simple_dns::RCODE::NameError => {}
        code => return Some(Answer::Failed(format!("it answers {code:?}"))),
    }
    let ips = packet.answers.iter().filter_map(|record| match &record.rdata {
        RData::A(a) => Some(IpAddr::from(Ipv4Addr::from(a.address))),
        RData::AAAA(aaaa) => Some(IpAddr::from(Ipv6Addr::from(aaaa.address))),
        _ => None,
    });
    // An alias on the way may hold for less long than the address.
    let holds = packet.answers.iter().map(|record| record.ttl).min().unwrap_or_default();
    Some(Answer::Found((ips.collect(), Duration::from_secs(u64::from(holds)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An answer to `question` with these records, each a type, a time and its data.
    fn answer(id: u16, flags: [u8; 2], records: &[(u8, u32, &[u8])]) -> Vec<u8> {
        let mut bytes = question(id, "app.test", TYPE::A).expect("a question");
        bytes[2..4].copy_from_slice(&flags);
        bytes[7] = records.len() as u8;
        for (kind, ttl, data) in records {
            bytes.extend([0xc0, 12, 0, *kind, 0, 1]);
            bytes.extend(ttl.to_be_bytes());
            bytes.extend((data.len() as u16).to_be_bytes());
            bytes.extend(*data);
        }
        bytes
    }

    #[test]
    fn answers_have_addresses_and_the_shortest_time() {
        let alias = b"\x01a\xc0\x0c";
        let found = answer(7, [0x81, 0x80], &[(5, 30, alias), (1, 60, &[10, 0, 0, 1]), (1, 90, &[10, 0, 0, 2])]);
        let ips = vec![IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
        assert_eq!(read(&found, 7), Some(Answer::Found((ips, Duration::from_secs(30)))));
        assert_eq!(read(&found, 8), None, "the answer to another question");
        assert_eq!(read(&answer(7, [0x01, 0], &[]), 7), None, "a question is no answer");
        assert_eq!(read(&answer(7, [0x83, 0x80], &[]), 7), Some(Answer::Cut));
        assert_eq!(read(&answer(7, [0x81, 0x83], &[]), 7), Some(Answer::Found((vec![], Duration::ZERO))));
        assert!(matches!(read(&answer(7, [0x81, 0x82], &[]), 7), Some(Answer::Failed(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, 0);
        }
    }
}
