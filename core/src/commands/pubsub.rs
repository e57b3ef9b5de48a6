//! Publish and subscribe.

use alloc::vec::Vec;

use super::help::bad_subcommand;
use crate::engine::pubsub::{Topic, count};
use crate::engine::{Args, CmdError, CmdResult, Ctx, Delivery, SessionFlags};
use crate::glob::{Case, glob_match};
use crate::resp::Reply;

/// How the acknowledgement of a subscription is called, and the other way round.
fn words(topic: Topic) -> (&'static [u8], &'static [u8]) {
    match topic {
        Topic::Channel => (b"subscribe", b"unsubscribe"),
        Topic::Pattern => (b"psubscribe", b"punsubscribe"),
        Topic::Shard => (b"ssubscribe", b"sunsubscribe"),
    }
}

/// Subscriptions that an acknowledgement counts: channels and patterns together.
fn counted(cx: &Ctx<'_>, topic: Topic) -> usize {
    match topic {
        Topic::Shard => count(cx.session, Topic::Shard),
        _ => count(cx.session, Topic::Channel) + count(cx.session, Topic::Pattern),
    }
}

fn acknowledge(cx: &mut Ctx<'_>, topic: Topic, word: &[u8], name: Option<&[u8]>) {
    let count = counted(cx, topic);
    //= valkey 9.1 CLIENT REPLY OFF: who wants no replies gets what it subscribes to all the same
    if cx.session.flags.intersects(SessionFlags::REPLY_OFF | SessionFlags::REPLY_SKIP) {
        let mut bytes = Vec::new();
        write_acknowledgement(&mut Reply::new(&mut bytes, cx.session.proto), word, name, count);
        cx.shared.deliveries.push(Delivery { to: cx.session.slot, bytes });
    } else {
        write_acknowledgement(&mut cx.reply, word, name, count);
    }
}

fn write_acknowledgement(reply: &mut Reply<'_>, word: &[u8], name: Option<&[u8]>, count: usize) {
    reply.push(3);
    reply.bulk(word);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.count(count);
}

fn subscribe_to(cx: &mut Ctx<'_>, args: &Args<'_>, topic: Topic) -> CmdResult {
    for name in args.iter_from(1) {
        cx.shared.pubsub.subscribe(cx.session, topic, name);
        acknowledge(cx, topic, words(topic).0, Some(name));
    }
    Ok(())
}

fn unsubscribe_from(cx: &mut Ctx<'_>, args: &Args<'_>, topic: Topic) -> CmdResult {
    let names: Vec<Vec<u8>> = if args.len() > 1 {
        args.iter_from(1).map(<[u8]>::to_vec).collect()
    } else {
        cx.session.names(topic).map(<[u8]>::to_vec).collect()
    };
    for name in &names {
        cx.shared.pubsub.unsubscribe(cx.session, topic, name);
        acknowledge(cx, topic, words(topic).1, Some(name));
    }
    if names.is_empty() {
        acknowledge(cx, topic, words(topic).1, None);
    }
    Ok(())
}

/// `SUBSCRIBE channel [channel ...]`
pub(crate) fn subscribe(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    subscribe_to(cx, args, Topic::Channel)
}

/// `PSUBSCRIBE pattern [pattern ...]`
pub(crate) fn psubscribe(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    subscribe_to(cx, args, Topic::Pattern)
}

/// `SSUBSCRIBE shardchannel [shardchannel ...]`
pub(crate) fn ssubscribe(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    //= valkey 9.1 SSUBSCRIBE: not within a transaction, unlike SUBSCRIBE
    if cx.session.flags.contains(SessionFlags::DENY_BLOCKING) {
        return Err(CmdError::Text("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    subscribe_to(cx, args, Topic::Shard)
}

/// `UNSUBSCRIBE [channel ...]`
pub(crate) fn unsubscribe(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    unsubscribe_from(cx, args, Topic::Channel)
}

/// `PUNSUBSCRIBE [pattern ...]`
pub(crate) fn punsubscribe(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    unsubscribe_from(cx, args, Topic::Pattern)
}

/// `SUNSUBSCRIBE [shardchannel ...]`
pub(crate) fn sunsubscribe(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    unsubscribe_from(cx, args, Topic::Shard)
}

/// PUBLISH channel message
pub(crate) fn publish(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let receivers = cx.shared.publish(Topic::Channel, args.at(1), args.at(2));
    cx.reply.count(receivers);
    Ok(())
}

/// SPUBLISH shardchannel message
pub(crate) fn spublish(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let receivers = cx.shared.publish(Topic::Shard, args.at(1), args.at(2));
    cx.reply.count(receivers);
    Ok(())
}

fn names(cx: &mut Ctx<'_>, args: &Args<'_>, topic: Topic) -> CmdResult {
    if args.len() > 3 {
        return Err(bad_subcommand(cx, args));
    }
    let pattern = args.get(2);
    let wanted = |name: &&[u8]| pattern.is_none_or(|pattern| glob_match(pattern, name, Case::Sensitive));
    let names: Vec<&[u8]> = cx.shared.pubsub.names(topic).filter(wanted).collect();
    cx.reply.array(names.len());
    names.iter().for_each(|name| cx.reply.bulk(name));
    Ok(())
}

fn counts(cx: &mut Ctx<'_>, args: &Args<'_>, topic: Topic) {
    cx.reply.array((args.len() - 2) * 2);
    for name in args.iter_from(2) {
        cx.reply.bulk(name);
        cx.reply.count(cx.shared.pubsub.listeners(topic, name));
    }
}

/// `PUBSUB CHANNELS [pattern]`
pub(crate) fn pubsub_channels(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    names(cx, args, Topic::Channel)
}

/// `PUBSUB SHARDCHANNELS [pattern]`
pub(crate) fn pubsub_shardchannels(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    names(cx, args, Topic::Shard)
}

/// `PUBSUB NUMSUB [channel ...]`
pub(crate) fn pubsub_numsub(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    counts(cx, args, Topic::Channel);
    Ok(())
}

/// `PUBSUB SHARDNUMSUB [shardchannel ...]`
pub(crate) fn pubsub_shardnumsub(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    counts(cx, args, Topic::Shard);
    Ok(())
}

/// PUBSUB NUMPAT
pub(crate) fn pubsub_numpat(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.reply.count(cx.shared.pubsub.len(Topic::Pattern));
    Ok(())
}
