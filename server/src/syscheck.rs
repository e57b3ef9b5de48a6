//! `--check-system`: does this machine suit a server? And the warnings at start-up that come of the same checks.
//!
//! The reference checks for what makes fork and copy-on-write dangerous as well; Vireo never forks to save, so here
//! memory overcommit matters only where it is forbidden. Source: Valkey 9.1 `syscheck.c`.

use std::fs;

use vireo_core::platform::{Clock, CpuSampler, CpuTime, Platform};

/// How long the clock is read over and over, ns.
const CLOCK_TEST_NS: u64 = 50_000_000;
/// Clock sources that are read without a system call, best first.
const FAST_SOURCES: [&str; 4] = ["tsc", "arch_sys_counter", "kvm-clock", "hyperv_clocksource_tsc_page"];
const SOURCES: &str = "/sys/devices/system/clocksource/clocksource0/available_clocksource";
const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// What came of a check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It could not be done here.
    Skipped,
    /// All is well.
    Well,
    /// What is wrong, and what to do about it.
    Warning(String),
}

/// Runs the checks and prints a line for each. Returns whether all are well.
pub(crate) fn check<P: Platform>() -> bool {
    let checks = [
        ("slow-clocksource", slow_clock::<P>()),
        ("xen-clocksource", xen_clock()),
        ("overcommit", overcommit()),
        ("THP", huge_pages()),
    ];
    let mut all_well = true;
    for (name, outcome) in checks {
        match outcome {
            Outcome::Skipped => println!("[{name}]...skipped"),
            Outcome::Well => println!("[{name}]...OK"),
            Outcome::Warning(why) => {
                all_well = false;
                println!("[{name}]...WARNING:\n{why}");
            }
        }
    }
    all_well
}

/// Reads the clock for a while and looks whether the time was spent in the kernel.
fn slow_clock<P: Platform>() -> Outcome {
    let clock = P::Clock::new();
    let before = P::Cpu::process();
    let end = clock.monotonic_ns().saturating_add(CLOCK_TEST_NS);
    while clock.monotonic_ns() < end {}
    judge_clock(before, P::Cpu::process(), || (line_of(SOURCE), line_of(SOURCES)))
}

fn judge_clock(
    before: CpuTime,
    after: CpuTime,
    sources: impl FnOnce() -> (Option<String>, Option<String>),
) -> Outcome {
    let in_kernel = after.system_us.saturating_sub(before.system_us);
    let in_all = after.user_us.saturating_sub(before.user_us).saturating_add(in_kernel);
    // Up to a tenth is noise.
    if in_kernel.saturating_mul(10) <= in_all {
        return Outcome::Well;
    }
    let (current, available) = sources();
    let (current, available) = (current.unwrap_or_default(), available.unwrap_or_default());
    let better =
        FAST_SOURCES.iter().find(|fast| **fast != current && available.split(' ').any(|a| a == **fast));
    let advice = match better {
        Some(better) => format!(
            "Consider another one: 'echo {better} > {SOURCE}' as root, and 'clocksource={better}' on the kernel's \
             command line to keep it."
        ),
        None => "No faster one is known here.".to_owned(),
    };
    Outcome::Warning(format!(
        "Reading the system's clock is slow, which slows the server down. Clock source: {current}. Available: \
         {available}. {advice}"
    ))
}

fn line_of(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()?.lines().next().map(|line| line.trim().to_owned())
}

fn xen_clock() -> Outcome {
    match line_of(SOURCE) {
        None => Outcome::Skipped,
        Some(source) if source == "xen" => Outcome::Warning(
            "The system keeps time by the 'xen' clock source, which is slow. Look at the [slow-clocksource] check \
             of 'vireo-server --check-system'."
                .to_owned(),
        ),
        Some(_) => Outcome::Well,
    }
}

fn overcommit() -> Outcome {
    match line_of("/proc/sys/vm/overcommit_memory").as_deref() {
        None => Outcome::Skipped,
        Some("2") => Outcome::Warning(
            "Memory overcommit is strictly limited (vm.overcommit_memory = 2): large allocations may fail though \
             memory is free. Add 'vm.overcommit_memory = 1' to /etc/sysctl.conf, or run 'sysctl \
             vm.overcommit_memory=1' for this to take effect at once."
                .to_owned(),
        ),
        Some(_) => Outcome::Well,
    }
}

fn huge_pages() -> Outcome {
    match line_of("/sys/kernel/mm/transparent_hugepage/enabled") {
        None => Outcome::Skipped,
        Some(mode) if mode.contains("[always]") => Outcome::Warning(
            "Transparent huge pages are always on, which costs memory and makes some allocations slow. Run 'echo \
             madvise > /sys/kernel/mm/transparent_hugepage/enabled' as root, keep it over a reboot, and start the \
             server anew."
                .to_owned(),
        ),
        Some(_) => Outcome::Well,
    }
}

/// What to warn the operator of at start-up. `without_huge_pages` keeps them away from this process, where asked for.
pub(crate) fn warnings(without_huge_pages: impl FnOnce() -> bool) -> Vec<String> {
    let mut outcomes = vec![overcommit(), xen_clock()];
    let pages = huge_pages();
    if matches!(pages, Outcome::Warning(_)) && !without_huge_pages() {
        outcomes.push(pages);
    }
    let warnings = outcomes.into_iter().filter_map(|outcome| match outcome {
        Outcome::Warning(why) => Some(format!("WARNING {why}")),
        _ => None,
    });
    warnings.collect()
}

/// The warning that the system cuts `tcp-backlog` short, if it does.
pub(crate) fn backlog_warning(backlog: i64) -> Option<String> {
    let most: i64 = line_of("/proc/sys/net/core/somaxconn")?.parse().ok()?;
    (most > 0 && most < backlog).then(|| {
        format!(
            "WARNING: The TCP backlog setting of {backlog} cannot be enforced because \
             /proc/sys/net/core/somaxconn is set to the lower value of {most}."
        )
    })
}

#[cfg(test)]
mod tests {
    use vireo_core::platform::CpuTime;

    use super::{Outcome, judge_clock};

    #[test]
    fn a_clock_read_through_the_kernel_is_told() {
        let time = |user_us, system_us| CpuTime { user_us, system_us };
        let sources = || (Some("hpet".to_owned()), Some("hpet tsc acpi_pm".to_owned()));
        assert_eq!(judge_clock(time(0, 0), time(50_000, 5_000), sources), Outcome::Well);
        let Outcome::Warning(why) = judge_clock(time(0, 0), time(10_000, 40_000), sources) else { panic!() };
        assert!(
            why.contains("Clock source: hpet. Available: hpet tsc acpi_pm.") && why.contains("'echo tsc >")
        );
        let none = || (None, None);
        let Outcome::Warning(why) = judge_clock(time(0, 0), time(0, 1), none) else { panic!() };
        assert!(why.ends_with("No faster one is known here."));
    }
}
