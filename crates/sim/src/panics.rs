//! Panics inside of a world, which its tasks would swallow.
//!
//! Boundary: one hook for the process; it notes what happens on threads that run a world, and
//! leaves the others to the hook before.
//! Read first: [`watch`].

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static NOTED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Notes panics of this thread while it lives.
pub(crate) struct Watch(());

/// Begins to note panics of this thread.
pub(crate) fn watch() -> Watch {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_noted = NOTED.with_borrow_mut(|noted| {
                noted.as_mut().map(|noted| noted.push(panic.to_string())).is_some()
            });
            if !is_noted {
                before(panic);
            }
        }));
    });
    NOTED.set(Some(Vec::new()));
    Watch(())
}

impl Watch {
    /// What was noted.
    pub(crate) fn take(&self) -> Vec<String> {
        NOTED.with_borrow_mut(|noted| noted.as_mut().map(std::mem::take)).unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        NOTED.set(None);
    }
}
