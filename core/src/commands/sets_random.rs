//! SPOP and SRANDMEMBER.

use alloc::vec::Vec;

use super::element::reply_element;
use super::limits::{REPEATED_LEN_MAX, count_of_either_sign};
use super::sets::{members_changed, reply_set, set_rules};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::num;
use crate::resp::Reply;
use crate::rng::Rng;
use crate::types::listpack::Element;
use crate::types::set::Set;

/// Up to so many members that may repeat the length of the reply is not looked at before.
const REPEATED_UNCHECKED: u64 = 64;
/// What a bulk string takes beside its bytes: mark, one digit, two line ends.
const MEMBER_OVERHEAD: u64 = 6;

/// `SPOP key [count]`
pub(crate) fn spop(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    match args.len() {
        2 => spop_one(cx, args),
        3 => spop_many(cx, args),
        _ => Err(CmdError::SYNTAX),
    }
}

fn spop_one(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let Some(set) = cx.keys.write_as::<Set>(key)? else {
        cx.reply.null();
        return Ok(());
    };
    let reply = &mut cx.reply;
    set.pop_one(&mut cx.shared.rng, |member| reply_element(reply, member));
    let is_gone = set.is_empty() && cx.keys.delete_if_empty(key);
    members_changed(cx, "spop", key.bytes, 1, is_gone);
    Ok(())
}

fn spop_many(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let count = num::parse_i64(args.at(2)).and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(CmdError::NOT_POSITIVE)?;
    let (key, rules) = (cx.key(args, 1), set_rules(cx));
    let set = cx.keys.write_as::<Set>(key)?;
    let Some(set) = set.filter(|_| count > 0) else {
        cx.reply.set(0);
        return Ok(());
    };
    let (len, reply) = (set.len(), &mut cx.reply);
    if count < len {
        reply.set(count);
        set.pop(&mut cx.shared.rng, count, &rules, |member| reply_element(reply, member));
        members_changed(cx, "spop", key.bytes, count, false);
    } else {
        //= valkey 9.1 SPOP: a set that goes as a whole counts as read
        if let Some(set) = cx.keys.read_as::<Set>(key)? {
            reply_set(reply, set);
        }
        cx.keys.delete(key);
        members_changed(cx, "spop", key.bytes, len, true);
    }
    Ok(())
}

/// `SRANDMEMBER key [count]`
pub(crate) fn srandmember(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    match args.len() {
        2 => {
            let key = cx.key(args, 1);
            let member = cx.keys.read_as::<Set>(key)?.and_then(|set| set.random(&mut cx.shared.rng));
            match member {
                Some(member) => reply_element(&mut cx.reply, member),
                None => cx.reply.null(),
            }
            Ok(())
        }
        3 => srandmember_many(cx, args),
        _ => Err(CmdError::SYNTAX),
    }
}

fn srandmember_many(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let count = count_of_either_sign(args.at(2))?;
    let key = cx.key(args, 1);
    let Some(set) = cx.keys.read_as::<Set>(key)? else {
        cx.reply.array(0);
        return Ok(());
    };
    let rng = &mut cx.shared.rng;
    if count < 0 {
        let count = count.unsigned_abs();
        let done = repeated(set, rng, count, &mut cx.reply);
        return done.map_err(|_| cx.too_long_reply(count));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count >= set.len() {
        cx.reply.array(set.len());
        set.iter().for_each(|member| reply_element(&mut cx.reply, member));
        return Ok(());
    }
    let members = set.sample(rng, count);
    cx.reply.array(members.len());
    members.into_iter().for_each(|member| reply_element(&mut cx.reply, member));
    Ok(())
}

/// Draws members one by one.
struct Draws<'s> {
    set: &'s Set,
    /// All of them where the set is small: to count through it for each draw would take longer.
    members: Vec<Element<'s>>,
}

impl<'s> Draws<'s> {
    fn new(set: &'s Set) -> Self {
        let members = if let Set::Table(_) = set { Vec::new() } else { set.iter().collect() };
        Self { set, members }
    }

    fn draw(&self, rng: &mut Rng) -> Element<'s> {
        let index = usize::try_from(rng.below(self.members.len() as u64)).unwrap_or(0);
        self.members.get(index).copied().or_else(|| self.set.random(rng)).unwrap_or(Element::Bytes(b""))
    }
}

/// So many members, each drawn out of all.
fn repeated(set: &Set, rng: &mut Rng, count: u64, reply: &mut Reply<'_>) -> CmdResult {
    let draws = Draws::new(set);
    if count > REPEATED_UNCHECKED && repeated_len(&draws, rng.clone(), count) > REPEATED_LEN_MAX as u64 {
        return Err(CmdError::OUT_OF_RANGE);
    }
    reply.array(usize::try_from(count).unwrap_or(usize::MAX));
    for _ in 0..count {
        reply_element(reply, draws.draw(rng));
    }
    Ok(())
}

/// How many bytes it takes to tell so many draws; no more is counted than is needed to see that it is too much.
fn repeated_len(draws: &Draws<'_>, mut rng: Rng, count: u64) -> u64 {
    let mut len = count.saturating_mul(MEMBER_OVERHEAD);
    for _ in 0..count {
        if len > REPEATED_LEN_MAX as u64 {
            break;
        }
        len += draws.draw(&mut rng).len() as u64;
    }
    len
}
