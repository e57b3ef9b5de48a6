//! The formats against what Valkey 9.1.2 answers, and searches against looking at every place.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::{
    Hit, Position, Search, Unit, coordinate_text, decode, distance, distance_text, encode, geohash_text,
};
use crate::rng::Rng;

const PALERMO: Position = Position { longitude: 13.361_389, latitude: 38.115_556 };
const CATANIA: Position = Position { longitude: 15.087_269, latitude: 37.502_669 };

fn at(longitude: f64, latitude: f64) -> Position {
    Position { longitude, latitude }
}

#[expect(clippy::cast_precision_loss, reason = "scores are doubles")]
fn score(position: Position) -> f64 {
    encode(position) as f64
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn coordinates(position: Position) -> (String, String) {
    (text(&coordinate_text(position.longitude)), text(&coordinate_text(position.latitude)))
}

/// A number between `min` and `max`.
fn between(rng: &mut Rng, min: f64, max: f64) -> f64 {
    min + (max - min) * f64::from(u32::try_from(rng.below(1 << 32)).unwrap()) / 4_294_967_296.0
}

fn hits(search: &Search, scores: &[f64]) -> Vec<(f64, Hit)> {
    let in_range = |min: f64, end: f64| scores.iter().filter(move |score| (min..end).contains(score));
    let tested = search.ranges().flat_map(|range| in_range(range.min, range.end));
    tested.filter_map(|&score| search.test(score).map(|hit| (score, hit))).collect()
}

/// Answers of Valkey 9.1.2.
#[test]
fn sicily() {
    let scores = [score(PALERMO), score(CATANIA)];
    assert_eq!(scores, [3_479_099_956_230_698.0, 3_479_447_370_796_909.0]);
    let [palermo, catania] = scores.map(decode);
    let expected = ("13.36138933897018433".into(), "38.11555639549629859".into());
    assert_eq!(coordinates(palermo), expected);
    assert_eq!(scores.map(|score| text(&geohash_text(score))), ["sqc8b49rny0", "sqdtr74hyu0"]);
    let meters = distance(palermo, catania);
    let printed = [Unit::Meters, Unit::Kilometers, Unit::Feet, Unit::Miles]
        .map(|unit| text(&distance_text(meters / unit.in_meters())));
    assert_eq!(printed, ["166274.1516", "166.2742", "545518.8700", "103.3182"]);
    let search = Search::circle(at(15.0, 37.0), 200.0, Unit::Kilometers);
    let found: Vec<_> = hits(&search, &scores)
        .iter()
        .map(|(_, hit)| text(&distance_text(search.in_unit(hit.distance))))
        .collect();
    assert_eq!(found, ["190.4424", "56.4413"]);
    assert_eq!(hits(&Search::circle(at(15.0, 37.0), 100.0, Unit::Kilometers), &scores).len(), 1);
    assert_eq!(hits(&Search::rectangle(at(15.0, 37.0), 400.0, 400.0, Unit::Kilometers), &scores).len(), 2);
    assert!(Search::polygon(vec![palermo, catania]).is_none());
    let polygon = Search::polygon(vec![at(13.0, 38.0), at(14.0, 38.0), at(13.5, 39.0)]).unwrap();
    assert_eq!(hits(&polygon, &scores).len(), 1);
}

#[test]
fn every_place_survives_its_score() {
    let mut rng = Rng::new(31);
    for _ in 0..if cfg!(miri) { 100 } else { 20_000 } {
        let place = at(between(&mut rng, -180.0, 180.0), between(&mut rng, -85.0, 85.0));
        let again = decode(score(place));
        assert!((again.longitude - place.longitude).abs() < 360.0 / f64::from(1 << 26));
        assert!((again.latitude - place.latitude).abs() < 171.0 / f64::from(1 << 26));
        assert_eq!(encode(again), encode(place));
    }
    assert_eq!(score(at(180.0, 0.0)).to_bits(), 10_133_099_161_583_616f64.to_bits());
    assert_eq!(decode(score(at(180.0, 85.051_128_78))), at(180.0, 85.051_128_78));
    assert!(Position::new_checked(180.0, -85.051_128_78).is_some());
    for (longitude, latitude) in [(180.1, 0.0), (0.0, 85.06), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
        assert_eq!(Position::new_checked(longitude, latitude), None);
    }
}

/// Scores that ZADD put there.
#[test]
fn scores_that_are_no_places() {
    for score in [-1.0, -1e300, 0.5, 1e16, 1.8e19, 1e20, f64::INFINITY, f64::NEG_INFINITY] {
        let place = decode(score);
        assert!(Position::new_checked(place.longitude, place.latitude).is_some());
        assert_eq!(geohash_text(score)[10], b'0');
    }
    assert_eq!(coordinates(decode(f64::INFINITY)), coordinates(decode(0.0)));
}

fn random_search(rng: &mut Rng) -> Search {
    let centre = at(between(rng, -100.0, 100.0), between(rng, -60.0, 60.0));
    let size_max = [1e3, 1e5, 2e6][usize::try_from(rng.below(3)).unwrap()];
    let size = |rng: &mut Rng| between(rng, 0.0, size_max);
    match rng.below(3) {
        0 => Search::circle(centre, size(rng), Unit::Meters),
        1 => Search::rectangle(centre, size(rng) / 1000.0, size(rng) / 1000.0, Unit::Kilometers),
        _ => {
            let mut corner =
                |_| at(centre.longitude + between(rng, -9.0, 9.0), centre.latitude + between(rng, -9.0, 9.0));
            Search::polygon((0..5).map(&mut corner).collect()).unwrap()
        }
    }
}

/// The nine cells lose nothing that is inside, and find nothing twice.
#[test]
fn searches_agree_with_looking_at_all() {
    let mut rng = Rng::new(32);
    let (rounds, places) = if cfg!(miri) { (2, 20) } else { (300, 400) };
    let mut found = 0;
    for _ in 0..rounds {
        let search = random_search(&mut rng);
        let mut scores: Vec<f64> = (0..places)
            .map(|_| {
                let far = between(&mut rng, 0.0, 1.0).powi(4) * 40.0;
                let centre = search.centre();
                let east = centre.longitude + between(&mut rng, -far, far);
                score(at(east, (centre.latitude + between(&mut rng, -far, far)).clamp(-85.0, 85.0)))
            })
            .collect();
        scores.sort_unstable_by(f64::total_cmp);
        let mut hits: Vec<f64> = hits(&search, &scores).into_iter().map(|(score, _)| score).collect();
        hits.sort_unstable_by(f64::total_cmp);
        let expected: Vec<f64> = scores.into_iter().filter(|score| search.test(*score).is_some()).collect();
        found += expected.len();
        assert_eq!(hits, expected, "{search:?}");
    }
    assert!(cfg!(miri) || found > 10_000);
}

#[test]
fn the_whole_earth() {
    let search = Search::circle(at(10.0, 10.0), f64::INFINITY, Unit::Meters);
    let ranges: Vec<(f64, f64)> = search.ranges().map(|range| (range.min, range.end)).collect();
    let quarter = f64::from(1 << 25) * f64::from(1 << 25);
    let starts = [3.0, 2.0, 1.0, 0.0].map(|index| index * quarter);
    assert_eq!(ranges, starts.map(|start| (start, start + quarter)));
    assert!(search.test(score(at(-170.0, -10.0))).is_some());
    assert!(Search::circle(at(10.0, 10.0), 0.0, Unit::Meters).test(score(at(10.0, 10.0))).is_none());
    // Around the south pole: the centroid has no score.
    let pole = Search::polygon(vec![at(-120.0, -85.0), at(0.0, -85.0), at(120.0, -85.0)]).unwrap();
    assert!(pole.centre().latitude < -89.9);
    assert!(pole.ranges().count() > 0);
}

//= valkey 9.1 GEODIST: what does not fit prints as the smallest integer
#[test]
fn texts() {
    let lengths = [
        (0.0, "0.0000"),
        (0.00005, "0.0000"),
        (0.00006, "0.0001"),
        (0.00004, "0.0000"),
        (1.0, "1.0000"),
        (0.12345, "0.1234"),
        (20_000_000.5, "20000000.5000"),
        (-1.5, "-1.5000"),
        (f64::NAN, "-922337203685477.5808"),
        (f64::INFINITY, "-922337203685477.5808"),
    ];
    for (length, expected) in lengths {
        assert_eq!(text(&distance_text(length)), expected);
    }
    let coordinates = [
        (0.0, "0"),
        (-0.0, "0"),
        (180.0, "180"),
        (-85.051_128_78, "-85.0511287799999991"),
        (0.5, "0.5"),
        (1e-17, "0.00000000000000001"),
        (5e-18, "0.00000000000000001"),
        (-4e-18, "0"),
        (f64::MIN_POSITIVE, "0"),
        (5e-324, "0"),
        (1e-5, "0.00001"),
        (-179.999_999_999_999_97, "-179.99999999999997158"),
    ];
    for (degrees, expected) in coordinates {
        assert_eq!(text(&coordinate_text(degrees)), expected, "{degrees}");
    }
    let mut rng = Rng::new(33);
    for _ in 0..if cfg!(miri) { 20 } else { 5000 } {
        let degrees =
            between(&mut rng, -1.0, 1.0) * [180.0, 1e-3, 1e-12][usize::try_from(rng.below(3)).unwrap()];
        let exact = std::format!("{degrees:.17}");
        let exact = exact.trim_end_matches('0').trim_end_matches('.');
        assert_eq!(text(&coordinate_text(degrees)), if exact == "-0" { "0" } else { exact });
    }
}

#[test]
fn units() {
    let lengths = ["M", "km", "Ft", "mi"].map(|name| Unit::parse(name.as_bytes()).map(Unit::in_meters));
    assert_eq!(lengths, [Some(1.0), Some(1000.0), Some(0.3048), Some(1609.34)]);
    assert_eq!(Unit::parse(b"nm"), None);
}
