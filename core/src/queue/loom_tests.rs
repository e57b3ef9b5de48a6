//! All interleavings of small runs: `RUSTFLAGS="--cfg loom" cargo test -p vireo-core --release -- queue offload`.

use std::sync::Arc;
use std::vec::Vec;

use super::{mpsc, spmc, spsc};

/// Runs a model with a bound on preemptions, which finds what there is to find in seconds.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

/// Pops until so many items have come.
fn take(count: usize, mut pop: impl FnMut() -> Option<usize>) -> Vec<usize> {
    let mut taken = Vec::new();
    while taken.len() < count {
        match pop() {
            Some(item) => taken.push(item),
            None => loom::thread::yield_now(),
        }
    }
    taken
}

/// Pushes until the ring has room.
fn put(item: usize, mut push: impl FnMut(usize) -> Result<(), usize>) {
    let mut item = item;
    while let Err(back) = push(item) {
        item = back;
        loom::thread::yield_now();
    }
}

#[test]
fn spsc_wraps_and_fills() {
    model(|| {
        let (mut producer, mut consumer) = spsc::Ring::<usize, [_; 2]>::new().into_shared();
        let sender =
            loom::thread::spawn(move || (0..4).for_each(|item| put(item, |item| producer.push(item))));
        assert_eq!(take(4, || consumer.pop()), [0, 1, 2, 3]);
        sender.join().unwrap();
    });
}

#[test]
fn spsc_commits_several_at_once() {
    model(|| {
        let (mut producer, mut consumer) = spsc::Ring::<usize, [_; 4]>::new().into_shared();
        let sender = loom::thread::spawn(move || {
            (0..3).for_each(|item| producer.enqueue(item).unwrap());
            producer.commit();
        });
        let first = consumer.pop();
        assert!(first.is_none() || first == Some(0));
        let rest = take(3 - usize::from(first.is_some()), || consumer.pop());
        assert_eq!(rest.last(), Some(&2));
        sender.join().unwrap();
    });
}

#[test]
fn spmc_one_producer_two_consumers() {
    model(|| {
        let (mut producer, consumer) = spmc::Ring::<usize, [_; 2]>::new().into_shared();
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let mut consumer = consumer.clone();
                loom::thread::spawn(move || consumer.pop())
            })
            .collect();
        (0..2).for_each(|item| producer.push(item).unwrap());
        let mut seen: Vec<usize> = takers.into_iter().filter_map(|taker| taker.join().unwrap()).collect();
        let mut last = consumer;
        seen.extend(core::iter::from_fn(|| last.pop()));
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
    });
}

#[test]
fn spmc_wraps_over_a_full_ring() {
    model(|| {
        let (mut producer, mut consumer) = spmc::Ring::<usize, [_; 2]>::new().into_shared();
        let sender =
            loom::thread::spawn(move || (0..4).for_each(|item| put(item, |item| producer.push(item))));
        assert_eq!(take(4, || consumer.pop()), [0, 1, 2, 3]);
        sender.join().unwrap();
    });
}

#[test]
fn mpsc_two_producers_and_a_consumer() {
    model(|| {
        let (first, mut consumer) = mpsc::Ring::<usize, [_; 4]>::new().into_shared();
        let second = first.another();
        let senders: Vec<_> = [first, second]
            .into_iter()
            .enumerate()
            .map(|(index, mut producer)| {
                loom::thread::spawn(move || {
                    producer.push(index * 10).unwrap();
                    assert!(producer.flush());
                })
            })
            .collect();
        let mut seen = take(2, || consumer.pop());
        seen.sort_unstable();
        assert_eq!(seen, [0, 10]);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

#[test]
fn mpsc_keeps_tickets_over_a_full_ring() {
    model(|| {
        let (mut producer, mut consumer) = mpsc::Ring::<usize, [_; 2]>::new().into_shared();
        let drops = Arc::new(());
        let kept = Arc::clone(&drops);
        let sender = loom::thread::spawn(move || {
            // Two go into the ring, two are held over it.
            (0..4).for_each(|item| put(item, |item| producer.push(item)));
            while !producer.flush() {
                loom::thread::yield_now();
            }
            drop(kept);
        });
        assert_eq!(take(4, || consumer.pop()), [0, 1, 2, 3]);
        sender.join().unwrap();
        assert_eq!(Arc::strong_count(&drops), 1);
    });
}
