//! `--check-system`: does this machine suit a server?

use vireo_core::platform::Clock;

/// Runs the checks and prints a line for each. `true` when all are well.
pub(crate) fn check<C: Clock>() -> bool {
    let checks: [(&str, Result<(), String>); 3] =
        [("slow-clocksource", slow_clock::<C>()), ("overcommit", overcommit()), ("THP", huge_pages())];
    let mut all_well = true;
    for (name, outcome) in checks {
        match outcome {
            Ok(()) => println!("[{name}]...OK"),
            Err(why) => {
                all_well = false;
                println!("[{name}]...WARNING:\n{why}\n");
            }
        }
    }
    all_well
}

fn slow_clock<C: Clock>() -> Result<(), String> {
    let clock = C::new();
    if clock.name().contains("TSC") || cfg!(not(target_arch = "x86_64")) {
        return Ok(());
    }
    Err("The kernel does not keep time by the processor's counter, so reading the clock is slow. Look at \
         /sys/devices/system/clocksource/clocksource0/ for a faster source."
        .to_owned())
}

fn overcommit() -> Result<(), String> {
    match std::fs::read_to_string("/proc/sys/vm/overcommit_memory") {
        Ok(mode) if mode.trim() == "2" => {
            Err("Memory overcommit is strictly limited (vm.overcommit_memory = 2); large \
            allocations may fail though memory is free. 'sysctl vm.overcommit_memory=1' allows them."
                .to_owned())
        }
        _ => Ok(()),
    }
}

fn huge_pages() -> Result<(), String> {
    match std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled") {
        Ok(mode) if mode.contains("[always]") => Err("Transparent huge pages are always on, which costs memory and \
            makes some allocations slow. 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled' limits them."
            .to_owned()),
        _ => Ok(()),
    }
}
