//! Line plots as SVG.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 48.0;

/// An axis: its label, the values at its ends, and its ticks.
pub struct Axis {
    label: String,
    ends: (f64, f64),
    ticks: Vec<(f64, String)>,
    is_log: bool,
}

impl Axis {
    /// From 0 to a round number that is at least the largest value.
    pub fn linear(label: &str, most: f64) -> Self {
        let most = most.max(1.0);
        let magnitude = 10_f64.powf((most / 5.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude).into_iter().find(|step| step * 5.0 >= most);
        let step = step.unwrap_or(most);
        let count = (most / step).ceil();
        let ticks = (0..=count as u32).map(|tick| f64::from(tick) * step).map(|value| (value, tick(value)));
        Self { label: label.to_owned(), ends: (0.0, count * step), ticks: ticks.collect(), is_log: false }
    }

    /// Powers of ten around all values, with 2 and 5 between them if there are few.
    pub fn log(label: &str, least: f64, most: f64) -> Self {
        let low = least.max(0.01).log10().floor();
        let high = most.max(0.01).log10().ceil().max(low + 1.0);
        let factors: &[f64] = if high - low <= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let ends = (10_f64.powf(low), 10_f64.powf(high));
        let powers = (low as i32..=high as i32).flat_map(|power| factors.iter().map(move |factor| (power, *factor)));
        let values = powers.map(|(power, factor)| factor * 10_f64.powi(power)).filter(|value| *value <= ends.1 * 1.001);
        let ticks = values.map(|value| (value, tick(value))).collect();
        Self { label: format!("{label} (log scale)"), ends, ticks, is_log: true }
    }

    /// An axis with custom ticks.
    pub fn with_ticks(label: &str, most: f64, ticks: Vec<(f64, String)>) -> Self {
        Self { label: label.to_owned(), ends: (0.0, most), ticks, is_log: false }
    }

    /// The position of a value, from 0 to 1.
    fn position(&self, value: f64) -> f64 {
        let (low, high) = self.ends;
        let position = match self.is_log {
            true => (value.max(low) / low).log10() / (high / low).log10(),
            false => (value - low) / (high - low),
        };
        position.clamp(0.0, 1.0)
    }
}

/// A value, rounded to hundredths.
fn tick(value: f64) -> String {
    ((value * 100.0).round() / 100.0).to_string()
}

/// A text with HTML's special characters escaped.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A line of a plot.
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, in the order of x.
    pub points: Vec<(f64, f64)>,
}

/// A plot with its title, legend and caption, as HTML.
pub fn plot(title: &str, caption: &str, x: &Axis, y: &Axis, lines: &[Series]) -> String {
    let across = |value| LEFT + x.position(value) * (WIDTH - LEFT - RIGHT);
    let down = |value| HEIGHT - BOTTOM - y.position(value) * (HEIGHT - TOP - BOTTOM);
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    let title = escape(title);
    // Writing to a string cannot fail, here and below.
    let mut svg = format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">"#);
    for (value, label) in &x.ticks {
        let at = across(*value);
        let _ = write!(svg, r#"<path class="grid" d="M{at:.1} {TOP}V{bottom}"/>"#);
        let _ = write!(svg, r#"<text x="{at:.1}" y="{:.1}" text-anchor="middle">{label}</text>"#, bottom + 18.0);
    }
    for (value, label) in &y.ticks {
        let at = down(*value);
        let _ = write!(svg, r#"<path class="grid" d="M{LEFT} {at:.1}H{right}"/>"#);
        let _ = write!(svg, r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{label}</text>"#, LEFT - 8.0, at + 4.0);
    }
    let (middle, label) = ((LEFT + right) / 2.0, escape(&x.label));
    let _ = write!(svg, r#"<text x="{middle}" y="{}" text-anchor="middle">{label}</text>"#, HEIGHT - 8.0);
    let (middle, label) = ((TOP + bottom) / 2.0, escape(&y.label));
    let _ = write!(svg, r#"<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">{label}</text>"#);
    for (number, Series { name, points }) in lines.iter().enumerate() {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), down(*y))).collect();
        let (points, name) = (points.join(" "), escape(name));
        let _ = write!(svg, r#"<polyline class="c{number}" points="{points}"><title>{name}</title></polyline>"#);
    }
    svg += "</svg>";
    let mut legend = String::new();
    for (number, Series { name, .. }) in lines.iter().enumerate() {
        let name = escape(name);
        let _ =
            write!(legend, r#"<li><svg viewBox="0 0 20 4"><path class="c{number}" d="M0 2H20"/></svg> {name}</li>"#);
    }
    let caption = escape(caption);
    format!("<section><h2>{title}</h2><ul>{legend}</ul>{svg}<p>{caption}</p></section>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn axes_have_round_ticks_around_all_values() {
        assert_eq!(labels(&Axis::linear("", 344.0)), ["0", "100", "200", "300", "400"]);
        assert_eq!(labels(&Axis::linear("", 0.0)), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(labels(&Axis::log("", 0.4, 70.0)), ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "50", "100"]);
        assert_eq!(labels(&Axis::log("", 0.0, 20_000.0)).len(), 8);
        let log = Axis::log("", 1.0, 100.0);
        assert!((log.position(10.0) - 0.5).abs() < 1e-9);
        assert!(log.position(0.0).abs() < 1e-9);
    }
}
