//! Which cells cover a search: one that is about as large as the shape, and its eight neighbours.

use super::distance::{EARTH_RADIUS, degrees, distance, radians};
use super::hash::{Bounds, Cell, STEP_MAX};
use super::{LATITUDE_MAX, LONGITUDE_MAX, Position, trig};

/// Half the circumference of the map in meters.
const MERCATOR_MAX: f64 = 20_037_726.37;

/// East and north of each cell from the one in the middle, in the order in which they are searched.
const AROUND: [(i8, i8); 9] = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// The rectangle around a centre that reaches `width` and `height` meters to each side.
///
/// The parallel nearer to the pole is the shorter one, so there the same width is more degrees: it decides.
/// Huge sizes make bounds that are infinite or NaN; what is compared with them then holds as in the reference.
pub(super) fn bounds_around(centre: Position, width: f64, height: f64) -> Bounds {
    let north = degrees(height / EARTH_RADIUS);
    let poleward = if centre.latitude < 0.0 { centre.latitude - north } else { centre.latitude + north };
    let east = degrees(width / EARTH_RADIUS / trig::cos(radians(poleward)));
    Bounds {
        min: Position { longitude: centre.longitude - east, latitude: centre.latitude - north },
        max: Position { longitude: centre.longitude + east, latitude: centre.latitude + north },
    }
}

/// The smallest rectangle of degrees around all of `vertices`.
pub(super) fn bounds_of(vertices: &[Position]) -> Bounds {
    let mut bounds = Bounds {
        min: Position { longitude: LONGITUDE_MAX, latitude: LATITUDE_MAX },
        max: Position { longitude: -LONGITUDE_MAX, latitude: -LATITUDE_MAX },
    };
    for vertex in vertices {
        bounds.min.longitude = bounds.min.longitude.min(vertex.longitude);
        bounds.min.latitude = bounds.min.latitude.min(vertex.latitude);
        bounds.max.longitude = bounds.max.longitude.max(vertex.longitude);
        bounds.max.latitude = bounds.max.latitude.max(vertex.latitude);
    }
    bounds
}

/// The middle of the vertices, as vectors from the centre of the earth.
pub(super) fn centroid(vertices: &[Position]) -> Position {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for vertex in vertices {
        let (longitude, latitude) = (radians(vertex.longitude), radians(vertex.latitude));
        let radius = trig::cos(latitude);
        x += radius * trig::cos(longitude);
        y += radius * trig::sin(longitude);
        z += trig::sin(latitude);
    }
    Position {
        longitude: degrees(trig::atan2(y, x)),
        latitude: degrees(trig::atan2(z, libm::sqrt(x * x + y * y))),
    }
}

/// The distance of the farthest corner.
pub(super) fn reach(centre: Position, bounds: Bounds) -> f64 {
    let corner = |longitude, latitude| distance(centre, Position { longitude, latitude });
    let Bounds { min, max } = bounds;
    let first = corner(min.longitude, max.latitude);
    [(max.longitude, max.latitude), (min.longitude, min.latitude), (max.longitude, min.latitude)]
        .map(|(longitude, latitude)| corner(longitude, latitude))
        .into_iter()
        .fold(first, |reach, other| if other > reach { other } else { reach })
}

/// The cells to search, those that the bounds do not touch left out.
pub(super) fn cells(centre: Position, bounds: Bounds, radius: f64) -> [Option<Cell>; 9] {
    let mut middle = Cell::at(centre, step_for(radius, centre.latitude));
    if middle.step > 1 && falls_short(middle, bounds) {
        middle = Cell::at(centre, middle.step - 1);
    }
    let area = middle.bounds();
    AROUND.map(|(east, north)| {
        let useless = middle.step >= 2
            && ((north < 0 && area.min.latitude < bounds.min.latitude)
                || (north > 0 && area.max.latitude > bounds.max.latitude)
                || (east < 0 && area.min.longitude < bounds.min.longitude)
                || (east > 0 && area.max.longitude > bounds.max.longitude));
        (!useless).then(|| middle.neighbour(east, north))
    })
}

/// The step at which nine cells are about as large as a circle.
fn step_for(mut radius: f64, latitude: f64) -> u8 {
    if radius == 0.0 {
        return STEP_MAX;
    }
    // One less than the halvings of the map, so that the circle is covered wherever in a cell its centre lies.
    let mut step: i32 = -1;
    while radius < MERCATOR_MAX {
        radius *= 2.0;
        step += 1;
    }
    // Cells are narrower near the poles.
    step -= i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
    u8::try_from(step.clamp(1, i32::from(STEP_MAX))).unwrap_or(1)
}

/// Whether the neighbours of a cell end within the bounds.
fn falls_short(middle: Cell, bounds: Bounds) -> bool {
    let neighbour = |east, north| middle.neighbour(east, north).bounds();
    neighbour(0, 1).max.latitude < bounds.max.latitude
        || neighbour(0, -1).min.latitude > bounds.min.latitude
        || neighbour(1, 0).max.longitude < bounds.max.longitude
        || neighbour(-1, 0).min.longitude > bounds.min.longitude
}
