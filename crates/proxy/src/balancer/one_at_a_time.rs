//! Work that many may ask for at once and that one of them does for all: nobody waits, and nothing that was asked is left.

use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Debug, Default)]
pub(crate) struct OneAtATime(AtomicU32);

impl OneAtATime {
    /// Does the work, or leaves it to whoever is at it: who does it begins again for those that came meanwhile.
    pub fn run(&self, mut work: impl FnMut()) {
        if self.0.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        loop {
            let asked = self.0.load(Ordering::Acquire);
            work();
            if self.0.fetch_sub(asked, Ordering::AcqRel) == asked {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn what_was_asked_for_is_done_after_it_was_asked_and_by_one_at_a_time() {
        let (gate, wanted, done, inside): (Arc<OneAtATime>, Arc<AtomicU64>, Arc<AtomicU64>, Arc<AtomicU32>) = Default::default();
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (gate, wanted, done, inside) = (gate.clone(), wanted.clone(), done.clone(), inside.clone());
                std::thread::spawn(move || {
                    for _ in 0..10_000 {
                        wanted.fetch_add(1, Ordering::AcqRel);
                        gate.run(|| {
                            assert_eq!(inside.fetch_add(1, Ordering::AcqRel), 0);
                            done.store(wanted.load(Ordering::Acquire), Ordering::Release);
                            inside.fetch_sub(1, Ordering::AcqRel);
                        });
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(done.load(Ordering::Acquire), 80_000);
    }
}
