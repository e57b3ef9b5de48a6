"""Which replies of the two servers count as equal. Errors are always compared as they are."""
import re

from wire import decode

# Replies that differ by nature, by command and, where only some do, subcommand. Anything else is compared as it came.
MASKED = {
    "scan": "cursors are the server's own: only the type; whole iterations are compared between batches",
    "keys": "the order is the server's own: sorted",
    "randomkey": "chance: only whether there is a key",
    "ttl pttl httl hpttl": "both clocks run: within 2 s, unless negative",
    "expiretime pexpiretime hexpiretime hpexpiretime": "relative times depend on each clock: within 2 s, unless negative or set as absolute times",
    "hello": "id, version and modules differ: only that both answer",
    "client id info list help": "ids, addresses, buffers and wording: only the type",
    "slowlog commandlog get len help": "times and wording: only the type",
    "latency memory help doctor stats usage histogram": "measurements and wording: only the type",
    "debug htstats object help": "internals: only the type",
    "object help, command help docs list": "wording, and commands that one of them lacks: only the type",
    "smembers sunion sinter sdiff hgetall hkeys hvals, sscan hscan zscan": "sets and hashes have no order: sorted",
    "srandmember hrandfield zrandmember spop": "chance: only the type and how many elements",
    "xpending xinfo": "idle times, and the shape of an index: all else is compared",
}
MASKED_SUBCOMMANDS = {
    b"client": (b"id", b"info", b"list", b"help"),
    b"slowlog": (b"get", b"len", b"help"),
    b"commandlog": (b"get", b"len", b"help"),
    b"latency": (b"help", b"doctor", b"histogram", b"latest", b"history"),
    b"memory": (b"help", b"doctor", b"stats", b"usage"),
    b"debug": (b"htstats", b"object", b"help"),
    b"object": (b"help",),
    b"command": (b"help", b"docs", b"list"),
}
UNORDERED = {b"smembers", b"sunion", b"sinter", b"sdiff", b"hgetall", b"hkeys", b"hvals", b"sscan", b"hscan", b"zscan", b"keys"}
CHANCE = {b"srandmember", b"hrandfield", b"zrandmember", b"spop"}
SECONDS, MILLISECONDS = {b"ttl", b"expiretime", b"httl", b"hexpiretime"}, {b"pttl", b"pexpiretime", b"hpttl", b"hpexpiretime"}
SPECIAL = UNORDERED | CHANCE | SECONDS | MILLISECONDS | {b"randomkey", b"scan", b"hello", b"xpending", b"xinfo"} | set(MASKED_SUBCOMMANDS)
# Absolute times that are sent lie in these ranges, relative ones do not: they must come back exactly.
EXACT_TIMES = (range(4_000_000_000, 4_000_002_000), range(4_000_000_000_000, 4_000_002_000_000))
# Fields of XINFO that tell of times, or of the radix tree that the reference keeps its nodes in.
XINFO_MASKED = {b"idle", b"inactive", b"seen-time", b"active-time", b"radix-tree-keys", b"radix-tree-nodes"}


def is_masked(args):
    """Whether the reply of a request may differ; quick, as it is asked of each."""
    if not args:
        return False
    name = args[0].lower()
    if name in SPECIAL:
        subcommands = MASKED_SUBCOMMANDS.get(name)
        return subcommands is None or len(args) > 1 and args[1].lower() in subcommands
    return False


def close(a, b, tolerance):
    exact = any(a in times and b in times for times in EXACT_TIMES)
    return a == b if exact or a < 0 or b < 0 else abs(a - b) <= tolerance


def close_replies(a, b, tolerance):
    """Numbers, or arrays of numbers, that are near each other."""
    x, y = decode(a), decode(b)
    if isinstance(x, int) and isinstance(y, int):
        return close(x, y, tolerance)
    if not isinstance(x, list) or not isinstance(y, list) or len(x) != len(y):
        return False
    return all(p == q or isinstance(p, int) and isinstance(q, int) and close(p, q, tolerance) for p, q in zip(x, y))


def without_times(found):
    """What XINFO says, without XINFO_MASKED and the times of pending entries."""
    if not isinstance(found, list):
        return found
    out, name = [], None
    for at, item in enumerate(found):
        masked = name in XINFO_MASKED and at % 2 == 1
        if name in (b"pel", b"pending") and isinstance(item, list):
            # In a group an entry is [id, consumer, time, count], in a consumer [id, time, count].
            out.append([entry[: len(entry) - 2] + entry[-1:] if isinstance(entry, list) else entry for entry in item])
        else:
            out.append(None if masked else without_times(item))
        name = item if isinstance(item, bytes) and at % 2 == 0 else None
    return out


def same_pending(a, b):
    """XPENDING: in the long form the third of each entry is an idle time."""
    x, y = decode(a), decode(b)
    if not isinstance(x, list) or not isinstance(y, list) or len(x) != len(y):
        return False
    return all(isinstance(p, list) and isinstance(q, list) and len(p) == len(q) == 4 and p[:2] + p[3:] == q[:2] + q[3:] for p, q in zip(x, y))


def same_chance(a, b):
    """As many elements of the same kinds."""
    x, y = decode(a), decode(b)
    if isinstance(x, list) and isinstance(y, list):
        return len(x) == len(y) and all(isinstance(p, list) == isinstance(q, list) for p, q in zip(x, y))
    return (x is None) == (y is None) and a[:1] == b[:1]


def same(args, a, b):
    """Whether two replies to a request count as equal."""
    if a == b:
        return True
    name = args[0].lower() if args else b""
    if a[:1] == b"-" or b[:1] == b"-" or name not in SPECIAL:
        return False
    if name in UNORDERED:
        return sorted(re.split(rb"\r\n", a)) == sorted(re.split(rb"\r\n", b))
    if name in CHANCE:
        return same_chance(a, b)
    if name in SECONDS:
        return close_replies(a, b, 2)
    if name in MILLISECONDS:
        return close_replies(a, b, 2000)
    if name == b"randomkey":
        return (a[:2] in (b"$-", b"_\r")) == (b[:2] in (b"$-", b"_\r"))
    if name in (b"scan", b"hello"):
        return a[:1] == b[:1]
    if name == b"xinfo":
        return without_times(decode(a)) == without_times(decode(b))
    if name == b"xpending":
        return same_pending(a, b)
    if len(args) > 1 and args[1].lower() in MASKED_SUBCOMMANDS.get(name, ()):
        return a[:1] == b[:1]
    return False
