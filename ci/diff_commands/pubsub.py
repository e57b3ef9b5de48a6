"""Subscribers, publishers and keyspace events of several connections.

A step is a connection and requests that are sent in one piece; the harness waits until all of them are answered. Within a
transaction nothing else may come, so a transaction is one step.
"""
CONNECTIONS = 4
KIND = "marked"

CHANNELS = [b"news", b"news.a", b"news.b", b"x", b"", b"a\r\nb", b"h[llo"]
PATTERNS = [b"*", b"news*", b"news.?", b"n[a-f]*", b"x", b"__key*", b"__keyspace@0__:m1", b"__keyevent@*__:del", b"", b"h\\[*"]
SHARDS = [b"s1", b"s2", b"{t}a"]
# None that is refused: the reference then sets again what it prints, and that lacks the `n` of `KEAmn`.
FLAGS = [b"KEA", b"KEAmn", b"K$g", b"Elshzxte", b"A", b"K", b"", b"Exd", b"KEm", b"EnK", b"Kn"]


def some(r, table):
    return [r.choice(table) for _ in range(r.choice([1, 1, 1, 2, 3]))]


def subscription(r):
    return r.choice([
        lambda: [b"SUBSCRIBE"] + some(r, CHANNELS),
        lambda: [b"SUBSCRIBE"] + some(r, CHANNELS),
        lambda: [b"PSUBSCRIBE"] + some(r, PATTERNS),
        lambda: [b"PSUBSCRIBE"] + some(r, PATTERNS),
        lambda: [b"SSUBSCRIBE"] + some(r, SHARDS),
        lambda: [b"UNSUBSCRIBE"] + (some(r, CHANNELS) if r.random() < 0.6 else []),
        lambda: [b"PUNSUBSCRIBE"] + (some(r, PATTERNS) if r.random() < 0.6 else []),
        lambda: [b"SUNSUBSCRIBE"] + (some(r, SHARDS) if r.random() < 0.6 else []),
        lambda: [r.choice([b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE"])],
    ])()


def message(r):
    text = r.choice([b"", b"hello", b"x" * 300, b"\x00\xff\r\n", b"12"])
    return r.choice([[b"PUBLISH", r.choice(CHANNELS), text], [b"PUBLISH", r.choice(CHANNELS), text], [b"SPUBLISH", r.choice(SHARDS), text], [b"PUBLISH", b"news"],
                     [b"PUBLISH", r.choice(SHARDS), text]])


def question(r):
    return [b"PUBSUB"] + r.choice([[b"CHANNELS"], [b"CHANNELS", r.choice(PATTERNS)], [b"NUMSUB"] + some(r, CHANNELS), [b"NUMSUB"], [b"NUMPAT"], [b"NUMPAT", b"x"],
                                   [b"SHARDCHANNELS"], [b"SHARDCHANNELS", b"s*"], [b"SHARDNUMSUB"] + some(r, SHARDS), [b"FOO"], [], [b"CHANNELS", b"a", b"b"]])


def scenario(r, shared, any_command):
    steps = [(0, [[b"CONFIG", b"SET", b"notify-keyspace-events", r.choice(FLAGS[:2])]])]
    # Connection 0 changes keys and subscribes seldom; in RESP2 a subscriber is refused everything else.
    for _ in range(r.randint(60, 150)):
        choice, at = r.random(), r.randrange(CONNECTIONS)
        if choice < 0.3:
            steps.append((at if r.random() < 0.9 else 0, [subscription(r) for _ in range(r.choice([1, 1, 2]))]))
        elif choice < 0.45:
            steps.append((at, [message(r) for _ in range(r.choice([1, 1, 4]))]))
        elif choice < 0.53:
            steps.append((at, [question(r)]))
        elif choice < 0.57:
            inner = r.choice([subscription, message, message])
            steps.append((at, [[b"MULTI"]] + [inner(r) for _ in range(r.randint(1, 3))] + [any_command(r), r.choice([[b"EXEC"], [b"EXEC"], [b"DISCARD"]])]))
        elif choice < 0.61:
            steps.append((at, [r.choice([[b"RESET"], [b"HELLO", b"2"], [b"HELLO", b"3"], [b"PING"], [b"PING", b"a", b"b"]])]))
        elif choice < 0.63:
            steps.append((at, [[b"CONFIG", b"SET", b"notify-keyspace-events", r.choice(FLAGS)]]))
        else:
            steps.append((0 if r.random() < 0.8 else at, [any_command(r) for _ in range(r.choice([1, 2, 5]))]))
    return steps
