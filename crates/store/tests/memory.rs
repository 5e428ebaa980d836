//! The store in memory keeps the promise of the port.

use store::memory::Memory;

store::conformance_suite!(Box::new(Memory::new()));
