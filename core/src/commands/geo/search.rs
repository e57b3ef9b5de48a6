//! Which places are near.

use alloc::vec::Vec;

use super::options::{Command, Options, Order};
use super::reply_position;
use crate::commands::element::reply_element;
use crate::commands::zset::{put, rules, store};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::resp::Reply;
use crate::types::geo::{Hit, Search, distance_text};
use crate::types::listpack::Element;
use crate::types::zset::{Bounds, Limit, Rules, Score, Window, Zset};

/// `GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit |
/// BYPOLYGON number longitude latitude ... [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]`
pub(crate) fn geosearch(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Command::Search)
}

/// `GEOSEARCHSTORE destination source ... [STOREDIST]`: as GEOSEARCH.
pub(crate) fn geosearchstore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Command::SearchStore)
}

/// `GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]
/// [STORE key | STOREDIST key]`
pub(crate) fn georadius(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Command::Radius { stores: true })
}

/// GEORADIUS that stores nothing.
pub(crate) fn georadius_ro(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Command::Radius { stores: false })
}

/// `GEORADIUSBYMEMBER key member radius unit ...`: as GEORADIUS.
pub(crate) fn georadiusbymember(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Command::RadiusByMember { stores: true })
}

/// GEORADIUSBYMEMBER that stores nothing.
pub(crate) fn georadiusbymember_ro(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Command::RadiusByMember { stores: false })
}

/// A member that was found.
#[derive(Clone, Copy, Debug)]
struct Found<'a> {
    member: Element<'a>,
    score: f64,
    hit: Hit,
}

fn run(cx: &mut Ctx<'_>, args: &Args<'_>, command: Command) -> CmdResult {
    let source = cx.key(args, command.source_at());
    cx.keys.read_as::<Zset>(source)?;
    let options = Options::parse(cx, args, command)?;
    let rules = rules(cx);
    let zset = cx.keys.write_as::<Zset>(source)?;
    let Some((zset, search)) = zset.zip(options.search()) else {
        match options.target {
            Some(target) => {
                let key = cx.keys.key(target.key);
                store(cx, key, Zset::new(), "");
            }
            None => cx.reply.array(0),
        }
        return Ok(());
    };
    let found = find(zset, &search, &options);
    if let Some(target) = options.target {
        let result = stored(&found, &search, target.distances, &rules)?;
        let (key, count) = (cx.keys.key(target.key), result.len());
        let is_search = command == Command::SearchStore;
        store(cx, key, result, if is_search { "geosearchstore" } else { "georadiusstore" });
        cx.shared.stats.dirty += (count as u64).saturating_sub(1);
        return Ok(());
    }
    cx.reply.array(found.len());
    for found in &found {
        reply_found(&mut cx.reply, found, &search, &options);
    }
    Ok(())
}

/// What is inside, in order and no more than asked for.
fn find<'z>(zset: &'z Zset, search: &Search, options: &Options<'_>) -> Vec<Found<'z>> {
    let stop = if options.any { options.count } else { 0 };
    let mut found = Vec::new();
    'ranges: for range in search.ranges() {
        let (Some(min), Some(end)) = (Score::new(range.min), Score::new(range.end)) else { continue };
        let bounds = Bounds::Score(Limit { value: min, is_open: false }, Limit { value: end, is_open: true });
        for (member, score) in zset.iter(zset.select(&bounds, Window::ALL)) {
            if let Some(hit) = search.test(score) {
                found.push(Found { member, score, hit });
                if found.len() == stop {
                    break 'ranges;
                }
            }
        }
    }
    //= valkey 9.1 GEOSEARCH: COUNT without ANY is of the nearest
    let nearest = if options.count > 0 && !options.any { Some(Order::Rising) } else { None };
    match options.order.or(nearest) {
        Some(Order::Rising) => found.sort_by(|a, b| a.hit.distance.total_cmp(&b.hit.distance)),
        Some(Order::Falling) => found.sort_by(|a, b| b.hit.distance.total_cmp(&a.hit.distance)),
        None => {}
    }
    if options.count > 0 {
        found.truncate(options.count);
    }
    found
}

fn stored(found: &[Found<'_>], search: &Search, distances: bool, rules: &Rules) -> Result<Zset, CmdError> {
    let mut result = Zset::new();
    for found in found {
        let score = if distances { search.in_unit(found.hit.distance) } else { found.score };
        put(&mut result, found.member, score, rules)?;
    }
    Ok(result)
}

fn reply_found(reply: &mut Reply<'_>, found: &Found<'_>, search: &Search, options: &Options<'_>) {
    let Options { with_distance, with_hash, with_position, .. } = *options;
    let more = usize::from(with_distance) + usize::from(with_hash) + usize::from(with_position);
    if more > 0 {
        reply.array(1 + more);
    }
    reply_element(reply, found.member);
    if with_distance {
        reply.bulk(&distance_text(search.in_unit(found.hit.distance)));
    }
    if with_hash {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "scores that are places fit, others are anything"
        )]
        reply.integer(found.score as i64);
    }
    if with_position {
        reply_position(reply, found.hit.position);
    }
}
