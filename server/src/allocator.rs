//! What the allocator itself tells, for INFO memory and MEMORY, and what it is told.

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

/// What jemalloc reads when it starts.
#[cfg(feature = "jemalloc")]
#[repr(transparent)]
#[derive(Debug)]
struct Options(*const core::ffi::c_char);

#[cfg(feature = "jemalloc")]
#[expect(unsafe_code, reason = "a pointer to a constant")]
// SAFETY: it points to a string literal.
unsafe impl Sync for Options {}

/// Large allocations go the way of all others. By default those above eight megabytes are given back to the system as soon
/// as they are freed, by whoever frees them: a hundred milliseconds for half a gigabyte.
#[cfg(feature = "jemalloc")]
#[expect(unsafe_code, reason = "the name under which the allocator looks for it")]
#[unsafe(export_name = "_rjem_malloc_conf")]
#[used]
static OPTIONS: Options = Options(c"oversize_threshold:0".as_ptr());

/// Has a thread of the allocator's own give unused memory back to the system, or whoever allocates and frees.
///
/// The second takes as long as it takes, in the midst of a command.
#[cfg(feature = "jemalloc")]
pub(crate) fn set_background(on: bool) -> Result<(), String> {
    use tikv_jemalloc_ctl::{background_thread, max_background_threads};
    let set = if on { max_background_threads::write(1) } else { Ok(()) };
    set.and_then(|()| background_thread::write(on)).map_err(|error| error.to_string())
}

/// The system's allocator has no such thread.
#[cfg(not(feature = "jemalloc"))]
pub(crate) fn set_background(_on: bool) -> Result<(), String> {
    Ok(())
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

#[cfg(all(test, feature = "jemalloc"))]
mod tests {
    #[test]
    fn the_allocator_has_read_its_options() {
        // The program has the allocator under test only as part of the server; what it reads is the same.
        let name = b"opt.oversize_threshold\0";
        #[expect(unsafe_code, reason = "the control call is untyped")]
        // SAFETY: the option is a size_t.
        let threshold: usize = unsafe { tikv_jemalloc_ctl::raw::read(name) }.unwrap();
        assert_eq!(threshold, 0);
    }

    #[test]
    fn its_thread_can_be_turned_on_and_off() {
        for on in [true, false, true] {
            super::set_background(on).unwrap();
            assert_eq!(tikv_jemalloc_ctl::background_thread::read().unwrap(), on);
        }
    }
}
