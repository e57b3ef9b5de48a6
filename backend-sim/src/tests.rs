//! The boundary's contract, kept by the simulation, and what the simulation finds.

use std::sync::{Arc, Mutex};

use vireo_core::platform::{
    Addr, Clock, Event, IoErrorKind, ListenOptions, Net, Poller, System, Thread, Threads, Wake,
};

use crate::{
    Actor, ConnId, Contents, Faults, Line, Order, Outcome, SECOND_NS, Scene, Setup, SimClock, SimNet,
    SimPoller, SimSocket, SimSystem, SimThreads, Told, run,
};

/// What a peer does when it is told something; it may keep a number.
type Act = fn(&mut u64, Told<'_>, &mut Scene<'_>);

struct Peer {
    kept: u64,
    act: Act,
}

impl Actor for Peer {
    fn on(&mut self, told: Told<'_>, scene: &mut Scene<'_>) {
        (self.act)(&mut self.kept, told, scene);
    }
}

fn addr() -> Addr {
    Addr::V4([127, 0, 0, 1], 1)
}

fn setup(seed: u64, faults: Faults, act: Act) -> Setup {
    let peer = Box::new(Peer { kept: 0, act });
    Setup {
        seed,
        faults,
        files: Contents::new(),
        actors: vec![peer],
        end_ns: 1000 * SECOND_NS,
        trace_to: None,
    }
}

/// Runs a program without faults, for many schedules.
fn well(act: Act, program: fn()) {
    for seed in 0..30 {
        for order in [Order::Random, Order::Priorities] {
            let faults = Faults { switch_one_in: 2, order, ..Faults::NONE };
            let outcome = run(setup(seed, faults, act), program);
            assert_eq!(outcome.failure, None, "seed {seed}: {:?}", outcome.last);
            assert_eq!((outcome.sockets_open, outcome.threads_left), (0, 0));
        }
    }
}

fn failure(outcome: &Outcome) -> &str {
    outcome.failure.as_deref().unwrap_or("none")
}

fn listen() -> (SimPoller, SimSocket) {
    let poller = SimPoller::new().unwrap();
    let listener = SimNet::listen(&addr(), ListenOptions { backlog: 8, reuse_port: false }).unwrap();
    poller.register_listener(&listener, 1).unwrap();
    (poller, listener)
}

fn wait(poller: &SimPoller, timeout_ns: Option<u64>) -> Vec<Event> {
    let mut events = Vec::new();
    poller.wait(timeout_ns, &mut |event| events.push(event)).unwrap();
    events
}

/// The next event of a connection, past those that tell nothing of it.
fn next(poller: &SimPoller, is_wanted: fn(&Event) -> bool) -> Event {
    loop {
        if let Some(event) = wait(poller, None).into_iter().find(is_wanted) {
            return event;
        }
    }
}

fn accept(poller: &SimPoller, listener: &SimSocket) -> SimSocket {
    next(poller, |event| event.token == 1);
    let (socket, peer) = SimNet::accept(listener).unwrap();
    assert!(peer.is_loopback());
    poller.register(&socket, 2).unwrap();
    socket
}

fn end(poller: &SimPoller, sockets: [SimSocket; 2]) {
    sockets.iter().for_each(|socket| poller.deregister(socket).unwrap());
}

fn connect(_: &mut u64, told: Told<'_>, scene: &mut Scene<'_>) {
    if told == Told::Time(0) {
        scene.connect(&addr(), Line::Usual);
    }
}

#[test]
fn a_connection_goes_both_ways_and_ends() {
    let act: Act = |heard, told, scene| match told {
        Told::Time(_) => {
            let conn = scene.connect(&addr(), Line::Usual);
            scene.send(conn, b"hello");
        }
        Told::Bytes(conn, bytes) => {
            *heard += bytes.len() as u64;
            if *heard == 5 {
                scene.close(conn);
            }
        }
        _ => {}
    };
    well(act, || {
        let (poller, listener) = listen();
        assert_eq!(
            SimNet::listen(&addr(), ListenOptions::default()).unwrap_err().kind,
            IoErrorKind::AddrInUse
        );
        assert_eq!(SimNet::accept(&listener).unwrap_err().kind, IoErrorKind::WouldBlock);
        let socket = accept(&poller, &listener);
        let mut into = [0; 16];
        next(&poller, |event| event.token == 2 && event.readable);
        assert_eq!(SimNet::read(&socket, &mut into).unwrap(), 5);
        assert_eq!(&into[..5], b"hello");
        assert_eq!(SimNet::read(&socket, &mut into).unwrap_err().kind, IoErrorKind::WouldBlock);
        assert_eq!(SimNet::write_vectored(&socket, &[b"he", b"llo"]).unwrap(), 5);
        let event = next(&poller, |event| event.closed);
        assert!(event.readable && event.writable);
        assert_eq!(SimNet::read(&socket, &mut into).unwrap(), 0);
        end(&poller, [socket, listener]);
    });
}

#[test]
fn room_is_told_when_a_write_had_found_none() {
    let act: Act = |_, told, scene| match told {
        Told::Time(0) => {
            let conn = scene.connect(&addr(), Line::Usual);
            scene.set_reading(conn, false);
            scene.wake_in(SECOND_NS, 1);
        }
        Told::Time(_) => scene.set_reading(0, true),
        _ => {}
    };
    well(act, || {
        let (poller, listener) = listen();
        let socket = accept(&poller, &listener);
        let clock = SimClock::new();
        let began_ns = clock.monotonic_ns();
        while SimNet::write(&socket, &[7; 100_000]).is_ok() {}
        next(&poller, |event| event.token == 2 && event.writable);
        assert!(clock.monotonic_ns() - began_ns > SECOND_NS / 2);
        assert!(SimNet::write(&socket, &[7; 10]).is_ok());
        end(&poller, [socket, listener]);
    });
}

#[test]
fn each_arrival_is_told_once() {
    let act: Act = |_, told, scene| match told {
        Told::Time(0) => {
            scene.connect(&addr(), Line::Usual);
            scene.wake_in(SECOND_NS, 1);
        }
        Told::Time(tag) if tag < 3 => {
            scene.send(0, b"x");
            scene.wake_in(SECOND_NS, tag + 1);
        }
        _ => {}
    };
    well(act, || {
        let (poller, listener) = listen();
        let socket = accept(&poller, &listener);
        assert!(next(&poller, |event| event.token == 2).writable);
        for _ in 0..2 {
            assert!(next(&poller, |event| event.token == 2).readable);
            assert_eq!(wait(&poller, Some(1000)), []);
        }
        end(&poller, [socket, listener]);
    });
}

#[test]
fn time_outs_are_never_early_and_wakes_end_waits() {
    well(connect, || {
        let (poller, listener) = listen();
        let socket = accept(&poller, &listener);
        while !wait(&poller, Some(SECOND_NS)).is_empty() {}
        let clock = SimClock::new();
        let began_ns = clock.monotonic_ns();
        wait(&poller, Some(3_000_000));
        assert!(clock.monotonic_ns() - began_ns >= 3_000_000);
        SimThreads::park_for(5_000_000);
        assert!(clock.monotonic_ns() - began_ns >= 8_000_000);
        let waker = poller.waker();
        let thread = SimThreads::spawn("waker", move || waker.wake()).unwrap();
        assert_eq!(wait(&poller, None), []);
        thread.join();
        // The token of a thread that is not parked yet is kept.
        let unparker = SimThreads::unparker();
        let thread = SimThreads::spawn("unparker", move || unparker.wake()).unwrap();
        SimThreads::park();
        thread.join();
        end(&poller, [socket, listener]);
    });
}

#[test]
fn a_silent_peer_is_given_up_only_where_it_is_probed() {
    let act: Act = |_, told, scene| match told {
        Told::Time(0) => {
            scene.connect(&addr(), Line::Usual);
        }
        Told::Connected(conn) => scene.vanish(conn),
        _ => {}
    };
    well(act, || {
        let (poller, listener) = listen();
        let socket = accept(&poller, &listener);
        let began_ns = SimClock.monotonic_ns();
        while !wait(&poller, Some(100 * SECOND_NS)).is_empty() {}
        SimNet::set_keepalive(&socket, 30).unwrap();
        next(&poller, |event| event.closed);
        assert!(SimClock.monotonic_ns() - began_ns >= 130 * SECOND_NS);
        assert_eq!(SimNet::read(&socket, &mut [0; 8]).unwrap_err().kind, IoErrorKind::Closed);
        end(&poller, [socket, listener]);
    });
}

#[test]
fn whatever_the_faults_bytes_come_whole_or_the_connection_ends() {
    const SENT: [u8; 3000] = [b'a'; 3000];
    let act: Act = |_, told, scene| match told {
        Told::Time(0) => {
            let conn = scene.connect(&addr(), Line::Usual);
            SENT.chunks(100).for_each(|piece| scene.send(conn, piece));
            scene.end(conn);
        }
        Told::Bytes(conn, bytes) if !bytes.iter().all(|&byte| byte == b'b') => {
            scene.fail(format!("{conn}: {bytes:?}"));
        }
        _ => {}
    };
    for seed in 0..200 {
        let faults = Faults { half_open: false, ..Faults::of_seed(seed) };
        let resets = faults.resets;
        let count = Arc::new(Mutex::new(0));
        let (counted, fails) = (Arc::clone(&count), faults.accept_errors);
        let outcome = run(setup(seed, faults, act), move || {
            let (poller, listener) = listen();
            let (mut socket, mut ended) = (None, false);
            while !ended {
                for event in wait(&poller, Some(SECOND_NS)) {
                    if event.token == 1 {
                        let Ok((new, _)) = SimNet::accept(&listener) else { continue };
                        poller.register(&new, 2).unwrap();
                        socket = Some(new);
                    }
                    let Some(socket) = &socket else { continue };
                    let mut into = [0; 256];
                    loop {
                        match SimNet::read(socket, &mut into) {
                            Ok(0) => ended = true,
                            Ok(len) => *counted.lock().unwrap() += len,
                            Err(error) if error.kind == IoErrorKind::Interrupted => continue,
                            Err(error) if error.kind == IoErrorKind::WouldBlock => break,
                            Err(_) => ended = true,
                        }
                        if ended {
                            break;
                        }
                        // There may be no room: then it is not sent.
                        let _ = SimNet::write(socket, b"b");
                    }
                }
                if fails && socket.is_none() {
                    break;
                }
            }
            socket.iter().chain([&listener]).for_each(|socket| poller.deregister(socket).unwrap());
        });
        assert_eq!(outcome.failure, None, "seed {seed}: {:?}", outcome.last);
        let count = *count.lock().unwrap();
        assert!(count == SENT.len() || resets || fails, "seed {seed}: {count} bytes");
    }
}

#[test]
fn a_deadlock_is_found() {
    let outcome = run(setup(1, Faults::NONE, connect), SimThreads::park);
    assert!(failure(&outcome).starts_with("deadlock"), "{outcome:?}");
}

#[test]
fn a_panic_and_an_endless_run_are_failures() {
    let outcome = run(setup(1, Faults::NONE, connect), || {
        SimThreads::spawn("panics", || panic!("on purpose")).unwrap().join();
    });
    assert_eq!(failure(&outcome), "panic: on purpose");
    let outcome = run(setup(1, Faults::NONE, connect), || {
        loop {
            SimThreads::park_for(SECOND_NS);
        }
    });
    assert!(failure(&outcome).starts_with("the run is not over"), "{outcome:?}");
    let left = run(setup(1, Faults::NONE, connect), || {
        SimThreads::spawn("left", SimThreads::park).unwrap();
    });
    assert_eq!(left.threads_left, 1);
}

#[test]
fn breaches_of_the_contract_are_failures() {
    let outcome = run(setup(1, Faults::NONE, connect), || {
        let (_poller, listener) = listen();
        drop(listener);
        SimThreads::yield_now();
    });
    assert_eq!(failure(&outcome), "a socket is closed and was not deregistered");
    // Somewhere among the seeds two threads meet at one socket, and at one poller.
    let read_by_two = || {
        let (poller, listener) = listen();
        let socket = Arc::new(accept(&poller, &listener));
        let poller = Arc::new(poller);
        let (theirs, their_poller) = (Arc::clone(&socket), Arc::clone(&poller));
        let thread = SimThreads::spawn("other", move || {
            for _ in 0..20 {
                let _ = SimNet::read(&theirs, &mut [0; 8]);
                wait(&their_poller, Some(0));
            }
        });
        for _ in 0..20 {
            let _ = SimNet::read(&socket, &mut [0; 8]);
            wait(&poller, Some(0));
        }
        thread.unwrap().join();
        poller.deregister(&socket).unwrap();
        poller.deregister(&listener).unwrap();
    };
    let whys: Vec<String> = (0..20)
        .map(|seed| failure(&run(setup(seed, Faults::NONE, connect), read_by_two)).to_owned())
        .collect();
    assert!(whys.iter().any(|why| why.contains("read or write one socket at once")), "{whys:?}");
    assert!(whys.iter().any(|why| why.contains("wait in one poller at once")), "{whys:?}");
}

#[test]
fn a_seed_decides_everything() {
    let program = || {
        let (poller, listener) = listen();
        let mut bits = [0; 16];
        SimSystem::entropy(&mut bits);
        let threads: Vec<_> = (0..3)
            .filter_map(|_| {
                SimThreads::spawn("busy", || {
                    for _ in 0..50 {
                        SimThreads::yield_now();
                        let _ = SimClock.unix_us();
                    }
                })
                .ok()
            })
            .collect();
        threads.into_iter().for_each(Thread::join);
        poller.deregister(&listener).unwrap();
    };
    let mut traces = Vec::new();
    for seed in 0..20 {
        let first = run(setup(seed, Faults::of_seed(seed), connect), program);
        assert_eq!(first.failure, None);
        assert_eq!(first, run(setup(seed, Faults::of_seed(seed), connect), program));
        traces.push(first.trace);
    }
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), 20);
}

#[test]
fn one_who_is_refused_is_told() {
    let act: Act = |refused, told, scene| match told {
        Told::Time(0) => {
            let other: ConnId = scene.connect(&Addr::unix("/nobody"), Line::Usual);
            assert_eq!(other, 0);
            scene.wake_in(SECOND_NS, 1);
        }
        Told::Broken(_) => *refused += 1,
        Told::Time(_) if *refused != 1 => scene.fail("not refused".to_owned()),
        _ => {}
    };
    well(act, || {
        let (poller, listener) = listen();
        wait(&poller, Some(2 * SECOND_NS));
        poller.deregister(&listener).unwrap();
    });
}
