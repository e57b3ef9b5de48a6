//! LOLWUT: a field of grass in the wind, another one each time.

use alloc::format;
use alloc::string::String;

use super::connection::{COMPAT_VERSION, REDIS_VERSION};
use crate::engine::{Args, CmdResult, Ctx};
use crate::rng::Rng;

const COLUMNS_DEFAULT: i64 = 60;
const ROWS_DEFAULT: i64 = 12;
const BLADES: [char; 4] = ['|', '/', '\\', ','];

/// `LOLWUT [VERSION version] [columns [rows]]`
pub(crate) fn lolwut(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let from = if args.is(1, "VERSION") && args.len() > 2 {
        args.int(2)?;
        3
    } else {
        1
    };
    let size = |index: usize, default: i64, max: i64| -> Result<i64, _> {
        if args.len() > index { args.int(index).map(|value| value.clamp(1, max)) } else { Ok(default) }
    };
    let (columns, rows) = (size(from, COLUMNS_DEFAULT, 200)?, size(from + 1, ROWS_DEFAULT, 100)?);
    let mut art = meadow(&mut cx.shared.rng, columns.unsigned_abs(), rows.unsigned_abs());
    let redis = cx.shared.config.settings().extended_redis_compatibility;
    let (name, version) = if redis { ("Redis", REDIS_VERSION) } else { ("Valkey", COMPAT_VERSION) };
    let own = env!("CARGO_PKG_VERSION");
    art.push_str(&format!("\nA meadow after rain. Vireo {own} in the place of {name} ver. {version}\n"));
    cx.reply.verbatim(b"txt", art.as_bytes());
    Ok(())
}

/// Blades grow from the ground to a random height and lean as the wind does.
fn meadow(rng: &mut Rng, columns: u64, rows: u64) -> String {
    let heights: alloc::vec::Vec<u64> = (0..columns).map(|_| rng.below(rows)).collect();
    let wind = rng.below(3);
    let mut art = String::new();
    for row in 0..rows {
        for &height in &heights {
            let letter = match height + row + 1 {
                sum if sum < rows => ' ',
                sum if sum == rows => BLADES[usize::try_from(rng.below(4)).unwrap_or(0)],
                _ => BLADES[usize::try_from(wind).unwrap_or(0)],
            };
            art.push(letter);
        }
        art.push('\n');
    }
    art
}
