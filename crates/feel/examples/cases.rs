//! Runs files of cases given as arguments and lists those that fail.
//!
//! Boundary: for work on the crate; users have `pointsman feel test`.
//! Read first: `main`.
#![expect(clippy::print_stdout, reason = "an example prints")]

fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let (mut passed, mut failed) = (0, 0);
        for case in feel::cases::read(&text) {
            let case = case.expect("a case");
            match case.run() {
                Ok(()) => passed += 1,
                Err(mismatch) => {
                    failed += 1;
                    println!("{} / {}: {}", case.suite, case.name, case.expression);
                    println!("  expected {}", mismatch.expected);
                    println!("  actual   {}", mismatch.actual);
                }
            }
        }
        println!("{path}: {passed} passed, {failed} failed");
    }
}
