//! Clocks, processor time, the machine, signals.

use core::hint::black_box;

use vireo_core::platform::{Clock, CpuSampler, CpuTime, Platform, Poller, Signal, System};

/// The monotonic clock never goes back and runs as the wall's does; the wall's is of this century.
pub fn clocks_run<P: Platform>() {
    let clock = P::Clock::new();
    let (began, wall_began) = (clock.monotonic_ns(), clock.unix_us());
    let mut last = began;
    while last - began < 30_000_000 {
        let now = clock.monotonic_ns();
        assert!(now >= last);
        last = now;
    }
    let wall_us = clock.unix_us() - wall_began;
    assert!((29_000..3_000_000).contains(&wall_us), "{wall_us}");
    assert!(wall_began > 1_700_000_000_000_000 && !clock.name().is_empty());
}

fn total(time: CpuTime) -> u64 {
    time.user_us + time.system_us
}

/// What a thread does counts for it, where the system can tell, and for the process.
pub fn processor_time_is_counted<P: Platform>() {
    let (process, thread) = (P::Cpu::process(), P::Cpu::thread());
    let mut rounds = 0u64;
    while total(P::Cpu::process()) < total(process) + 20_000 {
        (0..10_000u64).for_each(|number| rounds = black_box(rounds ^ number));
    }
    if let Some(thread) = thread {
        let after = P::Cpu::thread().map(total).unwrap();
        assert!(after >= total(thread) && after <= total(P::Cpu::process()));
    }
    P::Cpu::children();
}

/// What the system tells of itself can be true.
pub fn facts_are_plausible<P: Platform>() {
    let mut name = String::new();
    P::System::name(&mut name);
    assert_eq!(name.split(' ').count(), 3, "{name}");
    let (resident, memory) = (P::System::resident_bytes(), P::System::total_memory_bytes());
    assert!(resident > 100_000 && resident < memory, "{resident} of {memory}");
    assert!(P::System::raise_open_files(64) >= 64);
    let (mut a, mut b) = ([0; 32], [0; 32]);
    P::System::entropy(&mut a);
    P::System::entropy(&mut b);
    assert_ne!(a, b);
    assert!(!P::System::POLLER_NAME.is_empty());
}

/// A signal that asks to end wakes the poller and is told once.
pub fn an_ending_signal_wakes_and_is_told_once<P: Platform>() {
    let poller = P::Poller::new().unwrap();
    P::System::catch_signals(poller.waker());
    assert_eq!(P::System::take_signal(), None);
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
    // The signal may come a moment after the call.
    loop {
        poller.wait(Some(10_000_000_000), &mut |_| {}).unwrap();
        if let Some(signal) = P::System::take_signal() {
            assert_eq!(signal, Signal::Terminate);
            break;
        }
    }
    assert_eq!(P::System::take_signal(), None);
}
