//! The timeline as one picture: calls by how they ended and how long they took, and for each node when it led and when it was broken.

use super::html::number;
use super::svg::Svg;
use super::{Report, Second};

const LEFT: f64 = 74.0;
const WIDTH: f64 = 966.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 18.0;
const CALLS: f64 = 120.0;
const LATENCY: f64 = 80.0;
const GAP: f64 = 26.0;
const LANE: f64 = 30.0;
const AXIS: f64 = 26.0;
/// More columns than that would be narrower than a pixel or two.
const COLUMNS: usize = 480;
/// The latencies that the scale begins and ends with.
const LATENCIES_US: [f64; 2] = [100.0, 10_000_000.0];

/// Each kind of fault has one, in the order in which the kinds came.
const COLOURS: [&str; 12] = [
    "#c0392b", "#e0a526", "#8e5bb5", "#2f8f8b", "#d4643f", "#5d6fc0", "#b5447e", "#6b8e23",
    "#8c6239", "#3f7fbf", "#a0522d", "#708090",
];

/// The kinds of faults of a run, with their colours.
pub fn kinds(report: &Report) -> Vec<(&str, &'static str)> {
    let mut kinds: Vec<(&str, &'static str)> = Vec::new();
    for fault in &report.timeline.faults {
        if kinds.iter().all(|(kind, _)| *kind != fault.kind) {
            let colour = COLOURS.get(kinds.len() % COLOURS.len());
            kinds.push((&fault.kind, colour.copied().unwrap_or("#c0392b")));
        }
    }
    kinds
}

/// The picture.
pub fn draw(report: &Report) -> String {
    let seconds = report.seconds.len().max(1);
    let latency_top = TOP + CALLS + GAP;
    let nodes_top = latency_top + LATENCY + GAP;
    let bottom = nodes_top + LANE * report.nodes.len() as f64;
    let empty = report.seconds.iter().take_while(|one| one.calls() == 0);
    let scale = Scale {
        from: empty.count().min(seconds - 1) as f64,
        to: seconds as f64,
    };
    let mut svg = Svg::new(LEFT + WIDTH + RIGHT, bottom + AXIS);
    for fault in &report.timeline.faults {
        let (from, until) = (scale.at(fault.from_us), scale.at(fault.until_us));
        let area = [from, TOP, until - from, latency_top + LATENCY - TOP];
        svg.rect(area, "shade", "");
    }
    draw_axis(&mut svg, &scale, bottom);
    let columns = columns(&report.seconds);
    draw_calls(&mut svg, &scale, &columns);
    draw_latency(&mut svg, &scale, &columns, latency_top);
    let kinds = kinds(report);
    for (row, node) in report.nodes.iter().enumerate() {
        let lane = Lane {
            node: *node,
            top: nodes_top + LANE * row as f64,
        };
        lane.draw(&mut svg, &scale, report, &kinds);
    }
    // Where the calls are that can't be explained.
    for event in &report.smallest {
        let x = scale.at(event.at_us);
        svg.line([x, TOP], [x, bottom], "broken");
    }
    svg.done("calls, latencies, leaders and faults over time")
}

struct Scale {
    from: f64,
    to: f64,
}

impl Scale {
    fn x(&self, second: f64) -> f64 {
        let second = second.clamp(self.from, self.to);
        LEFT + WIDTH * (second - self.from) / (self.to - self.from)
    }

    fn at(&self, at_us: u64) -> f64 {
        self.x(at_us as f64 / 1e6)
    }
}

/// Some seconds taken together.
struct Column {
    from: f64,
    to: f64,
    ends: [f64; 3],
    median_us: u32,
    p99_us: u32,
}

fn columns(seconds: &[Second]) -> Vec<Column> {
    let each = seconds.len().div_ceil(COLUMNS).max(1);
    let chunks = seconds.chunks(each).enumerate();
    let chunks = chunks.filter(|(_, chunk)| chunk.iter().any(|one| one.calls() > 0));
    let columns = chunks.map(|(place, chunk)| {
        let per_s = |count: fn(&Second) -> u32| {
            chunk.iter().map(|one| f64::from(count(one))).sum::<f64>() / chunk.len() as f64
        };
        let most = |us: fn(&Second) -> u32| chunk.iter().map(us).max().unwrap_or_default();
        Column {
            from: (place * each) as f64,
            to: (place * each + chunk.len()) as f64,
            ends: [
                per_s(|one| one.ok),
                per_s(|one| one.fail),
                per_s(|one| one.unknown),
            ],
            median_us: most(|one| one.median_us),
            p99_us: most(|one| one.p99_us),
        }
    });
    columns.collect()
}

/// Ticks at round seconds or minutes.
fn draw_axis(svg: &mut Svg, scale: &Scale, bottom: f64) {
    let steps = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400,
    ];
    let step = steps
        .into_iter()
        .find(|step| (scale.to - scale.from) / f64::from(*step) <= 12.0);
    let step = step.unwrap_or(14_400);
    let mut second = (scale.from / f64::from(step)).ceil() as i32 * step;
    while f64::from(second) <= scale.to {
        let x = scale.x(f64::from(second));
        svg.line([x, TOP], [x, bottom], "grid");
        let label = match step {
            ..60 => format!("{second} s"),
            _ => format!("{} min", second / 60),
        };
        svg.text(x, bottom + 16.0, "middle", &label);
        second += step;
    }
}

/// Bars of how many calls ended how.
fn draw_calls(svg: &mut Svg, scale: &Scale, columns: &[Column]) {
    let most = columns.iter().map(|column| column.ends.iter().sum::<f64>());
    let most = most.fold(1.0, f64::max);
    svg.text(0.0, TOP + 10.0, "label", "calls / s");
    svg.text(LEFT - 6.0, TOP + 10.0 + 16.0, "end", &number(most as u64));
    for column in columns {
        let mut bottom = TOP + CALLS;
        let x = scale.x(column.from);
        let width = (scale.x(column.to) - x) * 0.92;
        let [ok, fail, unknown] = column.ends;
        let title = format!(
            "{:.0} s: {ok:.0} ok, {fail:.0} failed, {unknown:.0} unknown",
            column.from
        );
        for (count, class) in column.ends.iter().zip(["ok", "fail", "unknown"]) {
            if *count > 0.0 {
                // What is rare must be seen all the same.
                let tall = (count / most * CALLS).max(1.5);
                bottom -= tall;
                svg.rect([x, bottom, width, tall], class, &title);
            }
        }
    }
    svg.line([LEFT, TOP + CALLS], [LEFT + WIDTH, TOP + CALLS], "axis");
}

/// Lines on a logarithmic scale: stalls are a thousand times as long as what is usual.
fn draw_latency(svg: &mut Svg, scale: &Scale, columns: &[Column], top: f64) {
    let [least, most] = LATENCIES_US.map(f64::log10);
    let y = |us: f64| {
        let part = (us.max(1.0).log10() - least) / (most - least);
        top + LATENCY * (1.0 - part.clamp(0.0, 1.0))
    };
    svg.text(0.0, top - 8.0, "label", "latency");
    for (us, label) in [
        (1e3, "1 ms"),
        (1e4, "10 ms"),
        (1e5, "100 ms"),
        (1e6, "1 s"),
        (1e7, "10 s"),
    ] {
        svg.line([LEFT, y(us)], [LEFT + WIDTH, y(us)], "grid");
        svg.text(LEFT - 6.0, y(us) + 4.0, "end", label);
    }
    let line = |us: fn(&Column) -> u32| {
        columns.iter().map(move |column| {
            let middle = f64::midpoint(column.from, column.to);
            let us = us(column);
            (us > 0).then(|| [scale.x(middle), y(f64::from(us))])
        })
    };
    svg.path(line(|column| column.p99_us), "p99");
    svg.path(line(|column| column.median_us), "median");
}

/// A node's part: a bar while it led, and over it the faults that struck it.
struct Lane {
    node: u64,
    top: f64,
}

impl Lane {
    fn draw(&self, svg: &mut Svg, scale: &Scale, report: &Report, kinds: &[(&str, &'static str)]) {
        let Self { node, top } = self;
        svg.text(0.0, top + 19.0, "label", &format!("node {node}"));
        svg.rect([LEFT, top + 12.0, WIDTH, 3.0], "lane", "");
        let reigns = &report.timeline.reigns;
        for (place, reign) in reigns.iter().enumerate() {
            if reign.leader != Some(*node) {
                continue;
            }
            let next = reigns.get(place + 1);
            let from = scale.at(reign.from_us);
            let until = next.map_or(LEFT + WIDTH, |next| scale.at(next.from_us));
            let title = format!("node {node} leads in term {}", reign.term);
            svg.rect([from, top + 8.0, until - from, 11.0], "leads", &title);
        }
        let faults = report.timeline.faults.iter();
        for fault in faults.filter(|fault| fault.nodes.contains(node)) {
            let (from, until) = (scale.at(fault.from_us), scale.at(fault.until_us));
            let led = if fault.was_leader { ", leader" } else { "" };
            let title = format!("{}{led} {}", fault.kind, fault.did);
            let colour = kinds.iter().find(|(kind, _)| *kind == fault.kind);
            let colour = colour.map_or("#c0392b", |(_, colour)| colour);
            let width = (until - from).max(2.5);
            svg.coloured([from, top + 3.0, width, 21.0], colour, &title);
            if width > 7.0 * fault.kind.len() as f64 {
                svg.text(from + 4.0, top + 17.5, "on", &fault.kind);
            }
        }
    }
}
