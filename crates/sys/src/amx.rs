//! Asking the system for AMX, whose registers a process must be granted first.

/// Asks the system to let this process use AMX's tiles; `false` where it refuses, or is no Linux on x86-64.
pub fn request_amx() -> bool {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        /// From the kernel's `asm/prctl.h`.
        const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
        /// The state component of tile data.
        const XTILEDATA: libc::c_ulong = 18;
        // SAFETY: the call takes two numbers and touches no memory of this process.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0 }
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    false
}
