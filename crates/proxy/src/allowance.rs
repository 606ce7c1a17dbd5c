//! How much a client of HTTP/2 may say that is no request: so much at once, so much a second, and more for every answer.
//!
//! Who works with a connection says much of this sort, in proportion to what he gets: gRPC measures with PING and opens its
//! window after every message, browsers give requests up. Who floods gets little or nothing for it.

use tokio::time::Instant;

use crate::frames::{DATA, Frame, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE};

/// What may be said at once, in frames; of requests that are given up that is 500, of which a client that gives up what it
/// has begun has some hundreds.
const BURST: u32 = 2000;
/// What is left of that to whoever has flooded again and again: enough to open a connection, and for what answers pay.
const LEAST: u32 = 100;
/// What comes back in a second.
const A_SECOND: u32 = 500;
/// What the head of an answer, and each part of its body, is worth.
const FOR_HEAD: u32 = RESET;
const FOR_PART: u32 = 2;
/// A stream that is given up has cost a request; with an answer that is paid for.
const RESET: u32 = 4;
/// So has one that we give up since its client broke the rules. Pingora ends a connection after 32 such requests; so do
/// we, and say so.
const BROKEN: u32 = 64;
/// A stream that is refused has cost the reading of its head.
const REFUSED: u32 = 2;
/// Names of why a stream is given up (RFC 9113, 7).
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
/// Settings are gone through, and confirmed.
const NEW_SETTINGS: u32 = 4;
/// A window that is opened so little lets out a part that is not worth its head. It costs more than that part brings.
const CRACK: u32 = 256;
const FOR_CRACK: u32 = 2 * FOR_PART;
/// Payload costs by itself, from here.
const LARGE: u32 = 1024;

/// What is left of it.
pub(crate) struct Allowance {
    left: u32,
    /// There is never more of it.
    most: u32,
    since: Instant,
    /// What the client still takes of all answers together.
    window: i64,
}

impl Allowance {
    /// All that a client has who has flooded so often lately: half as much for each time.
    pub fn after(floods: u32) -> Self {
        let most = BURST.checked_shr(floods).unwrap_or(0).max(LEAST);
        Self { left: most, most, since: Instant::now(), window: 65_535 }
    }

    /// The client says this. False: it is too much.
    pub fn hear(&mut self, frame: &Frame) -> bool {
        let cost = match frame.kind {
            // What there may be of these is for h2 to say.
            DATA | HEADERS => return true,
            RST_STREAM => RESET,
            SETTINGS => NEW_SETTINGS,
            WINDOW_UPDATE => self.opened(frame),
            _ => 1,
        };
        self.spend(cost + frame.length / LARGE)
    }

    /// He is told this. False: it is the answer to too much.
    pub fn say(&mut self, frame: &Frame) -> bool {
        match frame.kind {
            HEADERS => self.left = self.most.min(self.left + FOR_HEAD),
            DATA => {
                self.window -= i64::from(frame.length);
                self.left = self.most.min(self.left + FOR_PART);
            }
            RST_STREAM => return self.spend(given_up(frame.error)),
            _ => {}
        }
        true
    }

    fn opened(&mut self, frame: &Frame) -> u32 {
        let little = frame.increment < CRACK && (frame.stream != 0 || self.window < i64::from(CRACK));
        if frame.stream == 0 {
            self.window += i64::from(frame.increment);
        }
        if little { FOR_CRACK } else { 1 }
    }

    fn spend(&mut self, cost: u32) -> bool {
        if self.left < cost {
            // The clock is looked at only here.
            let back = (self.since.elapsed().as_millis() * u128::from(A_SECOND) / 1000).min(BURST.into()) as u32;
            if back > 0 {
                self.since = Instant::now();
            }
            self.left = self.most.min(self.left + back);
        }
        let enough = self.left >= cost;
        self.left = self.left.saturating_sub(cost);
        enough
    }
}

/// What a stream costs that we give up for this reason.
fn given_up(error: u32) -> u32 {
    match error {
        // It was answered before its body had come.
        NO_ERROR => 0,
        // One stream too many: who has just connected may not know yet how many he may have.
        REFUSED_STREAM => REFUSED,
        // Its upstream may have failed.
        INTERNAL_ERROR | CANCEL => RESET,
        _ => BROKEN,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frames::GOAWAY;

    const PRIORITY: u8 = 2;
    const PING: u8 = 6;
    const CONTINUATION: u8 = 9;

    fn frame(kind: u8, stream: u32, length: u32) -> Frame {
        Frame { kind, stream, length, ..Frame::default() }
    }

    fn update(stream: u32, increment: u32) -> Frame {
        Frame { increment, ..frame(WINDOW_UPDATE, stream, 4) }
    }

    /// How often this may be said before it is too much.
    fn times(allowance: &mut Allowance, frame: &Frame) -> u32 {
        (0..1_000_000).take_while(|_| allowance.hear(frame)).count() as u32
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_is_no_request_runs_out() {
        for kind in [PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION, 16, 255] {
            let said = times(&mut Allowance::after(0), &frame(kind, 0, 4));
            assert!((BURST / RESET..=BURST).contains(&said), "{kind}: {said}");
        }
        let large = times(&mut Allowance::after(0), &frame(SETTINGS, 0, 16_380));
        assert!(large < 300, "{large}");
        for (error, cost) in [(1, BROKEN), (3, BROKEN), (INTERNAL_ERROR, RESET), (CANCEL, RESET), (REFUSED_STREAM, REFUSED)] {
            let (reset, mut allowance) = (Frame { error, ..frame(RST_STREAM, 1, 4) }, Allowance::after(0));
            assert_eq!((0..1_000_000).take_while(|_| allowance.say(&reset)).count() as u32, BURST / cost);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_flooded_has_less_of_it_but_never_nothing() {
        let had = [0, 1, 2, 5, 31, 32, u32::MAX].map(|floods| times(&mut Allowance::after(floods), &frame(PING, 0, 8)));
        assert_eq!(had, [BURST, BURST / 2, BURST / 4, LEAST, LEAST, LEAST, LEAST]);
        let mut allowance = Allowance::after(5);
        for _ in 0..1000 {
            assert!(allowance.say(&frame(HEADERS, 1, 30)) && allowance.say(&frame(DATA, 1, 30)));
            assert!(allowance.hear(&update(0, 30)) && allowance.hear(&frame(RST_STREAM, 1, 4)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_ends_early_with_its_answer_is_no_offence() {
        let mut allowance = Allowance::after(0);
        assert!((0..100_000).all(|_| allowance.say(&Frame { error: NO_ERROR, ..frame(RST_STREAM, 1, 4) })));
    }

    #[tokio::test(start_paused = true)]
    async fn it_comes_back_with_time_but_never_more_than_all_of_it() {
        let mut allowance = Allowance::after(0);
        assert_eq!(times(&mut allowance, &frame(PING, 0, 8)), BURST);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(times(&mut allowance, &frame(PING, 0, 8)), A_SECOND);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(times(&mut allowance, &frame(PING, 0, 8)), BURST);
        // In steps that are shorter than what one frame takes to come back.
        let mut allowed = 0;
        for _ in 0..10_000 {
            tokio::time::advance(Duration::from_micros(100)).await;
            allowed += u32::from(allowance.hear(&frame(PING, 0, 8)));
        }
        assert!((A_SECOND - 50..=A_SECOND).contains(&allowed), "{allowed}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_answers_may_measure_open_windows_and_give_up_without_end() {
        let mut allowance = Allowance::after(0);
        for request in 0..100_000 {
            assert!(allowance.hear(&frame(HEADERS, request, 30)) && allowance.say(&frame(HEADERS, request, 30)), "{request}");
            // A message of a few bytes, as grpc-go takes it, and a call that is given up.
            assert!(allowance.say(&frame(DATA, request, 15)));
            assert!(allowance.hear(&update(0, 15)) && allowance.hear(&frame(PING, 0, 8)), "{request}");
            assert!(allowance.hear(&frame(RST_STREAM, request, 4)), "{request}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn large_steps_of_a_window_are_paid_for_by_what_comes_through_and_small_ones_never() {
        for stream in [0, 1] {
            let mut allowance = Allowance::after(0);
            assert!(allowance.say(&frame(DATA, 1, 65_535)));
            let let_out = |allowance: &mut Allowance, bytes| {
                (0..100_000)
                    .take_while(|_| allowance.hear(&update(stream, bytes)) && allowance.say(&frame(DATA, 1, bytes)))
                    .count()
            };
            assert_eq!(let_out(&mut allowance, 16_384), 100_000);
            let small = let_out(&mut allowance, 1);
            assert!(small < 3000, "{small}");
        }
    }
}
