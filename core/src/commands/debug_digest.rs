//! DEBUG DIGEST and DIGEST-VALUE: forty hexadecimal digits that are equal where the data are.
//!
//! The digest of parts whose order counts is fed back into itself, that of parts without an order is the exclusive or
//! of theirs; so neither tables nor encodings show in it, and a digest can be held against the reference's.
//!
//! Source: Valkey `debug.c` for what enters the digest, and in which order.

use alloc::format;
use alloc::string::String;

use crate::engine::{Args, CmdResult, Ctx};
use crate::keyspace::{Entry, Kind};
use crate::num::DoubleText;
use crate::sha1::{DIGEST_LEN, sha1};
use crate::types::Object;
use crate::types::hash::Hash;
use crate::types::listpack::{Direction, Element};
use crate::types::stream::Stream;
use crate::types::zset::Zset;

/// A digest under way.
#[derive(Clone, Copy, Default)]
struct Digest([u8; DIGEST_LEN]);

impl Digest {
    /// Adds a part that may come in any order.
    fn add(&mut self, part: &[u8]) {
        self.0.iter_mut().zip(sha1(part)).for_each(|(byte, other)| *byte ^= other);
    }

    /// Adds a part that comes after all before it.
    fn append(&mut self, part: &[u8]) {
        self.add(part);
        self.0 = sha1(&self.0);
    }

    fn append_element(&mut self, element: Element<'_>) {
        self.append(element.text(&mut itoa::Buffer::new()));
    }

    /// Adds a pair that may come in any order among others.
    fn add_pair(&mut self, name: Element<'_>, value: &[u8]) {
        let mut pair = Self::default();
        pair.append_element(name);
        pair.append(value);
        self.add(&pair.0);
    }

    fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// `DEBUG DIGEST`
pub(super) fn digest(cx: &mut Ctx<'_>) -> CmdResult {
    let (mut sum, now_ms) = (Digest::default(), cx.now.unix_ms());
    for db in 0..cx.keys.keyspace().databases() {
        let keys = cx.keys.other(db);
        if keys.is_empty() {
            continue;
        }
        sum.append(&u32::try_from(db).unwrap_or(u32::MAX).to_be_bytes());
        keys.for_each(|entry| {
            let mut one = Digest::default();
            one.append(entry.key());
            append_value(&mut one, entry, now_ms);
            sum.add(&one.0);
        });
    }
    cx.reply.status(sum.hex().as_bytes());
    Ok(())
}

/// `DEBUG DIGEST-VALUE [key ...]`: zeros for a key that is not there.
pub(super) fn digest_values(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let now_ms = cx.now.unix_ms();
    cx.reply.array(args.len() - 2);
    for bytes in args.iter_from(2) {
        let mut digest = Digest::default();
        if let Some(entry) = cx.keys.peek(cx.keys.key(bytes)) {
            append_value(&mut digest, entry, now_ms);
        }
        cx.reply.status(digest.hex().as_bytes());
    }
    Ok(())
}

/// The reference's number of a type.
fn type_number(kind: Kind) -> u32 {
    match kind {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::Zset => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
    }
}

fn append_value(digest: &mut Digest, entry: Entry<'_>, now_ms: i64) {
    digest.append(&type_number(entry.kind()).to_be_bytes());
    match entry.object() {
        None => digest.append(super::string::bytes_of(entry.string(), &mut itoa::Buffer::new())),
        Some(Object::List(list)) => {
            let append = |element: Element<'_>| digest.append_element(element);
            list.for_each(0..list.len(), Direction::Forward, append);
        }
        Some(Object::Set(set)) => {
            set.iter().for_each(|member| digest.add(member.text(&mut itoa::Buffer::new())));
        }
        Some(Object::Zset(zset)) => add_scores(digest, zset),
        Some(Object::Hash(hash)) => add_fields(digest, hash, now_ms),
        Some(Object::Stream(stream)) => append_entries(digest, stream),
    }
    if entry.expire_at().is_some() {
        digest.add(b"!!expire!!");
    }
}

fn add_scores(digest: &mut Digest, zset: &Zset) {
    let mut text = DoubleText::new();
    for (member, score) in zset.iter(0..zset.len()) {
        digest.add_pair(member, text.format_shortest(score));
    }
}

fn add_fields(digest: &mut Digest, hash: &Hash, now_ms: i64) {
    hash.for_each(now_ms, |(name, value)| digest.add_pair(name, value.text(&mut itoa::Buffer::new())));
}

fn append_entries(digest: &mut Digest, stream: &Stream) {
    for entry in stream.entries().iter() {
        digest.append(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
        for (name, value) in entry.fields {
            digest.append(name.text(&mut itoa::Buffer::new()));
            digest.append(value.text(&mut itoa::Buffer::new()));
        }
    }
}
