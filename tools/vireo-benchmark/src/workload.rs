//! What one test sends: one kind of request, or several by weight; and the writer of batches, one for each thread.

use crate::numbers::Numbers;
use crate::template::{PLACEHOLDER_LEN, Template, put_number};

/// Longest batch.
const BATCH_LEN_MAX: usize = 2 << 30;

/// One kind of request.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    /// The name of its test.
    pub name: String,
    /// What is sent.
    pub template: Template,
    /// How often it comes beside the others.
    pub weight: u32,
}

/// One test.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// Its name in reports.
    pub title: String,
    /// Bytes of payload, as reports tell them.
    pub payload_len: usize,
    /// At least one; those of a mix are one command each.
    pub kinds: Vec<Kind>,
}

impl Workload {
    /// A test of one kind.
    pub(crate) fn of_one(title: impl Into<String>, payload_len: usize, template: Template) -> Self {
        let title = title.into();
        Self { kinds: vec![Kind { name: title.clone(), template, weight: 1 }], title, payload_len }
    }

    /// Several kinds are told apart.
    pub(crate) fn is_mixed(&self) -> bool {
        self.kinds.len() > 1
    }

    /// A batch of so many sequences is not too long to be kept in memory by each thread.
    pub(crate) fn is_sendable(&self, pipeline: usize) -> bool {
        let longest = self.kinds.iter().map(|kind| kind.template.bytes.len()).max().unwrap_or(0);
        longest.saturating_mul(pipeline) <= BATCH_LEN_MAX
    }

    /// Replies to a batch of so many sequences.
    pub(crate) fn replies(&self, pipeline: usize) -> usize {
        pipeline * self.kinds.first().map_or(1, |kind| kind.template.commands)
    }
}

/// Writes batches.
#[derive(Debug)]
pub(crate) struct Filler<'a> {
    workload: &'a Workload,
    pipeline: usize,
    /// Without them, placeholders stay as they are.
    numbers: Option<Numbers<'a>>,
    /// Draws kinds.
    draw: Numbers<'a>,
    weights: u32,
    bytes: Vec<u8>,
    kinds: Vec<u8>,
}

/// A batch.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    /// To be sent.
    pub bytes: &'a [u8],
    /// The kind of each request of a mix; nothing where there is one kind.
    pub kinds: &'a [u8],
}

impl<'a> Filler<'a> {
    /// A writer of batches of `pipeline` sequences.
    pub(crate) fn new(
        workload: &'a Workload,
        pipeline: usize,
        numbers: Option<Numbers<'a>>,
        draw: Numbers<'a>,
    ) -> Self {
        let weights = workload.kinds.iter().map(|kind| kind.weight).sum();
        let mut bytes = Vec::new();
        if let ([only], false) = (workload.kinds.as_slice(), workload.is_mixed()) {
            bytes = only.template.bytes.repeat(pipeline);
        }
        Self { workload, pipeline, numbers, draw, weights, bytes, kinds: Vec::new() }
    }

    /// The next batch.
    pub(crate) fn next(&mut self) -> Batch<'_> {
        if self.workload.is_mixed() {
            self.mix();
        } else if let ([only], Some(numbers)) = (self.workload.kinds.as_slice(), &mut self.numbers)
            && !only.template.places.is_empty()
        {
            let len = only.template.bytes.len().max(1);
            self.bytes.chunks_exact_mut(len).for_each(|piece| patch(&only.template, piece, numbers));
        }
        Batch { bytes: &self.bytes, kinds: &self.kinds }
    }

    fn mix(&mut self) {
        self.bytes.clear();
        self.kinds.clear();
        for _ in 0..self.pipeline {
            let mut left = self.draw.below(self.weights.max(1));
            let found = self.workload.kinds.iter().position(|kind| match left.checked_sub(kind.weight) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            });
            let which = found.unwrap_or(0);
            let Some(kind) = self.workload.kinds.get(which) else { continue };
            let start = self.bytes.len();
            self.bytes.extend_from_slice(&kind.template.bytes);
            if let (Some(numbers), Some(piece)) = (&mut self.numbers, self.bytes.get_mut(start..)) {
                patch(&kind.template, piece, numbers);
            }
            self.kinds.push(u8::try_from(which).unwrap_or(0));
        }
    }
}

/// Writes numbers into one sequence.
//= valkey 9.1 benchmark: each __rand_int__ is another number, all __rand_1st__ of a sequence are one
fn patch(template: &Template, piece: &mut [u8], numbers: &mut Numbers<'_>) {
    let mut last = None;
    for &(which, at) in &template.places {
        let number = match last {
            Some((kept, number)) if kept == which && which != 0 => number,
            _ => numbers.next(which),
        };
        last = Some((which, number));
        if let Some(place) = piece.get_mut(at..at + PLACEHOLDER_LEN) {
            put_number(number, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Filler, Kind, Workload};
    use crate::numbers::{Counters, Numbers};
    use crate::options::Order;
    use crate::template::Template;

    fn texts(bytes: &[u8]) -> Vec<String> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.split("\r\n").filter(|word| !word.starts_with(['*', '$'])).map(str::to_owned).collect()
    }

    #[test]
    fn numbers_of_a_batch() {
        let template =
            Template::command(&["Z", "__rand_int__", "__rand_int__", "__rand_1st__", "__rand_1st__"]);
        let workload = Workload::of_one("Z", 3, template);
        let counters = Counters::default();
        let numbers = || Numbers::new(1000, Order::Sequential, 1, &counters);
        let mut filler = Filler::new(&workload, 2, Some(numbers()), numbers());
        let number = |number: u32| format!("{number:012}");
        for round in 0..3 {
            let words = texts(filler.next().bytes);
            for copy in 0..2 {
                let (int, first) = (round * 4 + copy * 2, round * 2 + copy);
                let at = usize::try_from(copy).unwrap() * 5;
                assert_eq!(words[at], "Z");
                assert_eq!(
                    words[at + 1..at + 5],
                    [number(int), number(int + 1), number(first), number(first)]
                );
            }
        }
        // Without numbers, the placeholders stay.
        let mut filler = Filler::new(&workload, 1, None, numbers());
        assert_eq!(texts(filler.next().bytes)[1..3], ["__rand_int__", "__rand_int__"]);
    }

    #[test]
    fn kinds_come_by_weight() {
        let kind = |name: &str, weight| Kind {
            name: name.to_owned(),
            template: Template::command(&[name, "__rand_int__"]),
            weight,
        };
        let kinds = vec![kind("get", 80), kind("set", 15), kind("del", 5)];
        let workload = Workload { title: "mix".into(), payload_len: 3, kinds };
        let counters = Counters::default();
        let numbers = |seed| Numbers::new(10, Order::Uniform, seed, &counters);
        let mut filler = Filler::new(&workload, 1000, Some(numbers(1)), numbers(2));
        let mut counts = [0; 3];
        for _ in 0..100 {
            let batch = filler.next();
            let words = texts(batch.bytes);
            for (request, &kind) in words.chunks_exact(2).zip(batch.kinds) {
                assert_eq!(request[0], ["get", "set", "del"][usize::from(kind)]);
                assert!(request[1].starts_with("00000000000"), "{}", request[1]);
                counts[usize::from(kind)] += 1;
            }
        }
        assert_eq!(counts.iter().sum::<i32>(), 100_000);
        // Five standard deviations.
        for (count, expected) in counts.into_iter().zip([80_000, 15_000, 5_000]) {
            assert!((count - expected).abs() < 650, "{counts:?}");
        }
    }
}
