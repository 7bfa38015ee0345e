//! The page for people: one file, nothing to load.

use crate::history::{Event, What};
use crate::report::{Report, picture};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1060px;margin:2em auto;padding:0 1em;color:#1d2127}\
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #dde0e4}\
.valid{color:#2d7a43}.broken{color:#b32525}code{font-size:13px;word-break:break-word}svg{width:100%}\
.key span{display:inline-block;width:1em;height:1em;margin:0 .3em 0 1em;vertical-align:-2px}";

/// The colours of the picture, and what they mean.
const KEY: [(&str, &str); 7] = [
    ("#4a9d5f", "ok"),
    ("#8a8f98", "failed"),
    ("#d98324", "unknown"),
    ("#3f6fb5", "leads"),
    ("#c23b3b", "kill -9"),
    ("#d9b024", "SIGSTOP"),
    ("#9a5bb5", "SIGTERM"),
];

/// The whole page.
pub fn page(report: &Report, events: &[Event]) -> String {
    let class = if report.is_valid { "valid" } else { "broken" };
    let key =
        KEY.map(|(colour, means)| format!("<span style='background:{colour}'></span>{means}"));
    let calls = report.calls.iter().map(|(kind, ends)| {
        row(&[
            kind,
            &ends.ok.to_string(),
            &ends.fail.to_string(),
            &ends.unknown.to_string(),
        ])
    });
    let checkers = report
        .checkers
        .iter()
        .map(|(name, found)| row(&[name, &found.to_string()]));
    let faults = report.timeline.faults.iter().map(|fault| {
        let led = if fault.was_leader {
            "leader"
        } else {
            "follower"
        };
        let node = format!("{:?}", fault.nodes);
        row(&[
            &seconds(fault.from_us),
            &seconds(fault.until_us),
            &fault.kind,
            &node,
            led,
        ])
    });
    format!(
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>jepsen-lite, seed {seed}</title>\
         <style>{STYLE}</style>\n<h1>jepsen-lite</h1>\n<p class='{class}'><strong>{verdict}</strong></p>\n\
         <p>{time} s, {clients} clients, seed {seed}, nemeses: {nemeses}.</p>\n{picture}\
         <p class='key'>{key}</p>\n{broken}\
         <h2>Checkers</h2><table><tr><th>checker<th>violations</tr>{checkers}</table>\n\
         <h2>Calls</h2><table><tr><th>call<th>ok<th>failed<th>unknown</tr>{calls}</table>\n\
         <h2>Faults</h2><table><tr><th>from<th>ready again<th>kind<th>node<th>was</tr>{faults}</table>\n</html>\n",
        seed = report.seed,
        verdict = escape(&report.verdict()),
        time = report.time_s,
        clients = report.clients,
        nemeses = escape(&report.nemeses.join(", ")),
        picture = picture::draw(report, events),
        key = key.concat(),
        broken = broken(report),
        checkers = checkers.collect::<String>(),
        calls = calls.collect::<String>(),
        faults = faults.collect::<String>(),
    )
}

/// The violations, and the smallest part of the history that shows one.
fn broken(report: &Report) -> String {
    if report.is_valid {
        return String::new();
    }
    let events = report.smallest.iter().map(|event| {
        let kind = match event.what {
            What::Invoke { .. } => "invoke",
            What::Ok { .. } => "ok",
            What::Fail { .. } => "fail",
            What::Unknown { .. } => "unknown",
        };
        let what = serde_json::to_string(&event.what).unwrap_or_default();
        let [call, node] = [event.call, event.node].map(|number| number.to_string());
        row(&[
            &seconds(event.at_us),
            &call,
            &event.client,
            &node,
            kind,
            &what,
        ])
    });
    let violations = report.violations.iter().map(|violation| {
        let calls = format!("{:?}", violation.calls);
        row(&[&violation.checker, &violation.says, &calls])
    });
    format!(
        "<h2 class='broken'>The smallest history that can't be explained</h2>\
         <table><tr><th>at<th>call<th>client<th>node<th>type<th>what</tr>{}</table>\n\
         <h2>Violations</h2><table><tr><th>checker<th>what is wrong<th>calls</tr>{}</table>\n",
        events.collect::<String>(),
        violations.collect::<String>()
    )
}

fn row(cells: &[&str]) -> String {
    let cells = cells.iter().map(|cell| format!("<td>{}", escape(cell)));
    format!("<tr>{}</tr>", cells.collect::<String>())
}

fn seconds(at_us: u64) -> String {
    format!("{:.3} s", at_us as f64 / 1e6)
}

/// What comes from a server is text, whatever it holds.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;")
}
