//! One page with everything: no script, nothing loaded from elsewhere.

use std::fmt::Write;

use super::{
    Report,
    el2_time::Stops,
    exits::{self, Exits},
    scaling, startup, svg,
    table::whole,
};

const STYLE: &str = ":root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
div{overflow-x:auto}nav a{margin-right:1em}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
td,th{padding:.15rem .6rem;border-bottom:1px solid #8884;text-align:right}\
td:first-child,th:first-child{text-align:left}\
svg{width:100%;height:auto;margin:.5rem 0 1rem;font:11px system-ui,sans-serif;fill:currentColor}\
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
         <p>Both on the same emulated machine with the same guests. One instruction is one nanosecond \
         of the machine's time, except under Wall-clock. How all of it is taken is in \
         docs/benchmarks.md.</p>\
         <p class=key><b style=background:#c77d2e></b>Xen<b style=background:#2f7fb8></b>Euxenite\
         <b style=background:#b8472f></b>Euxenite above half of Xen</p><nav>"
    );
    let sections = report.sections();
    for (title, name, _) in &sections {
        let _ = write!(page, "<a href=#{name}>{}</a>", svg::escaped(title));
    }
    page.push_str("</nav>");
    for (title, name, text) in sections {
        let (title, what) = (svg::escaped(title), svg::escaped(what_is_shown(name)));
        let _ = write!(page, "<h2 id={name}>{title}</h2><p>{what}</p>");
        page.push_str(&chart(report, name));
        page.push_str(&table(&text));
    }
    page.push_str("</html>\n");
    page
}

/// What a section's chart and table show, in which unit.
fn what_is_shown(name: &str) -> &'static str {
    match name {
        "operations" => {
            "Chart: Euxenite's instructions as a share of Xen's. Table: instructions of the hypervisor, \
             without the guest's own (last column)."
        }
        "start-up" => {
            "From power-on to the first instruction of the first and of the last guest, one CPU. Charts: \
             the stages of a start with two guests of 256 MiB; million instructions to the last guest. \
             Table: million instructions."
        }
        "size" => "What the hypervisor takes.",
        "scaling" => {
            "Each operation in one guest while all others sleep, by guests x vCPUs of each. Charts: its \
             instructions as a share of those with one guest of one vCPU; lines that end more than 5 % \
             off have their names beside them. Table: Euxenite's instructions."
        }
        "ports" => "Instructions of event channel operations with few and with many ports bound.",
        "exits" => "How often a Debian guest leaves for EL2 from power-on to its shell.",
        "exit-causes" => "How often it leaves, by cause.",
        "el2-linux" => {
            "How long Euxenite has the CPU in each exit of a Debian guest with one vCPU until its shell, \
             in ns. Chart: how many exits took less than the column's number of ns, and not less than \
             the one's before. The darker, the more (logarithmic)."
        }
        "el2-crowd" => {
            "The same with eight guests on one CPU that are built, do all operations at the same time, \
             end, and are taken apart."
        }
        "wall-clock" => {
            "Time on this machine, in pairs of runs in turn. Chart: the ratio of Euxenite's to Xen's \
             time; dot: median of all pairs, line: from the least to the most. Table: medians."
        }
        _ => "",
    }
}

/// The chart of a section, if it has one.
fn chart(report: &Report, name: &str) -> String {
    match name {
        "operations" if report.xen.is_some() => {
            let rows = report.rows.iter();
            let bars: Vec<_> = rows
                .filter_map(|row| Some((row.name.clone(), row.ratio()?)))
                .collect();
            svg::ratios(&bars)
        }
        "start-up" => startup_charts(report),
        "scaling" => scaling_charts(report),
        "exits" => {
            let totals = report.exits().into_iter().map(|one| {
                let (theirs, ours) = (one.xen.map(Exits::total), one.euxenite.total());
                (
                    one.setup.to_owned(),
                    theirs.map(|all| all as f64),
                    ours as f64,
                )
            });
            svg::pairs(&totals.collect::<Vec<_>>(), |count| whole(Some(count)))
        }
        "exit-causes" => exit_causes(report),
        "el2-linux" => histogram(report.el2.as_ref().map(|el2| &el2.linux[..])),
        "el2-crowd" => histogram(report.el2.as_ref().map(|el2| &el2.crowd[..])),
        "wall-clock" => {
            let rows = report.wall.iter();
            let rows = rows.filter_map(|one| Some((one.name.clone(), one.ratios()?)));
            svg::spreads(&rows.collect::<Vec<_>>())
        }
        _ => String::new(),
    }
}

fn startup_charts(report: &Report) -> String {
    let xen = report.xen.as_ref().and_then(|xen| xen.startup.as_ref());
    let Some(ours) = report.euxenite.startup.as_ref() else {
        return String::new();
    };
    let subjects: Vec<_> = [("Xen", "a", xen), ("Euxenite", "b", Some(ours))]
        .into_iter()
        .filter_map(|(name, class, one)| Some((name, class, one?.timeline.as_slice())))
        .collect();
    let bars: Vec<_> = startup::last_guests(xen, ours)
        .into_iter()
        .map(|(shape, theirs, ours)| (shape, theirs.map(|ns| ns / 1e6), ours / 1e6))
        .collect();
    svg::timelines(&subjects) + &svg::pairs(&bars, |millions| format!("{millions:.1}"))
}

fn exit_causes(report: &Report) -> String {
    let all = exits::with_causes(&report.exits());
    let charts = all.iter().map(|one| {
        let bars: Vec<_> = exits::causes(&[*one])
            .into_iter()
            .map(|cause| {
                let theirs = one.xen.map(|xen| xen.of(cause) as f64);
                (cause.to_owned(), theirs, one.euxenite.of(cause) as f64)
            })
            .collect();
        let chart = svg::pairs(&bars, |count| whole(Some(count)));
        format!("<h3>{}</h3>{chart}", svg::escaped(one.setup))
    });
    charts.collect()
}

/// How many stops took how long, one line a cause.
fn histogram(stops: Option<&[Stops]>) -> String {
    let stops = stops.unwrap_or_default();
    let powers = || stops.iter().flat_map(|one| &one.by_power);
    let (Some(least), Some(most)) = (
        powers().map(|(power, _)| *power).min(),
        powers().map(|(power, _)| *power).max(),
    ) else {
        return String::new();
    };
    let columns: Vec<String> = (least..=most)
        .map(|power| format!("< {}", whole(Some(f64::from(power).exp2()))))
        .collect();
    let rows = stops.iter().map(|one| {
        let count = |power| one.by_power.iter().find(|(at, _)| *at == power);
        let counts = (least..=most).map(|power| count(power).map_or(0, |(_, count)| *count));
        (one.name.clone(), counts.collect())
    });
    svg::heat(&columns, &rows.collect::<Vec<_>>())
}

/// Every operation's figures as a share of the first: by guests, and by vCPUs of one guest.
fn scaling_charts(report: &Report) -> String {
    let xen = report.xen.as_ref().map_or(&[][..], |xen| &xen.curves);
    let curves = [
        ("Xen", "a", xen),
        ("Euxenite", "b", &report.euxenite.curves[..]),
    ];
    let all = scaling::SHAPES.iter().enumerate();
    let guests = all.clone().filter(|(_, (_, vcpus))| *vcpus == 1);
    let vcpus = all.filter(|(_, (guests, _))| *guests == 1);
    [guests.collect::<Vec<_>>(), vcpus.collect()]
        .iter()
        .map(|shapes| {
            let places: Vec<String> = shapes
                .iter()
                .map(|(_, (guests, vcpus))| format!("{guests} x {vcpus}"))
                .collect();
            let lines = curves
                .iter()
                .flat_map(|(who, class, curves)| curves.iter().map(move |one| (who, class, one)))
                .filter_map(|(who, class, curve)| {
                    curve.growth()?;
                    let first = (*curve.figures.first()?)?;
                    let figure = |at: usize| curve.figures.get(at).copied().flatten();
                    let shares = shapes.iter().map(|(at, _)| Some(figure(*at)? / first));
                    Some((format!("{who}: {}", curve.name), *class, shares.collect()))
                });
            svg::curves(&places, &lines.collect::<Vec<svg::Line<'_>>>())
        })
        .collect()
}

/// A table in Markdown as one in HTML.
fn table(markdown: &str) -> String {
    let mut html = String::from("<div><table>");
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
    html + "</table></div>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_its_cells() {
        let html = table("| a | b |\n| --- | --: |\n| x<y | 1 |\n");
        assert_eq!(
            html,
            "<div><table><tr><th>a</th><th>b</th></tr><tr><td>x&lt;y</td><td>1</td></tr></table></div>"
        );
    }
}
