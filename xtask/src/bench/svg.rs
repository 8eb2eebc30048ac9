//! Charts as inline SVG. Colours are the page's (`html.rs`): classes `a` for Xen, `b` for Euxenite.

use std::fmt::Write;

/// Text that may stand in HTML and SVG.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const ROW: f64 = 18.0;
const LABEL: f64 = 300.0;
const WIDTH: f64 = 900.0;

/// Horizontal bars of shares of Xen's figure, with lines at a third, a half and the whole.
pub(crate) fn ratios(bars: &[(String, f64)]) -> String {
    let most = bars
        .iter()
        .map(|(_, ratio)| *ratio)
        .fold(1.1, f64::max)
        .min(3.0);
    let scale = (WIDTH - LABEL - 60.0) / most;
    let height = ROW * bars.len() as f64 + 24.0;
    let mut svg = open(height);
    for (line, name) in [(1.0 / 3.0, "1/3"), (0.5, "1/2"), (1.0, "Xen")] {
        let x = LABEL + line * scale;
        let _ = write!(
            svg,
            "<line class=g x1={x:.0} y1=16 x2={x:.0} y2={height:.0} />\
             <text x={x:.0} y=12 text-anchor=middle>{name}</text>"
        );
    }
    for (index, (name, ratio)) in bars.iter().enumerate() {
        let y = 20.0 + ROW * index as f64;
        let (length, class) = (
            ratio.min(most) * scale,
            if *ratio <= 0.5 { "b" } else { "w" },
        );
        let _ = write!(
            svg,
            "<text x={:.0} y={:.0} text-anchor=end>{}</text>\
             <rect class={class} x={LABEL} y={y:.0} width={length:.1} height={:.0} />\
             <text x={:.0} y={:.0}>{ratio:.2}</text>",
            LABEL - 8.0,
            y + 12.0,
            escaped(name),
            ROW - 5.0,
            LABEL + length + 5.0,
            y + 12.0
        );
    }
    svg + "</svg>"
}

/// When a stage was reached, in nanoseconds from power-on, and what it is.
pub(crate) type Stage = (f64, String);

/// One bar a subject, cut into stages: name, class, stages.
pub(crate) fn timelines(subjects: &[(&str, &str, &[Stage])]) -> String {
    let ends = subjects.iter().filter_map(|(.., stages)| stages.last());
    let longest = ends.map(|(at, _)| *at).fold(1.0, f64::max);
    let scale = (WIDTH - 120.0) / longest;
    let mut svg = open(subjects.len() as f64 * 110.0);
    for (index, (name, class, stages)) in subjects.iter().enumerate() {
        let y = 110.0 * index as f64 + 10.0;
        let _ = write!(svg, "<text x=0 y={:.0}>{}</text>", y + 14.0, escaped(name));
        let mut before = 0.0;
        for (place, (at, what)) in stages.iter().enumerate() {
            let (x, end) = (90.0 + before * scale, 90.0 + at * scale);
            let below = y + 34.0 + 14.0 * place as f64;
            let side = if end > WIDTH * 0.6 { "end" } else { "start" };
            let _ = write!(
                svg,
                "<rect class={class} fill-opacity={:.2} x={x:.1} y={y:.0} width={:.1} height=18 />\
                 <line class=g x1={end:.1} y1={y:.0} x2={end:.1} y2={below:.0} />\
                 <text x={end:.1} y={below:.0} text-anchor={side}>{} {:.2} ms</text>",
                1.0 - 0.15 * place as f64,
                (end - x).max(0.5),
                escaped(what),
                at / 1e6
            );
            before = *at;
        }
    }
    svg + "</svg>"
}

/// A line: name, class, and its figure at each place, where there is one.
pub(crate) type Line<'a> = (String, &'a str, Vec<Option<f64>>);

/// Lines of relative figures over named places.
pub(crate) fn curves(places: &[String], lines: &[Line<'_>]) -> String {
    let all = lines.iter().flat_map(|(.., one)| one.iter().flatten());
    let most = all.copied().fold(1.2, f64::max).min(4.0);
    let (left, right, bottom, height) = (90.0, WIDTH - 90.0, 250.0, 230.0);
    let step = (right - left) / (places.len().max(2) - 1) as f64;
    let x = |index: usize| left + step * index as f64;
    let y = |value: f64| bottom - value.min(most) / most * height;
    let mut svg = open(bottom + 30.0);
    for (index, place) in places.iter().enumerate() {
        let _ = write!(
            svg,
            "<text x={:.0} y={:.0} text-anchor=middle>{}</text>",
            x(index),
            bottom + 18.0,
            escaped(place)
        );
    }
    for value in [1.0, most] {
        let _ = write!(
            svg,
            "<line class=g x1={left} y1={0:.0} x2={right} y2={0:.0} />\
             <text x=0 y={1:.0}>{2:.0} %</text>",
            y(value),
            y(value) + 4.0,
            value * 100.0
        );
    }
    for (name, class, figures) in lines {
        let points: Vec<String> = figures
            .iter()
            .enumerate()
            .filter_map(|(index, value)| Some(format!("{:.1},{:.1}", x(index), y((*value)?))))
            .collect();
        let _ = write!(
            svg,
            "<polyline class={class} points=\"{}\"><title>{}</title></polyline>",
            points.join(" "),
            escaped(name)
        );
    }
    svg + "</svg>"
}

/// Pairs of bars: (name, Xen's, Euxenite's).
pub(crate) fn pairs(bars: &[(String, f64, f64)]) -> String {
    let most = bars.iter().map(|(_, a, b)| a.max(*b)).fold(1.0, f64::max);
    let scale = (WIDTH - LABEL - 80.0) / most;
    let mut svg = open(bars.len() as f64 * 30.0 + 10.0);
    for (index, (name, xen, euxenite)) in bars.iter().enumerate() {
        let y = 30.0 * index as f64 + 4.0;
        let _ = write!(
            svg,
            "<text x={:.0} y={:.0} text-anchor=end>{}</text>",
            LABEL - 8.0,
            y + 15.0,
            escaped(name)
        );
        for (class, value, y) in [("a", xen, y), ("b", euxenite, y + 12.0)] {
            let _ = write!(
                svg,
                "<rect class={class} x={LABEL} y={y:.0} width={:.1} height=10 />\
                 <text x={:.0} y={:.0}>{value:.0}</text>",
                value * scale,
                LABEL + value * scale + 5.0,
                y + 9.0
            );
        }
    }
    svg + "</svg>"
}

fn open(height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=img>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_page() {
        let svg = ratios(&[("<b>&".into(), 0.25)]);
        assert!(svg.contains("&lt;b&gt;&amp;") && !svg.contains("<b>"));
    }

    #[test]
    fn empty_charts_are_charts() {
        for svg in [ratios(&[]), timelines(&[]), curves(&[], &[]), pairs(&[])] {
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>") && !svg.contains("NaN"));
        }
    }
}
