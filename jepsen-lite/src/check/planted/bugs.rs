//! Bugs of durability, consensus, leases and keys.

use super::script::*;
use super::{Bug, bug};
use crate::history::{Deed, Seen};

/// Those that changes show.
pub const BUGS: [Bug; 21] = [
    bug(
        "acknowledges before fsync: a power cut takes what was acknowledged",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, get("e"), None);
        },
        "lost",
        &[40, 41],
    ),
    bug(
        "applies before commit: the next leader knows nothing of a claim",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, claim(), at("e", 1, 21));
            script.done(42, get("e"), at("e", 0, 20));
        },
        "reads go backwards",
        &[41, 42],
    ),
    bug(
        "skips the vote's fsync: a node votes twice, and a term has two leaders",
        |script| {
            script.status(40, 3, 1, &[]);
            script.status(41, 3, 2, &[]);
        },
        "nodes disagree",
        &[40, 41],
    ),
    bug(
        "forgets fencing: a stale holder completes",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, claim(), at("e", 1, 21));
            script.done(42, claim(), at("e", 2, 25));
            script.done(43, complete("e", 1, None), ended("e", 2, 26));
        },
        "acted after fencing",
        &[42, 43],
    ),
    bug(
        "counts a duplicate key twice",
        |script| {
            script.done(40, nameless("e"), at("e", 0, 20));
            script.under("k");
            let second = at("g", 0, 21).map(|task| Seen {
                payload: "payload of e".into(),
                ..task
            });
            script.done(41, nameless("e"), second);
            script.under("k");
        },
        "counted once",
        &[40, 41],
    ),
    bug(
        "loses the request window in a snapshot: a retry is answered anew",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, claim(), at("e", 1, 21));
            script.done(42, complete("e", 1, None), ended("e", 1, 22));
            script.under("k");
            script.done(43, complete("e", 1, None), None);
            script.under("k");
        },
        "counted once",
        &[42, 43],
    ),
    bug(
        "gives a keyed claim's retry a second task",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, submit("f"), at("f", 0, 21));
            script.done(42, claim(), at("e", 1, 22));
            script.under("k");
            script.done(43, claim(), at("f", 1, 23));
            script.under("k");
        },
        "counted once",
        &[42, 43],
    ),
    bug(
        "takes the clock from a follower: a new leader's is behind",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, claim(), at("e", 1, 30));
            script.done(42, submit("g"), at("g", 0, 20));
        },
        "clock goes back",
        &[41, 42],
    ),
    bug(
        "accepts a torn redo file: a node's state differs from the others'",
        |script| script.status(40, 2, 1, &[(1, 95, "cc"), (2, 89, "b0"), (3, 95, "cc")]),
        "nodes disagree",
        &[30, 40],
    ),
    bug(
        "purges ahead of the snapshot: a node that was behind misses tasks for ever",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            let ends = [("a", 2, 6), ("b", 2, 10), ("c", 1, 8), ("d", 1, 13)];
            script.list(41, ends.map(|(name, attempt, at)| ended(name, attempt, at)));
        },
        "lost",
        &[40, 41],
    ),
    bug(
        "lets the clock jump with a node's: leases are over at once",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            // Both claims within one second of the clients' clock.
            script.invoke(42, claim());
            script.invoke(41, claim());
            script.gives(41, at("e", 1, 21));
            script.gives(42, at("e", 2, 3_600));
        },
        "early lease",
        &[41, 42],
    ),
    bug(
        "gives a lease on before it is over",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, claim(), at("e", 1, 21));
            script.done(42, claim(), at("e", 2, 22));
        },
        "early lease",
        &[41, 42],
    ),
    bug(
        "gives one lease to two claims",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, claim(), at("e", 1, 21));
            script.done(42, claim(), at("e", 1, 21));
        },
        "double lease",
        &[41, 42],
    ),
    bug(
        "claims for a client that went away",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, submit("f"), at("f", 0, 21));
            // One attempt more may have gone to the one claim in doubt, two more can't.
            script.done(42, claim(), at("e", 2, 25));
            script.done(43, claim(), at("f", 2, 26));
        },
        "lease to nobody",
        &[12, 42, 43],
    ),
    bug(
        "completes a task again after it ended",
        |script| script.done(40, complete("a", 2, None), ended("a", 2, 20)),
        "completed twice",
        &[7, 40],
    ),
    bug(
        "forgets the next task of a completion",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, claim(), at("e", 1, 21));
            script.chained(
                42,
                complete("e", 1, Some("f")),
                ended("e", 1, 22),
                at("f", 0, 22),
            );
            script.done(43, get("f"), None);
        },
        "lost",
        &[42, 43],
    ),
    bug(
        "hands out a task that nobody submitted",
        |script| script.done(40, claim(), at("e", 1, 20)),
        "phantom",
        &[40],
    ),
    bug(
        "says that a submit failed, and does it",
        |script| {
            script.fails(40, submit("e"));
            script.done(41, claim(), at("e", 1, 21));
        },
        "phantom",
        &[40, 41],
    ),
    bug(
        "submits the next task of a completion that changed nothing",
        |script| script.done(40, get("neither"), at("neither", 0, 20)),
        "phantom",
        &[8, 40],
    ),
    bug(
        "mixes up payloads",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            let mixed = at("e", 1, 21).map(|task| Seen {
                payload: "payload of a".into(),
                ..task
            });
            script.done(41, claim(), mixed);
        },
        "phantom",
        &[40, 41],
    ),
    bug(
        "lets a holder act whose lease ran out, though nobody else has claimed",
        |script| {
            script.done(40, submit("e"), at("e", 0, 20));
            script.done(41, claim(), at("e", 1, 21));
            script.done(42, get("e"), waiting("e", 1, 24));
            script.done(43, act("e", 1, Deed::Extend), held("e", 1, 25));
        },
        "linearizable",
        &[42, 43],
    ),
];
