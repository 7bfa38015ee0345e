//! The timeline as one picture: calls by how they ended, and for each node when it led and when it was broken.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::history::{Event, What};
use crate::report::Report;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 70.0;
const CALLS_HEIGHT: f64 = 120.0;
const LANE: f64 = 26.0;
const BINS: usize = 240;

/// The colours of ok, fail and unknown.
const COLOURS: [&str; 3] = ["#4a9d5f", "#8a8f98", "#d98324"];

/// An SVG element.
pub fn draw(report: &Report, events: &[Event]) -> String {
    let end_us = events.last().map_or(1, |event| event.at_us.max(1));
    let scale = Scale { end_us };
    let nodes: BTreeSet<u64> = events.iter().map(|event| event.node).collect();
    let height = CALLS_HEIGHT + LANE * (nodes.len() as f64 + 1.5);
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {} {height}' role='img' aria-label='timeline'>\n",
        LEFT + WIDTH
    );
    text(&mut svg, 0.0, 14.0, "calls");
    draw_calls(&mut svg, events, &scale);
    for (row, node) in nodes.iter().enumerate() {
        draw_node(
            &mut svg,
            *node,
            CALLS_HEIGHT + LANE * (row as f64 + 0.3),
            report,
            &scale,
        );
    }
    for tenth in 0..10 {
        let at_us = end_us / 10 * tenth;
        let label = format!("{:.0} s", at_us as f64 / 1e6);
        text(&mut svg, scale.x(at_us), height - 8.0, &label);
    }
    svg.push_str("</svg>\n");
    svg
}

struct Scale {
    end_us: u64,
}

impl Scale {
    fn x(&self, at_us: u64) -> f64 {
        LEFT + WIDTH * at_us.min(self.end_us) as f64 / self.end_us as f64
    }
}

/// Bars of how many calls ended how, in bins of equal time.
fn draw_calls(svg: &mut String, events: &[Event], scale: &Scale) {
    let mut bins = vec![[0_u32; 3]; BINS];
    for event in events {
        let end = match event.what {
            What::Invoke { .. } => continue,
            What::Ok { .. } => 0,
            What::Fail { .. } => 1,
            What::Unknown { .. } => 2,
        };
        let at = event.at_us.saturating_mul(BINS as u64) / (scale.end_us + 1);
        let bin = usize::try_from(at).ok().and_then(|at| bins.get_mut(at));
        if let Some(count) = bin.and_then(|bin| bin.get_mut(end)) {
            *count += 1;
        }
    }
    let most = bins.iter().map(|bin| bin.iter().sum::<u32>()).max();
    let most = f64::from(most.unwrap_or(1).max(1));
    let width = WIDTH / BINS as f64;
    for (at, bin) in bins.iter().enumerate() {
        let mut bottom = CALLS_HEIGHT - 4.0;
        for (count, colour) in bin.iter().zip(COLOURS) {
            // What is rare must be seen all the same.
            let tall = if *count > 0 {
                (f64::from(*count) / most * (CALLS_HEIGHT - 20.0)).max(2.0)
            } else {
                continue;
            };
            bottom -= tall;
            let x = LEFT + width * at as f64;
            let title = format!("{count} calls");
            rect(svg, [x, bottom, width * 0.9, tall], colour, &title);
        }
    }
}

/// One lane: a thick bar while the node led, a hatched one over it while it was broken.
fn draw_node(svg: &mut String, node: u64, y: f64, report: &Report, scale: &Scale) {
    text(svg, 0.0, y + 14.0, &format!("node {node}"));
    rect(svg, [LEFT, y + 8.0, WIDTH, 2.0], "#c8ccd2", "");
    let reigns = &report.timeline.reigns;
    for (place, reign) in reigns.iter().enumerate() {
        if reign.leader == Some(node) {
            let until_us = reigns
                .get(place + 1)
                .map_or(scale.end_us, |next| next.from_us);
            let [from, until] = [reign.from_us, until_us].map(|at| scale.x(at));
            let title = format!("node {node} leads in term {}", reign.term);
            rect(svg, [from, y + 5.0, until - from, 8.0], "#3f6fb5", &title);
        }
    }
    for fault in report
        .timeline
        .faults
        .iter()
        .filter(|fault| fault.nodes.contains(&node))
    {
        let [from, until] = [fault.from_us, fault.until_us].map(|at| scale.x(at));
        let led = if fault.was_leader {
            "leader"
        } else {
            "follower"
        };
        let title = format!("{} of node {node}, the {led}", fault.kind);
        let colour = match fault.kind.as_str() {
            "kill" => "#c23b3b",
            "pause" => "#d9b024",
            _ => "#9a5bb5",
        };
        rect(
            svg,
            [from, y, (until - from).max(2.0), 18.0],
            colour,
            &title,
        );
    }
}

fn rect(svg: &mut String, [x, y, width, height]: [f64; 4], colour: &str, title: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(
        svg,
        "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' fill='{colour}' fill-opacity='0.8'>\
         <title>{title}</title></rect>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, words: &str) {
    let _ = writeln!(
        svg,
        "<text x='{x:.1}' y='{y:.1}' font-size='12' fill='currentColor'>{words}</text>"
    );
}
