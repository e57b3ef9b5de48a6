//! Commands on places, which are the scores of a sorted set.

mod options;
mod search;

use alloc::vec::Vec;

use super::zset::{AddOptions, add_members};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::num;
use crate::resp::Reply;
use crate::types::geo::{self, Position, Unit};
use crate::types::zset::Zset;

pub(crate) use self::search::{
    georadius, georadius_ro, georadiusbymember, georadiusbymember_ro, geosearch, geosearchstore,
};

/// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]`
pub(crate) fn geoadd(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (mut options, mut first) = (AddOptions::default(), 2);
    while first < args.len() {
        match () {
            () if args.is(first, "NX") => options.nx = true,
            () if args.is(first, "XX") => options.xx = true,
            () if args.is(first, "CH") => options.ch = true,
            () => break,
        }
        first += 1;
    }
    let rest = args.len() - first;
    if rest == 0 || !rest.is_multiple_of(3) || (options.nx && options.xx) {
        return Err(CmdError::SYNTAX);
    }
    let mut members = Vec::with_capacity(rest / 3);
    for index in (first..args.len()).step_by(3) {
        let position = position(cx, args, index)?;
        #[expect(clippy::cast_precision_loss, reason = "at most 53 bits, and even beyond")]
        let score = geo::encode(position) as f64;
        members.push((score, args.at(index + 2)));
    }
    let key = cx.key(args, 1);
    add_members(cx, key, &members, options)
}

/// `GEOPOS key [member ...]`
pub(crate) fn geopos(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let zset = cx.keys.read_as::<Zset>(key)?;
    cx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => reply_position(&mut cx.reply, geo::decode(score)),
            None => cx.reply.null_array(),
        }
    }
    Ok(())
}

/// `GEOHASH key [member ...]`
pub(crate) fn geohash(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let zset = cx.keys.read_as::<Zset>(key)?;
    cx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => cx.reply.bulk(&geo::geohash_text(score)),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

/// `GEODIST key member1 member2 [M | KM | FT | MI]`
pub(crate) fn geodist(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let unit = match args.len() {
        4 => Unit::Meters,
        5 => unit(args.at(4))?,
        _ => return Err(CmdError::SYNTAX),
    };
    let key = cx.key(args, 1);
    let zset = cx.keys.read_as::<Zset>(key)?;
    let position = |index| zset.and_then(|zset| zset.score(args.at(index))).map(geo::decode);
    match position(2).zip(position(3)) {
        Some((from, to)) => {
            let distance = geo::distance(from, to) / unit.in_meters();
            cx.reply.bulk(&geo::distance_text(distance));
        }
        None => cx.reply.null(),
    }
    Ok(())
}

fn unit(text: &[u8]) -> Result<Unit, CmdError> {
    Unit::parse(text).ok_or(CmdError::Text(geo::UNIT_ERROR))
}

/// The place that two arguments name.
fn position(cx: &mut Ctx<'_>, args: &Args<'_>, index: usize) -> Result<Position, CmdError> {
    let coordinate = |index| num::parse_f64(args.at(index)).ok_or(CmdError::NOT_FLOAT);
    let (longitude, latitude) = (coordinate(index)?, coordinate(index + 1)?);
    Position::new_checked(longitude, latitude).ok_or_else(|| {
        cx.fail(format_args!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"))
    })
}

fn reply_position(reply: &mut Reply<'_>, position: Position) {
    reply.array(2);
    reply.double_text(&geo::coordinate_text(position.longitude));
    reply.double_text(&geo::coordinate_text(position.latitude));
}
