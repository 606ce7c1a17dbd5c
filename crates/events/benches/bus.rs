//! What raising an event costs a request, and how the queue under the bus compares with others.
//!
//! `cargo bench -p sluice-events`

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use divan::{Bencher, black_box};
use sluice_events::{Bus, Entity, RateLimitExceeded, Window};

fn main() {
    divan::main();
}

fn event(service: &Arc<Entity>) -> RateLimitExceeded {
    let ip = IpAddr::from([127, 0, 0, 1]);
    RateLimitExceeded {
        consumer: None,
        ip,
        service: Some(service.clone()),
        route: Some(service.clone()),
        rate: 4,
        limit: 3,
        window: Window(60),
        shadow: false,
    }
}

fn service() -> Arc<Entity> {
    Arc::new(Entity::new(1, serde_json::json!({ "name": "demo" })))
}

fn bus(wanted: bool) -> Arc<Bus> {
    let bus = Arc::new(Bus::default());
    bus.set_wanted(|_| wanted);
    bus
}

/// No hook wants the event.
#[divan::bench]
fn emit_unwanted(bencher: Bencher<'_, '_>) {
    let (emitter, service) = (bus(false).emitter(), service());
    bencher.bench_local(|| emitter.emit(|| event(black_box(&service))));
}

/// There is room: the event is made, pushed, and freed by the consumer (here in the same thread).
#[divan::bench]
fn emit_and_collect(bencher: Bencher<'_, '_>) {
    let (bus, service) = (bus(true), service());
    let emitter = bus.emitter();
    let mut out = Vec::new();
    bencher.bench_local(|| {
        emitter.emit(|| event(black_box(&service)));
        bus.try_collect(&mut out);
        out.clear();
    });
}

/// The queue is full: the event is counted with those that are the same.
#[divan::bench]
fn emit_when_full(bencher: Bencher<'_, '_>) {
    let (bus, service) = (bus(true), service());
    let emitter = bus.emitter();
    (0..10_000).for_each(|_| emitter.emit(|| event(&service)));
    bencher.bench_local(|| emitter.emit(|| event(black_box(&service))));
}

/// Two threads push at once, a third takes.
#[divan::bench(threads = 2)]
fn emit_from_two_threads(bencher: Bencher<'_, '_>) {
    let (bus, service) = (bus(true), service());
    let emitter = bus.emitter();
    let taker = Taker::start(move || {
        let mut out = Vec::new();
        bus.try_collect(&mut out);
    });
    bencher.bench(|| emitter.emit(|| event(black_box(&service))));
    drop(taker);
}

/// Runs something over and over in a thread of its own.
struct Taker(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Taker {
    fn start(take: impl Fn() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                take();
                std::thread::yield_now();
            }
        });
        Self(stop, Some(thread))
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        if let Some(thread) = self.1.take() {
            let _ = thread.join();
        }
    }
}

/// Bounded queues by themselves: a boxed event of the size of ours is pushed and taken.
mod queues {
    use super::{Arc, ArrayQueue, Bencher, Taker};

    type Item = Box<[u64; 12]>;
    const SIZE: usize = 8192;

    fn item() -> Item {
        Box::new([7; 12])
    }

    #[divan::bench(threads = [1, 2])]
    fn crossbeam_array_queue(bencher: Bencher<'_, '_>) {
        let queue = Arc::new(ArrayQueue::<Item>::new(SIZE));
        let taken = queue.clone();
        let _taker = Taker::start(move || while taken.pop().is_some() {});
        bencher.bench(|| queue.push(item()).is_ok());
    }

    #[divan::bench(threads = [1, 2])]
    fn thingbuf_mpsc(bencher: Bencher<'_, '_>) {
        let (sender, receiver) = thingbuf::mpsc::channel::<Option<Item>>(SIZE);
        let _taker = Taker::start(move || while receiver.try_recv().is_ok() {});
        bencher.bench(|| sender.try_send(Some(item())).is_ok());
    }

    #[divan::bench(threads = [1, 2])]
    fn tokio_mpsc(bencher: Bencher<'_, '_>) {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Item>(SIZE);
        let receiver = std::sync::Mutex::new(receiver);
        let _taker = Taker::start(move || {
            let mut receiver = receiver.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            while receiver.try_recv().is_ok() {}
        });
        bencher.bench(|| sender.try_send(item()).is_ok());
    }

    #[divan::bench(threads = [1, 2])]
    fn std_sync_channel(bencher: Bencher<'_, '_>) {
        let (sender, receiver) = std::sync::mpsc::sync_channel::<Item>(SIZE);
        let receiver = std::sync::Mutex::new(receiver);
        let _taker = Taker::start(move || {
            let receiver = receiver.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            while receiver.try_recv().is_ok() {}
        });
        bencher.bench(|| sender.try_send(item()).is_ok());
    }
}
