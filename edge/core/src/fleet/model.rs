//! Random lives of all sandboxes of a machine, in virtual time, with an edge and sandboxes that die:
//! whatever happens in whatever order, the promises hold. Each schedule has a seed, which a failure
//! prints. `ZAKI_MODEL_STEPS` makes it longer, `ZAKI_MODEL_SEED` shows one of them.

mod world;

use world::World;

/// Of one schedule.
const STEPS: usize = 400;

#[test]
fn no_schedule_breaks_a_promise() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("ZAKI_MODEL_SEED") {
        return World::new(seed, true).run(STEPS);
    }
    let asked = number("ZAKI_MODEL_STEPS").unwrap_or(1_000_000);
    let (mut steps, mut seed) = (0, 0);
    let mut sums = world::Seen::default();
    while steps < asked {
        seed += 1;
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed, false);
            world.run(STEPS);
            world.seen
        });
        let Ok(counts) = run else {
            panic!("seed {seed}: see above");
        };
        steps += counts.steps;
        sums.add(&counts);
    }
    println!("{seed} schedules, {sums:?}");
    // What never happens is not proven.
    assert!(sums.is_rich(), "{sums:?}");
}
