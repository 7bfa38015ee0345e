//! The page for people: one file, nothing to load.

use super::svg::escape;
use super::{Report, lanes, picture};
use crate::history::What;

const STYLE: &str = include_str!("style.css");
/// More faults are folded away.
const MOST_OPEN: usize = 12;

/// The whole page.
pub fn page(report: &Report) -> String {
    let class = if report.is_valid { "valid" } else { "broken" };
    let parts = [
        cards(report),
        picture::draw(report),
        key(report),
        broken(report),
        checkers(report),
        calls(report),
        faults(report),
        plan(report),
        left_out(report),
        again(report),
    ];
    format!(
        "<!doctype html>\n<html lang='en'>\n<meta charset='utf-8'>\n<title>jepsen-lite: seed {seed}, {class}</title>\n\
         <style>\n{STYLE}</style>\n<h1>jepsen-lite</h1>\n<p class='verdict {class}'>{verdict}</p>\n{parts}</html>\n",
        seed = report.seed,
        verdict = escape(&report.verdict()),
        parts = parts.concat(),
    )
}

fn cards(report: &Report) -> String {
    let reigns = report.timeline.reigns.iter();
    let terms = reigns.filter(|reign| reign.leader.is_some()).count();
    let cards = [
        (number(report.all_calls()), "calls"),
        (number(report.timeline.faults.len() as u64), "faults"),
        (number(terms as u64), "leaders in turn"),
        (number(report.nodes.len() as u64), "nodes"),
        (format!("{} s", report.time_s), "of work"),
        (number(report.rounds), "rounds"),
        (report.seed.to_string(), "seed"),
    ];
    // A history that was recorded before knows nothing of its run.
    let cards = cards
        .into_iter()
        .filter(|(what, _)| !matches!(what.as_str(), "0" | "0 s"));
    let run = format!(
        "{} clients each of {}; nemeses: {}",
        report.clients,
        report.workloads.join(", "),
        report.nemeses.join(", ")
    );
    let run = match report.workloads.is_empty() {
        true => String::new(),
        false => format!("<p class='soft'>{}</p>\n", escape(&run)),
    };
    let cards = cards.map(|(what, name)| {
        let what = escape(&what);
        format!("<div><b>{what}</b><span>{name}</span></div>")
    });
    format!(
        "<div class='cards'>{}</div>\n{run}",
        cards.collect::<String>()
    )
}

fn key(report: &Report) -> String {
    let fixed = [
        ("ok", "answered"),
        ("fail", "refused or failed"),
        ("unknown", "in doubt"),
        ("median", "median"),
        ("p99", "99th percentile"),
        ("leads", "leads"),
    ];
    let mut key = String::new();
    for (class, means) in fixed {
        key += &format!("<span><i class='{class}'></i>{means}</span>");
    }
    for (kind, colour) in picture::kinds(report) {
        let kind = escape(kind);
        key += &format!("<span><i style='background:{colour}'></i>{kind}</span>");
    }
    format!("<p class='key'>{key}</p>\n")
}

/// The smallest part of the history that can't be explained, and all violations.
fn broken(report: &Report) -> String {
    let Some(first) = report.violations.first() else {
        return String::new();
    };
    let events = report.smallest.iter().map(|event| {
        let words = match &event.what {
            What::Invoke { request, .. } => lanes::asks(request),
            what => lanes::answers(what),
        };
        let what = serde_json::to_string(&event.what).unwrap_or_default();
        format!(
            "<tr><td class='n'>{}<td class='n'>{}<td class='whole'>{}<td class='n'>{}<td>{}<td>{}\
             <details><summary class='soft'>all of it</summary><code>{}</code></details></tr>\n",
            seconds(event.at_us),
            event.call,
            escape(&event.client),
            event.node,
            event.what.name(),
            escape(&words),
            escape(&what),
        )
    });
    let rests_on = match first.rests_on_all {
        true => "The answer shows more than all calls of the round can have brought about.",
        false => "These calls’ answers can’t all be right, whatever all other calls did.",
    };
    let violations = report.violations.iter().map(|violation| {
        row(&[
            escape(&violation.checker),
            escape(&violation.says),
            format!("{:?}", violation.calls),
        ])
    });
    format!(
        "<h2 class='bad'>What can’t be explained</h2>\n<p><b>{}</b>: {}</p>\n\
         <p class='soft'>{rests_on} Ends of calls stand in order, not by the clock.</p>\n{}\
         <table><tr><th class='n'>at<th class='n'>call<th>client<th class='n'>node<th>end<th>what</tr>\n{}</table>\n\
         <h2 class='bad'>All violations that are told</h2>\n<table><tr><th>checker<th>what is wrong<th>calls</tr>\n{}</table>\n",
        escape(&first.checker),
        escape(&first.says),
        lanes::draw(&report.smallest),
        events.collect::<String>(),
        violations.collect::<String>()
    )
}

fn checkers(report: &Report) -> String {
    let mut checkers: Vec<_> = report.checkers.iter().collect();
    checkers.sort_by_key(|(_, looked)| looked.violations == 0);
    let rows = checkers.into_iter().map(|(name, looked)| {
        let (class, mark) = match looked.violations {
            0 if looked.looked_at == 0 => ("soft", "nothing to look at"),
            0 => ("good", "✓ holds"),
            _ => ("bad", "✗ broken"),
        };
        let broken = match looked.violations {
            0 => String::new(),
            many => format!(" {} times", number(many)),
        };
        let undecided = match looked.undecided {
            0 => String::new(),
            many => format!(
                " <span class='soft'>({} could not be decided)</span>",
                number(many)
            ),
        };
        format!(
            "<tr><td class='{class}'>{mark}{broken}<td>{}<td>{}{undecided}<td class='n'>{}</tr>\n",
            escape(name),
            escape(&looked.promise),
            number(looked.looked_at)
        )
    });
    format!(
        "<h2>Promises</h2>\n<table><tr><th>verdict<th>checker<th>promise<th class='n'>answers held against it</tr>\n{}</table>\n",
        rows.collect::<String>()
    )
}

fn calls(report: &Report) -> String {
    let rows = report.calls.iter().map(|(kind, ends)| {
        let [ok, fail, unknown] = [ends.ok, ends.fail, ends.unknown].map(number);
        format!(
            "<tr><td>{}<td class='n'>{ok}<td class='n'>{fail}<td class='n'>{unknown}</tr>\n",
            escape(kind)
        )
    });
    format!(
        "<h2>Calls</h2>\n<table><tr><th>call<th class='n'>answered<th class='n'>refused or failed<th class='n'>in doubt</tr>\n\
         {}</table>\n",
        rows.collect::<String>()
    )
}

fn faults(report: &Report) -> String {
    let faults = &report.timeline.faults;
    let rows = faults.iter().map(|fault| {
        let nodes: Vec<String> = fault.nodes.iter().map(u64::to_string).collect();
        let led = if fault.was_leader { "leader" } else { "" };
        let lasted_us = fault.until_us.saturating_sub(fault.from_us);
        let lasted = match fault.is_open() {
            true => "to the end".to_owned(),
            false => seconds(lasted_us),
        };
        format!(
            "<tr><td class='n'>{}<td class='n'>{lasted}<td>{}<td>{}<td>{led}<td>{}</tr>\n",
            seconds(fault.from_us),
            escape(&fault.kind),
            nodes.join(", "),
            escape(&fault.did)
        )
    });
    let table = format!(
        "<table><tr><th class='n'>at<th class='n'>ready again after<th>kind<th>node<th>was<th>what it did</tr>\n{}</table>\n",
        rows.collect::<String>()
    );
    let all = number(faults.len() as u64);
    match faults.len() {
        0 => "<h2>Faults</h2>\n<p>None.</p>\n".to_owned(),
        1..=MOST_OPEN => format!("<h2>Faults</h2>\n{table}"),
        _ => format!(
            "<h2>Faults</h2>\n<details><summary>All {all} faults</summary>{table}</details>\n"
        ),
    }
}

fn plan(report: &Report) -> String {
    let plan = &report.timeline.plan;
    if plan.is_empty() {
        return String::new();
    }
    format!(
        "<h2>Plan</h2>\n<details><summary>The faults that the seed makes</summary><pre>{}</pre></details>\n",
        escape(&plan.join("\n"))
    )
}

fn left_out(report: &Report) -> String {
    let left_out = &report.timeline.left_out;
    if left_out.is_empty() {
        return String::new();
    }
    let rows = left_out
        .iter()
        .map(|(kind, why)| row(&[escape(kind), escape(why)]));
    format!(
        "<h2>Left out</h2>\n<table><tr><th>nemesis<th>why this machine can’t do it</tr>\n{}</table>\n",
        rows.collect::<String>()
    )
}

fn again(report: &Report) -> String {
    if report.workloads.is_empty() {
        return String::new();
    }
    let nemeses = report.nemeses.join(",");
    format!(
        "<h2>Again</h2>\n<pre>cargo run -p jepsen-lite -- --time {} --seed {} --clients {} --workload {} --nemesis {}</pre>\n",
        report.time_s,
        report.seed,
        report.clients,
        escape(&report.workloads.join(",")),
        escape(&nemeses)
    )
}

fn row(cells: &[String]) -> String {
    let cells = cells.iter().map(|cell| format!("<td>{cell}"));
    format!("<tr>{}</tr>\n", cells.collect::<String>())
}

fn seconds(us: u64) -> String {
    format!("{:.3} s", us as f64 / 1e6)
}

/// With a comma between thousands.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn thousands_are_told_apart() {
        let told = [0, 999, 1_000, 12_345, 1_234_567].map(number);
        assert_eq!(told, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }
}
