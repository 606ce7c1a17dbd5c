//! Windows of a month or a year as the calendar has them, in UTC.
//!
//! A fixed window counts in pieces of one length. So it gets a clock on which every month has 31 days and every year 366:
//! each begins when the calendar begins it, and what a shorter one lacks at its end is never reached. Clients are told
//! the real times.

use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use sluice_limits::{
    Algorithm, Budget, Decision, Key, Limiter, MAX_LIMIT, Nanos, Quota, QuotaError, SharedClock, Table, algorithm,
};

/// Counts from the first of the month.
pub(crate) static MONTH: Algorithm = Algorithm {
    name: "calendar-month",
    summary: "admits the first requests of every month, in UTC",
    max_limit: MAX_LIMIT,
    build: |quota, clock, budget| build(Unit::Month, quota, clock, budget),
};

/// Counts from the first of January.
pub(crate) static YEAR: Algorithm = Algorithm {
    name: "calendar-year",
    summary: "admits the first requests of every year, in UTC",
    max_limit: MAX_LIMIT,
    build: |quota, clock, budget| build(Unit::Year, quota, clock, budget),
};

const DAY: u64 = 86_400_000_000_000;

fn build(unit: Unit, quota: &Quota, clock: SharedClock, budget: &Budget) -> Result<Arc<dyn Limiter>, QuotaError> {
    let fixed = algorithm("fixed").expect("it is registered");
    let stretched = SharedClock::new(Stretched { unit, clock: clock.clone() });
    let fixed = (fixed.build)(&unit.stretched(quota), stretched, budget)?;
    Ok(Arc::new(Calendar { unit, quota: *quota, clock, fixed }))
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    Month,
    Year,
}

/// Where a moment lies in its month or year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// How many months or years have passed since 1970 began.
    number: u64,
    /// Nanoseconds since it began.
    since: u64,
    /// Nanoseconds until it ends, at least one.
    left: u64,
}

impl Unit {
    fn longest(self) -> u64 {
        DAY * match self {
            Self::Month => 31,
            Self::Year => 366,
        }
    }

    /// The quota of the window underneath.
    fn stretched(self, quota: &Quota) -> Quota {
        Quota { window: Duration::from_nanos(self.longest()), ..*quota }
    }

    fn place(self, now: Nanos) -> Place {
        let now = now.as_u64();
        let (year, month) = month_of(now / DAY);
        let (number, from, to) = match self {
            Self::Month => ((year - 1970) * 12 + month - 1, first_of(year, month), first_of(year, month + 1)),
            Self::Year => (year - 1970, first_of(year, 1), first_of(year + 1, 1)),
        };
        Place { number, since: now - from * DAY, left: (to * DAY).saturating_sub(now).max(1) }
    }

    fn stretch(self, place: Place) -> Nanos {
        Nanos::new(place.number * self.longest() + place.since)
    }
}

impl Place {
    /// The decision with the calendar's times.
    fn tell(self, decision: Decision) -> Decision {
        let reset = Duration::from_nanos(self.left);
        Decision { reset, retry_after: if decision.admitted { Duration::ZERO } else { reset }, ..decision }
    }
}

/// The days from 1970 to the first of a month. The thirteenth month is the next January.
fn first_of(year: u64, month: u64) -> u64 {
    // Years that begin in March have their leap day at the end: days before a month are then a straight line.
    let months = month + 9;
    let (year, month) = (year - 1 + months / 12, months % 12);
    year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 - 719_468
}

/// The year and the month of a day, counted from 1970.
fn month_of(day: u64) -> (u64, u64) {
    // A year has at least 365 days and a month at most 31, so both guesses are late by one at most.
    let mut year = 1970 + day / 365;
    while first_of(year, 1) > day {
        year -= 1;
    }
    let mut month = 1 + (day - first_of(year, 1)) / 28;
    while first_of(year, month) > day {
        month -= 1;
    }
    (year, month)
}

/// The clock of the fixed window underneath.
struct Stretched {
    unit: Unit,
    clock: SharedClock,
}

impl Clock for Stretched {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.unit.stretch(self.unit.place(self.clock.now()))
    }
}

#[derive(Debug)]
struct Calendar {
    unit: Unit,
    quota: Quota,
    clock: SharedClock,
    fixed: Arc<dyn Limiter>,
}

impl Limiter for Calendar {
    fn now(&self) -> Nanos {
        self.clock.now()
    }

    fn check_at(&self, now: Nanos, key: Key, cost: u32) -> Decision {
        let place = self.unit.place(now);
        place.tell(self.fixed.check_at(self.unit.stretch(place), key, cost))
    }

    fn peek_at(&self, now: Nanos, key: Key) -> Decision {
        let place = self.unit.place(now);
        place.tell(self.fixed.peek_at(self.unit.stretch(place), key))
    }

    fn window_end(&self, now: Nanos) -> Nanos {
        Nanos::new(now.as_u64() + self.unit.place(now).left)
    }

    fn refund_at(&self, now: Nanos, key: Key, cost: u32) {
        self.fixed.refund_at(self.unit.stretch(self.unit.place(now)), key, cost);
    }

    fn forget_idle(&self) {
        self.fixed.forget_idle();
    }

    fn name(&self) -> &'static str {
        match self.unit {
            Unit::Month => MONTH.name,
            Unit::Year => YEAR.name,
        }
    }

    fn quota(&self) -> &Quota {
        &self.quota
    }

    fn table(&self) -> &dyn Table {
        self.fixed.table()
    }

    fn rebuilt(&self, quota: &Quota) -> Result<Arc<dyn Limiter>, QuotaError> {
        let fixed = self.fixed.rebuilt(&self.unit.stretched(quota))?;
        Ok(Arc::new(Self { unit: self.unit, quota: *quota, clock: self.clock.clone(), fixed }))
    }
}

#[cfg(test)]
mod tests {
    use sluice_limits::{Keys, ManualClock};

    use super::*;

    const DAY_SECONDS: u64 = 86_400;

    #[test]
    fn the_calendar_of_six_centuries_goes_on_day_by_day() {
        let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let mut day = 0;
        for year in 1970..2554 {
            for month in 1..=12 {
                let length = match month {
                    2 => 28 + u64::from(leap(year)),
                    4 | 6 | 9 | 11 => 30,
                    _ => 31,
                };
                assert_eq!((first_of(year, month), first_of(year, month + 1)), (day, day + length), "{year}-{month}");
                for day in [day, day + 1, day + length - 1] {
                    assert_eq!(month_of(day), (year, month), "day {day}");
                }
                day += length;
            }
        }
    }

    /// Spends one at each of these days and seconds, of two; who gets in, and how many seconds are left?
    fn check(algorithm: &Algorithm, steps: &[(u64, u64, bool, u64)]) {
        let clock = ManualClock::default();
        let quota = Quota::new(2, Duration::from_secs(60));
        let limiter = (algorithm.build)(&quota, SharedClock::new(clock.clone()), &Budget::default()).expect("a sound quota");
        let key = Keys::fixed(0).key(&[b"client"]);
        for (day, second, admitted, left) in steps {
            clock.set(Duration::from_secs(day * DAY_SECONDS + second));
            let decision = limiter.check(key, 1);
            assert_eq!((decision.admitted, decision.reset.as_secs()), (*admitted, *left), "day {day}, second {second}");
            let end = Nanos::from(Duration::from_secs(day * DAY_SECONDS + second + left));
            assert_eq!(limiter.window_end(limiter.now()), end);
            let look = limiter.peek(key);
            assert_eq!((look.reset.as_secs(), look.rate), (*left, decision.rate.min(2)));
        }
    }

    #[test]
    fn a_month_ends_with_its_last_day() {
        let february = first_of(2024, 2);
        check(
            &MONTH,
            &[
                (february, 0, true, 29 * DAY_SECONDS),
                (february, 1, true, 29 * DAY_SECONDS - 1),
                (february + 28, DAY_SECONDS - 1, false, 1),
                (february + 29, 0, true, 31 * DAY_SECONDS),
                (february + 29 + 30, 0, true, DAY_SECONDS),
                (february + 29 + 30, 1, false, DAY_SECONDS - 1),
            ],
        );
    }

    #[test]
    fn a_year_ends_with_december() {
        let year = first_of(2023, 1);
        check(
            &YEAR,
            &[
                (year, 0, true, 365 * DAY_SECONDS),
                (year + 364, DAY_SECONDS - 2, true, 2),
                (year + 364, DAY_SECONDS - 1, false, 1),
                (year + 365, 0, true, 366 * DAY_SECONDS),
            ],
        );
    }

    #[test]
    fn what_a_later_window_refuses_is_given_back_in_the_same_month() {
        let clock = ManualClock::at(Duration::from_secs(first_of(2024, 3) * DAY_SECONDS - 1));
        let limiter = (MONTH.build)(&Quota::new(1, Duration::from_secs(60)), SharedClock::new(clock.clone()), &Budget::default())
            .expect("a sound quota");
        let key = Keys::fixed(0).key(&[b"client"]);
        assert!(limiter.check(key, 1).admitted);
        limiter.refund(key, 1);
        assert!(limiter.check(key, 1).admitted);
        assert!(!limiter.check(key, 1).admitted);
        // What was charged in a month that is over is not taken back in the next.
        let checked = limiter.now();
        clock.advance(Duration::from_nanos(Unit::Month.place(checked).left));
        assert!(limiter.check(key, 1).admitted);
        limiter.refund_at(checked, key, 1);
        assert!(!limiter.check(key, 1).admitted, "it is spent still");
    }
}
