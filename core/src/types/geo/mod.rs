//! Places on the earth as scores of a sorted set.
//!
//! A position becomes 52 interleaved bits (`hash.rs`), so that places that are near each other mostly have
//! scores that are. A [`Search`] names the at most nine ranges of scores that cover its shape and judges each
//! score in them. Distances are those of a sphere (`distance.rs`), built on `trig.rs`.
//!
//! The arithmetic is the reference's operation by operation; where that asks the C library for a sine, see
//! `trig.rs`.
//!
//! Source: Valkey 9.1 geo.c, geohash.c, geohash_helper.c.

mod area;
mod distance;
mod hash;
mod search;
mod text;
mod trig;

pub use self::distance::distance;
pub use self::hash::{decode, encode, geohash_text};
pub use self::search::{Hit, ScoreRange, Search};
pub use self::text::{CoordinateText, DistanceText, coordinate_text, distance_text};

/// Degrees east of Greenwich.
const LONGITUDE_MAX: f64 = 180.0;
/// Degrees north of the equator: beyond, the square map of web mercator ends.
const LATITUDE_MAX: f64 = 85.051_128_78;

/// The error of a unit that is none.
pub const UNIT_ERROR: &str = "ERR unsupported unit provided. please use M, KM, FT, MI";

/// A place, in degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position {
    /// East.
    pub longitude: f64,
    /// North.
    pub latitude: f64,
}

impl Position {
    /// A place that has a score: at most 180 degrees east or west, 85.05112878 north or south.
    pub fn new_checked(longitude: f64, latitude: f64) -> Option<Self> {
        let fits = (-LONGITUDE_MAX..=LONGITUDE_MAX).contains(&longitude)
            && (-LATITUDE_MAX..=LATITUDE_MAX).contains(&latitude);
        fits.then_some(Self { longitude, latitude })
    }
}

/// A unit of length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// `m`
    #[default]
    Meters,
    /// `km`
    Kilometers,
    /// `ft`
    Feet,
    /// `mi`
    Miles,
}

impl Unit {
    /// `m`, `km`, `ft` or `mi`, in letters of any case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let names: [(&[u8], _); 4] =
            [(b"m", Self::Meters), (b"km", Self::Kilometers), (b"ft", Self::Feet), (b"mi", Self::Miles)];
        names.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, unit)| unit)
    }

    /// Its length in meters: lengths in meters are divided by it.
    pub const fn in_meters(self) -> f64 {
        match self {
            Self::Meters => 1.0,
            Self::Kilometers => 1000.0,
            Self::Feet => 0.3048,
            Self::Miles => 1609.34,
        }
    }
}

#[cfg(test)]
mod tests;
