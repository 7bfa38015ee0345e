//! Chance that can be repeated.

use super::now_ns;

/// SplitMix64: random enough for tests, the same from the same seed everywhere.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    /// From `CORNDOGS_SEED`, or from the time; printed, so that a failure can be run again.
    pub fn seeded(what: &str) -> Self {
        let given = std::env::var("CORNDOGS_SEED").ok();
        let seed = given.map_or_else(now_ns, |seed| seed.parse().unwrap());
        println!("{what}: CORNDOGS_SEED={seed}");
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.number() as u8).collect()
    }

    /// A uuid of version 4, as a client would choose it.
    pub fn uuid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.bytes(16).try_into().unwrap())
            .into_uuid()
            .to_string()
    }
}
