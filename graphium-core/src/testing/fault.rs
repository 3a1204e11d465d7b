//! What becomes of calls on a bad line.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The longest delay, in milliseconds, that a seeded plan draws for each direction.
const LONGEST_DELAY: u64 = 4_000;

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It goes through.
    None,
    /// It is lost before it happens.
    LoseCall,
    /// It happens, and its answer is lost.
    LoseAnswer,
    /// It takes this long there and this long back.
    Delay {
        /// Before it happens.
        there: Duration,
        /// Until its answer comes.
        back: Duration,
    },
    /// It happens twice, and the second answer comes.
    Repeat,
    /// It happens now, and a loop call of an agent once more before the next one, when nobody waits for its answer.
    Linger,
    /// It is lost, and nobody ever says so.
    Hang,
}

/// Which calls meet which fault.
#[derive(Debug)]
pub struct FaultPlan(Source);

#[derive(Debug)]
enum Source {
    Seeded { rng: Box<StdRng>, percent: u32 },
    Scripted(VecDeque<Fault>),
}

impl FaultPlan {
    /// So many of a hundred calls meet a fault, which ones and what faults as the seed says.
    #[must_use]
    pub fn seeded(seed: u64, percent: u32) -> Self {
        Self(Source::Seeded { rng: Box::new(StdRng::seed_from_u64(seed)), percent: percent.min(100) })
    }

    /// The calls meet these in turn, and after the last one all go through.
    #[must_use]
    pub fn scripted(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self(Source::Scripted(faults.into_iter().collect()))
    }

    /// What the next call meets.
    pub(super) fn draw(&mut self) -> Fault {
        match &mut self.0 {
            Source::Scripted(faults) => faults.pop_front().unwrap_or(Fault::None),
            Source::Seeded { rng, percent } => {
                if rng.random_range(0..100) < *percent {
                    draw(rng)
                } else {
                    Fault::None
                }
            }
        }
    }

    /// What a call meets while its line is cut: a caller may hear of it or not.
    pub(super) fn draw_cut(&mut self) -> Fault {
        match &mut self.0 {
            Source::Scripted(_) => Fault::LoseCall,
            Source::Seeded { rng, .. } => {
                if rng.random_bool(0.3) {
                    Fault::Hang
                } else {
                    Fault::LoseCall
                }
            }
        }
    }
}

fn draw(rng: &mut StdRng) -> Fault {
    let mut delay = || Duration::from_millis(rng.random_range(0..LONGEST_DELAY));
    let (there, back) = (delay(), delay());
    match rng.random_range(0..12) {
        0..3 => Fault::LoseCall,
        3..6 => Fault::LoseAnswer,
        6..8 => Fault::Delay { there, back },
        8..10 => Fault::Repeat,
        10 => Fault::Linger,
        _ => Fault::Hang,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let faults = |seed| {
            let mut plan = FaultPlan::seeded(seed, 50);
            (0..50).map(|_| plan.draw()).collect::<Vec<_>>()
        };
        assert_eq!(faults(1), faults(1));
        assert_ne!(faults(1), faults(2));
    }

    #[test]
    fn a_seeded_plan_draws_every_fault_as_often_as_it_says() {
        let mut plan = FaultPlan::seeded(7, 25);
        let faults: Vec<_> = (0..4_000).map(|_| plan.draw()).collect();
        let met = faults.iter().filter(|fault| **fault != Fault::None).count();
        assert!((800..1_200).contains(&met), "{met} of 4000");
        let kinds: BTreeSet<_> =
            faults.iter().map(|fault| format!("{fault:?}").split(' ').next().map(str::to_owned)).collect();
        assert_eq!(kinds.len(), 7, "{kinds:?}");
        let mut never = FaultPlan::seeded(7, 0);
        assert!((0..100).all(|_| never.draw() == Fault::None));
    }

    #[test]
    fn a_script_is_followed_to_its_end() {
        let mut plan = FaultPlan::scripted([Fault::Repeat, Fault::None, Fault::LoseCall]);
        let faults: Vec<_> = (0..5).map(|_| plan.draw()).collect();
        assert_eq!(faults, [Fault::Repeat, Fault::None, Fault::LoseCall, Fault::None, Fault::None]);
    }
}
