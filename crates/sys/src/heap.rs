//! How the system's allocator shares its memory among threads.

/// Has all threads share few parts of the heap. glibc gives each thread a part of its own, up to eight a core, and each
/// part keeps what was freed in it: a program whose threads come and go grows by that for hours. Elsewhere this does
/// nothing. To be called before threads are started; those that have a part keep it.
pub fn share_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const PARTS: libc::c_int = 2;
        // SAFETY: mallopt reads two numbers, takes the allocator's own lock, and touches no memory that was given out.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, PARTS) };
    }
}
