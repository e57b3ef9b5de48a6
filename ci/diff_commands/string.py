"""Random requests on strings, on keys of any type, on the connection and on the server."""

KEYS = [b"k%d" % i for i in range(24)] + [b"", b"\x00\xff\r\n", b"long" * 60, b"{tag}a"]


def number(r):
    choice = r.random()
    if choice < 0.5:
        return b"%d" % r.randint(-20, 120)
    if choice < 0.7:
        return r.choice([b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"0", b"-0", b"1.5", b"3.0e3",
                         b"abc", b"", b" 1", b"01", b"+1", b"inf", b"nan", b"1e5", b"0x10", b"123456789012345678901234567890"])
    return b"%d" % r.randint(-(1 << 40), 1 << 40)


def moment(r):
    """A time that is wrong, past, or far away: one that is about to come would race with the clocks."""
    while True:
        text = number(r)
        if not text.isdigit() or int(text) == 0 or int(text) > 10**7:
            return text


def floats(r):
    if r.random() < 0.4:
        return b"%.*f" % (r.randint(0, 17), r.uniform(-1000, 1000))
    if r.random() < 0.3:
        return b"%de%d" % (r.randint(-99999, 99999), r.randint(-20, 30))
    return number(r)


def value(r):
    choice = r.random()
    if choice < 0.35:
        return number(r)
    if choice < 0.9:
        return bytes(r.choice(b"abcxyz") for _ in range(r.randint(0, 60)))
    return bytes([r.randrange(256)]) * r.randint(0, 3000)


def time_options(r, names=(b"EX", b"PX", b"EXAT", b"PXAT")):
    name = r.choice(names)
    if r.random() < 0.25:
        # A moment that has passed would leave keys that each server removes in its own time.
        return [name, moment(r) if name in (b"EX", b"PX") else r.choice([b"-5", b"0", b"abc", b"9223372036854775808"])] if r.random() < 0.9 else [name]
    far = {b"EX": 100000, b"PX": 100000000, b"EXAT": 4000000000, b"PXAT": 4000000000000}[name]
    return [name, b"%d" % (far + r.randint(0, 1000))]


def client_command(r):
    """CLIENT with arguments that are right, wrong, or meant for another subcommand."""
    sub = r.choice([b"SETNAME", b"GETNAME", b"NO-EVICT", b"NO-TOUCH", b"SETINFO", b"UNBLOCK", b"CAPA", b"PAUSE", b"UNPAUSE", b"KILL", b"LIST",
                    b"INFO", b"ID", b"IMPORT-SOURCE", b"REPLY", b"FOO"])
    filters = [[b"ID", b"x"], [b"ID"], [b"ID", b"99999"], [b"NOT-ID", b"x"], [b"TYPE", b"x"], [b"TYPE", b"pubsub"], [b"NOT-TYPE", b"normal"], [b"USER", b"x"],
               [b"ADDR", b"1.2.3.4:5"], [b"LADDR", b"1.2.3.4:5"], [b"SKIPME", b"x"], [b"MAXAGE", b"x"], [b"MAXAGE", b"-1"], [b"FLAGS", b"?"], [b"FLAGS", b"b"],
               [b"NAME", b"nobody"], [b"IDLE", b"x"], [b"IDLE", b"100000"], [b"CAPA", b"?"], [b"CAPA", b"r"], [b"DB", b"x"], [b"DB", b"99"], [b"DB", b"7"],
               [b"NOT-DB", b"x"], [b"NOT-DB", b"99"], [b"LIB-NAME", b"x"], [b"LIB-VER", b"x"], [b"IP", b"9.9.9.9"], [b"NOT-IP", b"127.0.0.1"], [b"TOT-NET-IN", b"x"]]
    if sub in (b"LIST", b"KILL"):
        args = [x for _ in range(r.choice([0, 1, 1, 2])) for x in r.choice(filters)]
        # A KILL that could meet this very connection, or a filter that only excludes others, would end the run.
        if sub == b"KILL" and (not args or any(x.startswith(b"NOT-") for x in args)):
            args = [b"1.2.3.4:5"]
        if sub == b"KILL":
            args += [b"ADDR", b"1.2.3.4:5"] if len(args) != 1 else []
        return [b"CLIENT", sub] + args
    table = [[], [b"ON"], [b"OFF"], [b"a b"], [b"name"], [b"LIB-NAME", b"x"], [b"LIB-VER", b"1 2"], [b"x", b"y"], [b"redirect"]]
    args = r.choice([[], [b"SOMETIMES"], [b"ON", b"OFF"]]) if sub == b"REPLY" else r.choice(table)
    return [b"CLIENT", sub] + args


DEBUG_TYPES = [b"string", b"integer", b"double", b"null", b"array", b"set", b"map", b"attrib", b"verbatim", b"true", b"false", b"bignum", b"nope"]


def set_options(r, table):
    out = []
    for _ in range(r.choice([0, 0, 1, 1, 2, 3])):
        option = r.choice(table)
        if option == b"TIME":
            out += time_options(r)
        elif option == b"IFEQ":
            out += [b"IFEQ", value(r)] if r.random() < 0.9 else [b"IFEQ"]
        else:
            out.append(option)
    return out


def command(r):
    k, n, v = (lambda: r.choice(KEYS)), (lambda: number(r)), (lambda: value(r))
    makers = [
        lambda: [b"SET", k(), v()] + set_options(r, [b"NX", b"XX", b"GET", b"KEEPTTL", b"TIME", b"IFEQ", b"FOO"]),
        lambda: [b"SET", k(), v()],
        lambda: [b"GET", k()],
        lambda: [b"GETEX", k()] + set_options(r, [b"PERSIST", b"TIME", b"NX"]),
        lambda: [r.choice([b"GETDEL", b"STRLEN", b"INCR", b"DECR", b"TYPE", b"PERSIST", b"GETSET", b"DUMPX"]), k()],
        lambda: [b"GETSET", k(), v()],
        lambda: [b"DELIFEQ", k(), v()],
        lambda: [b"SETNX", k(), v()],
        lambda: [r.choice([b"SETEX", b"PSETEX"]), k(), r.choice([b"10000000", moment(r)]), v()],
        lambda: [b"APPEND", k(), v()],
        lambda: [b"SETRANGE", k(), b"%d" % r.randint(-2, 200) if r.random() < 0.8 else n(), v()],
        lambda: [r.choice([b"GETRANGE", b"SUBSTR"]), k(), n(), n()],
        lambda: [r.choice([b"INCRBY", b"DECRBY"]), k(), n()],
        lambda: [b"INCRBYFLOAT", k(), floats(r)],
        lambda: [b"MGET"] + [k() for _ in range(r.randint(0, 5))],
        lambda: [r.choice([b"MSET", b"MSETNX"])] + [x for _ in range(r.randint(0, 4)) for x in (k(), v())][: r.randint(1, 9)],
        lambda: [b"MSETEX", b"%d" % (c := r.randint(0, 3))] + [x for _ in range(c) for x in (k(), v())] + set_options(r, [b"NX", b"XX", b"KEEPTTL", b"TIME", b"GET"]),
        lambda: [b"MSETEX", n(), k(), v()],
        lambda: [b"LCS", k(), k()] + r.choice([[], [b"LEN"], [b"IDX"], [b"IDX", b"WITHMATCHLEN"], [b"IDX", b"MINMATCHLEN", n()], [b"LEN", b"IDX"], [b"FOO"]]),
        lambda: [r.choice([b"DEL", b"UNLINK", b"EXISTS", b"TOUCH"])] + [k() for _ in range(r.randint(0, 3))],
        lambda: [r.choice([b"RENAME", b"RENAMENX"]), k(), k()],
        lambda: [b"COPY", k(), k()] + r.choice([[], [b"REPLACE"], [b"DB", b"%d" % r.randint(0, 17)], [b"DB", b"1", b"REPLACE"], [b"DB"], [b"X"]]),
        lambda: [b"MOVE", k(), r.choice([b"0", b"1", b"2", b"99", n()])],
        lambda: [r.choice([b"EXPIRE", b"PEXPIRE"]), k(), r.choice([b"%d" % r.randint(10**8, 10**9), b"-1", b"0", moment(r)])] + r.choice([[], [], [b"NX"], [b"XX"], [b"GT"], [b"LT"], [b"NX", b"GT"], [b"GT", b"LT"], [b"FOO"]]),
        lambda: [r.choice([b"EXPIREAT", b"PEXPIREAT"]), k(), r.choice([b"4000000000000", b"4000000000", b"5000000000000", b"1", moment(r)])] + r.choice([[], [b"NX"], [b"XX", b"LT"], [b"GT"]]),
        lambda: [r.choice([b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME"]), k()],
        lambda: [b"OBJECT", r.choice([b"ENCODING", b"REFCOUNT", b"FREQ", b"FOO"]), k()],
        lambda: [b"KEYS", r.choice([b"*", b"k*", b"k[1-5]", b"k?", b"*1*", b"[^k]*", b"k\\1", b"k[", b""])],
        lambda: [b"SCAN", r.choice([b"0", b"x", b"-1"])] + r.choice([[], [b"COUNT", n()], [b"MATCH", b"k*"], [b"TYPE", b"string"], [b"TYPE", b"foo"], [b"COUNT"], [b"FOO", b"1"]]),
        lambda: [r.choice([b"DBSIZE", b"RANDOMKEY", b"PING", b"TIMEX", b"ECHO"])],
        lambda: [b"SELECT", r.choice([b"0", b"0", b"0", b"1", b"15", b"16", b"-1", b"x"])],
        lambda: [b"SWAPDB", r.choice([b"0", b"1", b"x", b"99"]), r.choice([b"0", b"1", b"2"])],
        lambda: [b"FLUSHDB"] + r.choice([[], [b"ASYNC"], [b"SYNC"], [b"X"]]) if r.random() < 0.05 else [b"EXISTS", k()],
        lambda: [r.choice([b"pInG", b"eCHo", b"NoSuch", b"GET", b"set", b"client", b"config", b"object", b"auth", b"hello"])] + [v()[:40] for _ in range(r.randint(0, 3))],
        lambda: client_command(r),
        lambda: [b"RESET"] if r.random() < 0.2 else [b"CLIENT", b"GETNAME"],
        lambda: [b"HELLO", r.choice([b"2", b"3"])] if r.random() < 0.2 else [b"PING", v()],
        lambda: [b"AUTH"] + [v()[:20] for _ in range(r.randint(0, 3))],
        lambda: [b"HELLO"] + r.choice([[b"9"], [b"x"], [b"2", b"FOO"], [b"2", b"AUTH", b"a", b"b"], [b"2", b"SETNAME", b"a b"]]),
        lambda: [b"COMMAND", r.choice([b"GETKEYS", b"GETKEYSANDFLAGS", b"FOO"])] + r.choice([[b"GET", b"a"], [b"MSET", b"a", b"b", b"c", b"d"], [b"SET"], [b"PING"], [b"FOO"], [b"MSETEX", b"2", b"a", b"b", b"c", b"d"], [b"MSETEX", b"9", b"a", b"b"], [b"RENAME", b"a", b"b"], [b"OBJECT", b"ENCODING", b"k"]]),
        lambda: [b"CONFIG", b"SET", r.choice([b"timeout", b"maxmemory", b"hz", b"databases", b"latency-tracking", b"nope", b"client-output-buffer-limit", b"proto-max-bulk-len"]), r.choice([b"x", b"-1", b"y e s", b"1zb"])],
        lambda: [b"DEBUG", b"PROTOCOL", r.choice(DEBUG_TYPES)],
        # Never off: the reference then copies hashes of which all fields have expired as hashes without fields.
        lambda: [b"DEBUG", b"SET-ACTIVE-EXPIRE"] + r.choice([[], [b"1"]]),
        lambda: [b"DEBUG", r.choice([b"SLEEP", b"FOO", b"HTSTATS", b"OBJECT"])] + r.choice([[], [b"x"], [b"0"], [b"nokey"]]),
        lambda: [r.choice([b"SLOWLOG", b"COMMANDLOG", b"LATENCY", b"MEMORY"]), r.choice([b"GET", b"LEN", b"FOO", b"GRAPH", b"USAGE", b"RESET", b"HISTORY", b"LATEST", b"HISTOGRAM"])] + r.choice([[], [b"x"], [b"-2"], [b"1", b"foo"], [b"nokey"], [b"-1", b"slow"], [b"slow"], [b"nokey", b"SAMPLES", b"-1"]]),
    ]
    return r.choice(makers)()
