"""Random stream commands for ci/diff.

IDs are never left to the server, and no time of a reply is compared: XPENDING and XINFO tell when things happened.
"""
KEYS = [b"x%d" % i for i in range(5)]
GROUPS = [b"g0", b"g1", b"g2", b"gg\r\n"]
CONSUMERS = [b"alice", b"bob", b"c", b""]
WRONG_IDS = [b"x", b"", b"-", b"+", b"5-", b"-5", b"5--1", b"1-2-3", b"(3", b"(", b"(x", b"18446744073709551616", b"$", b">", b"*", b" 5-1",
             b"05-1", b"+5-1", b"5-*", b"0-*", b"0-0", b"0", b"18446744073709551615-18446744073709551615", b"18446744073709551615",
             b"(18446744073709551615-18446744073709551615", b"(0-0", b"9" * 130]
NUMBERS = [b"0", b"1", b"2", b"3", b"10", b"-1", b"x", b"", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808"]


def identifier(r, wrong=0.06):
    choice = r.random()
    if choice < wrong:
        return r.choice(WRONG_IDS)
    if choice < 0.75:
        return b"%d-%d" % (r.randint(0, 40), r.randint(0, 3))
    return b"%d" % r.randint(0, 40)


def bound(r):
    choice = r.random()
    if choice < 0.35:
        return r.choice([b"-", b"+"])
    return (b"(" if choice < 0.45 else b"") + identifier(r)


def text(r):
    choice = r.random()
    if choice < 0.5:
        return r.choice([b"f", b"name", b"v", b"", b"12", b"-7", b"007", b"9223372036854775807", b"9223372036854775808", b"40000", b"3000000000"])
    if choice < 0.97:
        return bytes(r.choice(b"abc") for _ in range(r.randint(0, 80)))
    return bytes([r.randrange(256)]) * r.randint(0, 6000)


def fields(r):
    pairs = r.choice([1, 1, 1, 2, 3, 8])
    if r.random() < 0.6:
        return [x for i in range(pairs) for x in (b"field%d" % i, text(r))]
    out = [text(r) for _ in range(2 * pairs)]
    return out if r.random() < 0.95 else out[:-1]


def number(r):
    return r.choice(NUMBERS) if r.random() < 0.15 else b"%d" % r.randint(0, 12)


def trim(r):
    out = [r.choice([b"MAXLEN", b"maxlen", b"MINID"])]
    out += r.choice([[], [b"="], [b"~"], [b"~"]])
    out.append(number(r) if out[0].lower() == b"maxlen" else identifier(r))
    if r.random() < 0.25:
        out += [b"LIMIT", number(r)]
    if r.random() < 0.03:
        out += r.choice([[b"MINID", b"5"], [b"LIMIT"], [b"FOO"], [b"MAXLEN"]])
    return out


def xadd(r, key):
    out = [b"XADD", key]
    if r.random() < 0.15:
        out.append(b"NOMKSTREAM")
    if r.random() < 0.2:
        out += trim(r)
    if r.random() < 0.02:
        out += [b"LIMIT", number(r)]
    choice = r.random()
    if choice < 0.06:
        found = r.choice([x for x in WRONG_IDS if x != b"*" and not x.startswith(b"18446744073709551615")] + [b"40-*", b"x-*", b"3-*"])
    elif choice < 0.5:
        found = b"%d-*" % r.choice([r.randint(0, 40), 40, 41, 42])
    else:
        found = b"%d-%d" % (r.randint(0, 45), r.randint(0, 30))
    return out + [found] + fields(r)


def read_options(r):
    out = []
    if r.random() < 0.4:
        out += [b"COUNT", number(r)]
    if r.random() < 0.03:
        out += [b"BLOCK", r.choice([b"1", b"x", b"-1", b"9223372036854775807", b""])]
    if r.random() < 0.02:
        out += r.choice([[b"FOO"], [b"NOACK"], [b"GROUP", b"g0", b"bob"], [b"COUNT"], [b"GROUP", b"g0"]])
    return out


def streams(r, key, ids):
    names = [key] + [r.choice(KEYS) for _ in range(r.choice([0, 0, 1, 2]))]
    out = [b"STREAMS"] + names + [r.choice(ids) if r.random() < 0.6 else identifier(r) for _ in names]
    return out if r.random() < 0.97 else out[:-1]


def claim_options(r):
    table = [[b"IDLE", b"1000000"], [b"IDLE", number(r)], [b"TIME", b"1000"], [b"TIME", b"-5"], [b"RETRYCOUNT", number(r)], [b"FORCE"], [b"force"], [b"JUSTID"],
             [b"LASTID", identifier(r)], [b"FOO"], [b"IDLE"], [b"IDLE", b"x"]]
    return [x for _ in range(r.choice([0, 0, 1, 1, 2, 3])) for x in r.choice(table[:-3] if r.random() < 0.95 else table)]


def group_command(r, key):
    group, consumer = r.choice(GROUPS), r.choice(CONSUMERS)
    options = [x for _ in range(r.choice([0, 0, 1, 1, 2])) for x in r.choice([[b"MKSTREAM"], [b"MKSTREAM"], [b"ENTRIESREAD", number(r)], [b"ENTRIESREAD", b"-2"], [b"FOO"]])]
    start = r.choice([b"$", b"0", b"0-0", identifier(r)])
    return [b"XGROUP"] + r.choice([
        [b"CREATE", key, group, start] + options,
        [b"CREATE", key, group, b"0"],
        [b"create", key, group, start, b"MKSTREAM"],
        [b"SETID", key, group, start] + options,
        [b"SETID", key, group, identifier(r)],
        [b"DESTROY", key, group] + ([b"x"] if r.random() < 0.05 else []),
        [b"CREATECONSUMER", key, group, consumer],
        [b"DELCONSUMER", key, group, consumer],
        r.choice([[b"FOO", key, group], [b"CREATE", key], [b"DESTROY"], []]),
    ])


def info_command(r, key):
    return [b"XINFO"] + r.choice([
        [b"STREAM", key],
        [b"STREAM", key] + r.choice([[b"FULL"], [b"FULL", b"COUNT", number(r)], [b"full", b"count"], [b"FOO"], [b"FULL", b"FOO", b"1"]]),
        [b"STREAM", key, b"FULL", b"COUNT", b"0"],
        [b"GROUPS", key],
        [b"CONSUMERS", key, r.choice(GROUPS)],
        r.choice([[b"FOO", key], [b"GROUPS"], [b"STREAM"], []]),
    ])


def command(r):
    key, group, consumer = r.choice(KEYS), r.choice(GROUPS), r.choice(CONSUMERS)
    count = r.choice([[], [], [b"COUNT", number(r)]]) if r.random() < 0.97 else r.choice([[b"COUNT"], [b"FOO", b"1"], [b"COUNT", b"1", b"COUNT", b"2"]])
    pending = [bound(r), bound(r), number(r)] + r.choice([[], [], [consumer]])
    idle = [b"IDLE", r.choice([b"500000", b"0", b"-1", b"x", b"9223372036854775807"])]
    wait_min = r.choice([b"0", b"0", b"0", b"500000", b"-5", b"x", b"9223372036854775807"])
    rare = [
        [b"DEL", key], [b"SET", key, b"string"], [b"TYPE", key], [b"OBJECT", b"ENCODING", key], [b"EXPIRE", key, b"100000"], [b"RENAME", key, r.choice(KEYS)],
        [b"COPY", key, r.choice(KEYS), b"REPLACE"], [b"CONFIG", b"SET", b"stream-node-max-entries", r.choice([b"0", b"2", b"3", b"5", b"100"])],
        [b"CONFIG", b"SET", b"stream-node-max-bytes", r.choice([b"0", b"200", b"4096"])], [b"XDEL", key], [b"XADD", key, b"*"], [b"XLEN"], [b"XPENDING", key, group, b"-"],
        [b"XREAD", b"STREAMS"], [b"XREADGROUP", b"STREAMS", key, b">"], [b"XREADGROUP", b"FOO", b"BAR", b"BAZ", b"STREAMS", key, b">"], [b"XACK", key, group],
        [b"XSETID", key, b"18446744073709551615-18446744073709551614"],
    ]
    makers = [
        lambda: xadd(r, key), lambda: xadd(r, key), lambda: xadd(r, key), lambda: xadd(r, key), lambda: xadd(r, key),
        lambda: [b"XTRIM", key] + trim(r),
        lambda: [b"XLEN", key],
        lambda: [b"XRANGE", key, bound(r), bound(r)] + count,
        lambda: [b"XREVRANGE", key, bound(r), bound(r)] + count,
        lambda: [b"XRANGE", key, b"-", b"+"],
        lambda: [b"XREVRANGE", key, b"+", b"-"],
        lambda: [b"XDEL", key] + [identifier(r, 0.01) for _ in range(r.randint(1, 4))],
        lambda: [b"XSETID", key, identifier(r)] + r.choice([[], [b"ENTRIESADDED", number(r)], [b"MAXDELETEDID", identifier(r)], [b"ENTRIESADDED", b"50", b"MAXDELETEDID", b"2-2"], [b"FOO"], [b"ENTRIESADDED"]]),
        lambda: [b"XREAD"] + read_options(r) + streams(r, key, [b"0", b"0-0", b"$", b"+", b">"] if r.random() < 0.1 else [b"0", b"0-0", b"$", b"+", b"+"]),
        lambda: [b"XREADGROUP", b"GROUP", group, consumer] + r.choice([[], [], [], [b"NOACK"]]) + read_options(r) + streams(r, key, [b">"] if r.random() < 0.9 else [b">", b"$", b"+", b"0"]),
        lambda: [b"XREADGROUP", b"GROUP", group, consumer, b"COUNT", b"%d" % r.randint(1, 5), b"STREAMS", key, r.choice([b">", b">", b"0"])],
        lambda: group_command(r, key), lambda: group_command(r, key),
        lambda: [b"XACK", key, group] + [identifier(r, 0.01) for _ in range(r.randint(1, 5))],
        lambda: [b"XPENDING", key, group],
        lambda: [b"XPENDING", key, group] + pending,
        lambda: [b"XPENDING", key, group] + idle + (pending if r.random() < 0.9 else pending[:2]),
        lambda: [b"XPENDING", key, group, b"-", b"+", b"100"],
        lambda: [b"XCLAIM", key, group, consumer, wait_min] + [identifier(r, 0.01) for _ in range(r.randint(1, 6))] + claim_options(r),
        lambda: [b"XAUTOCLAIM", key, group, consumer, wait_min, r.choice([b"0", b"0-0", b"-", bound(r)])] + r.choice([[], [], [b"JUSTID"], [b"COUNT", r.choice([b"1", b"2", b"3", b"0", b"-1", b"x", b"9223372036854775807", b"576460752303423487"])], [b"FOO"], [b"COUNT"]]),
        lambda: info_command(r, key), lambda: info_command(r, key),
        lambda: r.choice(rare) if r.random() < 0.4 else xadd(r, key),
    ]
    return r.choice(makers)()
