//! Hints of what memory is read or written soon. They touch nothing, whatever the address, and do nothing where the
//! compiler knows none.

/// Bytes that come together.
pub(crate) const LINE: usize = 64;

/// Asks for the line that this lies in, into the first-level cache.
#[inline(always)]
pub(crate) fn near<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which touches nothing.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Asks for the line that this lies in, into the second-level cache.
#[inline(always)]
pub(crate) fn far<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which touches nothing.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
