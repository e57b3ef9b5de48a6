"""Clients that wait: for lists, sorted sets and streams, served by whatever other clients do.

Connections 0 to 3 wait (and go on with what they sent behind), 4 and 5 act, 6 waits for short times only. A step is (connection, requests sent in one piece),
("sleep", milliseconds) at which short waits end, or ("kill", connection), which closes it and opens another. The harness lets all come
to rest after each step. Who waits for streams waits for one: a client that is woken in vain loses its turn at its other keys in the
reference, and keeps it here. `@0` to `@6` stand for the ids of the connections.
"""
CONNECTIONS = 7
KIND = "blocking"
WAITERS, SHORT = 4, 6

LISTS, ZSETS, STREAMS = [b"l0", b"l1", b"l2"], [b"z0", b"z1"], [b"x0", b"x1"]
ALL = LISTS + ZSETS + STREAMS
# Keys that commands store to, and that never hold another type: the reference leaves a client waiting when a key that held
# another type is overwritten with what it waits for. Here it is served.
STORED_LIST, STORED_ZSET = b"ls", b"zs"
GROUPS = [b"g", b"h"]


def of(r, table):
    return r.choice(ALL) if r.random() < 0.05 else r.choice(table)


def several(r, table):
    return [of(r, table) for _ in range(r.choice([1, 1, 2, 2, 3]))]


def entry(r):
    return b"v%d" % r.randint(0, 99)


def side(r):
    return r.choice([b"LEFT", b"RIGHT"])


def waiting(r, seconds):
    """A request that may wait so long."""
    milliseconds = b"%d" % int(float(seconds) * 1000)
    names, scored, streams = several(r, LISTS + [STORED_LIST]), several(r, ZSETS + [STORED_ZSET]), [of(r, STREAMS)]
    count = r.choice([[], [], [b"COUNT", b"1"], [b"COUNT", b"2"], [b"COUNT", b"10"]])
    return r.choice([
        lambda: [r.choice([b"BLPOP", b"BRPOP"])] + names + [seconds],
        lambda: [r.choice([b"BLPOP", b"BRPOP"])] + names + [seconds],
        lambda: [b"BLMOVE", names[0], of(r, LISTS), side(r), side(r), seconds],
        lambda: [b"BRPOPLPUSH", names[0], of(r, LISTS), seconds],
        lambda: [b"BLMPOP", seconds, b"%d" % len(names)] + names + [side(r)] + count,
        lambda: [r.choice([b"BZPOPMIN", b"BZPOPMAX"])] + scored + [seconds],
        lambda: [b"BZMPOP", seconds, b"%d" % len(scored)] + scored + [r.choice([b"MIN", b"MAX"])] + count,
        lambda: [b"XREAD"] + count + [b"BLOCK", milliseconds, b"STREAMS"] + streams + [r.choice([b"$", b"$", b"0", b"+", b"5-0", b"40-1"]) for _ in streams],
        lambda: [b"XREADGROUP", b"GROUP", r.choice(GROUPS), r.choice([b"ann", b"bob"])] + count + r.choice([[], [b"NOACK"]])
                + [b"BLOCK", milliseconds, b"STREAMS"] + streams + [r.choice([b">"] * 9 + [b"0"]) for _ in streams],
    ])()


def behind(r):
    """What a waiting client has sent behind its request."""
    return r.choice([[b"INCR", b"n"], [b"LLEN", r.choice(LISTS)], [b"RPUSH", r.choice(LISTS), entry(r)], [b"ZADD", r.choice(ZSETS), b"%d" % r.randint(0, 9), entry(r)], [b"PING"],
                     [b"LPOP", r.choice(LISTS)], [b"EXISTS", b"l0", b"z0", b"x0"]])


def wait_step(r, alone):
    at = 0 if alone else r.randrange(WAITERS)
    requests = [waiting(r, r.choice([b"0", b"0", b"1000", b"100.5"]))]
    while r.random() < 0.3:
        requests.append(behind(r) if r.random() < 0.7 else waiting(r, b"0"))
    if r.random() < 0.03:
        requests = [[b"MULTI"]] + requests + [[b"EXEC"]]
    return (at, requests)


def giving(r, id_of):
    """A request that may give waiting clients something."""
    return r.choice([
        lambda: [r.choice([b"RPUSH", b"LPUSH"]), of(r, LISTS)] + [entry(r) for _ in range(r.choice([1, 1, 2, 3]))],
        lambda: [r.choice([b"RPUSH", b"LPUSH"]), of(r, LISTS)] + [entry(r) for _ in range(r.choice([1, 1, 2, 3]))],
        lambda: [b"ZADD", of(r, ZSETS)] + [x for _ in range(r.choice([1, 1, 2])) for x in (b"%d" % r.randint(-5, 5), entry(r))],
        lambda: [b"ZADD", of(r, ZSETS)] + [x for _ in range(r.choice([1, 1, 2])) for x in (b"%d" % r.randint(-5, 5), entry(r))],
        lambda: [b"XADD", of(r, STREAMS), b"%d-*" % id_of(), b"f", entry(r)],
        lambda: [b"XADD", of(r, STREAMS), b"%d-*" % id_of(), b"f", entry(r)],
        lambda: [b"LMOVE", of(r, LISTS), of(r, LISTS), side(r), side(r)],
        lambda: [b"RPOPLPUSH", of(r, LISTS), of(r, LISTS)],
        lambda: [b"SORT", of(r, LISTS), b"ALPHA", b"STORE", STORED_LIST],
        lambda: [r.choice([b"ZUNIONSTORE", b"ZINTERSTORE"]), STORED_ZSET, b"1", of(r, ZSETS)],
        lambda: [b"ZRANGESTORE", STORED_ZSET, of(r, ZSETS), b"0", b"-1"],
        lambda: [b"GEOADD", of(r, ZSETS), b"%d" % r.randint(1, 50), b"40", entry(r)],
        lambda: [b"ZINCRBY", of(r, ZSETS), b"1", entry(r)],
        lambda: [b"LINSERT", of(r, LISTS), b"BEFORE", entry(r), entry(r)],
    ])()


def disturbing(r, alone):
    """What changes the keys that are waited for, other than by adding to them.

    What makes many keys ready at once does so in the order of a hash table: only where there is but one client that waits.
    """
    key, other = r.choice(ALL), r.choice(ALL)
    return r.choice([
        lambda: [r.choice([b"DEL", b"UNLINK"]), key],
        lambda: [b"DEL", r.choice(STREAMS)],
        lambda: [r.choice([b"RENAME", b"RENAMENX"]), key, other],
        lambda: [b"COPY", key, other, b"REPLACE"],
        lambda: [b"COPY", key, other, b"DB", b"1", b"REPLACE"],
        lambda: [b"MOVE", key, b"1"],
        lambda: r.choice([[b"SWAPDB", b"0", b"1"], [b"FLUSHALL"], [b"FLUSHDB"]]) if alone else [b"EXISTS", key],
        lambda: [b"SET", key, b"string"],
        lambda: [b"SADD", key, b"a"],
        lambda: [b"PEXPIREAT", key, b"1"],
        lambda: [b"EXPIRE", key, b"10000"],
        lambda: [b"LPOP", r.choice(LISTS)],
        lambda: [b"ZPOPMIN", r.choice(ZSETS)],
        lambda: [b"LREM", r.choice(LISTS), b"0", entry(r)],
        lambda: [b"LTRIM", r.choice(LISTS), b"1", b"-1"],
        lambda: [b"XTRIM", r.choice(STREAMS), b"MAXLEN", b"1"],
        lambda: [b"XGROUP", b"DESTROY", r.choice(STREAMS), r.choice(GROUPS)],
        lambda: [b"XGROUP", b"DESTROY", r.choice(STREAMS), r.choice(GROUPS)],
        lambda: [b"XGROUP", b"SETID", r.choice(STREAMS), r.choice(GROUPS), r.choice([b"0", b"$", b"3"])],
        lambda: [b"XGROUP", b"CREATE", of(r, STREAMS), r.choice(GROUPS), r.choice([b"0", b"$"]), b"MKSTREAM"],
        lambda: [b"XGROUP", b"DELCONSUMER", r.choice(STREAMS), r.choice(GROUPS), b"ann"],
        lambda: [b"XSETID", r.choice(STREAMS), b"100-0"],
        lambda: [b"XACK", r.choice(STREAMS), r.choice(GROUPS), b"1-0", b"2-0"],
        lambda: [b"XREADGROUP", b"GROUP", r.choice(GROUPS), b"bob", b"COUNT", b"2", b"STREAMS", r.choice(STREAMS), b">"],
        lambda: [b"SELECT", r.choice([b"0", b"0", b"1"])],
        lambda: [b"RESET"] if r.random() < 0.2 else [b"EXISTS", key],
    ])()


def scenario(r, shared, any_command):
    counter, alone = [0], r.random() < 0.15

    def id_of():
        counter[0] += 1
        return counter[0]

    steps = [(4, [[b"XGROUP", b"CREATE", key, group, b"$", b"MKSTREAM"] for key in STREAMS for group in GROUPS])]
    for _ in range(r.randint(40, 100)):
        choice, actor = r.random(), r.choice([4, 5])
        if choice < 0.45:
            steps.append(wait_step(r, alone))
        elif choice < 0.7:
            steps.append((actor, [giving(r, id_of) for _ in range(r.choice([1, 1, 1, 2]))]))
        elif choice < 0.77:
            inner = [giving(r, id_of) if r.random() < 0.6 else disturbing(r, alone) for _ in range(r.randint(1, 4))]
            steps.append((actor, [[b"MULTI"]] + inner + [[b"EXEC"]]))
        elif choice < 0.9:
            steps.append((actor, [disturbing(r, alone)]))
        elif choice < 0.95:
            steps.append((actor, [[b"CLIENT", b"UNBLOCK", b"@%d" % r.randrange(CONNECTIONS)] + r.choice([[], [b"TIMEOUT"], [b"ERROR"], [b"error"], [b"FOO"]])]))
        elif choice < 0.97:
            # Each ends in its own time: nothing may happen meanwhile.
            steps += [] if alone else [(SHORT, [waiting(r, b"0.02")]), ("sleep", 45)]
        elif choice < 0.98:
            steps.append(("kill", r.randrange(WAITERS)))
        elif choice < 0.985:
            # Given later than its time: a key that is there no more when the push comes.
            steps += [(actor, [[b"RPUSH", b"l0", b"a"], [b"PEXPIRE", b"l0", b"15"]]), ("sleep", 40), (actor, [[b"EXISTS", b"l0"]])]
        else:
            steps.append((0 if alone else r.randrange(WAITERS), [any_command(r)]))
    return steps
