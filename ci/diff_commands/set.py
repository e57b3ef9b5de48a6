"""Random requests of the set family."""

KEYS = [b"s%d" % i for i in range(6)]
WORDS = [b"a", b"b", b"abc", b"", b"01", b"+1", b"-0", b" 1", b"1.0", b"x" * 64, b"x" * 65, b"y" * 300, b"\x00\xff\r\n",
         b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809", b"32767", b"32768",
         b"-32769", b"2147483648"]
COUNTS = [b"0", b"1", b"2", b"3", b"10", b"1000", b"-1", b"-3", b"-200", b"x", b"", b"1.5", b"9223372036854775807", b"9223372036854775808",
          b"-9223372036854775808", b"-9223372036854775809"]


def key(rng):
    return rng.choice(KEYS) if rng.random() < 0.95 else rng.choice([b"string", b"list", b"missing"])


def member(rng):
    kind = rng.random()
    if kind < 0.5:
        return b"%d" % rng.randint(-20, 40)
    if kind < 0.7:
        return b"m%d" % rng.randint(0, 60)
    if kind < 0.72:
        return b"%d" % rng.randint(-(1 << 62), 1 << 62)
    return rng.choice(WORDS)


def members(rng):
    if rng.random() < 0.03:
        start, prefix = rng.randint(0, 100), rng.choice([b"", b"", b"m"])
        return [prefix + b"%d" % i for i in range(start, start + rng.choice([100, 128, 129, 512, 513, 700]))]
    return [member(rng) for _ in range(rng.choice([1, 1, 1, 2, 3, 5, 20]))]


def keys(rng):
    return [key(rng) for _ in range(rng.choice([1, 1, 2, 2, 3, 5]))]


def cased(rng, word):
    return rng.choice([word, word.lower()])


def spop(rng):
    # What is popped is chance, so all of it or nothing.
    return [b"SPOP", key(rng), rng.choice([b"0", b"100000", b"-1", b"x", b"9223372036854775807", b"9223372036854775808"])]


def srandmember(rng):
    request = [b"SRANDMEMBER", key(rng)]
    return request + [rng.choice([c for c in COUNTS if c != b"-9223372036854775807"])] if rng.random() < 0.7 else request


def sintercard(rng):
    names = keys(rng)
    count = b"%d" % len(names) if rng.random() < 0.85 else rng.choice([b"0", b"-1", b"x", b"99", b"1", b"9223372036854775807"])
    request = [b"SINTERCARD", count] + names
    if rng.random() < 0.4:
        request += [cased(rng, b"LIMIT"), rng.choice([b"0", b"1", b"2", b"5", b"100", b"-1", b"x", b"9223372036854775808"])]
    return request


def sscan(rng):
    # A count above all sizes: one step sees everything, so that the replies can be compared.
    request = [b"SSCAN", key(rng), rng.choice([b"0"] * 9 + [b"x", b"-1", b"18446744073709551616"])]
    options = [[cased(rng, b"COUNT"), b"100000"]]
    if rng.random() < 0.4:
        options.append([cased(rng, b"MATCH"), rng.choice([b"*", b"1*", b"m?", b"[ab]*", b"", b"-*", b"3?"])])
    if rng.random() < 0.1:
        options.append(rng.choice([[b"NOVALUES"], [b"NOSCORES"], [b"TYPE", b"set"], [b"COUNT", b"0"], [b"COUNT", b"x"], [b"MATCH"], [b"bogus"]]))
    rng.shuffle(options)
    return request + [word for option in options for word in option]


def around(rng):
    """What is not of the family, but shows what it did."""
    return rng.choice([
        lambda: [b"OBJECT", b"ENCODING", key(rng)],
        lambda: [b"TYPE", key(rng)],
        lambda: [b"COPY", key(rng), rng.choice(KEYS), b"REPLACE"],
        lambda: [b"RENAME", key(rng), rng.choice(KEYS)],
        lambda: [b"DEL", rng.choice(KEYS)],
        lambda: [b"PEXPIREAT", rng.choice(KEYS), b"1"],
        lambda: [b"EXPIRE", rng.choice(KEYS), b"10000"],
        lambda: [b"PERSIST", rng.choice(KEYS)],
        lambda: [b"EXISTS", key(rng)],
        lambda: [b"SET", b"string", b"value"],
    ])()


def wrong_count(rng):
    name = rng.choice([b"SADD", b"SREM", b"SMOVE", b"SISMEMBER", b"SMISMEMBER", b"SCARD", b"SPOP", b"SRANDMEMBER", b"SINTER", b"SINTERSTORE",
                       b"SINTERCARD", b"SUNION", b"SUNIONSTORE", b"SDIFF", b"SDIFFSTORE", b"SMEMBERS", b"SSCAN"])
    shortest = {b"SMOVE": 3, b"SADD": 2, b"SREM": 2, b"SISMEMBER": 2, b"SMISMEMBER": 2, b"SSCAN": 2, b"SINTERCARD": 2, b"SINTERSTORE": 2,
                b"SUNIONSTORE": 2, b"SDIFFSTORE": 2}.get(name, 1)
    count = rng.randint(0, shortest - 1)
    if name in (b"SPOP", b"SRANDMEMBER") and rng.random() < 0.5:
        count = 3
    if name in (b"SCARD", b"SMEMBERS", b"SISMEMBER", b"SMOVE") and rng.random() < 0.5:
        count = shortest + 1
    return [name] + [key(rng) for _ in range(count)]


MAKERS = [
    (30, lambda rng: [b"SADD", key(rng)] + members(rng)),
    (14, lambda rng: [b"SREM", key(rng)] + members(rng)),
    (8, lambda rng: [b"SMOVE", key(rng), key(rng), member(rng)]),
    (6, lambda rng: [b"SISMEMBER", key(rng), member(rng)]),
    (5, lambda rng: [b"SMISMEMBER", key(rng)] + members(rng)),
    (5, lambda rng: [b"SCARD", key(rng)]),
    (3, spop),
    (6, srandmember),
    (5, lambda rng: [b"SINTER"] + keys(rng)),
    (4, lambda rng: [b"SINTERSTORE", key(rng)] + keys(rng)),
    (5, sintercard),
    (4, lambda rng: [b"SUNION"] + keys(rng)),
    (4, lambda rng: [b"SUNIONSTORE", key(rng)] + keys(rng)),
    (5, lambda rng: [b"SDIFF"] + keys(rng)),
    (5, lambda rng: [b"SDIFFSTORE", key(rng)] + keys(rng)),
    (5, lambda rng: [b"SMEMBERS", key(rng)]),
    (5, sscan),
    (12, around),
    (3, wrong_count),
]


def command(rng):
    makers, weights = [maker for _, maker in MAKERS], [weight for weight, _ in MAKERS]
    request = rng.choices(makers, weights)[0](rng)
    if rng.random() < 0.2:
        request = [request[0].lower()] + request[1:]
    return request
