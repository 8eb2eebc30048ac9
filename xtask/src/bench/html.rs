//! One page with everything: no script, nothing loaded from elsewhere.

use std::fmt::Write;

use super::{Report, el2_time::Stops, exits, scaling, svg};

const STYLE: &str = ":root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
td,th{padding:.15rem .6rem;border-bottom:1px solid #8884;text-align:right}\
td:first-child,th:first-child{text-align:left}\
svg{width:100%;height:auto;font:11px system-ui,sans-serif;fill:currentColor}\
.a{fill:#c77d2e}.b{fill:#2f7fb8}.w{fill:#b8472f}.g{stroke:#8886;stroke-dasharray:3 3}\
polyline{fill:none!important;stroke-width:1.5}polyline.a{stroke:#c77d2e}polyline.b{stroke:#2f7fb8}\
.key b{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}";

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\">\
         <title>Euxenite and Xen 4.20</title><style>{STYLE}</style>\
         <h1>Euxenite and Xen 4.20</h1>\
         <p>Instructions on the same emulated machine with the same guest; how they are taken is \
         in docs/benchmarks.md.</p>\
         <p class=key><b style=background:#c77d2e></b>Xen<b style=background:#2f7fb8></b>Euxenite\
         <b style=background:#b8472f></b>Euxenite above half of Xen</p>"
    );
    for (title, name, text) in report.sections() {
        let _ = write!(page, "<h2>{}</h2>", svg::escaped(title));
        page.push_str(&chart(report, name));
        page.push_str(&table(&text));
    }
    page.push_str("</html>\n");
    page
}

/// The chart of a section, if it has one.
fn chart(report: &Report, name: &str) -> String {
    match name {
        "operations" => {
            let rows = report.rows.iter();
            let bars: Vec<_> = rows
                .filter_map(|row| Some((row.name.clone(), row.ratio()?)))
                .collect();
            svg::ratios(&bars)
        }
        "start-up" => {
            let xen = report.xen.as_ref().and_then(|xen| xen.startup.as_ref());
            let subjects: Vec<_> = [
                ("Xen", "a", xen),
                ("Euxenite", "b", report.euxenite.startup.as_ref()),
            ]
            .into_iter()
            .filter_map(|(name, class, one)| Some((name, class, one?.timeline.as_slice())))
            .collect();
            format!(
                "<p>Two guests of 256 MiB, one CPU, from power-on.</p>{}",
                svg::timelines(&subjects)
            )
        }
        "scaling" => scaling_chart(report),
        "exits" => {
            let all = report.exits();
            let bars: Vec<_> = all
                .iter()
                .map(|one| {
                    let theirs = one.xen.map_or(0, exits::Exits::total);
                    let ours = one.euxenite.total();
                    (one.setup.to_owned(), theirs as f64, ours as f64)
                })
                .collect();
            svg::pairs(&bars)
        }
        "exit-causes" => {
            let all = exits::with_causes(&report.exits());
            let charts = all.iter().map(|one| {
                let bars: Vec<_> = exits::causes(&[*one])
                    .into_iter()
                    .map(|cause| {
                        let theirs = one.xen.map_or(0, |xen| xen.of(cause));
                        let ours = one.euxenite.of(cause);
                        (cause.to_owned(), theirs as f64, ours as f64)
                    })
                    .collect();
                format!("<h3>{}</h3>{}", svg::escaped(one.setup), svg::pairs(&bars))
            });
            charts.collect()
        }
        "el2-linux" => histogram(report.el2.as_ref().map(|el2| &el2.linux[..])),
        "el2-crowd" => histogram(report.el2.as_ref().map(|el2| &el2.crowd[..])),
        _ => String::new(),
    }
}

/// How many stops took how long, one line a cause.
fn histogram(stops: Option<&[Stops]>) -> String {
    let stops = stops.unwrap_or_default();
    let powers = stops.iter().flat_map(|one| &one.by_power);
    let Some(most) = powers.map(|(power, _)| *power).max() else {
        return String::new();
    };
    let columns: Vec<String> = (0..=most).map(|power| format!("&lt; 2^{power}")).collect();
    let mut html = String::from("<table><tr><th>ns at EL2</th>");
    columns.iter().for_each(|one| {
        let _ = write!(html, "<th>{one}</th>");
    });
    for one in stops {
        let all: u64 = one.by_power.iter().map(|(_, count)| count).sum();
        let _ = write!(html, "</tr><tr><td>{}</td>", svg::escaped(&one.name));
        for power in 0..=most {
            let count = one.by_power.iter().find(|(at, _)| *at == power);
            let count = count.map_or(0, |(_, count)| *count);
            // Even one of a million is to be seen.
            let shade = (count as f64).ln_1p() / (all as f64).ln_1p().max(1.0);
            let text = if count == 0 {
                String::new()
            } else {
                count.to_string()
            };
            let _ = write!(
                html,
                "<td style=\"background:rgba(47,127,184,{shade:.2})\">{text}</td>"
            );
        }
    }
    html + "</tr></table>"
}

/// Every operation's figures as a share of the first.
fn scaling_chart(report: &Report) -> String {
    let places: Vec<String> = scaling::SHAPES
        .iter()
        .map(|(guests, vcpus)| format!("{guests} guests x {vcpus} vCPUs"))
        .collect();
    let xen = report.xen.as_ref().map_or(&[][..], |xen| &xen.curves);
    let lines = [
        ("Xen", "a", xen),
        ("Euxenite", "b", &report.euxenite.curves[..]),
    ]
    .into_iter()
    .flat_map(|(who, class, curves)| curves.iter().map(move |curve| (who, class, curve)))
    .filter_map(|(who, class, curve)| {
        curve.growth()?;
        let first = (*curve.figures.first()?)?;
        let figures = curve.figures.iter();
        let shares = figures.map(|figure| figure.map(|figure| figure / first));
        Some((format!("{who}: {}", curve.name), class, shares.collect()))
    });
    svg::curves(&places, &lines.collect::<Vec<_>>())
}

/// A table in Markdown as one in HTML.
fn table(markdown: &str) -> String {
    let mut html = String::from("<table>");
    for (index, line) in markdown.lines().enumerate() {
        if index == 1 {
            continue;
        }
        let cell = if index == 0 { "th" } else { "td" };
        html.push_str("<tr>");
        for text in line.trim_matches('|').split('|') {
            let text = svg::escaped(text.trim()).replace("**", "");
            let _ = write!(html, "<{cell}>{text}</{cell}>");
        }
        html.push_str("</tr>");
    }
    html + "</table>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_its_cells() {
        let html = table("| a | b |\n| --- | --: |\n| x<y | 1 |\n");
        assert_eq!(
            html,
            "<table><tr><th>a</th><th>b</th></tr><tr><td>x&lt;y</td><td>1</td></tr></table>"
        );
    }
}
