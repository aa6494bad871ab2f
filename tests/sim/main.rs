//! Simulated lives: the real core, flow, kinds, clients and routes over a world in which everything may go wrong, and does
//! so by seed. `SIM_SEED=7 cargo test --profile sim --features sabotage --test sim replay -- --nocapture` lives one again and
//! tells it.

mod faults;
mod laws;
mod life;
mod people;
mod plan;
mod world;

#[test]
fn replay() {
    let Some(seed) = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    let life = life::of_seed(seed, true);
    for line in &life.trace {
        println!("{line}");
    }
    assert!(life.broken.is_empty(), "{:#?}", life.broken);
}

#[test]
fn lives() {
    let count: u64 = std::env::var("SIM_LIVES").ok().and_then(|count| count.parse().ok()).unwrap_or(200);
    let begun = std::time::Instant::now();
    let mut full = 0;
    let mut broken: std::collections::BTreeMap<String, Vec<u64>> = Default::default();
    let mut ends: std::collections::BTreeMap<String, usize> = Default::default();
    for seed in 0..count {
        let life = life::of_seed(seed, false);
        full += usize::from(life.is_full());
        *ends.entry(life.end.clone()).or_default() += 1;
        for how in &life.broken {
            let law = how.split(':').next().unwrap_or_default().to_owned();
            broken.entry(law).or_default().push(seed);
        }
    }
    println!("{count} lives, {full} full, {ends:?}, {:?}", begun.elapsed());
    for (law, seeds) in &broken {
        println!("{law}: {} {:?}", seeds.len(), &seeds[..seeds.len().min(12)]);
    }
    assert!(broken.is_empty());
}
