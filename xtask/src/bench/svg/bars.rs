//! Bars beside their names.

use std::fmt::Write;

use super::{LABEL, ROW, WIDTH, label, open, ruler};
use crate::bench::wall::Spread;

/// Shares above this do not make a chart wider.
const WIDEST: f64 = 3.0;
/// Lines at shares of Xen's figure.
const RULERS: [(f64, &str); 3] = [(1.0 / 3.0, "1/3"), (0.5, "1/2"), (1.0, "Xen")];

/// Horizontal bars of shares of Xen's figure, with lines at a third, a half and the whole.
pub(crate) fn ratios(bars: &[(String, f64)]) -> String {
    let most = bars.iter().map(|(_, ratio)| *ratio).fold(1.1, f64::max);
    let most = most.min(WIDEST);
    let scale = (WIDTH - LABEL - 60.0) / most;
    let height = ROW * bars.len() as f64 + 24.0;
    let mut svg = open(height);
    for (line, name) in RULERS {
        svg.push_str(&ruler(LABEL + line * scale, height, name));
    }
    for (index, (name, ratio)) in bars.iter().enumerate() {
        let y = 20.0 + ROW * index as f64;
        let length = ratio.min(most) * scale;
        svg.push_str(&label(name, y + 12.0));
        let _ = write!(
            svg,
            "<rect class={} x={LABEL} y={y:.0} width={length:.1} height={:.0} />\
             <text x={:.0} y={:.0}>{ratio:.2}</text>",
            class(*ratio),
            ROW - 5.0,
            LABEL + length + 5.0,
            y + 12.0
        );
    }
    svg + "</svg>"
}

/// Ratios with their spread: a line between the ends, a dot at the median.
pub(crate) fn spreads(rows: &[(String, Spread)]) -> String {
    let most = rows.iter().map(|(_, one)| one.most).fold(1.1, f64::max);
    let most = most.min(WIDEST);
    let scale = (WIDTH - LABEL - 140.0) / most;
    let height = 24.0 * rows.len() as f64 + 24.0;
    let mut svg = open(height);
    for (line, name) in RULERS {
        svg.push_str(&ruler(LABEL + line * scale, height, name));
    }
    for (index, (name, spread)) in rows.iter().enumerate() {
        let y = 34.0 + 24.0 * index as f64;
        let x = |ratio: f64| LABEL + ratio.min(most) * scale;
        let (least, median, end) = (x(spread.least), x(spread.median), x(spread.most));
        let class = class(spread.median);
        svg.push_str(&label(name, y + 4.0));
        let _ = write!(
            svg,
            "<rect class={class} fill-opacity=.5 x={least:.1} y={:.0} width={:.1} height=4 />\
             <circle class={class} cx={median:.1} cy={y:.0} r=5 />\
             <text x={:.0} y={:.0}>{:.2} ({:.2} to {:.2})</text>",
            y - 2.0,
            end - least,
            end.max(median) + 10.0,
            y + 4.0,
            spread.median,
            spread.least,
            spread.most
        );
    }
    svg + "</svg>"
}

fn class(ratio: f64) -> &'static str {
    if ratio <= 0.5 { "b" } else { "w" }
}

/// Pairs of bars: (name, Xen's if there is one, Euxenite's), with their values as `shown`.
pub(crate) fn pairs(bars: &[(String, Option<f64>, f64)], shown: impl Fn(f64) -> String) -> String {
    let all = bars
        .iter()
        .map(|(_, xen, ours)| xen.unwrap_or(0.0).max(*ours));
    let most = all.fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LABEL - 80.0) / most;
    let mut svg = open(bars.len() as f64 * 30.0 + 10.0);
    for (index, (name, xen, euxenite)) in bars.iter().enumerate() {
        let y = 30.0 * index as f64 + 4.0;
        svg.push_str(&label(name, y + 15.0));
        for (class, value, y) in [("a", *xen, y), ("b", Some(*euxenite), y + 12.0)] {
            let Some(value) = value else { continue };
            let _ = write!(
                svg,
                "<rect class={class} x={LABEL} y={y:.0} width={:.1} height=10 />\
                 <text x={:.0} y={:.0}>{}</text>",
                value * scale,
                LABEL + value * scale + 5.0,
                y + 9.0,
                shown(value)
            );
        }
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_half_stands_out() {
        assert!(ratios(&[("a".into(), 0.5)]).contains("rect class=b"));
        assert!(ratios(&[("a".into(), 0.51)]).contains("rect class=w"));
    }

    #[test]
    fn a_spread_shows_its_ends() {
        let spread = Spread {
            least: 0.2,
            median: 0.25,
            most: 5.0,
        };
        let svg = spreads(&[("a".into(), spread)]);
        assert!(svg.contains("0.25 (0.20 to 5.00)"), "{svg}");
    }

    #[test]
    fn what_was_not_measured_has_no_bar() {
        let svg = pairs(&[("a".into(), None, 7.0)], |value| format!("{value:.1}"));
        assert!(!svg.contains("class=a") && svg.contains(">7.0<"), "{svg}");
    }
}
