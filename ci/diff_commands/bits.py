"""Random requests on strings as bits."""
KEYS = [b"b1", b"b2", b"b3", b"b4", b"b5", b"missing", b"list"]


def key(r):
    return r.choice(KEYS[:5] if r.random() < 0.9 else KEYS)


def number(r):
    choice = r.random()
    if choice < 0.75:
        return b"%d" % r.randint(-40, 120)
    if choice < 0.85:
        return b"%d" % r.randint(0, 6000)
    return r.choice([b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"1.5", b"", b"x", b"01", b"-1", b"#1", b"4294967296"])


def value(r):
    choice = r.random()
    if choice < 0.2:
        return b"%d" % r.randint(-(1 << 40), 1 << 40)
    if choice < 0.4:
        return r.choice([b"\xff", b"\x00"]) * r.choice([0, 1, 2, 7, 8, 9, 31, 32, 33, 100, 511, 513])
    return r.randbytes(r.choice([0, 1, 2, 3, 8, 20, 44, 45, 100, 512, 513, 700]))


def span(r):
    ends = [number(r) for _ in range(r.choice([0, 0, 1, 2, 2, 2, 3]))]
    return ends + ([r.choice([b"BYTE", b"bit", b"BIT", b"bits"])] if r.random() < 0.5 else [])


def field(r):
    kind = r.choice([b"i%d", b"u%d"]) % r.randint(1, 64) if r.random() < 0.95 else r.choice([b"u64", b"i0", b"i65", b"x", b"", b"i", b"u08", b"I8"])
    at = b"%s%d" % (r.choice([b"", b"#"]), r.randint(0, 90)) if r.random() < 0.93 else number(r)
    return [kind, at]


def amount(r):
    if r.random() < 0.7:
        return b"%d" % r.randint(-300, 300)
    return r.choice([b"9223372036854775807", b"-9223372036854775808", b"-9223372036854775680", b"4611686018427387904", b"x", b"1.0"])


def subcommand(r):
    choice = r.random()
    if choice < 0.3:
        return [b"get"] + field(r)
    if choice < 0.5:
        return [b"SET"] + field(r) + [amount(r)]
    if choice < 0.75:
        return [b"INCRBY"] + field(r) + [amount(r)]
    if choice < 0.97:
        return [b"overflow", r.choice([b"wrap", b"SAT", b"fail"])]
    return r.choice([[b"overflow", b"none"], [b"overflow"], [b"get", b"u8"], [b"nop"]])


def command(r):
    choice = r.random()
    if choice < 0.08:
        return [b"SET", key(r), value(r)] + ([b"EX", b"1000"] if r.random() < 0.1 else [])
    if choice < 0.12:
        return r.choice([[b"DEL", key(r)], [b"RPUSH", b"list", b"a"], [b"OBJECT", b"ENCODING", key(r)], [b"APPEND", key(r), value(r)], [b"PERSIST", key(r)]])
    if choice < 0.25:
        return [b"GET", key(r)]
    if choice < 0.37:
        return [b"SETBIT", key(r), number(r), b"%d" % r.randint(0, 1) if r.random() < 0.95 else number(r)]
    if choice < 0.45:
        return [b"GETBIT", key(r), number(r)]
    if choice < 0.57:
        return [b"BITCOUNT", key(r)] + span(r)
    if choice < 0.72:
        return [b"BITPOS", key(r), b"%d" % r.randint(0, 1) if r.random() < 0.95 else number(r)] + span(r)
    if choice < 0.82:
        return [b"BITOP", r.choice([b"and", b"OR", b"xor", b"NOT", b"diff"]), key(r)] + [key(r) for _ in range(r.choice([1, 1, 1, 2, 2, 3, 5]))]
    name = b"BITFIELD_RO" if r.random() < 0.15 else b"BITFIELD"
    return [name, key(r)] + [arg for _ in range(r.randint(0, 5)) for arg in subcommand(r)]
