//! Who goes first where there is less CPU than work: the requests.

/// How much less than others the thread asks for: about a tenth of what a thread of the proxy gets that wants all of a CPU.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Lets threads that serve requests go before this one, and before those that it starts. What is idle is still its own.
#[cfg(target_os = "linux")]
pub fn give_way() {
    // Linux counts niceness by thread, and no thread's number is the calling one (setpriority(2)).
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "hooks run beside requests, not after them");
    }
}

/// Elsewhere niceness is a process's.
#[cfg(not(target_os = "linux"))]
pub fn give_way() {}
