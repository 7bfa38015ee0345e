//! Histories, lists and acts on many tasks in scripts.

use std::fmt::Write as _;

use goldenscript::ArgumentConsumer;

use super::script::{Result, name_of, print_task, print_time, read_number, read_time};
use super::{bytes_of, uuid_of};
use crate::proto::durable::{self, Bulk, BulkCursor, Condition, Filter, Number, bulk::Act};
use crate::queue::list::{self, Scope};
use crate::queue::{Outcome, Row, query, transition};
use crate::store::MemoryStore;
use crate::store::record::Task;

/// `meta=k=v` is one pair; `held` and `delayed` are `yes` or `no`.
fn read_filter(args: &mut ArgumentConsumer) -> Result<Filter> {
    let mut filter = Filter {
        queue: args.take_key("queue").unwrap_or_default().into(),
        current_state: args.take_key("state").unwrap_or_default().into(),
        worker: args.take_key("worker").unwrap_or_default().into(),
        ..Filter::default()
    };
    for entry in args.take_key("meta").unwrap_or_default().split_whitespace() {
        let (key, value) = entry.split_once('=').ok_or("no value")?;
        filter.metadata.insert(key.into(), value.into());
    }
    for (key, time) in [
        ("submitted_from", &mut filter.submitted_from_ns),
        ("submitted_before", &mut filter.submitted_before_ns),
        ("updated_from", &mut filter.updated_from_ns),
        ("updated_before", &mut filter.updated_before_ns),
    ] {
        *time = args.take_key(key).map_or(Ok(0), read_time)?;
    }
    for (key, condition) in [
        ("held", &mut filter.is_in_flight),
        ("delayed", &mut filter.is_delayed),
    ] {
        let word = args.take_key(key);
        *condition = word.map(|word| Condition {
            holds: word == "yes",
        });
    }
    Ok(filter)
}

/// `cancel_tasks`, `requeue_tasks` and `update_tasks`; `after` is a task's name.
pub fn read_bulk(name: &str, args: &mut ArgumentConsumer) -> Result<Option<Bulk>> {
    let mut text = |key: &str| args.take_key(key).unwrap_or_default().to_owned();
    let (new_state, auto_target_state) = (text("to"), text("auto"));
    let act = match name {
        "cancel_tasks" => Act::Cancel(durable::CancelAll {}),
        "requeue_tasks" => Act::Requeue(durable::Requeue {
            new_state,
            auto_target_state,
        }),
        "update_tasks" => {
            let mut number = |key: &str| -> Result<Option<Number>> {
                let value = args.take_key(key).map(str::parse).transpose()?;
                Ok(value.map(|value| Number { value }))
            };
            Act::Change(durable::Change {
                new_state,
                auto_target_state,
                priority: number("priority")?,
                timeout_s: number("timeout")?,
            })
        }
        _ => return Ok(None),
    };
    let before_seq = read_number(args, "before_seq")?.try_into()?;
    let after = args.take_key("after").map(|name| BulkCursor {
        uuid: bytes_of(uuid_of(name)),
        before_seq,
    });
    Ok(Some(Bulk {
        filter: Some(read_filter(args)?),
        include_in_flight: args.take_key("in_flight") == Some("too"),
        act: Some(act),
        after,
        limit: read_number(args, "limit")?.try_into()?,
        max_tasks: read_number(args, "max")?.try_into()?,
        already_matched: read_number(args, "matched")?.try_into()?,
        already_changed: read_number(args, "changed")?.try_into()?,
    }))
}

pub fn print_bulk(outcome: &Outcome) -> String {
    let Outcome::Bulk {
        matched,
        changed,
        after,
        is_done,
    } = outcome
    else {
        return String::new();
    };
    let after = after.map_or_else(String::new, |after| {
        let (name, before_seq) = (name_of(after.uuid), after.before_seq);
        format!(", looked as far as {name} before_seq={before_seq}")
    });
    let done = if *is_done { ", done" } else { "" };
    format!("{matched} matched, {changed} changed{after}{done}")
}

/// Answers `history` of a task and `list`.
pub fn ask(store: &MemoryStore, name: &str, args: &mut ArgumentConsumer) -> Result<Option<String>> {
    Ok(match name {
        "history" => {
            let uuid = uuid_of(args.next_pos().ok_or("no name")?);
            let task = query::task(store, uuid)?.ok_or("unknown")?;
            Some(print_history(&task)?)
        }
        "list" => Some(print_list(store, args)?),
        _ => None,
    })
}

/// A line for each transition.
fn print_history(task: &Task) -> Result<String> {
    let (transitions, dropped) = transition::history(task);
    let mut output = String::new();
    if dropped > 0 {
        writeln!(output, "{dropped} before")?;
    }
    for one in transitions {
        write!(output, "{} {} ", print_time(one.at_ns), one.kind)?;
        write!(output, "{}>{} attempt={}", one.from, one.to, one.attempt)?;
        if !one.worker.is_empty() {
            write!(output, " worker={}", one.worker)?;
        }
        writeln!(output)?;
    }
    Ok(output)
}

/// One piece; `in` is `live`, `archived` or `both`.
fn print_list(store: &MemoryStore, args: &mut ArgumentConsumer) -> Result<String> {
    let scope = match args.take_key("in") {
        Some("archived") => Scope::Archived,
        Some("both") => Scope::Both,
        _ => Scope::Live,
    };
    let after = args.take_key("after").map(uuid_of);
    let limit = match read_number(args, "limit")? {
        0 => 100,
        limit => limit.try_into()?,
    };
    let piece = list::piece(store, &read_filter(args)?, scope, after, limit)?;
    let mut output = String::new();
    for row in &piece.rows {
        let place = match row {
            Row::Live(_) => "live",
            Row::Archived(_) => "archived",
        };
        writeln!(output, "{place} {}", print_task(row)?)?;
    }
    if let Some(resume) = piece.resume {
        writeln!(output, "looked as far as {}", name_of(resume))?;
    }
    Ok(output)
}
