//! The user ids sandboxes run under. They are in no user database: all they need is to be nobody
//! else's, since whatever is left of a sandbox is found by its user.

use std::fs;

use rand::Rng;
use rustix::process::geteuid;

/// systemd's table of user ids leaves everything from here to 2^31 to nobody
/// (systemd.io/UIDS-GIDS).
const FREE: u32 = 0x7000_0000;
/// Blocks in there, of 65,536 ids each.
const BLOCKS: u32 = 0x1000;
const BLOCK: u32 = 0x1_0000;

/// The first id of a block that no other edge of the machine has, in all likelihood.
pub(crate) fn draw_uids() -> u32 {
    FREE + rand::rng().random_range(0..BLOCKS) * BLOCK
}

/// The id of sandbox `number` in the block from `first`.
pub(crate) fn nth(first: u32, number: u32) -> Option<u32> {
    first.checked_add(number).filter(|_| number < BLOCK)
}

/// Whether this process can give the ids from `first` on to others: it is root, and the kernel
/// knows them here (inside a container of a user's own, root often has few).
pub(crate) fn can_be_given(first: u32) -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let known = is_mapped(&map, first);
    if geteuid().is_root() && !known {
        tracing::warn!(first, "sandbox.no_user_ids");
    }
    geteuid().is_root() && known
}

/// `uid_map` (user_namespaces(7)): first id here, first id outside, how many.
fn is_mapped(map: &str, first: u32) -> bool {
    let (first, last) = (u64::from(first), u64::from(first) + u64::from(BLOCK) - 1);
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(start)), Some(Ok(_)), Some(Ok(count))) => {
                start <= first && last < start.saturating_add(count)
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_drawn_where_nobody_is() {
        for _ in 0..100 {
            let first = draw_uids();
            assert!((FREE..0x8000_0000).contains(&first) && first.is_multiple_of(BLOCK));
        }
    }

    #[test]
    fn a_block_ends() {
        assert_eq!(nth(FREE, BLOCK - 1), Some(FREE + BLOCK - 1));
        assert_eq!((nth(FREE, BLOCK), nth(u32::MAX, 1)), (None, None));
    }

    #[test]
    fn only_ids_the_kernel_knows_here_can_be_given() {
        assert!(is_mapped("         0          0 4294967295\n", FREE));
        assert!(!is_mapped("0 1000 1\n1 100000 65536\n", FREE));
        assert!(is_mapped("0 1000 1\n1 100000 65536\n", 1));
        assert!(!is_mapped("0 1000 1\n1 100000 65536\n", 2));
        assert!(!is_mapped("", 0));
    }
}
