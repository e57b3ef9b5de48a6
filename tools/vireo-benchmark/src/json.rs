//! The results for programs: one object, written when the run is over, and again after each round of `-l`.

use serde::Serialize;

use crate::latency::{Latency, seconds};
use crate::options::{Amount, Options, Order};
use crate::report::{TAIL, rate};
use crate::run::{Kept, Outcome};

/// Version of the form: grows when something changes its meaning or goes.
const FORMAT: u32 = 1;

/// The whole.
#[derive(Debug, Serialize)]
struct Results<'a> {
    format: u32,
    program: &'static str,
    version: &'static str,
    server: String,
    clients: usize,
    threads: usize,
    pipeline: usize,
    keep_alive: bool,
    resp3: bool,
    requests_asked: Option<u64>,
    duration_seconds: Option<f64>,
    warmup_seconds: f64,
    keyspace: Option<u64>,
    key_order: &'static str,
    zipf_exponent: Option<f64>,
    seed: u64,
    tests: Vec<Test<'a>>,
}

/// One test.
#[derive(Debug, Serialize)]
struct Test<'a> {
    name: &'a str,
    payload_bytes: usize,
    requests: u64,
    seconds: f64,
    requests_per_second: f64,
    unanswered: u64,
    client_user_seconds: f64,
    client_system_seconds: f64,
    latency_ms: Distribution,
    commands: Vec<Command<'a>>,
    schedule: Option<Schedule>,
    requests_per_second_by_time: &'a [f64],
}

/// One kind of request of a mix.
#[derive(Debug, Serialize)]
struct Command<'a> {
    name: &'a str,
    latency_ms: Distribution,
}

/// How a schedule was kept.
#[derive(Debug, Serialize)]
struct Schedule {
    target_requests_per_second: u64,
    kept: bool,
    seconds_behind_at_end: f64,
    requests_not_sent: u64,
    begun_late_ms: Distribution,
}

/// A distribution: its numbers, and the curve as triples of percent, milliseconds, count.
#[derive(Debug, Serialize)]
struct Distribution {
    count: u64,
    mean: f64,
    min: f64,
    p50: f64,
    p95: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p99_9: f64,
    #[serde(rename = "p99.99")]
    p99_99: f64,
    max: f64,
    curve: Vec<(f64, f64, u64)>,
}

impl Distribution {
    fn new(latency: &Latency) -> Self {
        let [p50, p95, p99, p99_9, p99_99] = TAIL.map(|(_, percent)| latency.percentile_ms(percent));
        let curve = latency.by_percentile(4);
        Self {
            count: latency.count(),
            mean: latency.mean_ms(),
            min: latency.min_ms(),
            p50,
            p95,
            p99,
            p99_9,
            p99_99,
            max: latency.max_ms(),
            curve: curve.into_iter().map(|point| (point.percent, point.ms, point.count)).collect(),
        }
    }
}

impl Schedule {
    fn new(kept: &Kept) -> Self {
        Self {
            target_requests_per_second: kept.target,
            kept: kept.is_kept,
            seconds_behind_at_end: seconds(kept.behind_ns),
            requests_not_sent: kept.unsent,
            begun_late_ms: Distribution::new(&kept.late),
        }
    }
}

impl<'a> Test<'a> {
    fn new(outcome: &'a Outcome) -> Self {
        let command =
            |(name, latency): &'a (String, Latency)| Command { name, latency_ms: Distribution::new(latency) };
        Self {
            name: &outcome.title,
            payload_bytes: outcome.payload_len,
            requests: outcome.requests,
            seconds: seconds(outcome.elapsed_ns),
            requests_per_second: rate(outcome),
            unanswered: outcome.unanswered,
            client_user_seconds: seconds(outcome.user_us.saturating_mul(1000)),
            client_system_seconds: seconds(outcome.system_us.saturating_mul(1000)),
            latency_ms: Distribution::new(&outcome.latency),
            commands: outcome.kinds.iter().map(command).collect(),
            schedule: outcome.schedule.as_ref().map(Schedule::new),
            requests_per_second_by_time: &outcome.rates,
        }
    }
}

/// The results as text.
///
/// # Errors
/// The library's, in words.
pub(crate) fn results(outcomes: &[Outcome], options: &Options, seed: u64) -> Result<String, String> {
    let (load, keys) = (&options.load, &options.keys);
    let results = Results {
        format: FORMAT,
        program: "vireo-benchmark",
        version: env!("CARGO_PKG_VERSION"),
        server: options.place.to_string(),
        clients: load.clients,
        threads: load.threads,
        pipeline: load.pipeline,
        keep_alive: load.keep_alive,
        resp3: options.session.resp3,
        requests_asked: if let Amount::Requests(requests) = load.amount { Some(requests) } else { None },
        duration_seconds: if let Amount::Seconds(seconds) = load.amount { Some(seconds) } else { None },
        warmup_seconds: load.warmup_s,
        keyspace: keys.range,
        key_order: match keys.order {
            Order::Uniform => "uniform",
            Order::Sequential => "sequential",
            Order::Zipf(_) => "zipf",
        },
        zipf_exponent: if let Order::Zipf(exponent) = keys.order { Some(exponent) } else { None },
        seed,
        tests: outcomes.iter().map(Test::new).collect(),
    };
    serde_json::to_string_pretty(&results).map(|text| text + "\n").map_err(|error| error.to_string())
}
