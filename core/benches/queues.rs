//! The queues beside crossbeam's `ArrayQueue` and heapless' queues: nanoseconds an item, median of nine runs.
//!
//! `cargo bench -p vireo-core --bench queues`. All in one run, in turn; the threads are not pinned.
#![allow(clippy::disallowed_methods, reason = "a program that measures reads the clock")]
#![allow(missing_docs, reason = "a program")]

extern crate alloc;

use alloc::sync::Arc;
use std::time::Instant;

use vireo_core::queue::{mpsc, spmc, spsc};

const ITEMS: usize = 1_000_000;
const LEN: usize = 4096;
const RUNS: usize = 9;

/// Median nanoseconds an item.
fn measure(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(ITEMS).unwrap_or(u32::MAX))
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

/// Sends `ITEMS` numbers from each producer in turn to all consumers together.
fn transfer<P, C>(producers: Vec<P>, consumers: Vec<C>)
where
    P: FnMut(usize) -> bool + Send,
    C: FnMut() -> Option<usize> + Send,
{
    let (each, takers) = (ITEMS / producers.len(), consumers.len());
    std::thread::scope(|scope| {
        for mut push in producers {
            scope.spawn(move || {
                for item in 0..each {
                    while !push(item) {
                        std::thread::yield_now();
                    }
                }
            });
        }
        for mut pop in consumers {
            scope.spawn(move || {
                let mut left = ITEMS / takers;
                while left > 0 {
                    match pop() {
                        Some(_) => left -= 1,
                        None => std::thread::yield_now(),
                    }
                }
            });
        }
    });
}

fn crossbeam(producers: usize, consumers: usize) -> f64 {
    measure(|| {
        let queue = Arc::new(crossbeam_queue::ArrayQueue::<usize>::new(LEN));
        let pushes = (0..producers)
            .map(|_| {
                let queue = Arc::clone(&queue);
                move |item| queue.push(item).is_ok()
            })
            .collect();
        let pops = (0..consumers)
            .map(|_| {
                let queue = Arc::clone(&queue);
                move || queue.pop()
            })
            .collect();
        transfer(pushes, pops);
    })
}

fn heapless_spsc() -> f64 {
    measure(|| {
        let queue = Box::leak(Box::new(heapless::spsc::Queue::<usize, LEN>::new()));
        let (mut producer, mut consumer) = queue.split();
        transfer(vec![move |item| producer.enqueue(item).is_ok()], vec![move || consumer.dequeue()]);
    })
}

fn heapless_mpmc(producers: usize, consumers: usize) -> f64 {
    // Its indices are bytes unless a feature of the whole build changes that: it gets no more than 128 slots.
    #[allow(
        deprecated,
        reason = "its nearest queue, though its authors know of trouble with suspended threads"
    )]
    static QUEUE: heapless::mpmc::Queue<usize, 128> = heapless::mpmc::Queue::new();
    measure(|| {
        transfer(
            (0..producers).map(|_| |item| QUEUE.enqueue(item).is_ok()).collect(),
            (0..consumers).map(|_| || QUEUE.dequeue()).collect(),
        );
    })
}

fn main() {
    let ours = measure(|| {
        let (mut producer, mut consumer) = spsc::Ring::<usize, Box<[_]>>::with_capacity(LEN).into_shared();
        transfer(vec![move |item| producer.push(item).is_ok()], vec![move || consumer.pop()]);
    });
    println!(
        "1 to 1: spsc {ours:.1} ns, crossbeam {:.1} ns, heapless {:.1} ns",
        crossbeam(1, 1),
        heapless_spsc()
    );
    let ours = measure(|| {
        let (mut producer, consumer) = spmc::Ring::<usize, Box<[_]>>::with_capacity(LEN).into_shared();
        let pops = (0..2)
            .map(|_| {
                let mut consumer = consumer.clone();
                move || consumer.pop()
            })
            .collect();
        transfer(vec![move |item| producer.push(item).is_ok()], pops);
    });
    println!(
        "1 to 2: spmc {ours:.1} ns, crossbeam {:.1} ns, heapless {:.1} ns",
        crossbeam(1, 2),
        heapless_mpmc(1, 2)
    );
    let ours = measure(|| {
        let (producer, mut consumer) = mpsc::Ring::<usize, Box<[_]>>::with_capacity(LEN).into_shared();
        let pushes = (0..2)
            .map(|_| {
                let mut producer = producer.another();
                move |item| {
                    // The last item is sent when nothing is held any more.
                    let pushed = (producer.flush() || item + 1 < ITEMS / 2) && producer.push(item).is_ok();
                    if item + 1 == ITEMS / 2 && pushed {
                        while !producer.flush() {
                            std::thread::yield_now();
                        }
                    }
                    pushed
                }
            })
            .collect();
        transfer(pushes, vec![move || consumer.pop()]);
    });
    println!(
        "2 to 1: mpsc {ours:.1} ns, crossbeam {:.1} ns, heapless {:.1} ns",
        crossbeam(2, 1),
        heapless_mpmc(2, 1)
    );
}
