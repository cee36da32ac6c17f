//! All instances, on all cores. They are independent given the issuer, so each is lived to its end
//! before the next, and every core has a part of the fleet.

use std::num::NonZero;
use std::thread;

use crate::instance::{Instance, World};
use crate::options::Options;
use crate::tally::Tally;

/// Lives every instance and adds to the tally. The outcome depends on the seed, and not on the number
/// of cores.
pub(crate) fn simulate(world: &World, options: &Options, empty: &Tally) -> Tally {
    let cores = cores();
    let mut total = empty.clone();
    thread::scope(|scope| {
        let parts: Vec<_> = (0..cores)
            .map(|part| {
                let mut tally = empty.clone();
                scope.spawn(move || {
                    let mine = (0..options.instances).filter(|instance| instance % cores == part);
                    for instance in mine {
                        Instance::live(world, &mut tally, rng(options.seed, instance));
                    }
                    tally
                })
            })
            .collect();
        for part in parts {
            match part.join() {
                Ok(tally) => total.add(&tally),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    total
}

pub(crate) fn cores() -> u32 {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    u32::try_from(cores).unwrap_or(1)
}

/// Random numbers of an instance's own, whichever core it lives on.
fn rng(seed: u64, instance: u32) -> fastrand::Rng {
    let mut rng = fastrand::Rng::with_seed(seed ^ (u64::from(instance) << 32));
    fastrand::Rng::with_seed(rng.u64(..))
}
