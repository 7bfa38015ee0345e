//! Bugs that claims, reads and counts show.

use super::script::*;
use super::{Bug, bug};

/// All of them.
pub const BUGS: [Bug; 13] = [
    bug(
        "reads without ReadIndex: a node that is cut off shows what was",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, claim(), at("e", 1, 21));
            script.done(42, complete("e", 1, None), ended("e", 1, 22));
            script.done(43, get("e"), at("e", 1, 21));
        },
        "reads go backwards",
        &[42, 43],
    ),
    bug(
        "orders by update time: what came back goes behind what came later",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, submit("f"), at("f", 0, 21));
            script.done(42, claim(), at("e", 1, 22));
            script.done(
                43,
                act("e", 1, crate::history::Deed::Fail),
                waiting("e", 1, 23),
            );
            script.done(44, claim(), at("f", 1, 24));
            script.done(45, claim(), at("e", 2, 25));
        },
        "order",
        &[43, 44, 45],
    ),
    bug(
        "ignores priorities",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, submit("urgent"), at("urgent", 0, 21));
            script.done(42, claim(), at("e", 1, 22));
            script.done(43, claim(), at("urgent", 1, 23));
        },
        "order",
        &[41, 42, 43],
    ),
    bug(
        "takes what came at the same moment out of turn",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, submit("g"), at("g", 0, 20));
            script.done(42, claim(), at("g", 1, 21));
            script.done(43, claim(), at("e", 1, 22));
        },
        "order",
        &[40, 42, 43],
    ),
    bug(
        "finds nothing while a task waits",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, claim(), None);
            script.done(42, get("e"), at("e", 0, 20));
        },
        "order",
        &[40, 41, 42],
    ),
    bug(
        "counts a submit twice in the totals",
        |script| script.totals(40, [0, 5, 4]),
        "conservation",
        &[40],
    ),
    bug(
        "forgets ends in the totals",
        |script| script.totals(40, [2, 4, 2]),
        "conservation",
        &[7, 13, 20, 40],
    ),
    bug(
        "loses a task from its line: it is live, and no claim finds it",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.totals(41, [1, 5, 4]);
        },
        "conservation",
        &[41],
    ),
    bug(
        "forgets a task in the counts by state",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.states(41, &[("submitted-working", 1)]);
            script.done(42, claim(), at("e", 1, 21));
        },
        "counts",
        &[40, 41, 42],
    ),
    bug(
        "counts what has ended",
        |script| script.states(40, &[("submitted", 1)]),
        "counts",
        &[40],
    ),
    bug(
        "brings an ended task back to life",
        |script| script.done(40, get("a"), at("a", 2, 6)),
        "reads go backwards",
        &[7, 40],
    ),
    bug(
        "lists a task on two pages",
        |script| {
            let ends = [
                ("a", 2, 6),
                ("b", 2, 10),
                ("c", 1, 8),
                ("c", 1, 8),
                ("d", 1, 13),
            ];
            script.list(40, ends.map(|(name, attempt, at)| ended(name, attempt, at)));
        },
        "lost",
        &[40],
    ),
    bug(
        "changes a task that nobody touched",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, get("e"), at("e", 0, 25));
        },
        "linearizable",
        &[40, 41],
    ),
];
