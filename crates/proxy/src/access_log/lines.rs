//! Lines on their way to whoever writes them: each thread gathers its own in a place that the writer empties from time to
//! time. Nobody waits for anybody, and what does not fit is counted.
//!
//! Invariant: a line is in exactly one buffer, or it is counted as dropped.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;

use crossbeam_queue::ArrayQueue;

use crate::stripe::{STRIPES, stripe};

/// How much a thread gathers at most; more is dropped until the writer comes.
const ROOM: usize = 2 * 1024 * 1024;
/// With how much it is woken before its time.
const MUCH: usize = 128 * 1024;

/// Lines, and how many they are: to count them again would cost as much as to write them.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    lines: u64,
}

/// The lines of all threads.
pub struct Lines {
    /// A place for one buffer each: whoever adds to it takes it out meanwhile.
    of_threads: [ArrayQueue<Buffer>; STRIPES],
    /// Buffers that were written, to be filled again.
    spare: ArrayQueue<Buffer>,
    dropped: AtomicU64,
    writer: OnceLock<Thread>,
}

impl Default for Lines {
    fn default() -> Self {
        let of_threads = std::array::from_fn(|_| ArrayQueue::new(1));
        Self { of_threads, spare: ArrayQueue::new(STRIPES), dropped: AtomicU64::new(0), writer: OnceLock::new() }
    }
}

impl Lines {
    /// Adds the line that `append` appends.
    pub(crate) fn add(&self, append: impl FnOnce(&mut Vec<u8>)) {
        let place = &self.of_threads[stripe()];
        let mut mine = place.pop().or_else(|| self.spare.pop()).unwrap_or_default();
        let before = mine.bytes.len();
        if before < ROOM {
            append(&mut mine.bytes);
        }
        if mine.bytes.len() > ROOM || before >= ROOM {
            mine.bytes.truncate(before);
            self.lose(1);
        } else {
            mine.lines += 1;
        }
        let much = before < MUCH && mine.bytes.len() >= MUCH;
        // Another thread of this place may have begun a buffer meanwhile.
        while let Err(back) = place.push(mine) {
            mine = place.pop().unwrap_or_default();
            mine.bytes.extend_from_slice(&back.bytes);
            mine.lines += back.lines;
        }
        if much && let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// Hands everything that was gathered to `write`, in pieces of whole lines, and how many they are.
    pub fn take(&self, mut write: impl FnMut(&[u8], u64)) {
        for place in &self.of_threads {
            let Some(mut taken) = place.pop() else { continue };
            write(&taken.bytes, taken.lines);
            taken.bytes.clear();
            taken.bytes.shrink_to(2 * MUCH);
            taken.lines = 0;
            // One buffer too many is dropped.
            let _ = self.spare.push(taken);
        }
    }

    /// From now on this thread is woken when there is much to write.
    pub fn wake(&self, writer: Thread) {
        let _ = self.writer.set(writer);
    }

    /// So many lines were lost.
    pub fn lose(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// How many lines were lost since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_written_once_or_counted() {
        const THREADS: usize = 24;
        const EACH: u64 = 20_000;
        let lines = Lines::default();
        let over = std::sync::atomic::AtomicUsize::new(0);
        let mut seen = [0_u64; THREADS];
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (lines, over) = (&lines, &over);
                scope.spawn(move || {
                    for n in 0..EACH {
                        lines.add(|out| out.extend_from_slice(format!("{thread} {n}\n").as_bytes()));
                    }
                    over.fetch_add(1, Ordering::Release);
                });
            }
            loop {
                let last = over.load(Ordering::Acquire) == THREADS;
                lines.take(|bytes, count| {
                    assert!(bytes.ends_with(b"\n") && bytes.split(|byte| *byte == b'\n').count() as u64 == count + 1);
                    for line in std::str::from_utf8(bytes).expect("text").lines() {
                        let (thread, n) = line.split_once(' ').expect("two numbers");
                        assert!(n.parse::<u64>().expect("a number") < EACH);
                        seen[thread.parse::<usize>().expect("a number")] += 1;
                    }
                });
                if last {
                    break;
                }
            }
        });
        assert_eq!(seen.iter().sum::<u64>() + lines.dropped(), THREADS as u64 * EACH);
        assert!(seen.iter().all(|seen| *seen > 0));
    }

    #[test]
    fn what_has_no_room_is_dropped_whole_and_counted() {
        let lines = Lines::default();
        let line = [b'x'; 1000];
        for _ in 0..3000 {
            lines.add(|out| out.extend_from_slice(&line));
        }
        let mut taken = 0;
        lines.take(|bytes, _| taken += bytes.len());
        assert_eq!((taken, lines.dropped()), (ROOM / 1000 * 1000, 3000 - ROOM as u64 / 1000));
        lines.add(|out| out.extend_from_slice(&line));
        lines.take(|bytes, count| taken += bytes.len() * count as usize);
        assert_eq!(taken, ROOM / 1000 * 1000 + 1000, "there is room again");
    }
}
