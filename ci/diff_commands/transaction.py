"""Transactions of several connections on the same keys: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

A scenario is a list of steps: (connection, request), or ("sleep", milliseconds) at which time keys may expire.
"""
CONNECTIONS = 3
KIND = "lockstep"

BAD = [[b"NOSUCH"], [b"GET"], [b"SET", b"m1"], [b"MULTI", b"x"], [b"EXEC", b"x"], [b"CONFIG", b"SET"], [b"OBJECT", b"ENCODING"], [b"CLIENT", b"FOO", b"x"], [b"XGROUP"],
       [b"WATCH"], [b"UNWATCH", b"x"], [b"DISCARD", b"x"]]


def keys(r, shared):
    return [r.choice(shared) for _ in range(r.choice([1, 1, 2, 3]))]


def expiring(r, shared):
    """A watched key whose time comes: before, at or after the WATCH. The last step is to leave nothing that only time removes."""
    key, outside = r.choice(shared), [(at, [b"DISCARD"]) for at in range(CONNECTIONS)]
    if r.random() < 0.2:
        # Nobody but the server itself removes a hash whose last field has expired; the reference needs a while.
        steps = outside + [(1, [b"DEL", key]), (1, [b"HSET", key, b"f", b"v"]), (1, [b"HPEXPIRE", key, b"80", b"FIELDS", b"1", b"f"])]
        return steps + [(0, [b"WATCH", key]), ("sleep", 600), (0, [b"MULTI"]), (0, [b"EXISTS", key]), (0, [b"EXEC"])]
    made = r.choice([[b"SET", key, b"v"], [b"RPUSH", key, b"a"], [b"SADD", key, b"a"], [b"HSET", key, b"f", b"v"]])
    steps = outside + [(1, [b"DEL", key]), (1, made)]
    lazily = r.random() < 0.5
    if lazily:
        steps += [(2, [b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0"])]
    time, watch, sleep = [(1, [b"PEXPIRE", key, b"80"])], [(0, [b"WATCH", key])], [("sleep", 130)]
    steps += r.choice([time + watch + sleep, watch + time + sleep, time + sleep + watch])
    steps += r.choice([[], [], [(1, [b"EXISTS", key])], [(1, made)], [(0, [b"GET", key])]])
    steps += [(0, [b"MULTI"]), (0, [b"EXISTS", key]), (0, [b"EXEC"])]
    if lazily:
        steps += [(2, [b"DEBUG", b"SET-ACTIVE-EXPIRE", b"1"])]
    return steps + [(1, [b"EXISTS", key])]


def sweeping(r, shared):
    """What changes many keys at once."""
    return r.choice([[b"FLUSHALL"], [b"FLUSHDB"], [b"SWAPDB", b"0", b"1"], [b"SWAPDB", b"0", b"2"], [b"SWAPDB", b"1", b"1"], [b"COPY", r.choice(shared), r.choice(shared), b"REPLACE"],
                     [b"COPY", r.choice(shared), r.choice(shared), b"DB", b"1", b"REPLACE"], [b"MOVE", r.choice(shared), b"1"], [b"RENAME", r.choice(shared), r.choice(shared)],
                     [b"SELECT", r.choice([b"0", b"1", b"2"])], [b"RESET"], [b"HELLO", r.choice([b"2", b"3"])], [b"SET", r.choice(shared), b"v"], [b"DEL"] + keys(r, shared),
                     [b"TOUCH"] + keys(r, shared), [b"EXPIRE", r.choice(shared), b"-1"], [b"EXPIRE", r.choice(shared), b"10000"], [b"PERSIST", r.choice(shared)]])


def plain(r, any_command):
    """Any request but OBJECT REFCOUNT: in the reference the queue holds a second count of a value that it sets."""
    while (request := any_command(r))[:2] == [b"OBJECT", b"REFCOUNT"]:
        pass
    return request


def scenario(r, shared, any_command):
    """Some hundred steps. What each connection is at is only guessed: that is what makes the wrong order come up too."""
    steps, inside, at = [], [False] * CONNECTIONS, 0
    for _ in range(r.randint(80, 200)):
        if r.random() < 0.35:
            at = r.randrange(CONNECTIONS)
        choice = r.random()
        if choice < 0.01:
            steps += expiring(r, shared)
            inside = [False] * CONNECTIONS
        elif choice < 0.06:
            steps.append((at, sweeping(r, shared)))
        elif inside[at]:
            word = r.choices([b"", b"EXEC", b"DISCARD", b"MULTI", b"WATCH", b"UNWATCH", b"bad"], [70, 14, 4, 1, 2, 2, 1.5])[0]
            request = plain(r, any_command) if not word else r.choice(BAD) if word == b"bad" else [word] + (keys(r, shared) if word == b"WATCH" else [])
            inside[at] = word not in (b"EXEC", b"DISCARD")
            steps.append((at, request))
        else:
            word = r.choices([b"", b"MULTI", b"WATCH", b"UNWATCH", b"EXEC", b"DISCARD", b"bad"], [40, 25, 25, 3, 1, 1, 1])[0]
            request = plain(r, any_command) if not word else r.choice(BAD) if word == b"bad" else [word] + (keys(r, shared) if word == b"WATCH" else [])
            inside[at] = word == b"MULTI"
            steps.append((at, request))
    return steps
