//! How requests are counted: one file per algorithm, governor's clock and store traits underneath.
//!
//! The crate never sees a request, an event, or a clock that it was not given. A caller makes a [`Key`]
//! from whatever stands for the client, builds a limiter from [`ALGORITHMS`], and asks it with
//! [`Limiter::check`]. Several windows form one [`Policy`]. All limiters take room for their keys from one [`Budget`].
//! [`InFlight`] counts what a key has at once, and [`Watch`] remembers who is limited now, by name.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use sluice_limits::{Budget, Keys, Limiter, ManualClock, Quota, SharedClock, algorithm};
//!
//! let sliding = algorithm("sliding").expect("it is in the list");
//! let quota = Quota::new(3, Duration::from_secs(60));
//! let clock = SharedClock::new(ManualClock::default());
//! let limiter = (sliding.build)(&quota, clock, &Budget::default()).expect("a sound quota");
//! let client = Keys::random().key(&[b"ip", b"192.0.2.1"]);
//! assert!((0..3).all(|_| limiter.check(client, 1).admitted));
//! assert_eq!(limiter.check(client, 1).rate, 4);
//! ```

mod budget;
mod clock;
mod counted_clock;
mod divisor;
mod exact_log;
mod fixed_window;
mod gcra;
mod hot;
mod in_flight;
mod key;
mod limiter;
mod log;
mod overflow;
mod policy;
mod quota;
mod shape;
mod sliding_window;
mod slot;
mod store;
mod watch;
mod window;

pub use budget::Budget;
pub use clock::{Clock, CoarseClock, ManualClock, SharedClock, UnixClock};
pub use governor::nanos::Nanos;
pub use in_flight::{InFlight, Permit};
pub use key::{Key, Keys, Kind, Net};
pub use limiter::{ALGORITHMS, Algorithm, Decision, Limiter, algorithm};
pub use policy::{MAX_WINDOWS, Policy, Room, TooManyWindows, Verdict};
pub use quota::{LimitError, MAX_EXACT_LIMIT, MAX_LIMIT, MAX_WINDOW, Quota, QuotaError};
pub use store::Table;
pub use watch::{Watch, Watched};
