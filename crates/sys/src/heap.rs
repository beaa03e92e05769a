//! How the system's allocator keeps memory for a program that runs for long.

/// Has the heap stay small however long the program runs. glibc gives each thread a part of the heap, up to eight a core,
/// and each part keeps what was freed in it; and it takes ever larger pieces from these parts, between which holes remain.
/// Then threads share two parts, and larger pieces come from the system and go back to it. Elsewhere this does nothing.
/// To be called before threads are started: those that have a part keep it.
pub fn keep_heap_small() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const PARTS: libc::c_int = 2;
        const LARGE: libc::c_int = 256 << 10;
        for (parameter, value) in
            [(libc::M_ARENA_MAX, PARTS), (libc::M_MMAP_THRESHOLD, LARGE), (libc::M_TRIM_THRESHOLD, LARGE)]
        {
            // SAFETY: mallopt reads two numbers, takes the allocator's own lock, and touches no memory that was given out.
            unsafe { libc::mallopt(parameter, value) };
        }
    }
}
