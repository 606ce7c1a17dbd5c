//! The heads of HTTP/2's frames (RFC 9113, 4.1), as their bytes pass: nothing else of them is looked at, and nothing is kept.

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

/// Length, kind, flags, stream.
const HEAD: usize = 9;
/// The most that is looked at behind a head.
const MORE: usize = 8;

/// What the head of a frame says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub kind: u8,
    pub stream: u32,
    /// Bytes behind the head.
    pub length: u32,
    /// By how much a WINDOW_UPDATE opens a window.
    pub increment: u32,
    /// Why a RST_STREAM or a GOAWAY was sent.
    pub error: u32,
}

impl Frame {
    /// As the RFC calls it.
    pub fn name(&self) -> &'static str {
        name(self.kind)
    }
}

/// What the RFC calls frames of this kind.
fn name(kind: u8) -> &'static str {
    let names = [
        "DATA",
        "HEADERS",
        "PRIORITY",
        "RST_STREAM",
        "SETTINGS",
        "PUSH_PROMISE",
        "PING",
        "GOAWAY",
        "WINDOW_UPDATE",
        "CONTINUATION",
    ];
    names.get(usize::from(kind)).copied().unwrap_or("unknown")
}

/// Where in the frames of one direction the bytes are that passed last.
#[derive(Default)]
pub(crate) struct Frames {
    /// How much is still to come that nobody looks at.
    skip: u32,
    /// The beginning of a frame, of which there is so much.
    begun: [u8; HEAD + MORE],
    have: usize,
}

impl Frames {
    /// Whether the last frame is over and the next one has not begun.
    pub fn are_whole(&self) -> bool {
        self.skip == 0 && self.have == 0
    }

    /// Takes note of bytes that pass. Each frame is shown as soon as its head is there.
    pub fn pass(&mut self, mut bytes: &[u8], mut show: impl FnMut(&Frame)) {
        while !bytes.is_empty() {
            let part = match self.skip as usize {
                0 => bytes.len().min(self.wanted() - self.have),
                skip => bytes.len().min(skip),
            };
            let (taken, rest) = bytes.split_at(part);
            bytes = rest;
            if self.skip > 0 {
                self.skip -= part as u32;
                continue;
            }
            self.begun[self.have..self.have + part].copy_from_slice(taken);
            self.have += part;
            if self.have >= HEAD && self.have == self.wanted() {
                let frame = self.frame();
                self.skip = frame.length - (self.have - HEAD) as u32;
                self.have = 0;
                show(&frame);
            }
        }
    }

    /// How much of this frame is looked at.
    fn wanted(&self) -> usize {
        let more = match self.begun[3] {
            _ if self.have < HEAD => 0,
            RST_STREAM | WINDOW_UPDATE => 4,
            GOAWAY => 8,
            _ => 0,
        };
        HEAD + more.min(self.length() as usize)
    }

    fn length(&self) -> u32 {
        self.number(0) >> 8
    }

    fn number(&self, at: usize) -> u32 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|of| self.begun[at + of]);
        u32::from_be_bytes([a, b, c, d])
    }

    fn frame(&self) -> Frame {
        let frame =
            Frame { kind: self.begun[3], stream: self.number(5) & 0x7fff_ffff, length: self.length(), ..Frame::default() };
        match (frame.kind, self.have - HEAD) {
            (WINDOW_UPDATE, 4) => Frame { increment: self.number(HEAD) & 0x7fff_ffff, ..frame },
            (RST_STREAM, 4) => Frame { error: self.number(HEAD), ..frame },
            (GOAWAY, 8) => Frame { error: self.number(HEAD + 4), ..frame },
            _ => frame,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame of this kind with such a payload, as it goes over the wire.
    fn wire(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, 0xff]);
        bytes.extend((stream | 1 << 31).to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn shown<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Frame>, bool) {
        let (mut frames, mut seen) = (Frames::default(), Vec::new());
        for piece in pieces {
            frames.pass(piece, |frame| seen.push(*frame));
        }
        (seen, frames.are_whole())
    }

    #[test]
    fn what_is_looked_at_behind_a_head_is_what_the_frame_says() {
        let mut bytes = Vec::new();
        bytes.extend(wire(WINDOW_UPDATE, 5, &[0x80, 0, 1, 2]));
        bytes.extend(wire(WINDOW_UPDATE, 5, &[1, 2]));
        bytes.extend(wire(RST_STREAM, 3, b"\0\0\0\x07"));
        bytes.extend(wire(GOAWAY, 0, b"\0\0\0\x09\0\0\0\x0bcalm"));
        let expected = [
            Frame { kind: WINDOW_UPDATE, stream: 5, length: 4, increment: 258, error: 0 },
            Frame { kind: WINDOW_UPDATE, stream: 5, length: 2, increment: 0, error: 0 },
            Frame { kind: RST_STREAM, stream: 3, length: 4, increment: 0, error: 7 },
            Frame { kind: GOAWAY, stream: 0, length: 12, increment: 0, error: 11 },
        ];
        assert_eq!(shown([&bytes[..]]), (expected.to_vec(), true));
        assert_eq!(expected.map(|frame| frame.name()), ["WINDOW_UPDATE", "WINDOW_UPDATE", "RST_STREAM", "GOAWAY"]);
        assert!(!shown([&bytes[..bytes.len() - 1]]).1);
    }

    proptest! {
        #[test]
        fn they_are_the_same_however_their_bytes_are_cut(
            frames in prop::collection::vec((0_u8..12, 0_u32..100, prop::collection::vec(any::<u8>(), 0..40)), 0..20),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let mut bytes = Vec::new();
            for (kind, stream, payload) in &frames {
                bytes.extend(wire(*kind, *stream, payload));
            }
            let (seen, whole) = shown([&bytes[..]]);
            prop_assert!(whole);
            let heads: Vec<_> = seen.iter().map(|frame| (frame.kind, frame.stream, frame.length as usize)).collect();
            let sent: Vec<_> = frames.iter().map(|(kind, stream, payload)| (*kind, *stream, payload.len())).collect();
            prop_assert_eq!(heads, sent);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
            prop_assert_eq!(shown(pieces), (seen, true));
        }
    }
}
