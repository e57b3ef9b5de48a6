//! What standard output gets: the reference's three forms, byte for byte but for the numbers, and our lines behind its own.

use core::fmt::Write as _;

use crate::dial::ServerConfig;
use crate::latency::{Latency, per_second, seconds};
use crate::options::{Options, Style};
use crate::run::{Kept, Outcome};

/// The first line of the comma separated form.
pub(crate) const CSV_HEAD: &str = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
    \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"";

/// The percentiles that summaries tell, by their names.
pub(crate) const TAIL: [(&str, f64); 5] =
    [("p50", 50.0), ("p95", 95.0), ("p99", 99.0), ("p99.9", 99.9), ("p99.99", 99.99)];

/// A test's report. Writing into a string cannot fail, so that results are not looked at.
pub(crate) fn report(outcome: &Outcome, options: &Options, server: Option<&ServerConfig>) -> String {
    match options.output.style {
        Style::Full => full(outcome, options, server),
        Style::Quiet => quiet(outcome),
        Style::Csv => csv(outcome),
    }
}

/// Requests per second.
pub(crate) fn rate(outcome: &Outcome) -> f64 {
    per_second(outcome.requests, outcome.elapsed_ns)
}

/// What must be known besides, whatever the form: for standard error.
pub(crate) fn warnings(outcome: &Outcome) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(kept) = outcome.schedule.as_ref().filter(|kept| !kept.is_kept) {
        warnings.push(format!(
            "WARNING: {}: the target rate was not reached: {:.2} of {} requests per second, {:.3} seconds behind \
             the schedule at the end, {} requests never sent.",
            outcome.title,
            rate(outcome),
            kept.target,
            seconds(kept.behind_ns),
            kept.unsent,
        ));
    }
    if outcome.unanswered > 0 {
        warnings.push(format!(
            "WARNING: {}: {} requests had no reply ten seconds after the end; their latencies are not counted.",
            outcome.title, outcome.unanswered,
        ));
    }
    warnings
}

//= valkey 9.1 benchmark: the form of -q
fn quiet(outcome: &Outcome) -> String {
    let p50 = outcome.latency.percentile_ms(50.0);
    format!("{}: {:.2} requests per second, p50={p50:.3} msec\n", outcome.title, rate(outcome))
}

//= valkey 9.1 benchmark: the form of --csv
fn csv(outcome: &Outcome) -> String {
    let mut line = format!("\"{}\",\"{:.2}\"", outcome.title, rate(outcome));
    for ms in summary(&outcome.latency) {
        let _ = write!(line, ",\"{ms:.3}\"");
    }
    line.push('\n');
    line
}

/// avg, min, p50, p95, p99, max.
fn summary(latency: &Latency) -> [f64; 6] {
    let [p50, p95, p99] = [50.0, 95.0, 99.0].map(|percent| latency.percentile_ms(percent));
    [latency.mean_ms(), latency.min_ms(), p50, p95, p99, latency.max_ms()]
}

//= valkey 9.1 benchmark: the form without -q and --csv
fn full(outcome: &Outcome, options: &Options, server: Option<&ServerConfig>) -> String {
    let mut text = format!("====== {} ======\n", outcome.title);
    let seconds = seconds(outcome.elapsed_ns);
    let _ = writeln!(text, "  {} requests completed in {seconds:.2} seconds", outcome.requests);
    let _ = writeln!(text, "  {} parallel clients", options.load.clients);
    let _ = writeln!(text, "  {} bytes payload", outcome.payload_len);
    let _ = writeln!(text, "  keep alive: {}", u8::from(options.load.keep_alive));
    if let Some(server) = server {
        let _ = writeln!(text, "  host configuration \"save\": {}", server.save);
        let _ = writeln!(text, "  host configuration \"appendonly\": {}", server.appendonly);
    }
    let threads = options.load.threads;
    let _ = writeln!(text, "  multi-thread: {}", if threads > 0 { "yes" } else { "no" });
    if threads > 0 {
        let _ = writeln!(text, "  threads: {threads}");
    }
    if let Some(kept) = &outcome.schedule {
        rates(&mut text, outcome, kept);
    }
    text.push_str("\nLatency by percentile distribution:\n");
    points(&mut text, &outcome.latency.by_percentile(1));
    text.push_str("\nCumulative distribution of latencies:\n");
    points(&mut text, &outcome.latency.by_time());
    text.push_str("\nSummary:\n");
    let _ = writeln!(text, "  throughput summary: {:.2} requests per second", rate(outcome));
    text.push_str("  latency summary (msec):\n");
    table(&mut text, &["avg", "min", "p50", "p95", "p99", "max"], &summary(&outcome.latency));
    text.push_str("  latency tail (msec):\n");
    let [.., p99_9, p99_99] = tail(&outcome.latency);
    table(&mut text, &["p99.9", "p99.99", "max"], &[p99_9, p99_99, outcome.latency.max_ms()]);
    if !outcome.kinds.is_empty() {
        kinds(&mut text, &outcome.kinds);
    }
    text
}

fn tail(latency: &Latency) -> [f64; 5] {
    TAIL.map(|(_, percent)| latency.percentile_ms(percent))
}

fn table(text: &mut String, names: &[&str], values: &[f64]) {
    text.push_str("   ");
    names.iter().for_each(|name| {
        let _ = write!(text, " {name:>9}");
    });
    text.push_str("\n   ");
    values.iter().for_each(|value| {
        let _ = write!(text, " {value:>9.3}");
    });
    text.push('\n');
}

fn points(text: &mut String, points: &[crate::latency::Point]) {
    for point in points {
        let (percent, ms, count) = (point.percent, point.ms, point.count);
        let _ = writeln!(text, "{percent:.3}% <= {ms:.3} milliseconds (cumulative count {count})");
    }
}

/// The rates between two looks, and how the schedule was kept.
fn rates(text: &mut String, outcome: &Outcome, kept: &Kept) {
    #[expect(clippy::cast_precision_loss, reason = "a rate of at most ten digits")]
    let target = kept.target as f64;
    let _ = writeln!(text, "\nRPS Summary:\n  target RPS: {target:.2}");
    if !outcome.rates.is_empty() {
        text.push_str("  RPS distribution (reqs/sec):\n");
        table(text, &["avg", "min", "p50", "p95", "p99", "max"], &of_rates(&outcome.rates));
    }
    let end = if kept.is_kept { "kept to the end" } else { "NOT KEPT" };
    let behind = seconds(kept.behind_ns);
    let _ =
        writeln!(text, "  schedule: {end} ({behind:.3} seconds behind, {} requests not sent)", kept.unsent);
    text.push_str("  begun after their time (msec):\n");
    table(text, &["avg", "min", "p50", "p95", "p99", "max"], &summary(&kept.late));
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a list"
)]
fn of_rates(rates: &[f64]) -> [f64; 6] {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |percent: f64| {
        let place = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
    };
    let mean = sorted.iter().sum::<f64>() / sorted.len().max(1) as f64;
    [mean, at(0.0), at(50.0), at(95.0), at(99.0), at(100.0)]
}

fn kinds(text: &mut String, kinds: &[(String, Latency)]) {
    text.push_str("  by command (msec):\n");
    let _ = write!(text, "    {:>12} {:>9} {:>9}", "command", "requests", "avg");
    TAIL.iter().for_each(|(name, _)| {
        let _ = write!(text, " {name:>9}");
    });
    let _ = writeln!(text, " {:>9}", "max");
    for (name, latency) in kinds {
        let _ = write!(text, "    {name:>12} {:>9} {:>9.3}", latency.count(), latency.mean_ms());
        tail(latency).iter().for_each(|ms| {
            let _ = write!(text, " {ms:>9.3}");
        });
        let _ = writeln!(text, " {:>9.3}", latency.max_ms());
    }
}

#[cfg(test)]
#[path = "report_test.rs"]
mod tests;
