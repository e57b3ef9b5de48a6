"""Random hash commands: few keys and fields, small and large values, lifetimes, wrong types and options."""

KEYS = [b"h1", b"h2", b"h3", b"h4", b"str", b"missing", b"fields"]
FIELDS = [b"a", b"b", b"c", b"12", b"-7", b"007", b"", b"x" * 64, b"x" * 65, b"long" * 70, b"FIELDS"]
VALUES = [b"", b"v", b"1", b"-5", b"9223372036854775807", b"3.5", b"1e3", b"inf", b"nan", b" 1", b"0x10", b"y" * 64,
          b"y" * 65, b"z" * 300, b"w" * 5000, b"foo bar", b"-9223372036854775808", b"0.1"]
NUMBERS = [b"0", b"1", b"2", b"3", b"-1", b"10", b"100", b"x", b"", b"9223372036854775807", b"-9223372036854775808",
           b"9223372036854775", b"1.5"]
# Far from the moments at which either server runs, so that both see the same.
SECONDS = [b"1000", b"100000", b"0", b"-1", b"x", b"9223372036854775807", b"9223372036854775", b"200000"]
MILLISECONDS = [b"1000000", b"100000000", b"0", b"-1", b"x", b"9223372036854775807", b"9223372036854775", b"200000000"]
MOMENTS = [b"0", b"1", b"4000000000", b"5000000000", b"-1", b"", b"9223372036854775807"]
MOMENTS_MS = [b"0", b"1", b"4000000000000", b"5000000000000", b"9223372036854775807", b"-5", b"y"]
FLAGS = [b"NX", b"XX", b"GT", b"LT", b"nx", b"KEEPTTL", b"PERSIST", b"FNX", b"FXX", b"GET", b"FIELDS"]


def field(rng):
    return rng.choice(FIELDS) if rng.random() < 0.5 else b"f%d" % rng.randrange(30)


def value(rng):
    return rng.choice(VALUES) if rng.random() < 0.7 else b"%d" % rng.randrange(-100, 100)


def fields_block(rng, pairs=False):
    count = rng.choice([1, 1, 2, 3, 5])
    items = []
    for _ in range(count):
        items.append(field(rng))
        if pairs:
            items.append(value(rng))
    said = b"%d" % count if rng.random() < 0.93 else rng.choice(NUMBERS)
    word = b"FIELDS" if rng.random() < 0.97 else rng.choice([b"fields", b"FIELD", b"NX"])
    return [word, said] + items


def expiry(rng):
    unit = rng.choice([b"EX", b"PX", b"EXAT", b"PXAT", b"ex"])
    times = {b"EXAT": MOMENTS, b"PXAT": MOMENTS_MS, b"PX": MILLISECONDS}.get(unit, SECONDS)
    return [unit, rng.choice(times)]


def simple(rng, key):
    return rng.choice([
        lambda: [b"HSET", key] + [text for _ in range(rng.choice([1, 1, 2, 4])) for text in (field(rng), value(rng))],
        lambda: [b"HSET", key] + [text for index in range(rng.choice([1, 40])) for text in (b"m%d" % index, value(rng)[:40])],
        lambda: [b"HMSET", key, field(rng), value(rng)] + ([field(rng)] if rng.random() < 0.1 else []),
        lambda: [b"HSETNX", key, field(rng), value(rng)],
        lambda: [b"HGET", key, field(rng)],
        lambda: [b"HMGET", key] + [field(rng) for _ in range(rng.randrange(1, 4))],
        lambda: [b"HDEL", key] + [field(rng) for _ in range(rng.randrange(1, 6))],
        lambda: [b"HGETALL", key],
        lambda: [b"HKEYS", key],
        lambda: [b"HVALS", key],
        lambda: [b"HLEN", key],
        lambda: [b"HSTRLEN", key, field(rng)],
        lambda: [b"HEXISTS", key, field(rng)],
        lambda: [b"HINCRBY", key, field(rng), rng.choice(NUMBERS)],
        lambda: [b"HINCRBYFLOAT", key, field(rng), rng.choice(VALUES + NUMBERS)],
        lambda: [b"OBJECT", b"ENCODING", key],
        lambda: [b"TYPE", key],
        lambda: [b"DEL", key],
        lambda: [b"COPY", key, rng.choice(KEYS[:4]), b"REPLACE"],
        lambda: [b"RENAME", key, rng.choice(KEYS[:4])],
        lambda: [b"SET", b"str", b"text"],
    ])()


def timed(rng, key):
    name = rng.choice([b"HEXPIRE", b"HPEXPIRE", b"HEXPIREAT", b"HPEXPIREAT"])
    times = {b"HEXPIREAT": MOMENTS, b"HPEXPIREAT": MOMENTS_MS, b"HPEXPIRE": MILLISECONDS}.get(name, SECONDS)
    flags = [rng.choice(FLAGS[:5])] if rng.random() < 0.4 else [rng.choice(FLAGS) for _ in range(rng.choice([0, 0, 0, 2]))]
    options = expiry(rng) if rng.random() < 0.6 else []
    options += [rng.choice(FLAGS) for _ in range(rng.choice([0, 0, 1, 1, 2]))]
    rng.shuffle(flags)
    return rng.choice([
        lambda: [name, key, rng.choice(times)] + flags + fields_block(rng),
        lambda: [rng.choice([b"HEXPIRETIME", b"HPEXPIRETIME", b"HTTL"]), key] + fields_block(rng),
        lambda: [b"HPERSIST", key] + fields_block(rng),
        lambda: [b"HGETEX", key] + options + fields_block(rng),
        lambda: [b"HSETEX", key] + options + fields_block(rng, pairs=True),
        lambda: [b"HGETDEL", key] + fields_block(rng),
    ])()


def walk(rng, key):
    options = []
    for _ in range(rng.choice([0, 1, 1, 2])):
        options += rng.choice([[b"COUNT", b"100000"], [b"MATCH", rng.choice([b"*", b"f*", b"m1?", b"[a-c]"])],
                               [b"NOVALUES"], [b"NOSCORES"], [b"COUNT", rng.choice([b"0", b"-1", b"x", b""])], [b"TYPE", b"hash"]])
    if b"COUNT" not in options:
        options += [b"COUNT", b"100000"]
    count = rng.choice([b"1000", b"0", b"-0", b"x", b"-9223372036854775808", b"1.0"])
    return rng.choice([
        lambda: [b"HSCAN", key, rng.choice([b"0", b"0", b"0", b"x", b"-1", b"18446744073709551616"])] + options,
        lambda: [b"HRANDFIELD", key, count] + rng.choice([[], [b"WITHVALUES"], [b"withvalue"], [b"WITHVALUES", b"x"]]),
        lambda: [b"HRANDFIELD", key, rng.choice([b"9223372036854775807", b"-9223372036854775807"]), b"WITHVALUES"],
    ])()


def command(rng):
    """One random request."""
    key = rng.choice(KEYS)
    kind = rng.random()
    request = simple(rng, key) if kind < 0.5 else timed(rng, key) if kind < 0.9 else walk(rng, key)
    # A walk without a count ends where the server likes, HRANDFIELD without its last word may answer for ever.
    if kind < 0.9 and rng.random() < 0.03:
        request = request[:rng.randrange(1, len(request) + 1)]
    # The reference doubles the number of fields, which is then 0 and fits: it sets nothing and answers 1.
    if request[0] == b"HSETEX" and request[-1] == b"-9223372036854775808":
        request.pop()
    return request
