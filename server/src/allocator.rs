//! What the allocator itself tells, for INFO memory and MEMORY.

/// The allocator's own figures, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// In live allocations.
    pub(crate) allocated: u64,
    /// In pages with live allocations.
    pub(crate) active: u64,
    /// In pages held.
    pub(crate) resident: u64,
}

/// The allocator's own figures.
#[cfg(feature = "jemalloc")]
pub(crate) fn figures(_used: u64, _resident: u64) -> Figures {
    use tikv_jemalloc_ctl::{epoch, stats};
    // The figures are a snapshot that advancing the epoch takes; a failure leaves an older one.
    let _ = epoch::advance();
    let read = |value: Result<usize, _>| value.map_or(0, |bytes: usize| bytes as u64);
    Figures {
        allocated: read(stats::allocated::read()),
        active: read(stats::active::read()),
        resident: read(stats::resident::read()),
    }
}

/// The system's allocator tells nothing: what is counted and what is resident stand in.
#[cfg(not(feature = "jemalloc"))]
pub(crate) fn figures(used: u64, resident: u64) -> Figures {
    Figures { allocated: used, active: used, resident }
}

/// Name and version, for INFO.
pub(crate) fn name() -> String {
    #[cfg(feature = "jemalloc")]
    return format!(
        "jemalloc-{}",
        tikv_jemalloc_ctl::version::read().map_or("", |v| v.split('-').next().unwrap_or(v))
    );
    #[cfg(not(feature = "jemalloc"))]
    return "libc".to_owned();
}

/// Gives unused memory back to the system.
#[cfg(feature = "jemalloc")]
#[expect(unsafe_code, reason = "the allocator's control call takes a raw value")]
pub(crate) fn purge() -> Result<(), &'static str> {
    use core::ptr::null_mut;
    // A command takes no value at all: even an empty one is refused.
    // SAFETY: the key is a C string naming a command, 4096 stands for all arenas, and nothing is read or written.
    let status = unsafe {
        tikv_jemalloc_sys::mallctl(c"arena.4096.purge".as_ptr(), null_mut(), null_mut(), null_mut(), 0)
    };
    if status == 0 { Ok(()) } else { Err("Error purging dirty pages") }
}

/// The system's allocator has no such call.
#[cfg(not(feature = "jemalloc"))]
pub(crate) fn purge() -> Result<(), &'static str> {
    Ok(())
}
