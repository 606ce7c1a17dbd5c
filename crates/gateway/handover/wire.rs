//! What goes over the socket: words, a line each, and with one of them the listeners.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::listeners::Listener;

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

/// Sends the listeners, and their addresses in a line.
pub fn send(socket: impl AsFd, listeners: &[Listener]) -> io::Result<()> {
    if listeners.len() > MOST {
        return Err(io::Error::other(format!("{} listeners are more than can be handed over at once ({MOST})", listeners.len())));
    }
    let addresses: Vec<String> = listeners.iter().map(|(address, _)| address.to_string()).collect();
    let line = addresses.join(" ") + "\n";
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
    let addresses: Vec<SocketAddr> = line.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().map_err(wrong)?;
    if addresses.len() != fds.len() {
        return Err(io::Error::other(format!("{} listeners came for {} addresses", fds.len(), addresses.len())));
    }
    Ok(Ok(addresses.into_iter().zip(fds.into_iter().map(TcpListener::from)).collect()))
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
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn listener() -> Listener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        (listener.local_addr().unwrap(), listener)
    }

    #[test]
    fn listeners_arrive_in_their_order_with_the_connections_that_wait_in_them() {
        let (here, there) = UnixStream::pair().unwrap();
        let sent: Vec<Listener> = (0..MOST).map(|_| listener()).collect();
        let addresses: Vec<SocketAddr> = sent.iter().map(|(address, _)| *address).collect();
        let waiting = TcpStream::connect(addresses[7]).unwrap();
        send(&here, &sent).unwrap();
        drop(sent);
        let received = receive_listeners(&there).unwrap().unwrap();
        assert_eq!(received.iter().map(|(address, _)| *address).collect::<Vec<_>>(), addresses);
        let local: Vec<SocketAddr> = received.iter().map(|(_, listener)| listener.local_addr().unwrap()).collect();
        assert_eq!(local, addresses, "each belongs to its address");
        let (accepted, peer) = received[7].1.accept().unwrap();
        assert_eq!((peer, accepted.local_addr().unwrap()), (waiting.local_addr().unwrap(), addresses[7]));
    }

    #[test]
    fn what_is_no_listener_is_an_error_or_a_reason() {
        let (here, there) = UnixStream::pair().unwrap();
        let too_many: Vec<Listener> = std::iter::repeat_with(listener).take(MOST + 1).collect();
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
