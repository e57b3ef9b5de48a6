"""Random requests on lists: one listpack or many nodes, small and large elements, wrong types and options."""

KEYS = [b"l%d" % i for i in range(5)]
ODD_KEYS = [b"string", b"missing"]
WORDS = [b"a", b"b", b"abc", b"", b"01", b"+1", b"-0", b"1.0", b"-1", b"12", b"127", b"128", b"-4096", b"40000", b"8388608", b"3000000000", b"9223372036854775807",
         b"9223372036854775808", b"-9223372036854775808", b"x" * 63, b"x" * 64, b"y" * 300, b"z" * 4100, b"w" * 9000, b"\x00\xff\r\n"]
INDEXES = [b"0", b"1", b"2", b"3", b"5", b"10", b"-1", b"-2", b"-5", b"100", b"-100"]
BAD_INTEGERS = [b"9223372036854775807", b"-9223372036854775808", b"-9223372036854775807", b"9223372036854775808", b"abc", b"", b"1.5", b"01"]
SIZES = [b"-1", b"-2", b"-3", b"-4", b"-5", b"1", b"2", b"3", b"5", b"16", b"128", b"0", b"-6"]
TIMEOUTS = [b"0.001", b"1e-5", b"0.0001"]
BAD_TIMEOUTS = [b"-1", b"abc", b"", b"inf", b"nan", b"1e30", b"9223372036854775807"]


def mostly(r, good, bad):
    return r.choice(bad) if r.random() < 0.03 else r.choice(good)


def key(r):
    return r.choice(ODD_KEYS) if r.random() < 0.04 else r.choice(KEYS)


def element(r):
    choice = r.random()
    if choice < 0.5:
        return b"%d" % r.randint(-3, 12)
    if choice < 0.83:
        return b"e%d" % r.randint(0, 9)
    if choice < 0.9:
        # A node with some of these is worth compressing, even one of few elements.
        return b"e%d:" % r.randint(0, 9) * r.choice([10, 20, 30])
    return r.choice(WORDS)


def elements(r):
    if r.random() < 0.04:
        return [b"%d" % i for i in range(r.choice([20, 60, 130]))]
    if r.random() < 0.02:
        return [r.choice(WORDS[-6:]) for _ in range(r.randint(1, 6))]
    return [element(r) for _ in range(r.choice([1, 1, 1, 2, 3, 5]))]


def index(r):
    return mostly(r, INDEXES, BAD_INTEGERS) if r.random() < 0.7 else b"%d" % r.randint(-140, 140)


def place(r):
    """An index of LSET: the reference keeps only 32 bits of it, and so sets the last element for 9223372036854775807."""
    text = index(r)
    return b"-1" if text.lstrip(b"-").isdigit() and abs(int(text)) >= 1 << 31 else text


def side(r):
    return mostly(r, [b"LEFT", b"RIGHT", b"left", b"Right"], [b"UP", b""])


def count(r):
    return mostly(r, [b"0", b"1", b"1", b"2", b"2", b"3", b"7", b"-1", b"-2", b"1000"], BAD_INTEGERS)


def lpos(r):
    options = []
    for name, values in ((b"RANK", [b"1", b"-1", b"2", b"-2", b"3", b"0"]), (b"COUNT", [b"0", b"1", b"2", b"9"]), (b"MAXLEN", [b"0", b"1", b"5", b"40", b"1000"])):
        if r.random() < 0.4:
            options.append([r.choice([name, name.lower()]), mostly(r, values, BAD_INTEGERS + [b"-1"])])
    r.shuffle(options)
    return [b"LPOS", key(r), element(r)] + [arg for option in options for arg in option] + ([r.choice([b"RANK", b"FOO", b"COUNT"])] if r.random() < 0.02 else [])


def mpop(r, timeout=None):
    names = [key(r) for _ in range(r.choice([1, 1, 2, 3]))]
    number = b"%d" % len(names) if r.random() < 0.95 else r.choice([b"0", b"-1", b"x", b"9", b"9223372036854775807"])
    request = [b"LMPOP"] if timeout is None else [b"BLMPOP", timeout]
    request += [number] + names + [side(r)]
    if r.random() < 0.5:
        request += [b"COUNT", mostly(r, [b"1", b"2", b"3", b"10", b"1000"], BAD_INTEGERS + [b"0", b"-1"])]
    return request + ([b"COUNT", b"1"] if r.random() < 0.02 else [])


def blocking(r):
    timeout = mostly(r, TIMEOUTS, BAD_TIMEOUTS)
    return r.choice([
        lambda: [r.choice([b"BLPOP", b"BRPOP"])] + [key(r) for _ in range(r.randint(1, 3))] + [timeout],
        lambda: [b"BLMOVE", key(r), key(r), side(r), side(r), timeout],
        lambda: [b"BRPOPLPUSH", key(r), key(r), timeout],
        lambda: mpop(r, timeout),
    ])()


def around(r):
    """What is not of the family, but changes how lists lie or shows it."""
    return r.choice([
        lambda: [b"CONFIG", b"SET", b"list-max-listpack-size", r.choice(SIZES)],
        lambda: [b"CONFIG", b"SET", b"list-compress-depth", r.choice([b"0", b"1", b"2"])],
        lambda: [b"OBJECT", b"ENCODING", key(r)],
        lambda: [b"OBJECT", b"ENCODING", key(r)],
        lambda: [b"TYPE", key(r)],
        lambda: [b"COPY", key(r), r.choice(KEYS), b"REPLACE"],
        lambda: [b"RENAME", key(r), r.choice(KEYS)],
        lambda: [b"DEL", r.choice(KEYS)],
        lambda: [b"PEXPIREAT", r.choice(KEYS), b"1"],
        lambda: [b"EXPIRE", r.choice(KEYS), b"10000"],
        lambda: [b"PERSIST", r.choice(KEYS)],
        lambda: [b"SET", r.choice([b"string", b"string", b"string", r.choice(KEYS)]), b"value"],
        lambda: [b"SORT", key(r), b"ALPHA", b"STORE", r.choice(KEYS)],
    ])()


MAKERS = [
    (20, lambda r: [r.choice([b"RPUSH", b"LPUSH"]), key(r)] + elements(r)),
    (6, lambda r: [r.choice([b"RPUSHX", b"LPUSHX"]), key(r)] + elements(r)),
    (10, lambda r: [b"LRANGE", key(r), index(r), index(r)]),
    (5, lambda r: [b"LRANGE", key(r), b"0", b"-1"]),
    (7, lambda r: [b"LINDEX", key(r), index(r)]),
    (8, lambda r: [b"LSET", key(r), place(r), element(r)]),
    (9, lambda r: [b"LINSERT", key(r), mostly(r, [b"BEFORE", b"AFTER", b"before"], [b"NEAR"]), element(r), element(r)]),
    (7, lambda r: [b"LREM", key(r), count(r), element(r)]),
    (3, lambda r: [b"LTRIM", key(r), index(r), index(r)]),
    (8, lambda r: [r.choice([b"LPOP", b"RPOP"]), key(r)] + ([count(r)] if r.random() < 0.5 else [])),
    (9, lpos),
    (4, lambda r: [b"LLEN", key(r)]),
    (6, lambda r: [b"LMOVE", key(r), key(r), side(r), side(r)]),
    (3, lambda r: [b"RPOPLPUSH", key(r), key(r)]),
    (5, mpop),
    (3, blocking),
    (9, around),
]
CHOICES, WEIGHTS = [maker for _, maker in MAKERS], []
for weight, _ in MAKERS:
    WEIGHTS.append(weight + (WEIGHTS[-1] if WEIGHTS else 0))


def command(r):
    """One random request."""
    request = r.choices(CHOICES, cum_weights=WEIGHTS)[0](r)
    if r.random() < 0.02:
        request = request[: r.randint(1, len(request))]
    return request
