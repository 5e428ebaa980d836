//! What an open gate costs a call, in nanoseconds: the median of many slices, for one thread and
//! for two at once, beside the same loop without a gate.
//!
//! Boundary: prints a table; checks nothing. Run with `cargo bench -p host --bench gate`.
//! Read first: `main`.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::hint::black_box;
use std::time::Instant;

use feel::Str;
use host::gate::{Chain, Gates, Kind, What};

const CALLS: u32 = 200_000;
const SLICES: usize = 21;

/// The median time of one call, in nanoseconds.
fn measure(mut call: impl FnMut()) -> f64 {
    let mut slices: Vec<f64> = (0..SLICES)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..CALLS {
                call();
            }
            started.elapsed().as_nanos() as f64 / f64::from(CALLS)
        })
        .collect();
    slices.sort_by(f64::total_cmp);
    slices[SLICES / 2]
}

fn what(name: &Str) -> What {
    What { kind: Kind::Call, name: name.clone(), owner: 0, since: Instant::now().into() }
}

fn through(gates: &Gates, names: &[Str; 3]) {
    let [package, service, none] = names;
    let entered = gates.try_enter([package, none], &Chain::default(), what(service));
    drop(black_box(entered));
}

fn main() {
    let names: [Str; 3] = ["orders".into(), "orders/check".into(), "".into()];
    let gates = Gates::default();
    let without = measure(|| drop(black_box(what(&names[1]))));
    let with = measure(|| through(&gates, &names));
    let both = std::thread::scope(|scope| {
        let other = scope.spawn(|| measure(|| through(&gates, &names)));
        let own = measure(|| through(&gates, &names));
        own.max(other.join().unwrap_or(f64::NAN))
    });
    println!("a call's description alone      {without:7.1} ns");
    println!("and through an open gate        {with:7.1} ns");
    println!("the gate                        {:7.1} ns", with - without);
    println!("two threads at one gate, each   {both:7.1} ns");
}
