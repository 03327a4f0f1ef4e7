//! The allocator, and giving back to the system what a burst took.

use std::time::Duration;

use libmimalloc_sys::{mi_collect, mi_option_set, mi_option_t};
use tokio_util::sync::CancellationToken;

/// A tenth less work per message than with glibc's, whose arenas also keep what a burst took.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVERY: Duration = Duration::from_secs(5);

/// How many empty pages of a size each thread keeps (`mimalloc.h` of mimalloc 3; its crate names
/// only the options before it). With two, twenty threads keep several megabytes for nobody.
const PAGE_FULL_RETAIN: mi_option_t = 36;

/// Gives back what is free, now and then. By itself the allocator looks for it only when somebody
/// allocates, which after the last message of a burst nobody does; and to give each page back at
/// once, which it could as well, costs a tenth of the work per message.
pub(crate) async fn give_back(closing: CancellationToken) {
    keep_nothing();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => collect(),
            () = closing.cancelled() => return,
        }
    }
}

#[allow(unsafe_code, reason = "the allocator's crate has no safe way to say it")]
fn keep_nothing() {
    // SAFETY: it stores a number; whoever allocates meanwhile reads the old one or the new one.
    unsafe { mi_option_set(PAGE_FULL_RETAIN, 0) };
}

#[allow(unsafe_code, reason = "the allocator's crate has no safe way to say it")]
fn collect() {
    // SAFETY: any thread may call it at any time; it takes no pointer and frees only what is free.
    unsafe { mi_collect(true) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(unsafe_code, reason = "the allocator's crate has no safe way to ask")]
    fn the_option_is_where_we_take_it_to_be() {
        // SAFETY: it reads a number.
        let read = |option| unsafe { libmimalloc_sys::mi_option_get(option) };
        // What the options around it are by default.
        let defaults = [-2, -1, 0, 1].map(|by| read(PAGE_FULL_RETAIN + by));
        assert_eq!(defaults, [10_000, 0, 2, 4]);
        keep_nothing();
        assert_eq!(read(PAGE_FULL_RETAIN), 0);
    }
}
