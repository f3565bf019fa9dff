//! One processor hint, in a crate of its own because it is the workspace's only unsafe line: everything else forbids that.
//!
//! A courier that walks thousands of sockets finds the memory of each cold, because what it sent to those before has gone
//! through the same caches. To wait for it costs one frame in twenty what sending costs; to ask for it in advance costs
//! nothing. The standard library's function for it (`core::hint::prefetch_read`) is not stable yet.

/// Has the processor fetch the cache line at `at`, without waiting for it. Nothing is read, so the address may be anything.
///
/// Does nothing on processors other than x86-64.
#[inline]
pub fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has SSE, and a prefetch neither faults nor changes anything, whatever the address
        // (Intel SDM volume 2, PREFETCHh).
        #[expect(unsafe_code, reason = "the intrinsic takes a pointer")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(at.cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

#[cfg(test)]
mod tests {
    use super::prefetch;

    #[test]
    fn any_address_will_do_and_what_is_there_stays_as_it_is() {
        let here = [7; 64];
        prefetch(&raw const here);
        prefetch(std::ptr::null::<u8>());
        prefetch(std::ptr::without_provenance::<u64>(usize::MAX));
        assert_eq!(here, [7; 64]);
    }
}
