//! The tests that every backend passes: each line of the contract in `core::platform`, held against a real system.
//!
//! A backend says `vireo_backend_suite::suite!(TheBackend);` in a test of its own. Peers are std's sockets and threads, so that only
//! one side of each conversation is what is tested. Where systems may differ within the contract, the suite asks for no more than it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

extern crate alloc;

mod files;
mod net;
mod poller;
mod process;
mod threads;

pub use self::files::*;
pub use self::net::*;
pub use self::poller::*;
pub use self::process::*;
pub use self::threads::*;

/// Makes a test of every function of the suite.
#[macro_export]
macro_rules! suite {
    ($platform:ty) => {
        $crate::suite!(
            $platform:
            arrivals_are_told_once, room_is_told_when_a_write_had_found_none, the_peers_end_is_told,
            listeners_are_told_until_nobody_waits, a_deregistered_socket_is_silent, tokens_come_back_whole,
            registered_while_another_thread_waits, a_wake_from_another_thread_ends_a_wait,
            a_wake_before_a_wait_ends_it, a_crowd_of_wakes_ends_few_waits, a_time_out_is_never_early,
            readiness_of_one_socket_is_merged, more_sockets_than_one_wait_tells,
            a_port_is_shared_only_by_those_who_agree, tcp_both_ways, read_behind_what_is_there,
            refused_addresses, unix_sockets,
            a_file_is_not_taken_for_a_socket, many_pieces_in_one_write, names_are_resolved,
            sockets_are_not_inherited, a_parked_thread_wakes, a_thread_is_woken_by_its_unparker,
            a_park_ends_by_itself, processors, clocks_run, processor_time_is_counted, facts_are_plausible,
            files_are_written_and_replaced, an_ending_signal_wakes_and_is_told_once,
        );
    };
    ($platform:ty: $($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            $crate::$name::<$platform>();
        })*
    };
}
