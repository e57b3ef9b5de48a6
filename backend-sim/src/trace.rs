//! What happened, as one number that two runs of a seed are compared by, and the last of it in words.

use std::collections::VecDeque;
use std::io::Write;

/// Lines that are kept for a failure.
const LINES_MAX: usize = 60;

/// Something that happened: when, to whom, what, with two numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) now_ns: u64,
    /// A thread's number, or what stands for the network.
    pub(crate) who: usize,
    pub(crate) what: &'static str,
    pub(crate) a: u64,
    pub(crate) b: u64,
}

impl Step {
    fn line(&self) -> String {
        let Self { now_ns, who, what, a, b } = self;
        let who = if *who == NETWORK { "net".to_owned() } else { format!("t{who}") };
        format!("{:>12}.{:03} {who} {what} {a} {b}", now_ns / 1000, now_ns % 1000)
    }
}

/// Stands for the network and its peers.
pub(crate) const NETWORK: usize = usize::MAX;

/// Everything that has happened.
#[derive(Default)]
pub(crate) struct Trace {
    hash: u64,
    last: VecDeque<Step>,
    /// Where all of it is written, if somebody wants to read it.
    pub(crate) out: Option<Box<dyn Write + Send>>,
}

impl Trace {
    pub(crate) fn add(&mut self, step: Step) {
        let who = step.who as u64;
        let length = step.what.len() as u64;
        let first = u64::from(step.what.as_bytes().first().copied().unwrap_or(0));
        for word in [step.now_ns, who, length << 8 | first, step.a, step.b] {
            // FxHash's step: fast, and a difference anywhere reaches all that follows.
            self.hash = (self.hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
        if let Some(out) = &mut self.out {
            // Who wants to read it will see that it ends.
            let _ = writeln!(out, "{}", step.line());
        }
        if self.last.len() == LINES_MAX {
            self.last.pop_front();
        }
        self.last.push_back(step);
    }

    /// One number for all of it.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The last of it.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.last.iter().map(Step::line).collect()
    }
}
