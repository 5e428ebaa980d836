//! Worlds of many servers: fresh seeds at each run, every seed that ever failed, and the same seed
//! twice. `SIM_SEEDS` says how many fresh ones there are at most, `SIM_SECONDS` for how long.

use std::time::{Duration, UNIX_EPOCH};

use sim::{Next, explain, is_repeated, run, run_many};

/// Seeds of failures that were found, one a line; what stands behind `#` says what was wrong.
const FAILED: &str = include_str!("failed_seeds.txt");
const SEEDS: u64 = 400;
const SECONDS: u64 = 60;

fn setting(name: &str, otherwise: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test has no other configuration")]
    let text = std::env::var(name);
    text.map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn fresh_worlds_come_to_rest_and_lose_nothing() {
    let now = UNIX_EPOCH.elapsed().expect("it is later than 1970").as_millis();
    let first = u64::try_from(now).expect("milliseconds") * 1_000;
    let limit = Duration::from_secs(setting("SIM_SECONDS", SECONDS));
    let seeds = first..first + setting("SIM_SEEDS", SEEDS);
    println!("seeds {seeds:?}");
    let summary = run_many(seeds, |report, summary| {
        if !report.violations.is_empty() {
            println!("{}", explain(report));
        }
        if summary.took > limit { Next::Enough } else { Next::Another }
    });
    println!("{summary}");
    assert!(summary.failed.is_empty(), "seeds {:?} failed", summary.failed);
}

#[test]
fn worlds_that_failed_once_do_not_fail_again() {
    let lines = FAILED.lines().filter_map(|line| line.split('#').next());
    let seeds = lines.map(str::trim).filter(|line| !line.is_empty());
    for seed in seeds.map(|seed| seed.parse().expect("a seed")) {
        let report = run(seed);
        assert!(report.violations.is_empty(), "{}", explain(&report));
    }
}

#[test]
fn a_seed_gives_the_same_trace_each_time() {
    for seed in 0..8 {
        is_repeated(seed).expect("it repeats");
    }
}
