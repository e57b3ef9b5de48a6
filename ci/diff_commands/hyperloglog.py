"""Random requests on HyperLogLogs."""
KEYS = [b"h1", b"h2", b"h3", b"h4", b"h5", b"h6", b"list", b"int", b"text"]


def key(r):
    return r.choice(KEYS[:6] if r.random() < 0.96 else KEYS)


def elements(r):
    count = r.choice([0, 1, 1, 2, 3, 10, 100, 100, 600])
    top = r.choice([100, 10_000, 10_000_000])
    return [b"%d" % r.randint(0, top) for _ in range(count)]


def forged(r):
    """Broken ones, but none whose runs end early: there the reference goes on behind the end of the string."""
    head = r.choice([b"HYLL\x01", b"HYLL\x00", b"HYLL\x02", b"HYLX\x01"]) + bytes(3)
    cached = r.choice([bytes(7) + b"\x80", b"\x05" + bytes(7)])
    body = r.choice([b"\x7f\xff", b"\x7f\xf0\x83\x8b", b"\x7f\xff\x00", b""])
    return head + cached + body


def command(r):
    choice = r.random()
    if choice < 0.35:
        return [b"PFADD", key(r)] + elements(r)
    if choice < 0.5:
        return [b"PFCOUNT", key(r)]
    if choice < 0.58:
        return [b"PFCOUNT"] + [key(r) for _ in range(r.randint(2, 4))]
    if choice < 0.68:
        return [b"PFMERGE"] + [key(r) for _ in range(r.randint(1, 4))]
    if choice < 0.8:
        return [b"GET", key(r)]
    if choice < 0.88:
        word = r.choice([b"getreg", b"DECODE", b"encoding", b"encoding", b"todense", b"nop"])
        return [b"PFDEBUG", word, key(r)]
    if choice < 0.96:
        return [b"DEL", key(r)] if r.random() < 0.6 else [b"OBJECT", b"ENCODING", key(r)]
    if choice < 0.98:
        return [b"SET", key(r), forged(r)]
    return r.choice([[b"SET", b"int", b"12"], [b"SET", b"text", b"abc"], [b"RPUSH", b"list", b"a"], [b"EXPIRE", key(r), b"1000"], [b"PFADD"], [b"PFDEBUG"], [b"PFDEBUG", b"simd", b"off"]])
