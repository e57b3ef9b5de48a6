"""Requests of all families on the same few keys: wrong types, stores onto other types, and what any key can be asked.

The families' own keys are replaced. What would differ by chance or by the C library stays on the family's own keys or is left out:
see OWN_KEYS and `is_chance`.
"""
KEYS = [b"m%d" % i for i in range(8)]
LIST = []  # of families, filled by the harness

# Names that the families use for keys beside their KEYS.
OTHER_NAMES = {b"string", b"missing", b"list", b"str", b"none", b"dest", b"s1", b"s2", b"z1", b"distances", b"scores", b"int", b"fields", b"l1", b"l2", b"l3"}
# Ranges of bytes need equal scores; places need members that are not in one place; polynomials of distances differ in their last digits.
OWN_KEYS = {b"ZRANGEBYLEX", b"ZREVRANGEBYLEX", b"ZLEXCOUNT", b"ZREMRANGEBYLEX", b"GEOSEARCH", b"GEOSEARCHSTORE", b"GEORADIUS", b"GEORADIUS_RO",
            b"GEORADIUSBYMEMBER", b"GEORADIUSBYMEMBER_RO", b"GEOPOS", b"GEODIST", b"GEOHASH"}
# A string whose runs of a HyperLogLog were written over makes the reference read on behind its end.
WRITES_BYTES = {b"SETRANGE", b"APPEND", b"SETBIT", b"BITFIELD", b"BITOP"}


def names_of(family):
    if not hasattr(family, "mixed_names"):
        family.mixed_names = OTHER_NAMES.union(*(getattr(family, name, []) for name in ("KEYS", "LEX_KEYS", "LISTS", "ODD_KEYS"))) - {b""}
    return family.mixed_names


def is_chance(request, flavour):
    """Whether a request shows or keeps an order that each server chooses."""
    name = request[0].upper()
    if name.startswith(b"PF"):
        return flavour != "hyperloglog"
    if name in WRITES_BYTES:
        return flavour == "hyperloglog"
    if name == b"SPOP":
        return len(request) != 3 or request[2] not in (b"0", b"100000", b"-1", b"x")
    if name.startswith(b"SORT"):
        words = [word.upper() for word in request]
        # With ALPHA the C library compares up to the first NUL, and what is equal comes in the order of a hash table.
        return b"ALPHA" in words or b"BY" in words and any(b"*" not in request[i + 1].split(b"\0")[0] for i, word in enumerate(words[:-1]) if word == b"BY")
    return False


def far(r):
    """A lifetime that differs from others by more than the servers' clocks: GT and LT compare."""
    return b"%d" % (10**8 + 1000 * r.randint(0, 10**6))


def around(r):
    """What any key can be asked, whatever it holds."""
    key, other = r.choice(KEYS), r.choice(KEYS)
    return r.choice([
        lambda: [r.choice([b"TYPE", b"PERSIST", b"EXISTS", b"TOUCH", b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME", b"STRLEN", b"LLEN", b"SCARD", b"ZCARD", b"HLEN", b"XLEN"]), key],
        lambda: [b"OBJECT", r.choice([b"ENCODING", b"ENCODING", b"REFCOUNT"]), key],
        lambda: [r.choice([b"RENAME", b"RENAMENX"]), key, other],
        lambda: [b"COPY", key, other] + r.choice([[], [b"REPLACE"], [b"DB", b"1"], [b"DB", b"1", b"REPLACE"]]),
        lambda: [b"MOVE", key, r.choice([b"1", b"0"])],
        lambda: [r.choice([b"DEL", b"UNLINK"]), key],
        lambda: [r.choice([b"EXPIRE", b"PEXPIRE"]), key, r.choice([far(r), b"-1", b"0"])] + r.choice([[], [b"NX"], [b"XX"], [b"GT"], [b"LT"]]),
        lambda: [b"SWAPDB", b"0", b"1"] if r.random() < 0.2 else [b"DBSIZE"],
        lambda: [b"SELECT", r.choice([b"0", b"0", b"0", b"1"])],
        lambda: [b"SCAN", b"0", b"COUNT", b"1000", b"TYPE", r.choice([b"string", b"list", b"set", b"zset", b"hash", b"stream", b"nope"])],
        lambda: [b"KEYS", r.choice([b"*", b"m[0-3]"])],
    ])()


def command(r, flavour="bytes"):
    """One random request; of a flavour, as strings are either HyperLogLogs or are written into."""
    while True:
        if r.random() < 0.12:
            return around(r)
        family = r.choice(LIST)
        request = family.command(r)
        if not request or is_chance(request, flavour):
            continue
        name = request[0].upper()
        if name in OWN_KEYS or b"BYLEX" in request or b"bylex" in request or b"STOREDIST" in request or r.random() < 0.03:
            return request
        names = names_of(family)
        return request[:1] + [r.choice(KEYS) if arg in names else arg for arg in request[1:]]


def apart(prefix, family):
    """The family's requests on keys of its own: some have names that another uses too."""
    names = names_of(family)

    def request(r):
        args = family.command(r)
        return args[:1] + [prefix + arg if arg in names else arg for arg in args[1:]]

    return request


def use(families):
    """The families to mix."""
    LIST[:] = [family for name, family in sorted(families.items()) if name != "mixed"]
