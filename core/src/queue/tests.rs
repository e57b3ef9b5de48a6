//! Each ring against a `VecDeque`, then between real threads.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{Slots, mpsc, spmc, spsc};
use crate::rng::Rng;

/// Items that a stress test sends from each producer.
const STRESS: usize = if cfg!(miri) { 200 } else { 200_000 };

/// A random walk of pushes and pops gives what a queue of this capacity gives.
fn agrees_with_a_deque(
    capacity: usize,
    mut push: impl FnMut(Box<usize>) -> Result<(), Box<usize>>,
    mut pop: impl FnMut() -> Option<Box<usize>>,
) {
    let (mut rng, mut oracle) = (Rng::new(3), VecDeque::new());
    for step in 0..if cfg!(miri) { 300 } else { 50_000 } {
        // Runs of pushes and of pops, so that the ring is full and empty often.
        if (rng.below(100) < 55) == (step / 40 % 2 == 0) {
            let outcome = push(Box::new(step));
            assert_eq!(outcome.is_ok(), oracle.len() < capacity);
            if outcome.is_ok() {
                oracle.push_back(step);
            }
        } else {
            assert_eq!(pop().map(|item| *item), oracle.pop_front());
        }
    }
}

#[test]
fn rings_agree_with_a_deque() {
    let mut ring = spsc::Ring::<Box<usize>, [_; 8]>::new();
    let (mut producer, mut consumer) = ring.split();
    agrees_with_a_deque(8, |item| producer.push(item), || consumer.pop());
    let mut ring = spmc::Ring::<Box<usize>, [_; 8]>::new();
    let (mut producer, mut consumer) = ring.split();
    agrees_with_a_deque(8, |item| producer.push(item), || consumer.pop());
    // What is left is dropped with the ring.
    let (mut producer, mut consumer) = spmc::Ring::<Box<usize>, Box<[_]>>::with_capacity(5).into_shared();
    agrees_with_a_deque(8, |item| producer.push(item), || consumer.pop());
}

#[test]
fn an_outbox_holds_tickets_over_a_full_ring() {
    let mut ring = mpsc::Ring::<Box<usize>, [_; 4]>::new();
    let (producer, mut consumer) = ring.split();
    let producer = core::cell::RefCell::new(producer);
    agrees_with_a_deque(
        4 + mpsc::HELD_MAX,
        |item| {
            // What is held comes into the ring as it empties.
            producer.borrow_mut().flush();
            producer.borrow_mut().push(item)
        },
        || {
            producer.borrow_mut().flush();
            consumer.pop()
        },
    );
}

#[test]
fn enqueued_items_wait_for_their_commit() {
    let mut ring = spsc::Ring::<usize, [_; 4]>::new();
    let (mut producer, mut consumer) = ring.split();
    producer.enqueue(1).unwrap();
    producer.enqueue(2).unwrap();
    assert_eq!(consumer.pop(), None);
    producer.commit();
    assert_eq!((consumer.pop(), consumer.pop(), consumer.pop()), (Some(1), Some(2), None));
    producer.enqueue(3).unwrap();
    drop(producer);
    assert_eq!(consumer.pop(), Some(3));
}

#[test]
fn ends_can_be_made_again() {
    let mut ring = mpsc::Ring::<usize, [_; 2]>::new();
    for round in 0..5 {
        let (mut producer, mut consumer) = ring.split();
        producer.push(round).unwrap();
        assert_eq!(consumer.pop(), Some(round));
    }
}

#[test]
fn leftovers_are_dropped_once() {
    let item = Arc::new(());
    {
        let (mut a, _end) = spsc::Ring::<Arc<()>, Box<[_]>>::with_capacity(4).into_shared();
        let (mut b, _taker) = spmc::Ring::<Arc<()>, Box<[_]>>::with_capacity(4).into_shared();
        let (mut c, _out) = mpsc::Ring::<Arc<()>, Box<[_]>>::with_capacity(4).into_shared();
        for _ in 0..3 {
            a.push(Arc::clone(&item)).unwrap();
            b.push(Arc::clone(&item)).unwrap();
            c.push(Arc::clone(&item)).unwrap();
        }
        assert_eq!(Arc::strong_count(&item), 10);
    }
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn storage_has_a_power_of_two_of_slots() {
    let ring = super::storage::boxed::<super::Slot<u8>>(1000);
    assert_eq!(ring.all().len(), 1024);
}

#[test]
fn spsc_between_threads() {
    let (mut producer, mut consumer) = spsc::Ring::<usize, Box<[_]>>::with_capacity(64).into_shared();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for item in 0..STRESS {
                while producer.push(item).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut next = 0;
        while next < STRESS {
            match consumer.pop() {
                Some(item) => {
                    assert_eq!(item, next);
                    next += 1;
                }
                None => std::thread::yield_now(),
            }
        }
    });
}

#[test]
fn spmc_between_threads() {
    let (mut producer, consumer) = spmc::Ring::<usize, Box<[_]>>::with_capacity(64).into_shared();
    let (sum, count) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let mut consumer = consumer.clone();
            let (sum, count) = (&sum, &count);
            scope.spawn(move || {
                let mut last = None;
                while count.load(Ordering::Relaxed) < STRESS {
                    match consumer.pop() {
                        Some(item) => {
                            // Each consumer sees rising numbers.
                            assert!(last < Some(item));
                            last = Some(item);
                            sum.fetch_add(item, Ordering::Relaxed);
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        None => std::thread::yield_now(),
                    }
                }
            });
        }
        for item in 0..STRESS {
            while producer.push(item).is_err() {
                std::thread::yield_now();
            }
        }
    });
    // Wraps where words are short, as the atomic does.
    assert_eq!(sum.into_inner(), (0..STRESS).fold(0, usize::wrapping_add));
}

#[test]
fn mpsc_between_threads() {
    let (producer, mut consumer) = mpsc::Ring::<(usize, usize), Box<[_]>>::with_capacity(64).into_shared();
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let mut producer = producer.another();
            scope.spawn(move || {
                for item in 0..STRESS {
                    let mut pair = (thread, item);
                    while let Err(back) = producer.push(pair) {
                        pair = back;
                        producer.flush();
                        std::thread::yield_now();
                    }
                }
                while !producer.flush() {
                    std::thread::yield_now();
                }
            });
        }
        let mut next = Vec::from([0; 3]);
        while next.iter().sum::<usize>() < 3 * STRESS {
            match consumer.pop() {
                Some((thread, item)) => {
                    assert_eq!(item, next[thread]);
                    next[thread] += 1;
                }
                None => std::thread::yield_now(),
            }
        }
    });
}
