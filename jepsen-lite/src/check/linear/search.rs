//! Looks for an order of calls that explains all their answers.

use std::collections::HashSet;

use super::model::{Model, Name, Step};

/// So many ways are tried for one task.
const MOST_WAYS: usize = 200_000;

/// One call about the task.
#[derive(Debug)]
pub struct Call {
    pub invoked: usize,
    pub returned: usize,
    pub step: Step,
}

/// All calls about one task, each list in the order in which they began.
#[derive(Debug, Default)]
pub struct Task {
    /// Those that were answered.
    pub required: Vec<Call>,
    /// Those in doubt.
    pub optional: Vec<Call>,
    /// By state, where the first claim in doubt began that can have found the task there.
    pub lost_claims: Vec<(Name, usize)>,
    /// No order needs more claims.
    pub most_attempts: i64,
    /// Whether a timeout runs while it is claimed.
    pub has_lease: bool,
}

/// How a search ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// There is such an order.
    Explained,
    /// There is none; so many answers can be explained.
    Unexplained {
        /// The most.
        most: usize,
    },
    /// It was given up.
    TooLong,
}

/// A way so far: which calls have been put in order, and what they made of the task.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Way {
    /// All required calls before this one are in the order.
    base: usize,
    /// The ones after it that are, too.
    ahead: Vec<usize>,
    /// The optional ones that are.
    used: Vec<usize>,
    model: Model,
}

/// Searches, the likeliest ways first.
pub fn search(task: &Task) -> Ended {
    let mut tried: HashSet<Way> = HashSet::new();
    let mut most = 0;
    let mut ways = vec![Way {
        base: 0,
        ahead: Vec::new(),
        used: Vec::new(),
        model: Model::ABSENT,
    }];
    while let Some(way) = ways.pop() {
        if way.base == task.required.len() {
            return Ended::Explained;
        }
        most = most.max(way.base + way.ahead.len());
        if tried.len() >= MOST_WAYS {
            return Ended::TooLong;
        }
        // The last that is put in is tried first.
        let on = further(task, &way);
        if tried.insert(way) {
            ways.extend(on);
        }
    }
    Ended::Unexplained { most }
}

/// All ways that go on from there by one step, the likeliest last.
fn further(task: &Task, way: &Way) -> Vec<Way> {
    // A call can come next only if it began before all others that are still to come were over.
    let mut end = usize::MAX;
    let mut next: Vec<usize> = Vec::new();
    for (at, call) in task.required.iter().enumerate().skip(way.base) {
        if call.invoked > end {
            break;
        }
        if way.ahead.binary_search(&at).is_err() {
            end = end.min(call.returned);
            next.push(at);
        }
    }
    let mut ways = hidden(task, way, end);
    for (at, call) in task.optional.iter().enumerate() {
        if call.invoked > end {
            break;
        }
        let Err(place) = way.used.binary_search(&at) else {
            continue;
        };
        // Of calls that ask the same, the first will do.
        let mut earlier = task.optional.iter().take(at).enumerate();
        if earlier.any(|(at, other)| other.step == call.step && !way.used.contains(&at)) {
            continue;
        }
        let model = way.model.after(&call.step);
        if let Some(model) = model.filter(|model| *model != way.model) {
            let mut used = way.used.clone();
            used.insert(place, at);
            let way = way.clone();
            ways.push(Way { used, model, ..way });
        }
    }
    for at in next.into_iter().rev() {
        let call = task.required.get(at);
        let Some(model) = call.and_then(|call| way.model.after(&call.step)) else {
            continue;
        };
        let on = way.with(at, model);
        // An answer that changes nothing can always come at once.
        if model == way.model {
            return vec![on];
        }
        ways.push(on);
    }
    ways
}

/// What can happen that no call tells of.
fn hidden(task: &Task, way: &Way, end: usize) -> Vec<Way> {
    let mut models = Vec::new();
    if way.model.attempt() < task.most_attempts {
        for (state, since) in &task.lost_claims {
            if *since < end {
                models.extend(way.model.after_lost_claim(*state, task.has_lease));
            }
        }
    }
    models.extend(way.model.after_timeout());
    let ways = models.into_iter().map(|model| Way {
        model,
        ..way.clone()
    });
    ways.collect()
}

impl Way {
    /// With another required call at its end.
    fn with(&self, at: usize, model: Model) -> Self {
        let mut way = Self {
            model,
            ..self.clone()
        };
        if at != way.base {
            let place = way.ahead.partition_point(|other| *other < at);
            way.ahead.insert(place, at);
            return way;
        }
        way.base += 1;
        while way.ahead.first() == Some(&way.base) {
            way.ahead.remove(0);
            way.base += 1;
        }
        way
    }
}
