//! How the system's allocator keeps memory, for a program that runs for long. glibc alone needs to be told.

/// Has threads share two parts of the heap. glibc would give each a part of its own, up to eight a core, and each part
/// keeps what was freed in it. To be called before threads are started: those that have a part keep it.
pub fn share_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const PARTS: libc::c_int = 2;
        // SAFETY: mallopt reads two numbers, takes the allocator's own lock, and touches no memory that was given out.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, PARTS) };
    }
}

/// Gives what was freed back to the system; glibc would keep what lies between pieces in use. It takes a few milliseconds.
pub fn give_back_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: malloc_trim takes the allocator's own locks, and touches no memory that was given out.
        unsafe { libc::malloc_trim(0) };
    }
}
