//! What goes over the socket: words, a line each, and with one of them the listeners.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use sluice_config::ListenAt;

use crate::listeners::{Listener, Socket};

/// The new process asks. Another version of what follows would have another number.
pub const ASK: &str = "sluice/1 hand over";
/// The new process accepts everywhere.
pub const READY: &str = "ready";
/// The old process has given up its files.
pub const YOURS: &str = "yours";
/// The new process has its own.
pub const DONE: &str = "done";
/// Before the reason why there are no listeners.
pub const REFUSED: &str = "refused: ";

/// As many as the system passes at once (SCM_MAX_FD).
const MOST: usize = 253;
/// A line is not longer.
const LONGEST: usize = 64 * 1024;

/// No program that this process may start inherits what it received.
#[cfg(target_os = "linux")]
const PRIVATE: RecvFlags = RecvFlags::CMSG_CLOEXEC;
/// Elsewhere there is no such word.
#[cfg(not(target_os = "linux"))]
const PRIVATE: RecvFlags = RecvFlags::empty();

/// Sends the listeners, and their places in a line.
pub fn send(socket: impl AsFd, listeners: &[Listener]) -> io::Result<()> {
    if listeners.len() > MOST {
        return Err(io::Error::other(format!("{} listeners are more than can be handed over at once ({MOST})", listeners.len())));
    }
    let places: Vec<String> = listeners.iter().map(|(place, _)| as_word(place)).collect();
    let line = places.join(" ") + "\n";
    let fds: Vec<_> = listeners.iter().map(|(_, listener)| listener.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    beside.push(SendAncillaryMessage::ScmRights(&fds));
    let sent = sendmsg(socket, &[IoSlice::new(line.as_bytes())], &mut beside, SendFlags::empty())?;
    // There is room for it in a socket that nothing was written to.
    if sent < line.len() { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
}

/// Receives a line with what came beside it.
fn receive(socket: impl AsFd) -> io::Result<(String, Vec<OwnedFd>)> {
    let (mut line, mut fds) = (Vec::new(), Vec::new());
    while line.last() != Some(&b'\n') && line.len() < LONGEST {
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let got = recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut beside, PRIVATE)?;
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                fds.extend(received);
            }
        }
        if got.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&bytes[..got.bytes]);
    }
    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
    Ok((line, fds))
}

/// Receives what [`send`] sent, or the reason why there is nothing.
pub fn receive_listeners(socket: impl AsFd) -> io::Result<Result<Vec<Listener>, String>> {
    let (line, fds) = receive(socket)?;
    if let Some(reason) = line.strip_prefix(REFUSED) {
        return Ok(Err(reason.to_owned()));
    }
    let wrong = |_| io::Error::other(format!("`{line}` are no addresses"));
    let places: Vec<ListenAt> = line.split_ascii_whitespace().map(place_of).collect::<Result<_, _>>().map_err(wrong)?;
    if places.len() != fds.len() {
        return Err(io::Error::other(format!("{} listeners came for {} addresses", fds.len(), places.len())));
    }
    let listener = |(place, fd)| {
        let socket = Socket::at(&place, fd);
        (place, socket)
    };
    Ok(Ok(places.into_iter().zip(fds).map(listener).collect()))
}

/// A place without spaces; other white space no path of a socket has.
fn as_word(place: &ListenAt) -> String {
    place.to_string().replace('%', "%25").replace(' ', "%20")
}

fn place_of(word: &str) -> Result<ListenAt, String> {
    word.replace("%20", " ").replace("%25", "%").parse()
}

/// The word that is expected, out of a line that came.
pub fn expect(line: Option<&str>, word: &str) -> io::Result<()> {
    match line {
        Some(line) if line == word => Ok(()),
        Some(line) => Err(io::Error::other(format!("it said `{line}` instead of `{word}`"))),
        None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("it went before it said `{word}`"))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::socket_file;

    fn listener() -> (SocketAddr, Listener) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (address, (ListenAt::Address(address), Socket::Tcp(listener)))
    }

    #[test]
    fn listeners_arrive_in_their_order_with_the_connections_that_wait_in_them() {
        let (here, there) = UnixStream::pair().unwrap();
        let (addresses, sent): (Vec<SocketAddr>, Vec<Listener>) = (0..MOST).map(|_| listener()).unzip();
        let waiting = TcpStream::connect(addresses[7]).unwrap();
        send(&here, &sent).unwrap();
        drop(sent);
        let received = receive_listeners(&there).unwrap().unwrap();
        let (places, sockets): (Vec<ListenAt>, Vec<Socket>) = received.into_iter().unzip();
        assert_eq!(places, addresses.iter().copied().map(ListenAt::Address).collect::<Vec<_>>());
        let tcp = |socket| if let Socket::Tcp(listener) = socket { listener } else { panic!("no address: {socket:?}") };
        let received: Vec<TcpListener> = sockets.into_iter().map(tcp).collect();
        let local: Vec<SocketAddr> = received.iter().map(|listener| listener.local_addr().unwrap()).collect();
        assert_eq!(local, addresses, "each belongs to its address");
        let (accepted, peer) = received[7].accept().unwrap();
        assert_eq!((peer, accepted.local_addr().unwrap()), (waiting.local_addr().unwrap(), addresses[7]));
    }

    #[test]
    fn a_socket_that_is_a_file_arrives_whatever_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = UnixStream::pair().unwrap();
        let path = folder.path().join("my 100%20 admin.sock");
        let place = ListenAt::Unix(path.clone());
        send(&here, &[(place.clone(), Socket::Unix(socket_file::open(&path).unwrap())), listener().1]).unwrap();
        let received = receive_listeners(&there).unwrap().unwrap();
        assert!(matches!(&received[..], [(at, Socket::Unix(_)), (_, Socket::Tcp(_))] if *at == place), "{received:?}");
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn what_is_no_listener_is_an_error_or_a_reason() {
        let (here, there) = UnixStream::pair().unwrap();
        let too_many: Vec<Listener> = std::iter::repeat_with(listener).map(|(_, listener)| listener).take(MOST + 1).collect();
        assert!(send(&here, &too_many).unwrap_err().to_string().contains("253"));
        (&here).write_all(b"refused: it is stopping\n").unwrap();
        assert_eq!(receive_listeners(&there).unwrap().unwrap_err(), "it is stopping");
        (&here).write_all(b"127.0.0.1:1\n").unwrap();
        assert!(receive_listeners(&there).unwrap_err().to_string().contains("0 listeners came for 1"));
        drop(here);
        assert_eq!(receive_listeners(&there).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_word_that_was_not_expected_is_quoted() {
        assert!(expect(Some("ready"), READY).is_ok());
        assert_eq!(expect(Some("no"), READY).unwrap_err().to_string(), "it said `no` instead of `ready`");
        assert_eq!(expect(None, READY).unwrap_err().to_string(), "it went before it said `ready`");
    }
}
