//! Runs the scripts in `testdata`: one file a rule.
//!
//! Each line is a log entry of its own, at the time that `at` set; `entry` and
//! `end` put several into one. Times are seconds, `5+1` is a nanosecond after
//! the fifth. `batch` and `end` make one command of several submits or completions.
//! A task's uuid is its name in the script. A submit has the API's
//! defaults, an act on a task (`update`, `complete`, `cancel`, `fail`) the task's own
//! queue, state and no attempt. `key` remembers the answer for `window` (600)
//! seconds; `request`, which is the command's name where it is not given, tells
//! one request from another. `UPDATE_GOLDENFILES=1` rewrites the outputs.

use std::error::Error;
use std::fmt::Write as _;

use goldenscript::{ArgumentConsumer, Context, Runner};
use uuid::Uuid;

use super::figures::{print_lines, print_totals, print_window, print_workers};
use super::{assert_in_step, bytes_of, looking, submit, uuid_of};
use crate::proto::durable::{self, Group, Target, command::Kind};
use crate::queue::{Outcome, Refusal, Row, apply, figures, query, schedule};
use crate::store::durable::backoff_to_message;
use crate::store::figures::{Kind as Whose, Resolution, Window};
use crate::store::record::{Deadline, Header, Position, Task};
use crate::store::{MemoryStore, View};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

const NS_PER_S: i64 = 1_000_000_000;

macro_rules! scripts {
    ($($name:ident),+ $(,)?) => {$(
        #[test]
        fn $name() {
            let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/queue/testdata/");
            let path = format!("{directory}{}", stringify!($name));
            goldenscript::run(&mut Script::default(), path).unwrap();
        }
    )+};
}

scripts!(
    archive,
    attempts,
    backoff,
    backoff_jitter,
    bulk_cancel,
    bulk_requeue,
    bulk_steps,
    bulk_update,
    cancel,
    claim,
    claim_overrides,
    claim_tasks,
    claim_timeout,
    client_uuids,
    clock,
    complete,
    complete_tasks,
    counts,
    entries,
    expire,
    extend,
    figures_events,
    figures_oldest,
    figures_windows,
    figures_workers,
    history,
    list,
    fail,
    fail_to_dead,
    max_attempts,
    metadata,
    key_expiry,
    key_next_task,
    key_refusals,
    key_timeout,
    keys,
    next_task,
    not_before,
    order,
    queue_claims_per_s,
    queue_defaults,
    queue_groups,
    queue_max_in_flight,
    queue_max_waiting,
    queue_pause,
    queue_retention,
    queue_settings,
    queues,
    schedule,
    schedule_ticks,
    submit_tasks,
    timeout,
    timeout_extremes,
    timeout_steps,
    unique_key,
    update,
);

#[derive(Default)]
struct Script {
    store: MemoryStore,
    now_ns: i64,
    /// The commands of an entry that is not closed yet.
    open: Option<Vec<durable::Command>>,
    /// The items of a batch that is not closed yet.
    batch: Option<Vec<Kind>>,
}

impl Runner for Script {
    type Command = goldenscript::Command;

    fn run(&mut self, line: &goldenscript::Command, _: &Context) -> Result<String> {
        let mut args = line.consume_args();
        let output = match line.name.as_str() {
            "at" => {
                self.now_ns = read_time(args.next_pos().ok_or("no time")?)?;
                String::new()
            }
            "entry" => {
                self.open = Some(Vec::new());
                String::new()
            }
            "batch" => {
                self.batch = Some(Vec::new());
                String::new()
            }
            "end" => match self.batch.take() {
                Some(items) => {
                    let key = read_key(line.name.as_str(), &mut args)?;
                    self.propose(join(items)?, key)?
                }
                None => {
                    let commands = self.open.take().ok_or("no open entry")?;
                    self.apply(commands)?
                }
            },
            name => match self.ask(name, &mut args)? {
                Some(answer) => answer,
                None => {
                    let key = read_key(name, &mut args)?;
                    let kind = self.read(name, &mut args)?;
                    self.propose(kind, key)?
                }
            },
        };
        args.reject_next()?;
        Ok(output)
    }

    fn end_script(&mut self) -> Result<()> {
        assert_in_step(&self.store);
        Ok(())
    }
}

impl Script {
    /// Puts a command where the script is: into a batch, an entry, or the state.
    fn propose(&mut self, kind: Kind, key: Option<durable::RequestKey>) -> Result<String> {
        if let Some(items) = &mut self.batch {
            items.push(kind);
            return Ok(String::new());
        }
        let command = durable::Command {
            kind: Some(kind),
            key,
        };
        match &mut self.open {
            Some(commands) => {
                commands.push(command);
                Ok(String::new())
            }
            None => self.apply(vec![command]),
        }
    }

    fn apply(&mut self, commands: Vec<durable::Command>) -> Result<String> {
        let group = Group {
            now_ns: self.now_ns,
            commands,
            ..Group::default()
        };
        let index = self.store.header().position.index + 1;
        let position = Position {
            index,
            ..Position::default()
        };
        let outcomes = apply(&mut self.store, group, position)?;
        let mut output = String::new();
        for outcome in &outcomes {
            writeln!(output, "{}", print_outcome(outcome)?)?;
        }
        Ok(output)
    }

    /// Answers what changes nothing.
    fn ask(&self, name: &str, args: &mut ArgumentConsumer) -> Result<Option<String>> {
        let mut output = String::new();
        match name {
            "get" => {
                let uuid = uuid_of(args.next_pos().ok_or("no name")?);
                let live = self.store.live(uuid)?.is_some();
                let place = if live { "live" } else { "archived" };
                match query::task(&self.store, uuid)? {
                    Some(task) => write!(output, "{place} {}", print_task(&task)?)?,
                    None => output.push_str("unknown"),
                }
            }
            "order" => {
                let queue = args.take_key("queue").unwrap_or("default");
                let state = args.take_key("state").unwrap_or("submitted");
                let tasks = self.store.ready_tasks(queue, state);
                let names: Vec<String> = tasks.map(|task| name_of(task.uuid)).collect();
                output.push_str(&names.join(" "));
            }
            "delayed" => {
                let mut after = None;
                while let Some((ripening, uuid)) = self.store.next_delayed(after)? {
                    let at = print_time(ripening.at_ns);
                    writeln!(output, "{} at {at}", name_of(uuid))?;
                    after = Some(ripening);
                }
            }
            "claimable" => {
                let queue = args.take_key("queue").unwrap_or("default");
                let state = args.take_key("state").unwrap_or("submitted");
                write!(output, "{}", self.store.claimable(queue, state))?;
            }
            "settings" => {
                for (queue, control) in self.store.controls().all() {
                    writeln!(output, "{queue}: {}", print_settings(&control.settings)?)?;
                }
            }
            "holder" => {
                let queue = args.take_key("queue").unwrap_or("default");
                let holder = self.store.unique(queue, args.next_pos().ok_or("no key")?)?;
                output = holder.map_or_else(|| "nobody".to_owned(), name_of);
            }
            "answers" => {
                for (key, answer) in self.store.remembered() {
                    writeln!(output, "{key} until={}", print_time(answer.expires_ns))?;
                }
            }
            "schedules" => {
                for (name, value) in self.store.documents().of_kind(schedule::KIND) {
                    let shown = print_schedule(&schedule::decode(value)?)?;
                    writeln!(output, "{name} {shown}")?;
                }
            }
            "counts" => {
                for (queue, counts) in self.store.counts().queues() {
                    write!(output, "{queue}: {}", counts.total)?;
                    for (state, count) in &counts.states {
                        write!(output, " {state}={}", count.live)?;
                    }
                    writeln!(output)?;
                }
                writeln!(output, "total: {}", self.store.counts().total())?;
            }
            "header" => {
                output = print_header(self.store.header())?;
            }
            name => return self.ask_figures(name, args),
        }
        Ok(Some(output))
    }

    /// Answers what figures tell.
    fn ask_figures(&self, name: &str, args: &mut ArgumentConsumer) -> Result<Option<String>> {
        let mut output = String::new();
        match name {
            "lines" => {
                let window = self.window(args)?;
                let limit = args.take_key("limit").map_or(Ok(1000), str::parse)?;
                let after = args
                    .take_key("after")
                    .and_then(|after| after.split_once('/'));
                let queue = args.take_key("queue");
                let lines = figures::lines(&self.store, window, queue, after, limit)?;
                print_lines(&mut output, &lines)?;
                print_window(&mut output, &self.store, window, Whose::Line)?;
            }
            "workers" => {
                let window = self.window(args)?;
                let limit = args.take_key("limit").map_or(Ok(1000), str::parse)?;
                let queue = args.take_key("queue");
                let workers = figures::workers(&self.store, window, queue, None, limit);
                print_workers(&mut output, &workers)?;
                print_window(&mut output, &self.store, window, Whose::Worker)?;
            }
            "totals" => {
                let window = self.window(args)?;
                let (queue, state) = (args.take_key("queue"), args.take_key("state"));
                for (slot, totals) in figures::history(&self.store, window, queue, state) {
                    let at = print_time(slot.begin_ns());
                    writeln!(output, "{at}:{}", print_totals(&totals))?;
                }
            }
            name => return looking::ask(&self.store, name, args),
        }
        Ok(Some(output))
    }

    /// From `since` (0) to `until` (now), in the finest slots that are kept or in `step`s.
    fn window(&self, args: &mut ArgumentConsumer) -> Result<Window> {
        let now_ns = self.now_ns.max(self.store.header().clock_ns);
        let since_ns = args.take_key("since").map_or(Ok(0), read_time)?;
        let until_ns = args.take_key("until").map_or(Ok(now_ns), read_time)?;
        let resolution = match args.take_key("step") {
            None => None,
            Some("minute") => Some(Resolution::Minute),
            Some("hour") => Some(Resolution::Hour),
            Some("day") => Some(Resolution::Day),
            Some(step) => return Err(format!("no such step: {step}").into()),
        };
        let figures = self.store.figures();
        Ok(figures.window(since_ns, until_ns, now_ns, resolution))
    }

    fn read(&self, name: &str, args: &mut ArgumentConsumer) -> Result<Kind> {
        Ok(match name {
            "submit" => Kind::Submit(read_submit(args.next_pos().ok_or("no name")?, args)?),
            "claim" => Kind::Claim(read_claim(args)?),
            "claim_tasks" => Kind::ClaimTasks(durable::ClaimTasks {
                max_tasks: read_number(args, "max")?.try_into()?,
                max_bytes: args.take_key("bytes").map_or(Ok(u64::MAX), str::parse)?,
                next: Some(read_claim(args)?),
            }),
            "extend" => Kind::Extend(durable::Extend {
                target: Some(self.read_target(args)?),
                timeout_s: read_number(args, "timeout")?,
            }),
            "fail" => Kind::Fail(durable::Fail {
                target: Some(self.read_target(args)?),
                retry_after_s: read_number(args, "retry_after")?,
                message: args.take_key("message").unwrap_or_default().into(),
            }),
            "update" => Kind::Update(durable::Update {
                target: Some(self.read_target(args)?),
                new_state: args.take_key("to").unwrap_or("updated").into(),
                auto_target_state: args.take_key("auto").unwrap_or("updated-working").into(),
                timeout_s: read_number(args, "timeout")?,
                priority: read_number(args, "priority")?,
                payload: read_payload(args),
            }),
            "complete" => {
                let target = Some(self.read_target(args)?);
                let next_task = match args.take_key("next") {
                    Some(name) => Some(read_submit(name, args)?),
                    None => None,
                };
                Kind::Complete(durable::Complete { target, next_task })
            }
            "cancel" => Kind::Cancel(durable::Cancel {
                target: Some(self.read_target(args)?),
            }),
            "timeout" => Kind::TimeOut(durable::TimeOut {
                at_time_ns: args.take_key("at").map_or(Ok(0), read_time)?,
                queue: args.take_key("queue").unwrap_or_default().into(),
                after: args.take_key("after").map(read_deadline).transpose()?,
                limit: read_number(args, "limit")?.try_into()?,
                already: read_number(args, "already")?.try_into()?,
            }),
            "forget" => Kind::Forget(durable::Forget {
                limit: read_number(args, "limit")?.try_into()?,
            }),
            "expire" => Kind::Expire(durable::Expire {
                before_ns: read_time(args.take_key("before").ok_or("no time")?)?,
                queue: args.take_key("queue").unwrap_or_default().into(),
                limit: read_number(args, "limit")?.try_into()?,
            }),
            "set" => Kind::SetQueue(read_settings(args)?),
            "regroup" => Kind::Regroup(durable::Regroup {
                queue: args.take_key("queue").unwrap_or("default").into(),
                limit: read_number(args, "limit")?.try_into()?,
            }),
            "ripen" => Kind::Ripen(durable::Ripen {
                limit: read_number(args, "limit")?.try_into()?,
            }),
            name => return self.read_schedule(name, args),
        })
    }

    fn read_schedule(&self, command: &str, args: &mut ArgumentConsumer) -> Result<Kind> {
        let mut name = || Ok::<String, &str>(args.next_pos().ok_or("no name")?.into());
        Ok(match command {
            "put_schedule" => {
                let name = name()?;
                let schedule = durable::Schedule {
                    next_ns: args.take_key("next").map_or(Ok(0), read_time)?,
                    cron: args.take_key("cron").unwrap_or_default().into(),
                    is_paused: args.take_key("paused") == Some("yes"),
                    task: Some(read_submit("", args)?),
                    ..durable::Schedule::default()
                };
                let schedule = Some(schedule);
                Kind::PutSchedule(durable::PutSchedule { name, schedule })
            }
            "delete_schedule" => Kind::DeleteSchedule(durable::DeleteSchedule { name: name()? }),
            "run_schedule" => Kind::RunSchedule(durable::RunSchedule {
                name: name()?,
                uuid: bytes_of(uuid_of(args.take_key("task").unwrap_or_default())),
                run_ns: self.now_ns,
                run_time: print_time(self.now_ns),
            }),
            "tick" => self.read_tick(name()?, args)?,
            name => match looking::read_bulk(name, args)? {
                Some(bulk) => Kind::Bulk(bulk),
                None => return Err(format!("no such command: {name}").into()),
            },
        })
    }

    /// `generation` is added to the schedule's own. The task's name is the schedule's and the tick.
    fn read_tick(&self, name: String, args: &mut ArgumentConsumer) -> Result<Kind> {
        let schedule = schedule::find(&self.store, &name)?.unwrap_or_default();
        let tick_ns = read_time(args.take_key("at").ok_or("no time")?)?;
        let task = format!("{name}{}", print_time(tick_ns));
        let generation = read_number(args, "generation")?;
        Ok(Kind::Tick(durable::Tick {
            generation: schedule.generation.wrapping_add_signed(generation),
            tick_ns,
            next_ns: args.take_key("next").map_or(Ok(0), read_time)?,
            uuid: bytes_of(uuid_of(&task)),
            tick_time: print_time(tick_ns),
            is_skipped: args.take_key("skipped") == Some("yes"),
            name,
        }))
    }

    fn read_target(&self, args: &mut ArgumentConsumer) -> Result<Target> {
        let uuid = uuid_of(args.next_pos().ok_or("no name")?);
        let task = query::task(&self.store, uuid)?;
        let own = |name: fn(&Task) -> &str| task.as_deref().map_or("", name).to_owned();
        Ok(Target {
            uuid: bytes_of(uuid),
            queue: args
                .take_key("queue")
                .map_or_else(|| own(|task| &task.queue), Into::into),
            current_state: args
                .take_key("state")
                .map_or_else(|| own(|task| &task.current_state), Into::into),
            attempt: read_number(args, "attempt")?,
        })
    }
}

/// One command of many.
fn join(items: Vec<Kind>) -> Result<Kind> {
    let (mut submits, mut completes) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Kind::Submit(submit) => submits.push(submit),
            Kind::Complete(complete) => completes.push(complete),
            other => return Err(format!("no batch holds {other:?}").into()),
        }
    }
    match (submits.is_empty(), completes.is_empty()) {
        (_, true) => Ok(Kind::SubmitTasks(durable::SubmitTasks { tasks: submits })),
        (true, _) => Ok(Kind::CompleteTasks(durable::CompleteTasks {
            tasks: completes,
        })),
        _ => Err("a batch is of one kind".into()),
    }
}

/// `queues=a,b` are further queues; then `queue` has no default.
fn read_claim(args: &mut ArgumentConsumer) -> Result<durable::Claim> {
    let queues = args.take_key("queues").unwrap_or_default().split(',');
    let queues: Vec<String> = queues
        .filter(|queue| !queue.is_empty())
        .map(Into::into)
        .collect();
    let default = if queues.is_empty() { "default" } else { "" };
    Ok(durable::Claim {
        queue: args.take_key("queue").unwrap_or(default).into(),
        current_state: args.take_key("state").unwrap_or("submitted").into(),
        override_timeout_s: read_number(args, "timeout")?,
        override_current_state: args.take_key("to").unwrap_or_default().into(),
        override_auto_target_state: args.take_key("auto").unwrap_or_default().into(),
        worker: args.take_key("worker").unwrap_or_default().into(),
        queues,
    })
}

/// What is given changes: `set queue=q paused=true max_in_flight=3`.
fn read_settings(args: &mut ArgumentConsumer) -> Result<durable::SetQueue> {
    let queue = args.take_key("queue").unwrap_or("default").into();
    let mut number = |key| {
        let number = args.take_key(key).map(str::parse::<i64>);
        number.transpose()
    };
    let seconds = [
        number("timeout")?,
        number("claim_timeout")?,
        number("retention")?,
    ];
    let mut limit = |key| Ok::<_, Box<dyn Error>>(number(key)?.map(i64::unsigned_abs));
    Ok(durable::SetQueue {
        max_in_flight: limit("max_in_flight")?,
        max_in_flight_per_group: limit("per_group")?,
        max_claims_per_s: limit("claims_per_s")?,
        max_waiting: limit("max_waiting")?,
        default_timeout_s: seconds[0],
        default_claim_timeout_s: seconds[1],
        retention_s: seconds[2],
        is_paused: args.take_key("paused").map(|paused| paused == "true"),
        group_by: args.take_key("group_by").map(Into::into),
        queue,
    })
}

fn read_key(name: &str, args: &mut ArgumentConsumer) -> Result<Option<durable::RequestKey>> {
    let Some(key) = args.take_key("key") else {
        return Ok(None);
    };
    let request = args.take_key("request").unwrap_or(name);
    let window_ns = match args.take_key("window") {
        Some("max") => i64::MAX,
        Some(seconds) => seconds.parse::<i64>()? * NS_PER_S,
        None => 600 * NS_PER_S,
    };
    Ok(Some(durable::RequestKey {
        key: key.into(),
        request_digest: bytes_of(uuid_of(request)),
        window_ns,
        skips_empty: args.take_key("empty") == Some("skipped"),
    }))
}

fn read_submit(name: &str, args: &mut ArgumentConsumer) -> Result<durable::Submit> {
    let mut submit = submit(name);
    submit.client_uuid = args.take_key("uuid") == Some("client");
    submit.is_default_timeout = args.take_key("timeout_of") == Some("server");
    submit.timeout_s = read_number(args, "timeout")?;
    submit.claim_timeout_s = read_number(args, "claim_timeout")?;
    submit.priority = read_number(args, "priority")?;
    submit.payload = read_payload(args);
    submit.max_attempts = read_number(args, "max_attempts")?;
    submit.not_before_ns = args.take_key("not_before").map_or(Ok(0), read_time)?;
    submit.backoff = args.take_key("backoff").map(read_backoff).transpose()?;
    submit.unique_key = args.take_key("unique").unwrap_or_default().into();
    for entry in args.take_key("meta").unwrap_or_default().split_whitespace() {
        let (key, value) = entry.split_once('=').ok_or("no value")?;
        submit.metadata.insert(key.into(), value.into());
    }
    for (key, field) in [
        ("queue", &mut submit.queue),
        ("state", &mut submit.current_state),
        ("auto", &mut submit.auto_target_state),
    ] {
        if let Some(value) = args.take_key(key) {
            *field = value.into();
        }
    }
    Ok(submit)
}

fn read_payload(args: &mut ArgumentConsumer) -> bytes::Bytes {
    let payload = args.take_key("payload").unwrap_or_default();
    bytes::Bytes::copy_from_slice(payload.as_bytes())
}

pub fn read_number(args: &mut ArgumentConsumer, key: &str) -> Result<i64> {
    Ok(match args.take_key(key) {
        Some("max") => i64::MAX,
        Some("min") => i64::MIN,
        Some(number) => number.parse()?,
        None => 0,
    })
}

pub fn read_time(time: &str) -> Result<i64> {
    if time == "max" {
        return Ok(i64::MAX);
    }
    let (seconds, ns) = time.split_once('+').unwrap_or((time, "0"));
    Ok(seconds.parse::<i64>()? * NS_PER_S + ns.parse::<i64>()?)
}

/// Initial wait, cap, factor and jitter, as in `5/60/200/0`.
fn read_backoff(text: &str) -> Result<durable::Backoff> {
    let numbers: std::result::Result<Vec<i64>, _> = text.split('/').map(str::parse).collect();
    let numbers: [i64; 4] = numbers?.try_into().map_err(|_| "not four numbers")?;
    Ok(backoff_to_message(numbers.into()))
}

fn read_deadline(deadline: &str) -> Result<durable::Deadline> {
    let (at, seq) = deadline.split_once('/').ok_or("no sequence number")?;
    Ok(durable::Deadline {
        at_ns: read_time(at)?,
        seq: seq.parse()?,
    })
}

pub fn name_of(uuid: Uuid) -> String {
    let bytes = uuid.as_bytes().iter().take_while(|byte| **byte != 0);
    bytes.map(|byte| char::from(*byte)).collect()
}

pub fn print_time(ns: i64) -> String {
    match (ns / NS_PER_S, ns % NS_PER_S) {
        (seconds, 0) => seconds.to_string(),
        (seconds, ns) => format!("{seconds}+{ns}"),
    }
}

fn print_header(header: &Header) -> Result<String> {
    let mut out = String::new();
    let totals = header.totals;
    write!(out, "clock={} ", print_time(header.clock_ns))?;
    write!(
        out,
        "submitted={} completed={} ",
        totals.submitted, totals.completed
    )?;
    write!(
        out,
        "canceled={} timed_out={}",
        totals.canceled, totals.timed_out
    )?;
    if totals.failed != 0 {
        write!(out, " failed={}", totals.failed)?;
    }
    Ok(out)
}

/// What is empty or 0 is left out.
pub fn print_task(task: &Task) -> Result<String> {
    let mut out = name_of(task.uuid);
    if &*task.queue != "default" {
        write!(out, " queue={}", task.queue)?;
    }
    write!(out, " {}>{}", task.current_state, task.auto_target_state)?;
    write!(out, " submitted={}", print_time(task.submit_time_ns))?;
    write!(out, " updated={}", print_time(task.update_time_ns))?;
    let numbers = [
        ("priority", task.priority),
        ("timeout", task.timeout_s),
        ("claim_timeout", task.claim_timeout_s),
        ("attempt", task.attempt),
        ("max_attempts", task.max_attempts),
    ];
    for (name, number) in numbers.iter().filter(|number| number.1 != 0) {
        write!(out, " {name}={number}")?;
    }
    if !task.worker.is_empty() {
        write!(out, " worker={}", task.worker)?;
    }
    if task.not_before_ns != 0 {
        write!(out, " not_before={}", print_time(task.not_before_ns))?;
    }
    if task.is_delayed {
        out.push_str(" delayed");
    }
    if let Some(extras) = &task.extras {
        if !extras.unique_key.is_empty() {
            write!(out, " unique={}", extras.unique_key)?;
        }
        if !extras.group.is_empty() {
            write!(out, " group={}", extras.group)?;
        }
        for (key, value) in &extras.metadata {
            write!(out, " {key}={value}")?;
        }
        if let Some(backoff) = &extras.backoff {
            let numbers = backoff.numbers().map(|number| number.to_string());
            write!(out, " backoff={}", numbers.join("/"))?;
        }
        if !extras.last_error.is_empty() {
            write!(out, " error={:?}", extras.last_error)?;
        }
    }
    if !task.payload.is_empty() {
        write!(out, " payload={}", String::from_utf8_lossy(&task.payload))?;
    }
    Ok(out)
}

fn print_schedule(schedule: &durable::Schedule) -> Result<String> {
    let mut out = format!("next={}", print_time(schedule.next_ns));
    if schedule.is_paused {
        out.push_str(" paused");
    }
    if schedule.last_ns != 0 {
        let uuid = Uuid::from_slice(&schedule.last_uuid)?;
        let last = print_time(schedule.last_ns);
        write!(out, " last={last} task={}", name_of(uuid))?;
    }
    let (submitted, skipped) = (schedule.submitted, schedule.skipped);
    write!(out, " submitted={submitted} skipped={skipped}")?;
    Ok(out)
}

fn print_row(row: &Option<Row>) -> Result<String> {
    let task = row.as_deref();
    task.map_or(Ok("nothing".to_owned()), print_task)
}

fn print_completed(task: &Option<Row>, next_task: &Option<Row>) -> Result<String> {
    Ok(match next_task {
        None => print_row(task)?,
        next_task => format!("{}\nnext: {}", print_row(task)?, print_row(next_task)?),
    })
}

fn print_outcome(outcome: &Outcome) -> Result<String> {
    Ok(match outcome {
        Outcome::Task(task) => print_row(task)?,
        Outcome::Completed { task, next_task } => print_completed(task, next_task)?,
        Outcome::Tasks(rows) if rows.is_empty() => "no tasks".into(),
        Outcome::Tasks(rows) => {
            let rows: Result<Vec<String>> = rows.iter().map(|row| print_task(row)).collect();
            rows?.join("\n")
        }
        Outcome::Completions(results) => {
            let results = results.iter();
            let results: Result<Vec<String>> = results
                .map(|result| print_completed(&result.task, &result.next_task))
                .collect();
            results?.join("\n")
        }
        Outcome::Schedule(None) => "no schedule".into(),
        Outcome::Schedule(Some(schedule)) => print_schedule(&schedule::decode(schedule)?)?,
        Outcome::TimedOut {
            tasks,
            resume: None,
        } => format!("{tasks} timed out"),
        Outcome::TimedOut {
            tasks,
            resume: Some(Deadline { at_ns, seq }),
        } => {
            format!(
                "{tasks} timed out, looked as far as {}/{seq}",
                print_time(*at_ns)
            )
        }
        Outcome::Expired { tasks, more } => {
            format!(
                "{tasks} forgotten{}",
                if *more { ", there are more" } else { "" }
            )
        }
        Outcome::Ripened { tasks, more } => {
            format!(
                "{tasks} became claimable{}",
                if *more { ", more are due" } else { "" }
            )
        }
        Outcome::Forgotten { answers, more } => {
            format!(
                "{answers} answers forgotten{}",
                if *more { ", there are more" } else { "" }
            )
        }
        Outcome::Bulk { .. } => looking::print_bulk(outcome),
        Outcome::Regrouped { tasks, more } => {
            format!(
                "{tasks} moved to their groups{}",
                if *more { ", others are left" } else { "" }
            )
        }
        Outcome::Queue(settings) => print_settings(settings)?,
        Outcome::Refused(refusal) => print_refusal(refusal),
    })
}

/// What is empty or 0 is left out.
fn print_settings(settings: &durable::QueueSettings) -> Result<String> {
    let mut out = String::from("set");
    if settings.is_paused {
        write!(
            out,
            " paused since={}",
            print_time(settings.paused_since_ns)
        )?;
    }
    if !settings.group_by.is_empty() {
        write!(out, " group_by={}", settings.group_by)?;
    }
    let limits = [
        ("max_in_flight", settings.max_in_flight),
        ("per_group", settings.max_in_flight_per_group),
        ("claims_per_s", settings.max_claims_per_s),
        ("max_waiting", settings.max_waiting),
        ("timeout", settings.default_timeout_s.unsigned_abs()),
        (
            "claim_timeout",
            settings.default_claim_timeout_s.unsigned_abs(),
        ),
        ("retention", settings.retention_s.unsigned_abs()),
    ];
    for (name, number) in limits.iter().filter(|limit| limit.1 != 0) {
        write!(out, " {name}={number}")?;
    }
    if settings.regrouping.is_some() {
        out.push_str(" regrouping");
    }
    Ok(out)
}

fn print_refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::StaleAttempt {
            uuid,
            attempt,
            worker,
        } => {
            let worker = if worker.is_empty() { "nobody" } else { worker };
            format!(
                "refused: {} is at attempt {attempt}, held by {worker}",
                name_of(*uuid)
            )
        }
        Refusal::UuidTaken { uuid } => format!("refused: {} is taken", name_of(*uuid)),
        Refusal::KeyTaken {
            uuid,
            unique_key,
            holder,
        } => format!(
            "refused: {} is not {}, which has {unique_key}",
            name_of(*uuid),
            name_of(*holder)
        ),
        Refusal::TooManySchedules { limit } => format!("refused: {limit} schedules"),
        Refusal::QueueFull { .. } | Refusal::TooManyQueues { .. } => format!("refused: {refusal}"),
        Refusal::KeyReused => "refused: the key is another request's".to_owned(),
        Refusal::Malformed { reason } => format!("refused: {reason}"),
    }
}
