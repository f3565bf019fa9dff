//! What safe Rust cannot ask of memory, in a crate of its own because these are the workspace's only unsafe lines: everything
//! else forbids that. Both are hints: nothing that a program can see depends on them.

/// Has the processor fetch the cache line at `at`, without waiting for it. Nothing is read, so the address may be anything.
///
/// A courier that walks thousands of sockets finds the memory of each cold, because what it sent to those before has gone
/// through the same caches. To wait for it costs one frame in twenty what sending costs; to ask for it in advance costs
/// nothing. The standard library's function for it (`core::hint::prefetch_read`) is not stable yet. Does nothing on
/// processors other than x86-64.
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

/// Gives pages back to the system that are used no longer. glibc's allocator keeps them by itself, and who looks at how much
/// memory a process has takes them for memory in use.
///
/// Takes as long as there are free pieces to look at: not for a thread that others wait for. Does nothing where the
/// allocator is not glibc's.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
    {
        // SAFETY: malloc_trim(3) may be called at any time and by any thread; it touches free memory alone.
        #[expect(unsafe_code, reason = "a function of the C library")]
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_will_do_and_what_is_there_stays_as_it_is() {
        let here = [7; 64];
        prefetch(&raw const here);
        prefetch(std::ptr::null::<u8>());
        prefetch(std::ptr::without_provenance::<u64>(usize::MAX));
        assert_eq!(here, [7; 64]);
    }

    #[test]
    fn what_is_in_use_stays_as_it_is_when_the_rest_is_given_back() {
        let mut held: Vec<Vec<u8>> = (0..1000).map(|n| vec![n as u8; 4096]).collect();
        for n in (0..1000).step_by(2) {
            held[n] = Vec::new();
        }
        give_back();
        for n in (1..1000).step_by(2) {
            assert_eq!(held[n], vec![n as u8; 4096]);
        }
    }
}
