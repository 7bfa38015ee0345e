//! Fuzz targets: what reads bytes from outside or from disk, given bytes that it was not meant for.
//!
//! A target is a function of bytes whose assertions hold whatever they are. It is an ordinary test, so that it sees
//! what is private, and it is run in two ways:
//!
//! - `cargo test` runs its seeds, its corpus, and a fixed number of inputs that are made of those by a fixed seed;
//! - `tests/fuzz/run.sh` builds the same tests with `cfg(fuzzing_libfuzzer)`, and libFuzzer searches along coverage.
//!
//! Seeds are made by the code of today, so they never grow old. A corpus is what was found since, in
//! `tests/fuzz/corpus/NAME.hex`: an input a line, in hex; lines that begin with `#` say what the next one has shown.

mod input;
mod mutate;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

pub use input::{Input, Output};
use mutate::Mutator;

/// Other inputs than those of every run: any number.
const SEED_VARIABLE: &str = "CORNDOGS_FUZZ_SEED";
/// So many times the inputs of a usual run.
const TIMES_VARIABLE: &str = "CORNDOGS_FUZZ_TIMES";
/// Where a target writes what it starts from, instead of running.
const UNPACK_VARIABLE: &str = "CORNDOGS_FUZZ_UNPACK";

/// Defines a target: its name, how many inputs a usual run makes, what they are made of, and the function.
macro_rules! fuzz_target {
    ($(#[$doc:meta])* $name:ident, $inputs:expr, $seeds:path, $run:path) => {
        $(#[$doc])*
        #[test]
        fn $name() {
            let target = $crate::fuzz::Target {
                name: stringify!($name),
                inputs: $inputs,
                seeds: $seeds,
                run: $run,
            };
            if target.unpacks() {
                return;
            }
            #[cfg(fuzzing_libfuzzer)]
            bolero::check!().for_each(|bytes: &[u8]| $run(bytes));
            #[cfg(not(fuzzing_libfuzzer))]
            target.run_bounded();
        }
    };
}
pub(crate) use fuzz_target;

/// A function of bytes, and what its inputs are made of.
pub struct Target {
    /// As its corpus is called.
    pub name: &'static str,
    /// How many inputs a usual run makes.
    pub inputs: u64,
    /// Inputs that it accepts.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Panics if what must hold does not.
    pub run: fn(&[u8]),
}

impl Target {
    /// Runs all that is known, and inputs that are made of it: the same ones each time.
    #[cfg_attr(fuzzing_libfuzzer, allow(dead_code))]
    pub fn run_bounded(&self) {
        let known = self.known();
        for bytes in &known {
            self.run_one("a known input", bytes);
        }
        let seed = number(SEED_VARIABLE, 0);
        for case in 0..self.inputs * number(TIMES_VARIABLE, 1) {
            let bytes = Mutator::new(self.name, seed, case).input(&known);
            self.run_one(&format!("{SEED_VARIABLE}={seed}, input {case}"), &bytes);
        }
    }

    /// Writes all that is known into a directory, a file each, if that is asked for.
    pub fn unpacks(&self) -> bool {
        let Some(dir) = std::env::var_os(UNPACK_VARIABLE) else {
            return false;
        };
        for (number, bytes) in self.known().iter().enumerate() {
            let path = Path::new(&dir).join(format!("known-{number:03}"));
            fs::write(path, bytes).unwrap();
        }
        true
    }

    fn known(&self) -> Vec<Vec<u8>> {
        let mut known = (self.seeds)();
        known.extend(corpus(self.name));
        known
    }

    fn run_one(&self, what: &str, bytes: &[u8]) {
        let result = catch_unwind(AssertUnwindSafe(|| (self.run)(bytes)));
        if let Err(panic) = result {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!(
                "{}: {what} failed; as a line of its corpus:\n{hex}",
                self.name
            );
            resume_unwind(panic);
        }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(variable) else {
        return default;
    };
    text.parse()
        .unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}"))
}

/// The inputs that were kept of a target.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let Ok(text) = fs::read_to_string(dir.join(format!("{name}.hex"))) else {
        return Vec::new();
    };
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| unhex(line).unwrap_or_else(|| panic!("{name}: a line is no hex: {line}")))
        .collect()
}

fn unhex(line: &str) -> Option<Vec<u8>> {
    let (pairs, []) = line.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}

/// A directory for files that a target reads, one for each thread: in memory where there is such a place.
pub fn scratch() -> PathBuf {
    thread_local! {
        static DIR: tempfile::TempDir = {
            let memory = Path::new("/dev/shm");
            match std::env::var_os("TMPDIR").is_none() && memory.is_dir() {
                true => tempfile::tempdir_in(memory),
                false => tempfile::tempdir(),
            }
            .unwrap()
        };
    }
    DIR.with(|dir| dir.path().to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn inputs_differ_from_each_other_and_are_the_same_again() {
        let known = [b"abcdefgh".to_vec(), vec![7; 100]];
        let inputs = |seed| {
            let input = |case| Mutator::new("name", seed, case).input(&known);
            (0..200).map(input).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        let distinct: BTreeSet<_> = inputs(1).into_iter().collect();
        assert!(distinct.len() > 150, "{}", distinct.len());
    }

    #[test]
    fn corpora_are_hex() {
        assert_eq!(unhex("00ff7A"), Some(vec![0, 255, 0x7a]));
        assert_eq!(unhex(""), Some(Vec::new()));
        for wrong in ["0", "0g", "000"] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_failing_input_fails_its_test() {
        fn run(bytes: &[u8]) {
            assert!(bytes.is_empty(), "not empty");
        }
        let target = Target {
            name: "none",
            inputs: 10,
            seeds: || vec![Vec::new()],
            run,
        };
        assert!(catch_unwind(|| target.run_bounded()).is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        let mut output = Output::default();
        output.byte(3);
        output.number(-5);
        output.chunk(b"abc");
        output.chunk(&[1; 300]);
        output.rest(b"the rest");
        let bytes = output.bytes();
        let mut input = Input::new(&bytes);
        assert_eq!(input.byte(), 3);
        assert_eq!(input.number(), -5);
        assert_eq!(input.chunk(), b"abc");
        assert_eq!(input.chunk(), [1; 300]);
        assert!(!input.is_empty());
        assert_eq!(input.rest(), b"the rest");
        assert!(input.is_empty());
        assert_eq!(
            (input.byte(), input.number(), input.chunk()),
            (0, 0, &b""[..])
        );
    }
}
