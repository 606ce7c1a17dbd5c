//! Several threads on a few keys, while everything else happens that may happen: keys turn hot and are brought back,
//! windows end, limits change, room is spent and comes up, keys are reset.

use std::{
    array,
    collections::HashMap,
    hint,
    sync::{
        RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use sluice_limits::{Algorithm, Budget, Key, Net, Quota};

use super::{SECOND, client, exact, fixed, limiter_within, sliding};

const LIMIT: u64 = 40;
const KEYS: u64 = 4;
const CHECKERS: usize = 3;

/// Keys that stand in one place of each thread's memory, in different parts of the table, and in networks of their own.
fn colliding(number: u64) -> Key {
    let spread = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    Key::from(u128::from(number) << 64 | spread).in_network(Net::of([10, 0, number as u8, 1].into()))
}

/// What happens beside the checks.
#[derive(Clone, Copy, Debug)]
struct Weather {
    sweeps: bool,
    rebuilds: bool,
    /// How many keys there is room for, which another limiter takes and gives back.
    room: usize,
}

/// No key is admitted more often than the limit in any window of the time that decisions tell.
fn storm(algorithm: &Algorithm, weather: Weather) {
    const WINDOWS: u32 = 60;
    const STEPS: u32 = 16;
    let budget = Budget::new(weather.room);
    let (first, clock) = limiter_within(&budget, algorithm, &Quota::new(LIMIT, SECOND));
    let (filler, _) = limiter_within(&budget, algorithm, &Quota::new(LIMIT, SECOND));
    let limiter = RwLock::new(first);
    let rounds: [AtomicU64; CHECKERS] = array::from_fn(|_| AtomicU64::new(0));
    let over = AtomicBool::new(false);
    let check = |thread: usize| {
        let mut admitted = HashMap::<(u64, u64), u64>::new();
        for round in 0_u64.. {
            let number = round / 100 % KEYS;
            let limiter = limiter.read().expect("no holder panics").clone();
            let now = limiter.now();
            let decision = limiter.check_at(now, colliding(number), 1);
            if decision.admitted {
                let end = now.as_u64() + decision.reset.as_nanos() as u64;
                *admitted.entry((number, end / SECOND.as_nanos() as u64)).or_default() += 1;
            }
            rounds[thread].store(round + 1, Ordering::SeqCst);
            if over.load(Ordering::SeqCst) {
                break;
            }
            if round % 64 == 63 {
                thread::yield_now();
            }
        }
        admitted
    };
    let mut sums = HashMap::<(u64, u64), u64>::new();
    thread::scope(|scope| {
        let checkers = array::from_fn::<_, CHECKERS, _>(|thread| scope.spawn(move || check(thread)));
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                if weather.sweeps {
                    limiter.read().expect("no holder panics").forget_idle();
                }
                for number in 0..weather.room as u64 {
                    filler.check(client(number), 1);
                }
                if weather.rebuilds {
                    let mut limiter = limiter.write().expect("no holder panics");
                    let limit = if limiter.quota().limit == LIMIT { LIMIT / 2 } else { LIMIT };
                    *limiter = limiter.rebuilt(&Quota::new(limit, SECOND)).expect("a sound quota");
                }
                filler.clear();
                thread::yield_now();
            }
        });
        for _ in 0..WINDOWS * STEPS {
            // Every thread has looked at the clock since it moved: none is late by more than a step.
            let seen = rounds.each_ref().map(|round| round.load(Ordering::SeqCst));
            while rounds.iter().zip(seen).any(|(round, seen)| round.load(Ordering::SeqCst) < seen + 20) {
                thread::yield_now();
            }
            clock.advance(SECOND / STEPS);
        }
        over.store(true, Ordering::SeqCst);
        for checker in checkers {
            for (place, admitted) in checker.join().expect("no check panics") {
                *sums.entry(place).or_default() += admitted;
            }
        }
    });
    assert!(sums.len() > 100, "{weather:?}");
    let most = sums.iter().max_by_key(|(_, sum)| **sum).expect("some were admitted");
    assert!(*most.1 <= LIMIT, "{}: {most:?} in {weather:?}", algorithm.name);
    filler.clear();
    let limiter = limiter.into_inner().expect("no holder panics");
    assert_eq!(budget.keys(), limiter.keys());
    drop((limiter, filler));
    assert_eq!((budget.keys(), budget.overflow_keys()), (0, 0), "{} in {weather:?}", algorithm.name);
}

#[test]
fn no_window_admits_more_than_the_limit_whatever_happens() {
    for algorithm in [fixed(), sliding()] {
        for sweeps in [false, true] {
            for rebuilds in [false, true] {
                for room in [100, 3] {
                    storm(algorithm, Weather { sweeps, rebuilds, room });
                }
            }
        }
    }
}

/// Which turn two threads are at.
type Turns = [AtomicU64; 2];

/// Waits until the other thread is at this turn, too.
fn meet(turns: &Turns, thread: usize, turn: u64) {
    turns[thread].store(turn, Ordering::SeqCst);
    for spins in 0_u32.. {
        if turns[1 - thread].load(Ordering::SeqCst) >= turn {
            return;
        }
        // Met while both run, most often; on a busy machine the other one needs the processor.
        if spins % 1_000 == 999 { thread::yield_now() } else { hint::spin_loop() }
    }
}

/// Each of a sequence of fresh keys is checked by two threads at one moment, while room comes and goes: each is admitted
/// once, inside or outside.
#[test]
fn a_newcomer_is_not_counted_inside_and_outside() {
    const NEWCOMERS: u64 = 5_000;
    for algorithm in [fixed(), exact()] {
        let (limiter, _) = limiter_within(&Budget::new(1), algorithm, &Quota::new(1, 3600 * SECOND));
        let turns = Turns::default();
        let admitted: Vec<AtomicUsize> = (0..NEWCOMERS).map(|_| AtomicUsize::new(0)).collect();
        // Each has a network of its own.
        let newcomer =
            |number: u64| client(number).in_network(Net::of([(number >> 16) as u8, (number >> 8) as u8, number as u8, 0].into()));
        let check = |thread: usize| {
            for number in 0..NEWCOMERS {
                meet(&turns, thread, number);
                if thread == 0 && number > 0 {
                    // It has the room; now that is free.
                    limiter.reset(newcomer(number - 1));
                }
                for _ in 0..3 {
                    if limiter.check(newcomer(number), 1).admitted {
                        admitted[number as usize].fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        };
        thread::scope(|scope| {
            (0..2).for_each(|thread| drop(scope.spawn(move || check(thread))));
        });
        let twice = admitted.iter().filter(|times| times.load(Ordering::SeqCst) > 1).count();
        assert_eq!(twice, 0, "{}", algorithm.name);
    }
}

/// A key that has spent outside and then came inside is reset, and at that moment it comes again.
#[test]
fn a_key_that_is_reset_takes_nothing_along_from_outside() {
    for algorithm in [fixed(), exact()] {
        let budget = Budget::new(1);
        let (limiter, _) = limiter_within(&budget, algorithm, &Quota::new(2, 3600 * SECOND));
        let (filler, _) = limiter_within(&budget, algorithm, &Quota::new(1, 3600 * SECOND));
        let turns = Turns::default();
        let admitted = AtomicU64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..5_000 {
                    meet(&turns, 1, 3 * number + 1);
                    admitted.fetch_add(limiter.check(client(number), 1).admitted.into(), Ordering::SeqCst);
                    meet(&turns, 1, 3 * number + 2);
                }
            });
            let mut wrong = 0;
            for number in 0..5_000 {
                filler.check(client(0), 1);
                let outside = limiter.check(client(number), 1);
                wrong += u64::from(!outside.admitted || limiter.keys() != 0);
                filler.reset(client(0));
                let inside = limiter.check(client(number), 1);
                wrong += u64::from(!inside.admitted || limiter.keys() != 1);
                meet(&turns, 0, 3 * number + 1);
                limiter.reset(client(number));
                meet(&turns, 0, 3 * number + 2);
                let rest = (0..3).filter(|_| limiter.check(client(number), 1).admitted).count() as u64;
                wrong += u64::from(admitted.swap(0, Ordering::SeqCst) + rest != 2);
                limiter.reset(client(number));
                wrong += u64::from(budget.keys() != 0);
            }
            assert_eq!(wrong, 0, "{}", algorithm.name);
        });
    }
}
