//! Distances on a sphere, by the haversine formula.

use super::{Position, trig};

/// Mean radius of the earth in meters.
pub(super) const EARTH_RADIUS: f64 = 6_372_797.560856;
/// Sines of half a difference of longitude up to this, about 6 nm, count as none.
const EPSILON: f64 = 1e-15;
const DEGREE: f64 = core::f64::consts::PI / 180.0;

pub(super) fn radians(degrees: f64) -> f64 {
    degrees * DEGREE
}

pub(super) fn degrees(radians: f64) -> f64 {
    radians / DEGREE
}

/// The distance of two places in meters.
pub fn distance(a: Position, b: Position) -> f64 {
    let v = trig::sin((radians(b.longitude) - radians(a.longitude)) / 2.0);
    if v.abs() <= EPSILON {
        return latitude_distance(a, b);
    }
    let (south, north) = (radians(a.latitude), radians(b.latitude));
    let u = trig::sin((north - south) / 2.0);
    let haversine = u * u + trig::cos(south) * trig::cos(north) * v * v;
    2.0 * EARTH_RADIUS * trig::asin(libm::sqrt(haversine))
}

/// The distance of the parallels of two places in meters.
pub(super) fn latitude_distance(a: Position, b: Position) -> f64 {
    EARTH_RADIUS * (radians(b.latitude) - radians(a.latitude)).abs()
}
