"""Random requests on sorted sets: see ci/diff."""

# All scores under the second kind of keys are 0, so that the order of bytes is defined.
KEYS = [b"z%d" % i for i in range(5)]
LEX_KEYS = [b"l%d" % i for i in range(3)]
MEMBERS = [b"%d" % i for i in range(-3, 12)] + [b"m%d" % i for i in range(14)] + [b"", b"a" * 64, b"b" * 65, b"\x00\xff\r\n", b"9223372036854775807", b"01", b"x" * 300]
SCORES = [b"0", b"-0", b"1", b"2", b"3", b"-1", b"1.5", b"0.1", b"0.2", b"1e20", b"-1e300", b"inf", b"-inf", b"+5", b"4611686018427387904", b"4700000000000000000",
          b"9007199254740993", b"1e-300", b"5e-324", b"3.0000000000000004", b"123456.789", b".5", b"5."]
BAD_SCORES = [b"nan", b"", b"abc", b"1e400", b"1e-400", b" 1", b"1 ", b"0x10", b"1_0", b"++1", b"-", b"1\x00"]
BOUNDS = [b"-inf", b"+inf", b"0", b"1", b"(1", b"2", b"(2", b"(-1", b"(inf", b"(-inf", b"0.1", b"(0.2", b"5", b"", b"(", b"1e400", b"-1e400"]
BAD_BOUNDS = [b"nan", b"x", b"((1", b"1x", b"(nan", b" 1"]
LEX = [b"-", b"+", b"[", b"(", b"[m", b"(m1", b"[m1", b"[m5", b"(m9", b"[5", b"(1", b"[~", b"[a"]
BAD_LEX = [b"", b"m", b"-1", b"+x", b"5"]
INTEGERS = [b"0", b"1", b"2", b"3", b"5", b"-1", b"-2", b"-4", b"100", b"-100"]
BAD_INTEGERS = [b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"abc", b"", b"1.5", b"01"]


def mostly(r, good, bad):
    return r.choice(bad) if r.random() < 0.03 else r.choice(good)


def key(r):
    return r.choice([b"string", b"missing"]) if r.random() < 0.03 else r.choice(KEYS)


def lex_key(r):
    return r.choice([b"text", b"none"]) if r.random() < 0.03 else r.choice(LEX_KEYS)


def member(r):
    return r.choice(MEMBERS)


def integer(r):
    return mostly(r, INTEGERS, BAD_INTEGERS)


def case(r, word):
    return word.lower() if r.random() < 0.3 else word


def some(r, chance, *words):
    return [case(r, word) for word in words] if r.random() < chance else []


def limit(r, chance=0.4):
    return [case(r, b"LIMIT"), integer(r), integer(r)] if r.random() < chance else []


def zadd(r):
    if r.random() < 0.35:
        request = [b"ZADD", lex_key(r)]
        for _ in range(r.randint(1, 4)):
            request += [b"0", member(r)]
        return request
    request = [b"ZADD", key(r)]
    for word in (b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"):
        request += some(r, 0.1, word)
    for _ in range(1 if b"INCR" in request and r.random() < 0.9 else r.choice([1, 1, 2, 3, 8])):
        request += [mostly(r, SCORES, BAD_SCORES), member(r)]
    return request


def bounds(r):
    return [mostly(r, BOUNDS, BAD_BOUNDS), mostly(r, BOUNDS, BAD_BOUNDS)]


def lex_bounds(r):
    return [mostly(r, LEX, BAD_LEX), mostly(r, LEX, BAD_LEX)]


def zrange(r):
    store = r.random() < 0.2
    kind = r.random()
    if kind < 0.35:
        target, request = key(r), [key(r), integer(r), integer(r)]
        request += some(r, 0.3, b"REV") + limit(r, 0.05)
    elif kind < 0.7:
        target, request = key(r), [key(r)] + bounds(r) + [b"BYSCORE"] + some(r, 0.3, b"REV") + limit(r)
    else:
        target, request = r.choice([key(r), lex_key(r)]), [lex_key(r)] + lex_bounds(r) + [b"BYLEX"] + some(r, 0.3, b"REV") + limit(r)
    request += some(r, 0.05 if store or kind >= 0.7 else 0.4, b"WITHSCORES") + some(r, 0.02, b"BYSCORE") + some(r, 0.02, b"JUNK")
    return ([b"ZRANGESTORE", target] if store else [b"ZRANGE"]) + request


def old_range(r):
    name = r.choice([b"ZREVRANGE", b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE", b"ZRANGEBYLEX", b"ZREVRANGEBYLEX"])
    if name == b"ZREVRANGE":
        return [name, key(r), integer(r), integer(r)] + some(r, 0.4, b"WITHSCORES") + limit(r, 0.03)
    if name.endswith(b"SCORE"):
        return [name, key(r)] + bounds(r) + some(r, 0.4, b"WITHSCORES") + limit(r) + some(r, 0.02, b"REV")
    return [name, lex_key(r)] + lex_bounds(r) + limit(r) + some(r, 0.03, b"WITHSCORES")


def remove(r):
    name = r.choice([b"ZREM", b"ZREM", b"ZREMRANGEBYRANK", b"ZREMRANGEBYSCORE", b"ZREMRANGEBYLEX"])
    if name == b"ZREM":
        return [name, r.choice([key(r), lex_key(r)])] + [member(r) for _ in range(r.randint(1, 3))]
    if name.endswith(b"RANK"):
        return [name, key(r), r.choice([b"0", b"1", b"-2", b"3", integer(r)]), r.choice([b"0", b"1", b"-2", integer(r)])]
    if name.endswith(b"SCORE"):
        return [name, key(r), r.choice([b"1", b"(2", b"5", mostly(r, BOUNDS, BAD_BOUNDS)]), r.choice([b"2", b"(1", b"3", mostly(r, BOUNDS, BAD_BOUNDS)])]
    return [name, lex_key(r)] + lex_bounds(r)


def keys(r, low=1):
    count = r.choice([1, 2, 2, 3, 4])
    text = b"%d" % count if r.random() < 0.95 else r.choice([b"0", b"-1", b"9", b"9223372036854775807", b"x"])
    return count, [text] + [key(r) for _ in range(count)]


def pop(r):
    name = r.choice([b"ZPOPMIN", b"ZPOPMAX", b"ZMPOP", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP"])
    timeout = mostly(r, [b"0.001", b"0.0001", b"1e-5"], [b"-1", b"abc", b"", b"inf", b"-inf", b"nan", b"1e30", b"-1e-30x"])
    if name.startswith(b"ZPOP"):
        return [name, key(r)] + ([integer(r)] if r.random() < 0.5 else []) + some(r, 0.02, b"1")
    if name.startswith(b"BZPOP"):
        return [name] + [key(r) for _ in range(r.randint(1, 3))] + [timeout]
    count, rest = keys(r)
    rest += [mostly(r, [b"MIN", b"max"], [b"MID"])]
    if r.random() < 0.5:
        rest += [b"COUNT", integer(r)]
    rest += some(r, 0.02, b"COUNT", b"1")
    return [name] + ([timeout] if name == b"BZMPOP" else []) + rest


def combine(r):
    name = r.choice([b"ZUNION", b"ZINTER", b"ZDIFF", b"ZUNIONSTORE", b"ZINTERSTORE", b"ZDIFFSTORE", b"ZINTERCARD"])
    count, rest = keys(r)
    request = [name] + ([key(r)] if name.endswith(b"STORE") else []) + rest
    diff, card = b"DIFF" in name, name == b"ZINTERCARD"
    if r.random() < (0.03 if diff or card else 0.4):
        request += [b"WEIGHTS"] + [mostly(r, SCORES, BAD_SCORES) for _ in range(count)]
    if r.random() < (0.03 if diff or card else 0.4):
        request += [b"AGGREGATE", mostly(r, [b"SUM", b"min", b"MAX"], [b"AVG"])]
    if r.random() < (0.03 if name.endswith(b"STORE") or card else 0.5):
        request += [b"WITHSCORES"]
    if r.random() < (0.5 if card else 0.02):
        request += [b"LIMIT", integer(r)]
    return request


def read(r):
    name = r.choice([b"ZCARD", b"ZSCORE", b"ZMSCORE", b"ZRANK", b"ZREVRANK", b"ZCOUNT", b"ZLEXCOUNT", b"ZSCAN", b"ZRANDMEMBER", b"ZINCRBY"])
    if name == b"ZCARD":
        return [name, key(r)]
    if name == b"ZINCRBY":
        return [name, key(r), mostly(r, SCORES, BAD_SCORES), member(r)]
    if name == b"ZMSCORE":
        return [name, key(r)] + [member(r) for _ in range(r.randint(1, 4))]
    if name == b"ZCOUNT":
        return [name, key(r)] + bounds(r)
    if name == b"ZLEXCOUNT":
        return [name, lex_key(r)] + lex_bounds(r)
    if name == b"ZSCAN":
        return [name, key(r), mostly(r, [b"0"], [b"x", b"-1"]), b"COUNT", mostly(r, [b"1000"], BAD_INTEGERS)] + some(r, 0.3, b"NOSCORES") + (
            [b"MATCH", r.choice([b"*", b"m*", b"?", b"[0-9]"])] if r.random() < 0.4 else []) + some(r, 0.02, b"NOVALUES")
    if name == b"ZRANDMEMBER":
        counts = [b"0", b"1", b"3", b"-3", b"50", b"-50"]
        bad = [b"9223372036854775807", b"-9223372036854775808", b"-4611686018427387905", b"4611686018427387904", b"x"]
        more = [] if r.random() < 0.3 else [mostly(r, counts, bad)]
        if more and more[0] in bad:
            more.append(b"WITHSCORES")
        return [name, key(r)] + more + (some(r, 0.4, b"WITHSCORES") if more else [])
    return [name, key(r), member(r)] + (some(r, 0.4, b"WITHSCORE") + some(r, 0.02, b"X") if name.endswith(b"RANK") else [])


def other(r):
    choice = r.random()
    any_key = r.choice([key(r), lex_key(r)])
    if choice < 0.3:
        return [b"OBJECT", b"ENCODING", any_key]
    if choice < 0.45:
        return [b"TYPE", any_key]
    if choice < 0.55:
        return [b"CONFIG", b"SET", r.choice([b"zset-max-listpack-entries", b"zset-max-listpack-value"]), r.choice([b"0", b"4", b"64", b"128"])]
    if choice < 0.65:
        return [b"COPY", key(r), r.choice(KEYS), b"REPLACE"]
    if choice < 0.72:
        return [b"RENAME", key(r), r.choice(KEYS)]
    if choice < 0.8:
        return [b"DEL", r.choice(KEYS + LEX_KEYS)]
    if choice < 0.85:
        return [b"EXPIRE", key(r), b"100000"]
    if choice < 0.9:
        return r.choice([[b"SET", b"string", b"v"], [b"SET", b"text", b"v"], [b"SET", r.choice(KEYS), b"v"], [b"GET", key(r)]])
    request = command(r)
    # A walk without a count ends where the server likes.
    return request[: 2 if request[0] == b"ZSCAN" else r.randint(1, len(request))]


def command(r):
    """One random request."""
    choice = r.random()
    for bound, make in ((0.27, zadd), (0.4, zrange), (0.5, old_range), (0.57, remove), (0.63, pop), (0.75, combine), (0.9, read)):
        if choice < bound:
            return make(r)
    return other(r)
