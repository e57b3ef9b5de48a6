//! Load generator for Vireo, and for every server of its protocol: the options and the output of valkey-benchmark, rates by a
//! fixed schedule whose latencies omit nothing, and the tail of the distribution.
//!
//! From the command line ([`options`]) comes what is sent ([`suite`], [`mix`], [`template`]: a [`workload`]) and when ([`pace`]).
//! A [`run`] gives each thread its connections and its part of the pace ([`worker`]), and [`report`], [`json`] and [`chart`] tell of
//! what came back ([`latency`]). Sockets and pollers are those of the server's backends ([`platform`]).

#![expect(clippy::std_instead_of_alloc, reason = "a program that links std")]

mod alarm;
mod app;
mod chart;
mod connection;
mod dial;
mod failure;
mod json;
mod latency;
mod mix;
mod numbers;
mod options;
mod pace;
mod platform;
mod progress;
mod replies;
mod report;
mod run;
mod suite;
mod template;
mod uri;
mod usage;
mod worker;
mod workload;

fn main() -> std::process::ExitCode {
    app::main()
}
