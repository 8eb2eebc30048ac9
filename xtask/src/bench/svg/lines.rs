//! Stages of a start, and figures over places.

use std::fmt::Write;

use super::{WIDTH, escaped, open};

/// When a stage was reached, in nanoseconds from power-on, and what it is.
pub(crate) type Stage = (f64, String);

/// Name, class, stages.
type Subject<'a> = (&'a str, &'a str, &'a [Stage]);

/// Where a timeline starts.
const TIME_LEFT: f64 = 110.0;
/// The height of one with its labels.
const TIME_HEIGHT: f64 = 114.0;
/// One that is so many times shorter than the longest is shown again, enlarged.
const ENLARGED_FROM: f64 = 5.0;

/// One bar a subject, cut into stages, all to one scale; short ones once more to their own.
pub(crate) fn timelines(subjects: &[Subject<'_>]) -> String {
    let end = |stages: &[Stage]| stages.last().map_or(0.0, |(at, _)| *at);
    let longest = subjects.iter().map(|(.., stages)| end(stages));
    let longest = longest.fold(1.0, f64::max);
    let same = subjects.iter().map(|one| (one.0.to_owned(), *one, longest));
    let short = subjects.iter().filter_map(|one| {
        let times = longest / end(one.2);
        let is_short = times.is_finite() && times >= ENLARGED_FROM;
        is_short.then(|| (format!("{}, x {times:.0}", one.0), *one, end(one.2)))
    });
    let bars: Vec<_> = same.chain(short).collect();
    let mut svg = open(bars.len() as f64 * TIME_HEIGHT);
    for (index, (name, subject, whole)) in bars.iter().enumerate() {
        let y = TIME_HEIGHT * index as f64 + 10.0;
        let _ = write!(svg, "<text x=0 y={:.0}>{}</text>", y + 14.0, escaped(name));
        svg.push_str(&timeline(subject, *whole, y));
    }
    svg + "</svg>"
}

fn timeline((_, class, stages): &Subject<'_>, whole: f64, y: f64) -> String {
    let scale = (WIDTH - TIME_LEFT - 10.0) / whole;
    let (mut svg, mut before) = (String::new(), 0.0);
    for (place, (at, what)) in stages.iter().enumerate() {
        let (x, end) = (TIME_LEFT + before * scale, TIME_LEFT + at * scale);
        let below = y + 32.0 + 14.0 * place as f64;
        // Labels stand beside their lines, on the side where there is room.
        let (side, text) = if end > WIDTH * 0.6 {
            ("end", end - 4.0)
        } else {
            ("start", end + 4.0)
        };
        let _ = write!(
            svg,
            "<rect class={class} fill-opacity={:.2} x={x:.1} y={y:.0} width={:.1} height=18 />\
             <line class=g x1={end:.1} y1={y:.0} x2={end:.1} y2={below:.0} />\
             <text x={text:.1} y={below:.0} text-anchor={side}>{} {:.2} ms</text>",
            1.0 - 0.15 * place as f64,
            (end - x).max(0.5),
            escaped(what),
            at / 1e6
        );
        before = *at;
    }
    svg
}

/// A line: name, class, and its figure at each place, where there is one.
pub(crate) type Line<'a> = (String, &'a str, Vec<Option<f64>>);

/// Figures are relative; lines that end further from 1 than this have their names beside them.
const STANDS_OUT: f64 = 0.05;
const LEFT: f64 = 60.0;
const RIGHT: f64 = WIDTH - 260.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 200.0;

/// Lines of relative figures over named places.
pub(crate) fn curves(places: &[String], lines: &[Line<'_>]) -> String {
    let all = lines.iter().flat_map(|(.., one)| one.iter().flatten());
    let most = (all.copied().fold(1.2, f64::max).min(4.0) * 2.0).ceil() / 2.0;
    let step = (RIGHT - LEFT) / (places.len().max(2) - 1) as f64;
    let x = |index: usize| LEFT + step * index as f64;
    let y = |value: f64| BOTTOM - value.min(most) / most * (BOTTOM - TOP);
    let mut svg = open(BOTTOM + 30.0);
    for (index, place) in places.iter().enumerate() {
        let _ = write!(
            svg,
            "<text x={:.0} y={:.0} text-anchor=middle>{}</text>",
            x(index),
            BOTTOM + 18.0,
            escaped(place)
        );
    }
    for half in 0..=(most * 2.0) as u32 {
        let value = f64::from(half) / 2.0;
        let _ = write!(
            svg,
            "<line class=g x1={LEFT} y1={0:.0} x2={RIGHT} y2={0:.0} />\
             <text x={1:.0} y={2:.0} text-anchor=end>{3:.0} %</text>",
            y(value),
            LEFT - 8.0,
            y(value) + 4.0,
            value * 100.0
        );
    }
    for (name, class, figures) in lines {
        let points = figures.iter().enumerate();
        let points = points.filter_map(|(at, value)| Some((x(at), y((*value)?))));
        let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(
            svg,
            "<polyline class={class} points=\"{}\"><title>{}</title></polyline>",
            points.join(" "),
            escaped(name)
        );
    }
    for (name, at) in names(lines, y) {
        let _ = write!(
            svg,
            "<text x={:.0} y={:.0}>{}</text>",
            RIGHT + 8.0,
            at + 4.0,
            escaped(name)
        );
    }
    svg + "</svg>"
}

/// The names of lines that stand out, and where they go, none over another.
fn names<'a>(lines: &'a [Line<'_>], y: impl Fn(f64) -> f64) -> Vec<(&'a str, f64)> {
    let ends = lines.iter().filter_map(|(name, _, figures)| {
        let end = (*figures.last()?)?;
        ((end - 1.0).abs() > STANDS_OUT).then(|| (name.as_str(), y(end)))
    });
    let mut names: Vec<(&str, f64)> = ends.collect();
    names.sort_by(|one, other| one.1.total_cmp(&other.1));
    let mut free_from = f64::NEG_INFINITY;
    for (_, at) in &mut names {
        *at = at.max(free_from);
        free_from = *at + 12.0;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_start_is_shown_enlarged() {
        let (long, short) = ([(100.0, "end".into())], [(4.0, "end".into())]);
        let svg = timelines(&[("Xen", "a", &long), ("Euxenite", "b", &short)]);
        assert!(svg.contains(">Euxenite, x 25<"), "{svg}");
        assert!(!svg.contains("Xen, x"), "{svg}");
    }

    #[test]
    fn names_of_lines_that_stand_out_do_not_meet() {
        let line = |name: &str, end| (name.to_owned(), "a", vec![Some(1.0), Some(end)]);
        let lines = [line("one", 1.5), line("flat", 1.01), line("two", 1.51)];
        let found = names(&lines, |value| 100.0 - value);
        assert_eq!(found.len(), 2);
        assert!(found[1].1 - found[0].1 >= 12.0);
    }
}
