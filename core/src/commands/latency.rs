//! LATENCY: events that took long, and histograms of commands.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::table::{COMMANDS, Command, lookup_full};
use crate::engine::latency::Event;
use crate::engine::{Args, CmdResult, Ctx};

/// LATENCY LATEST
pub(crate) fn latency_latest(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    let events = cx.shared.latency.events();
    cx.reply.array(events.len());
    for (name, event) in events {
        let (latest_s, latest_ms) = event.samples.last().copied().unwrap_or_default();
        cx.reply.array(6);
        cx.reply.bulk(name.as_bytes());
        cx.reply.integer(latest_s);
        cx.reply.unsigned(latest_ms);
        cx.reply.unsigned(event.max_ms);
        cx.reply.unsigned(event.sum_ms);
        cx.reply.unsigned(event.count);
    }
    Ok(())
}

/// LATENCY HISTORY event
pub(crate) fn latency_history(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let samples = event(cx, args.at(2)).map_or(&[][..], |event| event.samples.as_slice());
    let samples: Vec<(i64, u64)> = samples.to_vec();
    cx.reply.array(samples.len());
    for (unix_s, ms) in samples {
        cx.reply.array(2);
        cx.reply.integer(unix_s);
        cx.reply.unsigned(ms);
    }
    Ok(())
}

/// `LATENCY RESET [event ...]`
pub(crate) fn latency_reset(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let names: Vec<&[u8]> = args.iter_from(2).collect();
    let count = cx.shared.latency.reset(&names);
    cx.reply.count(count);
    Ok(())
}

fn event<'a>(cx: &'a Ctx<'_>, name: &[u8]) -> Option<&'a Event> {
    let mut events = cx.shared.latency.events().iter();
    events.find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name)).map(|(_, event)| event)
}

/// LATENCY GRAPH event
pub(crate) fn latency_graph(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let Some(event) = event(cx, args.at(2)) else {
        return Err(cx.fail_bytes(&[b"ERR No samples available for event '", args.at(2), b"'"]));
    };
    let low = event.samples.iter().map(|(_, ms)| *ms).min().unwrap_or(0);
    let mut text = format!(
        "{} - high {} ms, low {low} ms (all time high {} ms)\n",
        String::from_utf8_lossy(args.at(2)),
        event.samples.iter().map(|(_, ms)| *ms).max().unwrap_or(0),
        event.max_ms
    );
    text.push_str(&"-".repeat(80));
    text.push('\n');
    draw(&mut text, event, low, cx.now.unix_s());
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

const GRAPH_ROWS: u64 = 4;

/// A column of marks for each sample, and its age below.
fn draw(text: &mut String, event: &Event, low: u64, now_s: i64) {
    let high = event.samples.iter().map(|(_, ms)| *ms).max().unwrap_or(low);
    for row in (0..GRAPH_ROWS).rev() {
        for (_, ms) in &event.samples {
            let level = (ms - low) * GRAPH_ROWS / (high - low + 1);
            text.push(match level.cmp(&row) {
                core::cmp::Ordering::Less => ' ',
                core::cmp::Ordering::Equal => '#',
                core::cmp::Ordering::Greater => '|',
            });
        }
        text.push('\n');
    }
    text.push('\n');
    let ages: Vec<String> = event.samples.iter().map(|(unix_s, _)| age(now_s - unix_s)).collect();
    for row in 0..ages.iter().map(String::len).max().unwrap_or(0) {
        let letters = ages.iter().map(|age| age.as_bytes().get(row).copied().map_or(' ', char::from));
        text.extend(letters);
        text.push('\n');
    }
}

fn age(seconds: i64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// LATENCY DOCTOR
pub(crate) fn latency_doctor(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    let threshold = cx.shared.config.settings().latency_monitor_threshold;
    let mut text = String::new();
    if threshold == 0 {
        text.push_str(
            "I'm sorry, but latency monitoring is off: there is nothing to look at. \
             \"CONFIG SET latency-monitor-threshold <milliseconds>\" turns it on.\n",
        );
    } else if cx.shared.latency.events().is_empty() {
        text.push_str("Nothing took longer than the threshold so far. No advice is needed.\n");
    } else {
        text.push_str("These events took longer than the threshold:\n\n");
        for (index, (name, event)) in cx.shared.latency.events().iter().enumerate() {
            let average = event.sum_ms / event.count.max(1);
            text.push_str(&format!(
                "{}. {name}: {} times, {average} ms on average, {} ms at worst.\n",
                index + 1,
                event.count,
                event.max_ms
            ));
        }
        text.push_str(
            "\nSLOWLOG GET names slow commands; avoid KEYS, FLUSHALL SYNC and very large values in one go. \
             Check that the machine does not swap and that other programs leave the processor alone.\n",
        );
    }
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// `LATENCY HISTOGRAM [command ...]`
pub(crate) fn latency_histogram(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let asked: Vec<&'static Command> = if args.len() == 2 {
        COMMANDS.iter().flat_map(with_subcommands).collect()
    } else {
        args.iter_from(2).filter_map(lookup_full).flat_map(with_subcommands).collect()
    };
    let shown: Vec<_> = asked
        .iter()
        .filter_map(|command| Some((command, cx.shared.latency.histogram(command)?)))
        .filter(|(_, histogram)| histogram.count() > 0)
        .collect();
    cx.reply.map(shown.len());
    for (command, histogram) in shown {
        cx.reply.bulk(command.full_name.as_bytes());
        cx.reply.map(2);
        cx.reply.bulk(b"calls");
        cx.reply.unsigned(histogram.count());
        cx.reply.bulk(b"histogram_usec");
        let steps = histogram.powers_of_two();
        cx.reply.map(steps.len());
        for (bound_us, count) in steps {
            cx.reply.unsigned(bound_us);
            cx.reply.unsigned(count);
        }
    }
    Ok(())
}

fn with_subcommands(command: &'static Command) -> impl Iterator<Item = &'static Command> {
    core::iter::once(command).chain(command.subcommands)
}
