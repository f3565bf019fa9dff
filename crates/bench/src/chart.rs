//! The distribution of the delay as a picture: bars for a terminal, percentiles as SVG.

use crate::tally::Times;
use std::fmt::Write;

/// Bars in a terminal, one for each half of an octave between the shortest and the longest.
pub(crate) fn bars(times: &Times) -> String {
    const WIDTH: f64 = 50.0;
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let mut out = String::new();
    if times.is_empty() {
        return out;
    }
    let mut bars = Vec::new();
    let (mut low, mut edge) = (0, 100.0f64);
    while low <= times.max() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an edge is at most twice the longest time"
        )]
        let high = edge as u64;
        bars.push((high, times.count_between(low, high - 1)));
        low = high;
        edge *= std::f64::consts::SQRT_2;
    }
    let first = bars
        .iter()
        .position(|(_, count)| *count > 0)
        .unwrap_or_default();
    let most = bars
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or(1)
        .max(1);
    for (high, count) in &bars[first..] {
        let eighths = *count as f64 / most as f64 * WIDTH * 8.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most the width of a line"
        )]
        let eighths = eighths.round() as usize;
        let bar = "█".repeat(eighths / 8) + EIGHTHS[eighths % 8];
        let share = *count as f64 / times.len() as f64 * 100.0;
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "  < {:>7.1} ms {share:>5.1} % {bar}",
            *high as f64 / 1e3
        );
    }
    out
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 50.0;
const TOP: f64 = 50.0;
const RIGHT: f64 = 20.0;
/// Percentiles with a line of their own.
const PERCENTILES: [f64; 7] = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999];

/// Delay over percentile, the percentiles stretched towards 100 so that the slowest frames are seen.
pub(crate) fn svg(title: &str, times: &Times) -> String {
    let nines = (times.len().max(10) as f64).log10().clamp(1.0, 5.0);
    let x = |percentile: f64| {
        let place = -(1.0 - percentile / 100.0).max(1e-9).log10() / nines;
        LEFT + place.min(1.0) * (WIDTH - LEFT - RIGHT)
    };
    let top_ms = nice(times.max() as f64 / 1e3);
    let y = |ms: f64| HEIGHT - BOTTOM - ms / top_ms * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" font-size="12">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{LEFT}" y="24" font-size="15" fill="#111">{}</text>
<text x="{LEFT}" y="{}" fill="#555">percentile of frames; delay in milliseconds</text>
"##,
        escaped(title),
        HEIGHT - 10.0,
    );
    // Writing to a String does not fail.
    for line in 0..=4 {
        let ms = top_ms * f64::from(line) / 4.0;
        let _ = writeln!(
            svg,
            r##"<path d="M{LEFT} {0:.1}H{1}" stroke="#ddd"/><text x="{2}" y="{3:.1}" text-anchor="end" fill="#555">{ms}</text>"##,
            y(ms),
            WIDTH - RIGHT,
            LEFT - 8.0,
            y(ms) + 4.0,
        );
    }
    for percentile in PERCENTILES {
        if x(percentile) >= WIDTH - RIGHT {
            continue;
        }
        let _ = writeln!(
            svg,
            r##"<path d="M{0:.1} {TOP}V{1}" stroke="#eee"/><text x="{0:.1}" y="{2}" text-anchor="middle" fill="#555">{percentile}</text>"##,
            x(percentile),
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 18.0,
        );
    }
    let mut path = String::new();
    for value in times.iter_recorded() {
        let at = value.percentile();
        let ms = value.value_iterated_to() as f64 / 1e3;
        let command = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{command}{:.1} {:.1}", x(at), y(ms.min(top_ms)));
    }
    let _ = writeln!(
        svg,
        r##"<path d="{path}" fill="none" stroke="#c2410c" stroke-width="2"/>"##
    );
    svg.push_str("</svg>\n");
    svg
}

/// The next round number above.
fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.max(0.1).log10().floor());
    [1.0, 2.0, 4.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|round| *round >= value)
        .unwrap_or(value)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::times;

    fn some() -> Times {
        let mut times = times();
        for us in 1..=1_000 {
            times.record(us * 10).unwrap();
        }
        times
    }

    #[test]
    fn bars_tell_all_frames_from_the_first_bar_with_any() {
        let bars = bars(&some());
        let shares: f64 = bars
            .lines()
            .map(|line| {
                line.split_whitespace()
                    .nth(3)
                    .unwrap()
                    .parse::<f64>()
                    .unwrap()
            })
            .sum();
        assert!((shares - 100.0).abs() < 1.0, "{bars}");
    }

    #[test]
    fn the_svg_has_one_curve_within_its_frame() {
        let svg = svg("a < b", &some());
        assert!(svg.contains("a &lt; b") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("stroke=\"#c2410c\"").count(), 1);
        assert_eq!(nice(9.9), 10.0);
        assert_eq!(nice(11.0), 20.0);
    }
}
