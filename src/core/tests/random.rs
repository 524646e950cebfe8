//! Random numbers that a seed repeats.

use jiff::SignedDuration;

/// splitmix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn small(&mut self, end: u8) -> u8 {
        u8::try_from(self.below(u64::from(end))).unwrap()
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }

    /// From milliseconds to days, each order of magnitude as likely.
    pub fn time(&mut self) -> SignedDuration {
        let unit = self.of(&[1, 20, 250, 1000, 1000, 5000, 5000, 60_000, 60_000, 600_000, 600_000, 3_600_000, 3_600_000, 28_800_000]);
        SignedDuration::from_millis(unit * i64::try_from(1 + self.below(5)).unwrap())
    }
}
