//! Readiness: who is told of what, how often, and what ends a wait.

use std::io::{Read, Write};
use std::net::TcpStream;

use vireo_core::platform::{Clock, Event, IoErrorKind, Net, Platform, Poller, Wake};

use crate::net::{Socket, connected, listener};

type PollerOf<P> = <P as Platform>::Poller;

/// No test waits longer for what must come.
const LONG_NS: u64 = 10_000_000_000;

fn poller<P: Platform>() -> PollerOf<P> {
    <PollerOf<P>>::new().unwrap()
}

fn wait<P: Platform>(poller: &PollerOf<P>, timeout_ns: Option<u64>) -> Vec<Event> {
    let mut events = Vec::new();
    poller.wait(timeout_ns, &mut |event| events.push(event)).unwrap();
    events
}

/// Waits until an event is as wanted; fails when none is in time.
fn wait_for<P: Platform>(poller: &PollerOf<P>, wanted: impl Fn(&Event) -> bool) -> Event {
    for _ in 0..100 {
        if let Some(event) = wait::<P>(poller, Some(LONG_NS / 100)).into_iter().find(&wanted) {
            return event;
        }
    }
    panic!("no such event");
}

/// Reads all there is.
fn drain<P: Platform>(socket: &Socket<P>) -> usize {
    let (mut into, mut total) = (vec![0; 1 << 16], 0);
    loop {
        match P::Net::read(socket, &mut into) {
            Ok(0) => return total,
            Ok(count) => total += count,
            Err(error) => {
                assert_eq!(error.kind, IoErrorKind::WouldBlock);
                return total;
            }
        }
    }
}

/// Fills a socket until it takes no more.
fn fill<P: Platform>(socket: &Socket<P>) -> usize {
    let (bytes, mut total) = (vec![0; 1 << 16], 0);
    loop {
        match P::Net::write(socket, &bytes) {
            Ok(count) => total += count,
            Err(error) => {
                assert_eq!(error.kind, IoErrorKind::WouldBlock);
                return total;
            }
        }
    }
}

/// A connection is edge triggered: each arrival is told, once.
pub fn arrivals_are_told_once<P: Platform>() {
    let (poller, (socket, mut peer)) = (poller::<P>(), connected::<P>());
    poller.register(&socket, 7).unwrap();
    let first = wait::<P>(&poller, Some(LONG_NS));
    assert!(first.iter().all(|event| event.token == 7 && event.writable && !event.readable), "{first:?}");
    assert_eq!(wait::<P>(&poller, Some(0)), []);
    for _ in 0..3 {
        peer.write_all(b"x").unwrap();
        let event = wait_for::<P>(&poller, |event| event.readable);
        assert!(event.token == 7 && !event.closed, "{event:?}");
        // Not read, and not told again.
        assert_eq!(wait::<P>(&poller, Some(0)), []);
    }
    assert_eq!(drain::<P>(&socket), 3);
    assert_eq!(wait::<P>(&poller, Some(0)), []);
}

/// Room is told when it comes back, and only to whom a write had found none.
pub fn room_is_told_when_a_write_had_found_none<P: Platform>() {
    let (poller, (socket, mut peer)) = (poller::<P>(), connected::<P>());
    poller.register(&socket, 8).unwrap();
    wait_for::<P>(&poller, |event| event.writable);
    let written = fill::<P>(&socket);
    assert_eq!(wait::<P>(&poller, Some(0)), []);
    let reading = std::thread::Builder::new().spawn(move || {
        peer.read_exact(&mut vec![0; written]).unwrap();
        peer
    });
    assert_eq!(wait_for::<P>(&poller, |event| event.writable).token, 8);
    assert!(P::Net::write(&socket, b"more").is_ok());
    reading.unwrap().join().unwrap();
}

/// The peer's end is told, behind whatever came before it, and so is its vanishing.
pub fn the_peers_end_is_told<P: Platform>() {
    let (poller, (socket, mut peer)) = (poller::<P>(), connected::<P>());
    poller.register(&socket, 9).unwrap();
    peer.write_all(b"last words").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    wait_for::<P>(&poller, |event| event.closed);
    let mut into = [0; 64];
    assert_eq!(P::Net::read(&socket, &mut into).unwrap(), 10);
    assert_eq!(P::Net::read(&socket, &mut into).unwrap(), 0);
    // What it was not sent yet still reaches it.
    assert_eq!(P::Net::write(&socket, b"bye").unwrap(), 3);
    peer.read_exact(&mut into[..3]).unwrap();

    // A peer that closes with bytes unread resets the connection.
    let (socket, peer) = connected::<P>();
    poller.register(&socket, 10).unwrap();
    P::Net::write(&socket, b"unread").unwrap();
    peer.peek(&mut into).unwrap();
    drop(peer);
    wait_for::<P>(&poller, |event| event.token == 10 && event.closed);
    // The error, or the end where somebody else has taken the error.
    match P::Net::read(&socket, &mut into) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind, IoErrorKind::Closed),
    }
}

/// A listener is level triggered: it is told at each wait until nobody waits to be accepted.
pub fn listeners_are_told_until_nobody_waits<P: Platform>() {
    let (poller, (listener, port)) = (poller::<P>(), listener::<P>());
    poller.register_listener(&listener, 11).unwrap();
    assert_eq!(wait::<P>(&poller, Some(0)), []);
    let _peers = [(); 2].map(|()| TcpStream::connect(("127.0.0.1", port)).unwrap());
    for _ in 0..3 {
        let event = wait_for::<P>(&poller, |event| event.readable);
        assert!(event.token == 11 && !event.writable && !event.closed, "{event:?}");
    }
    let first = P::Net::accept(&listener).unwrap();
    assert_eq!(wait::<P>(&poller, Some(LONG_NS)).len(), 1);
    let second = P::Net::accept(&listener).unwrap();
    assert_eq!(wait::<P>(&poller, Some(0)), []);
    drop((first, second));
}

/// Who is deregistered is not told of any more, and may be registered again, with another token.
pub fn a_deregistered_socket_is_silent<P: Platform>() {
    let (poller, (socket, mut peer)) = (poller::<P>(), connected::<P>());
    poller.register(&socket, 12).unwrap();
    wait_for::<P>(&poller, |event| event.writable);
    poller.deregister(&socket).unwrap();
    peer.write_all(b"x").unwrap();
    assert_eq!(wait::<P>(&poller, Some(1_000_000)), []);
    poller.register(&socket, 13).unwrap();
    wait_for::<P>(&poller, |event| event.token == 13 && event.readable);
    poller.deregister(&socket).unwrap();
    // A listener has fewer filters than a connection, and goes as well.
    let (listener, port) = listener::<P>();
    poller.register_listener(&listener, 14).unwrap();
    poller.deregister(&listener).unwrap();
    let _waiting = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(wait::<P>(&poller, Some(1_000_000)), []);
}

/// A token comes back with all its bits, which tell generations apart.
pub fn tokens_come_back_whole<P: Platform>() {
    for token in [0, u64::from(u32::MAX) + 1, 1 << 63 | 5, u64::MAX - 1] {
        let (poller, (socket, _peer)) = (poller::<P>(), connected::<P>());
        poller.register(&socket, token).unwrap();
        assert_eq!(wait_for::<P>(&poller, |event| event.writable).token, token);
    }
}

/// Any thread may register while another waits.
pub fn registered_while_another_thread_waits<P: Platform>() {
    let (poller, (socket, mut peer)) = (poller::<P>(), connected::<P>());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| wait_for::<P>(&poller, |event| event.readable));
        poller.register(&socket, 15).unwrap();
        peer.write_all(b"x").unwrap();
        assert_eq!(waiting.join().unwrap().token, 15);
    });
}

/// A wake ends a wait without an event, and one wake ends one wait.
pub fn a_wake_from_another_thread_ends_a_wait<P: Platform>() {
    let poller = poller::<P>();
    for _ in 0..3 {
        let waker = poller.waker();
        std::thread::scope(|scope| {
            scope.spawn(move || waker.wake());
            assert_eq!(wait::<P>(&poller, None), []);
        });
    }
    assert!(elapsed_of_a_wait::<P>(&poller, 2_000_000) >= 2_000_000);
}

/// A wake that comes before a wait ends the next one.
pub fn a_wake_before_a_wait_ends_it<P: Platform>() {
    let poller = poller::<P>();
    poller.waker().wake();
    assert!(elapsed_of_a_wait::<P>(&poller, LONG_NS) < LONG_NS);
    assert!(elapsed_of_a_wait::<P>(&poller, 2_000_000) >= 2_000_000);
}

/// However many wakes have come, nobody is held up by them, and waits soon last again.
pub fn a_crowd_of_wakes_ends_few_waits<P: Platform>() {
    let poller = poller::<P>();
    let waker = poller.waker();
    (0..200_000).for_each(|_| waker.wake());
    let ended_at_once = (0..10).take_while(|_| elapsed_of_a_wait::<P>(&poller, 2_000_000) < 2_000_000);
    assert!(ended_at_once.count() <= 2);
}

fn elapsed_of_a_wait<P: Platform>(poller: &PollerOf<P>, timeout_ns: u64) -> u64 {
    let clock = P::Clock::new();
    let began = clock.monotonic_ns();
    assert_eq!(wait::<P>(poller, Some(timeout_ns)), []);
    clock.monotonic_ns() - began
}

/// A time-out is rounded up, never down.
pub fn a_time_out_is_never_early<P: Platform>() {
    let poller = poller::<P>();
    for timeout_ns in [1, 999, 1_000_001, 3_000_000, 20_999_999] {
        let took = elapsed_of_a_wait::<P>(&poller, timeout_ns);
        assert!(took >= timeout_ns, "{took} of {timeout_ns}");
    }
    assert!(elapsed_of_a_wait::<P>(&poller, 0) < LONG_NS);
}

/// Reading and writing of one socket arrive as one event.
pub fn readiness_of_one_socket_is_merged<P: Platform>() {
    let (poller, (socket, mut peer)) = (poller::<P>(), connected::<P>());
    peer.write_all(b"x").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    // Both have happened before anybody looks.
    while P::Net::read(&socket, &mut [0; 8]).is_err() {}
    while P::Net::read(&socket, &mut [0; 8]).is_err() {}
    poller.register(&socket, 16).unwrap();
    let events = wait::<P>(&poller, Some(LONG_NS));
    assert_eq!(events, [Event { token: 16, readable: true, writable: true, closed: true }]);
}

/// Events that one wait has no room for come with the next.
pub fn more_sockets_than_one_wait_tells<P: Platform>() {
    const SOCKETS: usize = 300;
    let poller = poller::<P>();
    let (mut pairs, mut told) = (Vec::new(), vec![false; SOCKETS]);
    for token in 0..SOCKETS {
        let (socket, mut peer) = connected::<P>();
        peer.write_all(b"x").unwrap();
        poller.register(&socket, token as u64).unwrap();
        pairs.push((socket, peer));
    }
    while told.contains(&false) {
        let events = wait::<P>(&poller, Some(LONG_NS));
        assert!(!events.is_empty(), "{} were never told", told.iter().filter(|&&told| !told).count());
        for event in events.iter().filter(|event| event.readable) {
            told[usize::try_from(event.token).unwrap()] = true;
        }
    }
}
