//! What the program takes from itself, and so from everything it starts, before it starts anything:
//! no new privileges, no system calls that lead into the kernel's back rooms, no core files.
//!
//! A second wall: where the sandbox is, namespaces or a container stand around it. Not the place for
//! what only the edge may decide.

use std::{collections::BTreeMap, fs};

use nix::{
    libc,
    sys::resource::{Resource, setrlimit},
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter_all_threads,
};

/// When memory ends, sandboxes go before the hub does (proc_pid_oom_score_adj(5)).
const GOES_FIRST: &str = "500";

/// Why a program is not confined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfineError {
    /// The filter cannot be made.
    #[error("the filter of system calls cannot be made: {0}")]
    Filter(#[from] BackendError),
    /// The kernel does not take it.
    #[error("the kernel filters no system calls: {0}")]
    Kernel(#[from] seccompiler::Error),
    /// A limit.
    #[error("a limit cannot be set: {0}")]
    Limit(#[from] nix::Error),
}

/// For all threads, and for good.
pub(crate) fn confine(most_processes: Option<u64>) -> Result<(), ConfineError> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    if let Some(most) = most_processes {
        setrlimit(Resource::RLIMIT_NPROC, most, most)?;
    }
    // A kernel that does not let us is no reason to fail.
    let _ = fs::write("/proc/self/oom_score_adj", GOES_FIRST);
    // Sets no_new_privs on the way.
    for filter in filters()? {
        apply_filter_all_threads(&filter)?;
    }
    Ok(())
}

/// The kernel's back rooms: mounts and namespaces, modules and programs in the kernel, keys, clocks,
/// the machine itself, `io_uring`. As container engines refuse them.
const NEVER: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
];

/// The sockets that are of use: local ones, IP, and those that ask which interfaces there are.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// What no process may be born into.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What is refused as forbidden, and what as unknown: libraries that hear so of `clone3`, whose flags
/// no filter can see, take `clone`.
fn filters() -> Result<[BpfProgram; 2], BackendError> {
    let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    Ok([program(refused()?, libc::EPERM)?, program(clone3, libc::ENOSYS)?])
}

fn program(mut rules: Rules, answer: libc::c_int) -> Result<BpfProgram, BackendError> {
    // The same calls by their other numbers (syscall(2), x32).
    #[cfg(target_arch = "x86_64")]
    for (call, conditions) in rules.clone() {
        rules.insert(call | 0x4000_0000, conditions);
    }
    let answer = SeccompAction::Errno(answer.cast_unsigned());
    let machine = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, answer, machine)?.try_into()
}

fn refused() -> Result<Rules, BackendError> {
    let mut rules: Rules = NEVER.iter().map(|call| (*call, Vec::new())).collect();
    let born = NAMESPACES.map(|flag| {
        let flag = u64::from(flag.cast_unsigned());
        SeccompRule::new(vec![when(0, SeccompCmpOp::MaskedEq(flag), flag)?])
    });
    rules.insert(libc::SYS_clone, born.into_iter().collect::<Result<_, _>>()?);
    let other = FAMILIES.map(|family| when(0, SeccompCmpOp::Ne, family.cast_unsigned().into()));
    let other = other.into_iter().collect::<Result<Vec<_>, _>>()?;
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        rules.insert(call, vec![SeccompRule::new(other.clone())?]);
    }
    // Typing into somebody else's terminal.
    let typing = when(1, SeccompCmpOp::Eq, libc::TIOCSTI)?;
    rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(vec![typing])?]);
    Ok(rules)
}

/// The kernel takes the lower half of each of these arguments.
fn when(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What is tried from inside, and what the kernel answers.
    const ATTEMPTS: [(&str, i32); 9] = [
        ("syscall(272, 0x10000000)", libc::EPERM),
        ("syscall(165, 0, 0, 0, 0, 0)", libc::EPERM),
        ("syscall(321, 0, 0, 0)", libc::EPERM),
        ("syscall(248, 0, 0, 0, 0, 0)", libc::EPERM),
        ("syscall(425, 1, 0)", libc::EPERM),
        ("syscall(56, 0x10000000 | 17, 0, 0, 0, 0)", libc::EPERM),
        ("syscall(0x40000000 + 272, 0x10000000)", libc::EPERM),
        ("syscall(41, 40, 1, 0)", libc::EPERM),
        ("syscall(435, 0, 0)", libc::ENOSYS),
    ];

    #[test]
    fn the_filters_are_made() {
        for filter in filters().unwrap() {
            assert!(!filter.is_empty());
        }
    }

    /// Not a test: a process that confines itself, as nobody can be freed again.
    #[test]
    #[ignore = "started by the test below"]
    fn a_confined_process() {
        if std::env::var_os("ZAKI_TEST_CONFINED").is_none() {
            return;
        }
        confine(None).unwrap();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
        // What a sandbox lives from.
        std::thread::spawn(|| ()).join().unwrap();
        assert!(Command::new("/bin/sh").args(["-c", "true | true"]).status().unwrap().success());
        std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim(), GOES_FIRST);
        if cfg!(target_arch = "x86_64") {
            for (attempt, answer) in ATTEMPTS {
                assert_eq!(tried(attempt), answer, "{attempt}");
            }
        }
    }

    /// Perl is on every Debian, and makes any system call; it exits with the error.
    fn tried(attempt: &str) -> i32 {
        let script = format!("exit(({attempt}) == -1 ? $! + 0 : 0)");
        Command::new("perl").args(["-e", &script]).status().unwrap().code().unwrap()
    }

    #[test]
    fn what_is_confined_is_refused_the_kernels_back_rooms_and_lives() {
        let me = std::env::current_exe().unwrap();
        let name = "confine::tests::a_confined_process";
        let mut confined = Command::new(me);
        confined.args(["--exact", name, "--ignored", "--nocapture"]).env("ZAKI_TEST_CONFINED", "1");
        let output = confined.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}{why}");
    }
}
