//! A search: a circle, a rectangle or a polygon, what scores to look at and which of them are inside.

use alloc::vec::Vec;

use super::area::{bounds_around, bounds_of, cells, centroid, reach};
use super::distance::{distance, latitude_distance};
use super::hash::{Bounds, decode};
use super::{Position, Unit};

/// The fewest vertices of a polygon.
const VERTICES_MIN: usize = 3;

/// What is searched.
#[derive(Clone, Debug)]
pub struct Search {
    shape: Shape,
    centre: Position,
    unit: Unit,
}

/// A shape around the centre, lengths in the search's unit.
#[derive(Clone, Debug)]
enum Shape {
    Circle { radius: f64 },
    Rectangle { width: f64, height: f64 },
    Polygon { vertices: Vec<Position> },
}

/// A score that is inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Where it is.
    pub position: Position,
    /// Meters from the centre.
    pub distance: f64,
}

/// Scores to look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// The lowest.
    pub min: f64,
    /// The first one that is too high.
    pub end: f64,
}

impl Search {
    /// All within a radius of a centre.
    pub fn circle(centre: Position, radius: f64, unit: Unit) -> Self {
        Self { shape: Shape::Circle { radius }, centre, unit }
    }

    /// All within a rectangle that lies along the axes.
    pub fn rectangle(centre: Position, width: f64, height: f64, unit: Unit) -> Self {
        Self { shape: Shape::Rectangle { width, height }, centre, unit }
    }

    /// All within a polygon on the map of degrees; `None` with less than three vertices. Distances are from
    /// its centroid.
    ///
    /// A centroid beyond the map's edge (of a polygon around a pole) is searched from that edge; the
    /// reference then searches cells that were never set.
    pub fn polygon(vertices: Vec<Position>) -> Option<Self> {
        if vertices.len() < VERTICES_MIN {
            return None;
        }
        let centre = centroid(&vertices);
        Some(Self { shape: Shape::Polygon { vertices }, centre, unit: Unit::Meters })
    }

    /// From where distances are.
    pub fn centre(&self) -> Position {
        self.centre
    }

    /// A distance of a [`Hit`] in the unit of the search.
    pub fn in_unit(&self, distance: f64) -> f64 {
        distance / self.unit.in_meters()
    }

    /// The ranges of scores to look at, in the order of the search, none twice.
    pub fn ranges(&self) -> impl Iterator<Item = ScoreRange> + use<> {
        let (bounds, radius) = self.extent();
        let mut last = None;
        cells(self.centre, bounds, radius).into_iter().flatten().filter_map(move |cell| {
            // Where the map has four cells in all, those on both sides are the same ones.
            if last.replace(cell) == Some(cell) {
                return None;
            }
            let (min, end) = cell.scores();
            #[expect(clippy::cast_precision_loss, reason = "at most 53 bits, and even beyond")]
            let range = ScoreRange { min: min as f64, end: end as f64 };
            Some(range)
        })
    }

    /// The rectangle around the shape, and the radius of a circle around it.
    fn extent(&self) -> (Bounds, f64) {
        let meters = self.unit.in_meters();
        match &self.shape {
            Shape::Circle { radius } => {
                let radius = meters * radius;
                (bounds_around(self.centre, radius, radius), radius)
            }
            Shape::Rectangle { width, height } => {
                let bounds = bounds_around(self.centre, meters * width / 2.0, meters * height / 2.0);
                let (width, height) = (width / 2.0, height / 2.0);
                (bounds, libm::sqrt(width * width + height * height) * meters)
            }
            Shape::Polygon { vertices } => {
                let bounds = bounds_of(vertices);
                (bounds, reach(self.centre, bounds))
            }
        }
    }

    /// Where a score is, if it is inside.
    pub fn test(&self, score: f64) -> Option<Hit> {
        let position = decode(score);
        let meters = self.unit.in_meters();
        let distance = match &self.shape {
            Shape::Circle { radius } => {
                // Most of what is outside is too far north or south; the margin is far above all rounding.
                if latitude_distance(self.centre, position) > radius * meters * (1.0 + 1e-9) {
                    return None;
                }
                let distance = distance(self.centre, position);
                // Antipodes can have a distance of NaN, and are inside.
                if distance > radius * meters {
                    return None;
                }
                distance
            }
            Shape::Rectangle { width, height } => {
                // Along the parallel of the position, not of the centre.
                let beside = Position { longitude: self.centre.longitude, latitude: position.latitude };
                if latitude_distance(position, self.centre) > height * meters / 2.0
                    || distance(position, beside) > width * meters / 2.0
                {
                    return None;
                }
                distance(self.centre, position)
            }
            Shape::Polygon { vertices } => {
                if !surrounds(vertices, position) {
                    return None;
                }
                distance(self.centre, position)
            }
        };
        Some(Hit { position, distance })
    }
}

/// Whether a polygon's edges are crossed an odd number of times on the way east.
///
/// Source: W. Randolph Franklin, "PNPOLY - point inclusion in polygon test".
fn surrounds(vertices: &[Position], point: Position) -> bool {
    let before = vertices.last().into_iter().chain(vertices);
    vertices.iter().zip(before).fold(false, |inside, (a, b)| {
        let spans = (a.latitude > point.latitude) != (b.latitude > point.latitude);
        let (east, north) = (b.longitude - a.longitude, b.latitude - a.latitude);
        inside ^ (spans && point.longitude < east * (point.latitude - a.latitude) / north + a.longitude)
    })
}
