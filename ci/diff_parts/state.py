"""What two servers hold and have counted, as far as it must be equal after the same requests."""
import re
import time

from masks import without_times
from wire import bulks, decode, encode

# Hashes that have had fields with a lifetime (keys_with_volatile_items) are counted until each server's own expiry comes by.
# What counts by chance or by how often the script looked.
UNCOUNTED = re.compile(rb"cmdstat_(client|info|config|scan|echo|ping|hello|debug|object\|encoding|type|select|keys|expiretime|pexpiretime|hpexpiretime|get|lrange|smembers|zrange|hgetall|"
                       rb"xrange|xinfo|publish|subscribe|psubscribe|latency|commandlog|slowlog|memory|randomkey)\b")
COUNTED = re.compile(rb"(keyspace_hits|keyspace_misses|expired_keys|total_error_replies|rdb_changes_since_last_save|errorstat_\w+|db\d+):(.*)")
# What DEBUG OBJECT tells of the nodes of a list: the same nodes, compressed or not.
NODES = re.compile(rb"ql_\w+:\S+")
CALLS = re.compile(rb"(cmdstat_[^:]+):calls=(\d+).*rejected_calls=(\d+),failed_calls=(\d+)")


def pipeline(connection, requests):
    if requests:
        connection.send(b"".join(encode(request) for request in requests))
    return [connection.reply() for _ in requests]


def counters(server):
    """What INFO counts since the last CONFIG RESETSTAT."""
    text, found = decode(server.admin.ask(b"INFO", b"stats", b"persistence", b"errorstats", b"commandstats", b"keyspace")), {}
    for line in text.split(b"\r\n"):
        if (match := CALLS.fullmatch(line)) and not UNCOUNTED.match(line):
            found[match[1]] = match.groups()[1:]
        elif match := COUNTED.fullmatch(line):
            found[match[1]] = re.sub(rb"(avg_ttl|keys_with_volatile_items)=-?\d+", b"", match[2])
    # RESETSTAT leaves this one as it is.
    changes = b"rdb_changes_since_last_save"
    found[changes] = int(found[changes]) - server.changes_before
    return found


def fresh(server, config):
    """Empties a server, sets what an epoch wants, and starts counting."""
    for name, value in config.items():
        server.admin.ask(b"CONFIG", b"SET", name, value)
    server.admin.ask(b"FLUSHALL")
    server.admin.ask(b"DEBUG", b"SET-ACTIVE-EXPIRE", b"1")
    server.admin.ask(b"CONFIG", b"RESETSTAT")
    server.changes_before = 0
    server.changes_before = counters(server)[b"rdb_changes_since_last_save"]


def databases(server):
    text = decode(server.admin.ask(b"INFO", b"keyspace"))
    return sorted(int(number) for number in re.findall(rb"db(\d+):", text))


def scan(server, options):
    """A whole iteration."""
    cursor, keys = b"0", set()
    while True:
        cursor, found = decode(server.admin.ask(b"SCAN", cursor, *options))
        keys.update(found)
        if cursor == b"0":
            return keys


def reading(key, kind):
    """How a key of a type is read whole. The last digits of stored distances depend on the sine of the C library."""
    if kind == b"zset" and key.endswith(b"distances"):
        return [b"ZCARD", key]
    return {
        b"string": [b"GET", key], b"list": [b"LRANGE", key, b"0", b"-1"], b"set": [b"SMEMBERS", key], b"zset": [b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
        b"hash": [b"HGETALL", key], b"stream": [b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"],
    }[kind]


def settled(kind, reply):
    """A value without what each server chooses."""
    if kind == b"set":
        return sorted(decode(reply))
    if kind == b"hash":
        items = decode(reply)
        return sorted(zip(items[::2], items[1::2]))
    return without_times(decode(reply)) if kind == b"stream" else reply


def lifetimes(server, keys):
    """When each key goes, and each field of the hashes: exactly if it was given so, else to some seconds."""
    hashes = [(key, sorted(fields)) for key, fields in keys]
    replies = pipeline(server.admin, [[b"HPEXPIRETIME", key, b"FIELDS", b"%d" % len(fields)] + fields for key, fields in hashes])
    return {key: [near(at) for at in decode(reply)] for (key, _), reply in zip(hashes, replies)}


def near(moment):
    """A moment, or that it is one not given by the requests."""
    return moment if not isinstance(moment, int) or moment < 0 or 4_000_000_000_000 <= moment < 4_000_002_000_000 else "some time"


def dump(server, options=()):
    """All keys of all databases with their types, encodings, lifetimes, values, and what is told of their nodes."""
    found = {}
    for number in databases(server):
        server.admin.ask(b"SELECT", b"%d" % number)
        keys = sorted(scan(server, list(options)))
        replies = pipeline(server.admin, [request for key in keys for request in ([b"TYPE", key], [b"OBJECT", b"ENCODING", key], [b"PEXPIRETIME", key])])
        kinds = [reply[1:-2] for reply in replies[::3]]
        present = [(key, kind) for key, kind in zip(keys, kinds) if kind != b"none"]
        values = dict(zip((key for key, _ in present), pipeline(server.admin, [reading(key, kind) for key, kind in present])))
        fields = [(key, bulks(values[key])[::2]) for key, kind in present if kind == b"hash" and values[key] not in (b"*0\r\n", b"%0\r\n")]
        times = lifetimes(server, fields)
        lists = [key for key, kind in present if kind == b"list"]
        nodes = dict(zip(lists, (NODES.findall(reply) for reply in pipeline(server.admin, [[b"DEBUG", b"OBJECT", key] for key in lists]))))
        for at, key in enumerate(keys):
            if key in values:
                what = (kinds[at], replies[3 * at + 1], near(decode(replies[3 * at + 2])), settled(kinds[at], values[key]), times.get(key), nodes.get(key))
                found[b"%d %s" % (number, key)] = what
        server.admin.ask(b"SELECT", b"0")
    return found


def first_difference(a, b):
    """The first name that two mappings do not hold alike, and what each has."""
    for name in sorted(set(a) | set(b)):
        if a.get(name) != b.get(name):
            return name, repr(a.get(name)).encode(), repr(b.get(name)).encode()
    return None


# Counted when each server finds what has expired, so these may need some time to be equal.
LATER = re.compile(rb"expired_keys|rdb_changes_since_last_save|db\d+")


def compare(servers, options=()):
    """What differs, or None. Waits for what each server does in its own time, as removing what has expired."""
    now = [counters(server) for server in servers]
    difference = first_difference(*({name: count for name, count in found.items() if not LATER.match(name)} for found in now))
    for attempt in range(12):
        later = [{name: count for name, count in counters(server).items() if LATER.match(name)} for server in servers]
        if difference or not (difference := first_difference(*(dump(server, options) for server in servers)) or first_difference(*later)):
            return difference
        last, difference = difference, None
        time.sleep(0.02 * (attempt + 1))
    return last
