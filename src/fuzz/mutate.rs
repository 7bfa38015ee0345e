//! Inputs made of known ones: bits flipped, bytes cut, doubled and spliced, numbers at their limits.

use proptest::prelude::{Rng, RngExt};
use proptest::test_runner::{RngAlgorithm, TestRng};
use xxhash_rust::xxh3::xxh3_64;

/// Longer inputs find nothing that shorter ones do not.
const MAX_BYTES: usize = 16 << 10;
const MAX_STEPS: usize = 6;
const MAX_INSERTED: usize = 24;

/// Makes one input; the same for the same name, seed and case.
pub struct Mutator(TestRng);

impl Mutator {
    pub fn new(name: &str, seed: u64, case: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&xxh3_64(name.as_bytes()).to_le_bytes());
        bytes[8..16].copy_from_slice(&seed.to_le_bytes());
        bytes[16..24].copy_from_slice(&case.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    /// Most inputs are a known one with a few changes, some are made of nothing.
    pub fn input(mut self, known: &[Vec<u8>]) -> Vec<u8> {
        if known.is_empty() || self.0.random_ratio(1, 16) {
            return self.noise(256);
        }
        let mut bytes = self.pick(known);
        for _ in 0..self.0.random_range(1..=MAX_STEPS) {
            self.change(&mut bytes, known);
        }
        bytes.truncate(MAX_BYTES);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, known: &[Vec<u8>]) {
        let at = self.place(bytes);
        match self.0.random_range(0..9) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(self.range(bytes))),
            2 => {
                let doubled = bytes[self.range(bytes)].to_vec();
                drop(bytes.splice(at..at, doubled));
            }
            3 => {
                let noise = self.noise(MAX_INSERTED);
                drop(bytes.splice(at..at, noise));
            }
            4 => {
                let other = self.pick(known);
                let from = self.place(&other);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            5 => {
                let number = self.number();
                let end = (at + number.len()).min(bytes.len());
                drop(bytes.splice(at..end, number));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.0.random_range(0..8);
                }
            }
        }
    }

    /// A number at a limit, in one of the widths and orders that formats use.
    fn number(&mut self) -> Vec<u8> {
        let limits = [0, 1, 127, 128, 255, 1 << 16, 1 << 31, 1 << 63, u64::MAX];
        let around = self.0.random_range(0..3_u64);
        let number = limits[self.0.random_range(0..limits.len())]
            .wrapping_add(around)
            .wrapping_sub(1);
        match self.0.random_range(0..5) {
            0 => vec![number as u8],
            1 => (number as u32).to_le_bytes().to_vec(),
            2 => (number as u32).to_be_bytes().to_vec(),
            3 => number.to_be_bytes().to_vec(),
            _ => {
                let mut varint = Vec::new();
                prost::encoding::encode_varint(number, &mut varint);
                varint
            }
        }
    }

    fn noise(&mut self, longest: usize) -> Vec<u8> {
        let mut noise = vec![0; self.0.random_range(0..=longest)];
        self.0.fill_bytes(&mut noise);
        noise
    }

    fn pick(&mut self, known: &[Vec<u8>]) -> Vec<u8> {
        known[self.0.random_range(0..known.len())].clone()
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        self.0.random_range(0..=bytes.len())
    }

    fn range(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let from = self.place(bytes);
        let length = self.0.random_range(0..=MAX_INSERTED);
        from..(from + length).min(bytes.len())
    }
}
