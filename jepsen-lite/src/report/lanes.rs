//! The smallest history as a picture: one lane a client, one bar a call.

use std::collections::BTreeMap;

use super::svg::Svg;
use crate::history::{Answer, Event, Request, What};

const LEFT: f64 = 110.0;
const WIDTH: f64 = 930.0;
const RIGHT: f64 = 20.0;
const LANE: f64 = 46.0;
const TOP: f64 = 10.0;

/// A call between its ends.
struct Bar<'a> {
    event: &'a Event,
    request: &'a Request,
    from: usize,
    to: Option<(usize, &'a Event)>,
}

/// The picture. Its ends stand in order, not by the clock: what matters is what came before what.
pub fn draw(events: &[Event]) -> String {
    let bars = bars(events);
    // Two calls of one client can overlap, so each call has a lane of its own.
    let height = TOP + LANE * bars.len() as f64 + 10.0;
    let mut svg = Svg::new(LEFT + WIDTH + RIGHT, height);
    let x = |place: usize| LEFT + WIDTH * (place as f64 + 0.5) / events.len().max(1) as f64;
    for (row, bar) in bars.values().enumerate() {
        let top = TOP + LANE * row as f64;
        let client = &bar.event.client;
        svg.text(0.0, top + 15.0, "label", client);
        let node = format!("node {}", bar.event.node);
        svg.text(0.0, top + 31.0, "small", &node);
        svg.line([LEFT, top + 38.0], [LEFT + WIDTH, top + 38.0], "grid");
        let from = x(bar.from);
        let (until, class) = match bar.to {
            Some((place, end)) => (x(place), end.what.name()),
            None => (LEFT + WIDTH, "unknown"),
        };
        let title = format!("call {}: {}", bar.event.call, asks(bar.request));
        svg.rect([from, top + 19.0, until - from, 14.0], class, &title);
        let answer = bar.to.map(|(_, end)| briefly(&end.what));
        let words = format!(
            "{}  →  {}",
            asks(bar.request),
            answer.unwrap_or_else(|| "no answer".to_owned())
        );
        // Words that would run out of the picture end where the bar does.
        match from > LEFT + WIDTH * 0.55 {
            true => svg.text(until, top + 14.0, "end small", &words),
            false => svg.text(from, top + 14.0, "small", &words),
        }
    }
    svg.done("the calls of the smallest history")
}

fn bars(events: &[Event]) -> BTreeMap<u64, Bar<'_>> {
    let mut bars: BTreeMap<u64, Bar> = BTreeMap::new();
    for (place, event) in events.iter().enumerate() {
        if let What::Invoke { request, .. } = &event.what {
            let bar = Bar {
                event,
                request,
                from: place,
                to: None,
            };
            bars.insert(event.call, bar);
        } else if let Some(bar) = bars.get_mut(&event.call) {
            bar.to = Some((place, event));
        }
    }
    bars
}

/// A request in few words.
pub fn asks(request: &Request) -> String {
    let name = request.name();
    match request {
        Request::Submit(task) if task.uuid.is_empty() => format!("submit {}", task.payload),
        Request::Submit(task) => format!("submit {} as {}", task.payload, short(&task.uuid)),
        Request::Claim(claim) => format!("claim {} in {}", claim.state, claim.queue),
        Request::Act(act) => format!(
            "{name} {} in {} by attempt {}",
            short(&act.uuid),
            act.state,
            act.attempt
        ),
        Request::Get { uuid } => format!("get {}", short(uuid)),
        Request::List { queue } | Request::States { queue } => format!("{name} {queue}"),
        Request::Totals { .. } | Request::Status => name.to_owned(),
    }
}

/// An answer in as few words as there is room for in the picture.
fn briefly(what: &What) -> String {
    match what {
        What::Ok {
            answer: Answer::Task {
                task: Some(task), ..
            },
        } => {
            let uuid = short(&task.uuid);
            format!("{uuid} in {}, attempt {}", task.state, task.attempt)
        }
        What::Unknown { .. } => "in doubt".to_owned(),
        what => answers(what),
    }
}

/// An answer in few words.
pub fn answers(what: &What) -> String {
    match what {
        What::Invoke { .. } => String::new(),
        What::Ok { answer } => match answer {
            Answer::Task { task: None, .. } => "nothing".to_owned(),
            Answer::Task {
                task: Some(task), ..
            } => task.to_string(),
            Answer::List { tasks } => format!("{} tasks", tasks.len()),
            Answer::States { states, .. } => format!("{states:?}"),
            Answer::Totals(totals) => format!(
                "{} live, {} submitted, {} archived",
                totals.live, totals.submitted, totals.archived
            ),
            Answer::Status(view) => format!("node {} leads in term {}", view.leader, view.term),
        },
        What::Fenced { .. } => "refused: another attempt".to_owned(),
        What::Fail { why } => format!("failed: {why}"),
        What::Unknown { why } => format!("in doubt: {why}"),
    }
}

fn short(uuid: &str) -> &str {
    uuid.get(..8).unwrap_or(uuid)
}
