//! The latency chart: for each test, how long the slowest of ten, of a hundred, of a thousand requests took.
//!
//! The axis of percentiles counts nines, so that the tail, of which averages tell nothing, has the most room.

use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color as _, IntoDrawingArea, IntoLogRange, LineSeries, PathElement,
    RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
};

use crate::latency::Point;
use crate::run::Outcome;

/// Width and height.
const SIZE: (u32, u32) = (960, 540);
/// Colours that differ for those, too, who do not tell red from green (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
/// Most nines that have a place.
const NINES_MAX: f64 = 9.0;
/// Shortest latency that has a place, in ms.
const MS_MIN: f64 = 0.001;

/// One line of the chart.
struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

/// How many nines a percentile begins with: 90 one, 99 two, 99.9 three.
fn nines(percent: f64) -> f64 {
    if percent >= 100.0 { NINES_MAX } else { (-(1.0 - percent / 100.0).log10()).clamp(0.0, NINES_MAX) }
}

/// The percentile of a place on the axis.
fn label(nines: f64) -> String {
    let percent = 100.0 - 100.0 * 10f64.powf(-nines);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 9")]
    let digits = (nines.round() as usize).saturating_sub(2);
    format!("{percent:.digits$}%")
}

/// Labels of the axis: one for each nine, and the beginning.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 9")]
fn labels(right: f64) -> usize {
    right.floor() as usize + 1
}

/// A distribution's line; the hundred percent stand where one request of all does.
fn curve(name: &str, points: &[Point]) -> Curve {
    let total = points.last().map_or(1, |point| point.count).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    let last = (total as f64).log10().clamp(0.0, NINES_MAX);
    let place = |point: &Point| (nines(point.percent).min(last), point.ms.max(MS_MIN));
    Curve { name: name.to_owned(), points: points.iter().map(place).collect() }
}

/// The chart of some tests as SVG; of a mix, each command has a line of its own beside the whole.
///
/// # Errors
/// The library's, in words.
pub(crate) fn chart(outcomes: &[Outcome]) -> Result<String, String> {
    let mut curves = Vec::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.requests > 0) {
        curves.push(curve(&outcome.title, &outcome.latency.by_percentile(8)));
        for (name, latency) in outcome.kinds.iter().filter(|(_, latency)| latency.count() > 0) {
            curves.push(curve(&format!("{}: {name}", outcome.title), &latency.by_percentile(8)));
        }
    }
    let mut text = String::new();
    draw(&curves, &mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn draw(curves: &[Curve], text: &mut String) -> Result<(), Box<dyn core::error::Error>> {
    let all = || curves.iter().flat_map(|curve| curve.points.iter());
    let right = all().map(|&(nines, _)| nines).fold(1.0, f64::max);
    let top = all().map(|&(_, ms)| ms).fold(MS_MIN * 10.0, f64::max) * 1.5;
    let bottom = all().map(|&(_, ms)| ms).fold(top / 10.0, f64::min) / 1.5;
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Latency by percentile", ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..right, (bottom..top).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("of the requests took at most")
        .y_desc("milliseconds")
        .x_labels(labels(right))
        .max_light_lines(5)
        .x_label_formatter(&|nines| label(*nines))
        .y_label_formatter(&|ms| format!("{ms}"))
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle().copied()) {
        chart
            .draw_series(LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
        // The slowest of all.
        chart.draw_series(curve.points.last().map(|&point| Circle::new(point, 3, colour)))?;
    }
    let corner = SeriesLabelPosition::LowerRight;
    chart.configure_series_labels().position(corner).background_style(WHITE).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{curve, label, nines};
    use crate::latency::Latency;

    #[test]
    fn nines_and_their_labels() {
        for (percent, places, text) in [
            (0.0, 0.0, "0%"),
            (90.0, 1.0, "90%"),
            (99.0, 2.0, "99%"),
            (99.9, 3.0, "99.9%"),
            (99.999, 5.0, "99.999%"),
        ] {
            assert!((nines(percent) - places).abs() < 1e-6, "{percent}");
            assert_eq!(label(places), text);
        }
        assert!(nines(100.0) <= 9.0);
    }

    #[test]
    fn a_curve_rises_and_ends_at_one_of_all() {
        let mut latency = Latency::new(3);
        (1..=1000u64).for_each(|us| latency.record(us * 1000, 1));
        let curve = curve("GET", &latency.by_percentile(8));
        assert!(curve.points.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1));
        let &(end, ms) = curve.points.last().unwrap();
        assert!((end - 3.0).abs() < 1e-9 && (ms - 1.0).abs() < 1e-9);
    }
}
