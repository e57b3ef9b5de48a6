//! Requests as they are sent: encoded once, with the places of their placeholders.
//!
//! A placeholder and the twelve digits that replace it are equally long, so that a request never changes its length and is
//! written in place.

use vireo_core::resp::{Proto, Reply};

/// Length of every placeholder and of the number in its place.
pub(crate) const PLACEHOLDER_LEN: usize = 12;
/// `__rand_int__`, and `__rand_1st__` to `__rand_9th__`.
pub(crate) const PLACEHOLDERS: [&[u8; PLACEHOLDER_LEN]; 10] = [
    b"__rand_int__",
    b"__rand_1st__",
    b"__rand_2nd__",
    b"__rand_3rd__",
    b"__rand_4th__",
    b"__rand_5th__",
    b"__rand_6th__",
    b"__rand_7th__",
    b"__rand_8th__",
    b"__rand_9th__",
];
/// Longest sequence of commands.
const SEQUENCE_LEN_MAX: usize = 1 << 30;
/// Most repetitions of one command.
const REPEAT_MAX: usize = 1_000_000;

/// One sequence of commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    /// Encoded.
    pub bytes: Vec<u8>,
    /// How many replies it gets.
    pub commands: usize,
    /// Where numbers go: for each, one of the ten placeholders and the offset, by placeholder and offset.
    pub places: Vec<(u8, usize)>,
}

impl Template {
    /// A sequence from its encoding.
    pub(crate) fn new(bytes: Vec<u8>, commands: usize) -> Self {
        let mut places = Vec::new();
        for (which, placeholder) in (0u8..).zip(PLACEHOLDERS) {
            places.extend(memchr::memmem::find_iter(&bytes, placeholder).map(|at| (which, at)));
        }
        Self { bytes, commands, places }
    }

    /// One command.
    pub(crate) fn command<A: AsRef<[u8]>>(words: &[A]) -> Self {
        let mut bytes = Vec::new();
        encode(words, &mut bytes);
        Self::new(bytes, 1)
    }

    /// `[N] command args [ ";" [N] command args ...]`, with `__data__` replaced.
    ///
    /// # Errors
    /// Words for the user.
    //= valkey 9.1 benchmark: a number before a command repeats it; ";" separates commands
    pub(crate) fn sequence(words: &[Vec<u8>], data: &mut Data) -> Result<Self, String> {
        let (mut bytes, mut commands) = (Vec::new(), 0);
        for part in words.split(|word| word == b";") {
            let (repeat, part) = repetition(part)?;
            if part.is_empty() {
                continue;
            }
            let part: Vec<Vec<u8>> = part.iter().map(|word| data.fill(word)).collect();
            let mut command = Vec::new();
            encode(&part, &mut command);
            if command.len().saturating_mul(repeat) > SEQUENCE_LEN_MAX - bytes.len() {
                return Err("The sequence of commands is too long.".to_owned());
            }
            (0..repeat).for_each(|_| bytes.extend_from_slice(&command));
            commands += repeat;
        }
        if commands == 0 {
            return Err("There is no command to send.".to_owned());
        }
        Ok(Self::new(bytes, commands))
    }
}

/// The number before a command, and the command.
fn repetition(mut part: &[Vec<u8>]) -> Result<(usize, &[Vec<u8>]), String> {
    let mut repeat = 1;
    while let Some((first, rest)) = part.split_first()
        && first.first().is_some_and(|byte| (b'1'..=b'9').contains(byte))
    {
        let text = String::from_utf8_lossy(first);
        repeat = text
            .parse()
            .ok()
            .filter(|&repeat| repeat <= REPEAT_MAX)
            .ok_or_else(|| format!("Invalid number of repetitions \"{text}\": at most {REPEAT_MAX}."))?;
        part = rest;
    }
    Ok((repeat, part))
}

/// Appends a request.
pub(crate) fn encode<A: AsRef<[u8]>>(words: &[A], into: &mut Vec<u8>) {
    let mut writer = Reply::new(into, Proto::Resp2);
    writer.array(words.len());
    words.iter().for_each(|word| writer.bulk(word.as_ref()));
}

/// Writes a number in the place of a placeholder.
#[inline]
pub(crate) fn put_number(mut number: u64, place: &mut [u8]) {
    for pair in place.rchunks_exact_mut(2) {
        let digits = number % 100;
        number /= 100;
        if let ([high, low], Ok(digits)) = (pair, u8::try_from(digits)) {
            *high = b'0' + digits / 10;
            *low = b'0' + digits % 10;
        }
    }
}

/// Values: letters and digits in no order, the same in every run.
#[derive(Debug)]
pub(crate) struct Data {
    len: usize,
    state: u32,
}

impl Data {
    /// Values of a length.
    pub(crate) fn new(len: usize) -> Self {
        Self { len, state: 1234 }
    }

    /// Another value. The generator is the one of the C standard's example, which the reference uses as well: servers that
    /// compress values get the same ones.
    pub(crate) fn value(&mut self) -> Vec<u8> {
        let byte = |state: u32| b'0' + u8::try_from((state >> 16) & 63).unwrap_or(0);
        let mut value = Vec::with_capacity(self.len);
        for _ in 0..self.len {
            self.state = self.state.wrapping_mul(1_103_515_245).wrapping_add(12345);
            value.push(byte(self.state));
        }
        value
    }

    /// A word with every `__data__` replaced, each by another value.
    fn fill(&mut self, word: &[u8]) -> Vec<u8> {
        let (mut filled, mut from) = (Vec::new(), 0);
        for at in memchr::memmem::find_iter(word, b"__data__") {
            filled.extend_from_slice(word.get(from..at).unwrap_or(&[]));
            filled.extend(self.value());
            from = at + b"__data__".len();
        }
        filled.extend_from_slice(word.get(from..).unwrap_or(&[]));
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::{Data, Template, put_number};

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    fn sequence(text: &str) -> Result<Template, String> {
        Template::sequence(&words(text), &mut Data::new(4))
    }

    #[test]
    fn sequences_repetitions_and_data() {
        let template = sequence("multi ; 2 get k ; exec").unwrap();
        let get = "*2\r\n$3\r\nget\r\n$1\r\nk\r\n";
        let expected = format!("*1\r\n$5\r\nmulti\r\n{get}{get}*1\r\n$4\r\nexec\r\n");
        assert_eq!((String::from_utf8(template.bytes).unwrap(), template.commands), (expected, 4));
        assert_eq!(sequence("ping ; ; ;").unwrap().commands, 1);
        let template = sequence("set k <__data__-__data__>").unwrap();
        let text = String::from_utf8(template.bytes).unwrap();
        let value = text.split("\r\n").nth(6).unwrap().to_owned();
        assert_eq!((value.len(), text.contains("$11\r\n")), (11, true));
        let (one, other) = (&value[1..5], &value[6..10]);
        assert!(one != other && value.bytes().all(|byte| (b'-'..=b'o').contains(&byte)), "{value}");
        assert!(sequence(";").unwrap_err().contains("no command"));
        assert!(sequence("3").unwrap_err().contains("no command"));
        assert!(sequence("9999999 ping").unwrap_err().contains("repetitions"));
        assert!(sequence("12x ping").unwrap_err().contains("repetitions"));
    }

    #[test]
    fn places_of_all_placeholders() {
        let template = Template::command(&[
            "a",
            "__rand_int____rand_int__",
            "__rand_1st__",
            "__rand_9th__",
            "__rand_0th__",
        ]);
        let which: Vec<u8> = template.places.iter().map(|&(which, _)| which).collect();
        assert_eq!(which, [0, 0, 1, 9]);
        for &(which, at) in &template.places {
            assert_eq!(&template.bytes[at..at + 12], super::PLACEHOLDERS[usize::from(which)]);
        }
    }

    #[test]
    fn numbers_have_twelve_digits() {
        for (number, text) in [(0, "000000000000"), (42, "000000000042"), (999_999_999_999, "999999999999")] {
            let mut place = *b"__rand_int__";
            put_number(number, &mut place);
            assert_eq!(place, text.as_bytes());
        }
    }
}
