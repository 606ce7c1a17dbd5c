//! Bodies on Pingora's way: how long they may be, and how they are changed as wholes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pingora_core::{Error, ErrorType, Result};
use sluice_plugins::{BodyChange, Memory};

/// The most that is held back of one body.
const MOST: usize = 8 * 1024 * 1024;

/// What is known of the bodies of a request that is under way.
#[derive(Default)]
pub(crate) struct Bodies {
    /// How much of the request's has come, and whether more is to.
    received: u64,
    unfinished: bool,
    request: BytesMut,
    answer: BytesMut,
    answer_change: Option<Arc<dyn BodyChange>>,
}

impl Bodies {
    /// The request is sent, perhaps once more.
    pub fn begin(&mut self) {
        *self = Self::default();
    }

    /// Whether more of the request's is to come.
    pub fn are_to_come(&self) -> bool {
        self.unfinished
    }

    /// The answer is to be changed.
    pub fn change_answer(&mut self, change: Arc<dyn BodyChange>) {
        self.answer_change = Some(change);
    }

    /// A part of the request's body, on its way to the upstream. None may be longer than `most`, if that is not 0.
    pub fn of_request(&mut self, memory: &Memory, most: u64, part: &mut Option<Bytes>, last: bool) -> Result<()> {
        self.unfinished = !last;
        self.received += part.as_ref().map_or(0, |part| part.len() as u64);
        let of_all = Some(most).filter(|most| *most > 0);
        if memory.body_limit.into_iter().chain(of_all).any(|most| self.received > most) {
            return Err(too_long());
        }
        if let Some(change) = &memory.body_change {
            hold_back(&mut self.request, &**change, part, last).ok_or_else(too_long)?;
        }
        Ok(())
    }

    /// A part of the answer's body, on its way to the client.
    pub fn of_answer(&mut self, part: &mut Option<Bytes>, last: bool) -> Result<()> {
        let Some(change) = &self.answer_change else { return Ok(()) };
        let why = "an answer that is to be changed is longer than 8 MiB";
        let held = hold_back(&mut self.answer, &**change, part, last);
        held.ok_or_else(|| Error::explain(ErrorType::InvalidHTTPHeader, why).into_up())
    }
}

fn too_long() -> Box<Error> {
    Error::explain(ErrorType::HTTPStatus(413), "the body of the request is too long").into_down()
}

/// Takes a part away, and gives all of it at the end. None: it is too much.
fn hold_back(so_far: &mut BytesMut, change: &dyn BodyChange, part: &mut Option<Bytes>, last: bool) -> Option<()> {
    if let Some(part) = part.take() {
        if so_far.len() + part.len() > MOST {
            return None;
        }
        so_far.extend_from_slice(&part);
    }
    // To Pingora nothing would be the end, and nothing at the end is no part.
    *part = if last { Some(change.change(so_far.split().freeze())).filter(|body| !body.is_empty()) } else { Some(Bytes::new()) };
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &'static str) -> Option<Bytes> {
        Some(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_body_that_grows_too_long_is_an_error_and_one_that_is_sent_again_is_not() {
        let mut memory = Memory::default();
        memory.body_limit = Some(5);
        let mut bodies = Bodies::default();
        for _ in 0..2 {
            bodies.begin();
            assert!(bodies.of_request(&memory, 0, &mut part("abc"), false).is_ok());
            assert!(bodies.of_request(&memory, 0, &mut part("de"), true).is_ok());
        }
        let error = bodies.of_request(&memory, 0, &mut part("f"), false).expect_err("it is too long");
        assert_eq!(*error.etype(), ErrorType::HTTPStatus(413));
        bodies.begin();
        assert!(bodies.of_request(&memory, 2, &mut part("abc"), false).is_err());
    }

    #[test]
    fn a_body_is_changed_as_a_whole() {
        let change: Arc<dyn BodyChange> = Arc::new(|body: Bytes| Bytes::from(body.to_ascii_uppercase()));
        let mut bodies = Bodies::default();
        bodies.change_answer(change);
        let mut pass = |mut given: Option<Bytes>, last| {
            bodies.of_answer(&mut given, last).expect("it is not too long");
            given
        };
        assert_eq!(pass(part("ab"), false), part(""));
        assert_eq!(pass(None, false), part(""));
        assert_eq!(pass(part("c"), true), part("ABC"));
        assert_eq!(pass(None, true), None);
    }
}
