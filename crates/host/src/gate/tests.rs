//! Gates by themselves: who passes, who waits, and who is waited for.

use std::time::Duration;

use tokio::task::JoinSet;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn names(texts: &[&str]) -> Vec<Str> {
    texts.iter().map(|text| Str::from(*text)).collect()
}

fn call(name: &str) -> What {
    What { kind: Kind::Call, name: name.into(), owner: 0, since: Instant::now() }
}

fn enter(gates: &Gates, packages: [&str; 2], chain: &Chain) -> Option<Admission> {
    let [first, second] = packages.map(Str::from);
    gates.try_enter([&first, &second], chain, call("p/s"))
}

fn opened(gates: &Gates, package: &str) -> Option<Admission> {
    enter(gates, [package, ""], &Chain::default())
}

#[test]
fn a_closed_set_keeps_new_calls_out_and_others_pass() {
    let gates = Gates::default();
    let running = opened(&gates, "orders").unwrap();
    assert!(gates.close(1, &names(&["orders", "shop"]), Policy::Hold));
    assert!(opened(&gates, "orders").is_none());
    assert!(opened(&gates, "shop").is_none());
    // A step of an open package that calls a service of a closed one.
    assert!(enter(&gates, ["other", "shop"], &Chain::default()).is_none());
    assert!(opened(&gates, "other").is_some());
    assert_eq!(gates.seen(1, 10).number, 1);
    assert!(!gates.seal(1, false), "somebody is inside");
    drop(running);
    assert!(gates.seal(1, false));
    gates.open(1);
    assert!(opened(&gates, "orders").is_some());
}

#[test]
fn trees_that_are_inside_pass_until_the_set_is_sealed() {
    let gates = Gates::default();
    let outer = opened(&gates, "shop").unwrap();
    assert!(gates.close(1, &names(&["orders", "shop"]), Policy::Hold));
    // By way of a package that is not of the set.
    let through = enter(&gates, ["mail", ""], &outer.chain()).unwrap();
    let inner = enter(&gates, ["orders", ""], &through.chain()).unwrap();
    assert_eq!(gates.seen(1, 10).number, 2, "the one of `mail` is not waited for");
    drop(outer);
    assert!(!gates.seal(1, false), "GAT-2: the inner one passed, and is waited for too");
    drop(inner);
    assert!(gates.seal(1, false));
    assert!(enter(&gates, ["orders", ""], &through.chain()).is_none());
    gates.unseal(1);
    assert!(enter(&gates, ["orders", ""], &through.chain()).is_some());
}

#[test]
fn a_tree_of_another_package_is_a_new_call() {
    let gates = Gates::default();
    let outer = opened(&gates, "mail").unwrap();
    assert!(gates.close(1, &names(&["orders"]), Policy::Hold));
    assert!(enter(&gates, ["orders", ""], &outer.chain()).is_none());
}

#[test]
fn two_deployments_never_close_the_same_gate() {
    let gates = Gates::default();
    assert!(gates.close(1, &names(&["a", "b"]), Policy::Hold));
    assert!(!gates.close(2, &names(&["b", "c"]), Policy::Hold));
    assert!(gates.is_open("c"), "nothing of a refused set is closed");
    assert!(gates.close(1, &names(&["a", "b"]), Policy::Hold), "saying it twice does no harm");
    assert!(gates.close(3, &names(&["c"]), Policy::Hold));
    gates.open(1);
    assert!(gates.is_open("a") && gates.is_open("b") && !gates.is_open("c"));
}

#[test]
fn a_forced_seal_waits_for_nobody() {
    let gates = Gates::default();
    let running = opened(&gates, "orders").unwrap();
    assert!(gates.close(1, &names(&["orders"]), Policy::Hold));
    assert!(gates.seal(1, true));
    assert_eq!(gates.condition("orders"), "sealed");
    gates.open(1);
    drop(running);
    assert!(gates.close(2, &names(&["orders"]), Policy::Hold));
    assert!(gates.seal(2, false), "whoever was inside has left");
}

#[test]
fn run_on_old_waits_for_the_earlier_calls_only() {
    let gates = Gates::default();
    let earlier = opened(&gates, "orders").unwrap();
    assert!(gates.close(1, &names(&["orders"]), Policy::RunOnOld));
    let later = opened(&gates, "orders").unwrap();
    assert_eq!(gates.seen(1, 10).number, 1);
    drop(earlier);
    assert!(gates.seal(1, false));
    assert!(opened(&gates, "orders").is_none());
    gates.open(1);
    drop(later);
}

#[tokio::test]
async fn held_calls_enter_when_it_opens_in_their_order() {
    let gates = Gates::default();
    assert!(gates.close(1, &names(&["orders"]), Policy::Hold));
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut calls = JoinSet::new();
    for number in 0..100 {
        let (waiting, order) = (gates.clone(), order.clone());
        calls.spawn(async move {
            let (package, none) = (Str::from("orders"), Str::from(""));
            let chain = Chain::default();
            let entered =
                waiting.enter([&package, &none], &chain, call("orders/s"), PATIENCE).await;
            order.lock().unwrap().push(number);
            entered.unwrap();
        });
        while gates.seen(1, 0).held <= number {
            tokio::task::yield_now().await;
        }
    }
    gates.open(1);
    calls.join_all().await;
    assert!(order.lock().unwrap().iter().copied().eq(0..100));
}

#[tokio::test]
async fn what_is_held_is_bounded() {
    let gates = Gates::new(1);
    let (package, none) = (Str::from("orders"), Str::from(""));
    let chain = Chain::default();
    let try_it = |patience| gates.enter([&package, &none], &chain, call("orders/s"), patience);
    assert!(gates.close(1, &names(&["orders"]), Policy::Hold));
    let short = Duration::from_millis(10);
    let (first, second) = tokio::join!(try_it(short), try_it(short));
    assert_eq!(first.unwrap_err(), Refusal::Late);
    assert_eq!(second.unwrap_err(), Refusal::Full);
    assert_eq!(gates.seen(1, 0).held, 0, "GAT-3: those who gave up are not counted");
    gates.open(1);
    assert!(gates.close(2, &names(&["orders"]), Policy::FailFast));
    assert_eq!(try_it(short).await.unwrap_err(), Refusal::Closed);
}

/// Whatever calls what, and whenever sets close: no tree waits for itself, and nobody is ever
/// inside of a sealed set.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_set_waits_for_itself() {
    let gates = Gates::default();
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let all = names(&["a", "b", "c", "d"]);
    let done: Arc<[std::sync::atomic::AtomicU64; 8]> = Arc::default();
    let mut callers = JoinSet::new();
    for seed in 0..8_u64 {
        let (gates, over, all) = (gates.clone(), over.clone(), all.clone());
        let done = done.clone();
        callers.spawn(async move {
            let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut roll = move |faces: u64| {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                usize::try_from(dice % faces).unwrap()
            };
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                // Packages call those after them: `a` depends on `b`, and so on.
                let mut at = roll(4);
                let mut tree: Vec<Admission> = Vec::new();
                loop {
                    let chain = tree.last().map(Admission::chain).unwrap_or_default();
                    let none = Str::from("");
                    let what = call(&all[at]);
                    let entered = gates.enter([&all[at], &none], &chain, what, PATIENCE).await;
                    tree.push(entered.expect("no tree waits for itself"));
                    tokio::task::yield_now().await;
                    at += 1 + roll(2);
                    if at >= 4 {
                        break;
                    }
                }
                while tree.pop().is_some() {}
                done[usize::try_from(seed).unwrap()]
                    .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        });
    }
    let least = || done.iter().map(|calls| calls.load(std::sync::atomic::Ordering::Relaxed)).min();
    let mut id = 0;
    // Until everybody has come through a few times.
    while id < 200 || least() < Some(20) {
        id += 1;
        // The package and everybody that depends on it.
        let last = usize::try_from(id % 4).unwrap();
        assert!(gates.close(id, &all[..=last], Policy::Hold));
        let sealing = async {
            loop {
                gates.drained(id).await;
                if gates.seal(id, false) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, sealing).await.expect("a set drains");
        let inside = all[..=last].iter().map(|package| gates.inside(package, 0).1);
        assert_eq!(inside.sum::<usize>(), 0, "GAT-1");
        tokio::task::yield_now().await;
        gates.open(id);
    }
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    callers.join_all().await;
}

#[test]
fn chains_are_read_as_they_are_written() {
    let chain = Chain::of(&names(&["shop", "orders.v2"]));
    assert_eq!(Chain::parse(&chain.text()), Some(chain));
    for bad in ["", ",", "a,,b", "a b", "ä", &"a,".repeat(CHAIN_MAX + 1)] {
        assert_eq!(Chain::parse(bad), None, "{bad}");
    }
}
