"""What the measurements run on: which processor is whose, what the machine is, and how much else went on."""
import contextlib
import os
import platform
import re
import subprocess
import time

PROCESSORS = sorted(os.sched_getaffinity(0))
# The server's main thread, the load generator and this script, and a server's other threads.
SERVER, CLIENT = PROCESSORS[0], PROCESSORS[-1]
OTHERS = PROCESSORS[1] if len(PROCESSORS) > 2 else CLIENT


@contextlib.contextmanager
def pinned(processor):
    """Lets this thread run on one processor, and with it what it starts."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def first_field(path, name):
    """The first `name : value` of a file of the system's."""
    with contextlib.suppress(OSError), open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(name):
                return line.split(":", 1)[1].strip()
    return "unknown"


class Usage:
    """Processor time of the whole machine since this was made."""

    def __init__(self):
        self.before = self.now()

    @staticmethod
    def now():
        with open("/proc/stat", encoding="ascii") as stat:
            ticks = [int(field) for field in stat.readline().split()[1:9]]
        # user nice system idle iowait irq softirq steal
        return {"idle": ticks[3] + ticks[4], "steal": ticks[7], "all": sum(ticks)}

    def share(self, what):
        """Part of all time that was `steal` or `idle`."""
        now = self.now()
        return (now[what] - self.before[what]) / max(1, now["all"] - self.before["all"])


def busy_before():
    """How busy others keep the machine: a share of all processors, over two seconds."""
    usage = Usage()
    time.sleep(2)
    return 1 - usage.share("idle")


def version(binary):
    """The first line of --version."""
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    lines = (told.stdout or told.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"


def short_version(binary):
    """`Valkey 9.1.2`."""
    found = re.search(r"(\w+) server v=([\w.]+)", version(binary))
    return f"{found[1].capitalize()} {found[2]}" if found else os.path.basename(binary)


def revision():
    """The commit of this tree."""
    here = os.path.dirname(os.path.abspath(__file__))
    told = subprocess.run(["git", "-C", here, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def describe():
    """Pairs of what and which."""
    virtual = "hypervisor" in first_field("/proc/cpuinfo", "flags").split()
    processor = f"{first_field('/proc/cpuinfo', 'model name')}, {len(PROCESSORS)} of {os.cpu_count()} processors"
    return [
        ("processor", processor + (", a virtual machine" if virtual else "")),
        ("memory", first_field("/proc/meminfo", "MemTotal")),
        ("system", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("large pages", first_line("/sys/kernel/mm/transparent_hugepage/enabled")),
        ("load average before", " ".join(f"{load:.2f}" for load in os.getloadavg())),
        ("pinned", f"servers to processor {SERVER}, their further threads to {OTHERS}, the load generator to {CLIENT}"),
    ]


def first_line(path):
    with contextlib.suppress(OSError), open(path, encoding="utf-8") as text:
        return text.readline().strip()
    return "unknown"
