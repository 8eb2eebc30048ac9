//! Charts as inline SVG. Colours are the page's (`html.rs`): classes `a` for Xen, `b` for Euxenite, `w` for
//! Euxenite above half of Xen, `g` for lines to read values by.

mod bars;
mod heat;
mod lines;

pub(crate) use bars::{pairs, ratios, spreads};
pub(crate) use heat::heat;
pub(crate) use lines::{Line, curves, timelines};

/// Text that may stand in HTML and SVG.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const WIDTH: f64 = 900.0;
/// Where bars start, right of their names.
const LABEL: f64 = 340.0;
/// A bar with the space below it.
const ROW: f64 = 18.0;

fn open(height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=img>")
}

/// A name that ends left of the bars.
fn label(text: &str, y: f64) -> String {
    let x = LABEL - 8.0;
    format!(
        "<text x={x:.0} y={y:.0} text-anchor=end>{}</text>",
        escaped(text)
    )
}

/// A vertical line over all of a chart, with its name above.
fn ruler(x: f64, height: f64, name: &str) -> String {
    format!(
        "<line class=g x1={x:.0} y1=16 x2={x:.0} y2={height:.0} />\
         <text x={x:.0} y=12 text-anchor=middle>{}</text>",
        escaped(name)
    )
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
        let number = |value: f64| format!("{value:.0}");
        let charts = [
            ratios(&[]),
            timelines(&[]),
            curves(&[], &[]),
            pairs(&[], number),
            spreads(&[]),
            heat(&[], &[]),
        ];
        for svg in charts {
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>") && !svg.contains("NaN"));
        }
    }
}
