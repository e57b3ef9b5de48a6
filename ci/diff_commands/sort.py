"""Random SORT requests over lists, sets and sorted sets, and the keys and hashes that they look up.

Sets have an order of their own in each server, and so have sorted sets that are sorted by others: what shows it is left out.
"""
LISTS = [b"l1", b"l2", b"l3"]
KEYS = LISTS + [b"dest"]
BY = [b"w_*", b"w_*", b"nosort", b"w_*_x", b"h_*->f", b"*", b"#", b"w_*->", b"x*y*z", b"w_\x00*", b"", b"missing_*", b"h_*->nof", b"l1*"]


def element(r):
    choice = r.random()
    if choice < 0.8:
        return b"%d" % r.randint(0, 30)
    if choice < 0.9:
        return r.choice([b"1.5", b"-2.25", b"1e3", b"inf", b"-inf", b"-0", b"007", b"+5", b" 7", b"3 "])
    return r.choice([b"a", b"b", b"abc", b"abd", b"", b"nan", b"x" * 70, b"a\x00b", b"a\x00a", b"1\x00b", b"0x10", b"1e400"])


def member(r):
    """For sets: none with a NUL, where the C library ends to compare."""
    while b"\0" in (text := element(r)):
        pass
    return text


def number(r):
    return b"%d" % r.randint(-3, 12) if r.random() < 0.9 else r.choice([b"9223372036854775807", b"-9223372036854775808", b"x", b"1.0", b"9223372036854775808"])


def option(r):
    choice = r.random()
    if choice < 0.22:
        return [b"BY", r.choice(BY)]
    if choice < 0.42:
        return [b"LIMIT", number(r), number(r)]
    if choice < 0.6:
        return [b"GET", r.choice(BY)]
    if choice < 0.75:
        return [r.choice([b"asc", b"DESC", b"desc"])]
    if choice < 0.9:
        return [b"ALPHA"]
    if choice < 0.97:
        return [b"STORE", r.choice([b"dest", b"dest", b"dest", b"l3"])]
    return r.choice([[b"limit"], [b"limit", b"1"], [b"by"], [b"store"], [b"nop"]])


def shows_order(key, request):
    words = [word.upper() for word in request]
    if key not in (b"s1", b"s2", b"z1") or b"BY" not in words:
        return False
    constant = any(b"*" not in request[at + 1].split(b"\0")[0] for at, word in enumerate(words[:-1]) if word == b"BY")
    return not (constant and key == b"z1") and (constant or b"ALPHA" in words)


def command(r):
    while True:
        request = any_command(r)
        if not (request[0].startswith(b"SORT") and shows_order(request[1], request)):
            return request


def any_command(r):
    choice = r.random()
    key = r.choice(LISTS + [b"s1", b"s2", b"z1"]) if r.random() < 0.96 else r.choice([b"w_1", b"none", b"dest"])
    if choice < 0.12:
        return [b"RPUSH", r.choice(LISTS)] + [element(r) if r.random() < 0.15 else b"%d" % r.randint(0, 30) for _ in range(r.randint(1, 6))]
    if choice < 0.2:
        return r.choice([[b"LPOP", r.choice(LISTS), b"4"], [b"DEL", r.choice(LISTS)], [b"LTRIM", r.choice(LISTS), b"1", b"20"]])
    if choice < 0.32:
        return [b"SET", b"w_%d" % r.randint(0, 30) + r.choice([b"", b"", b"", b"_x"]), element(r) if r.random() < 0.1 else b"%d" % r.randint(0, 9)]
    if choice < 0.34:
        return r.choice([[b"DEL", b"w_%d" % r.randint(0, 30)], [b"SET", b"1", b"one"], [b"SET", b"w_1->", b"arrow"]])
    if choice < 0.38:
        return r.choice([[b"LRANGE", b"dest", b"0", b"-1"], [b"OBJECT", b"ENCODING", b"dest"], [b"EXPIRE", b"dest", b"100"], [b"PERSIST", b"dest"]])
    if choice < 0.42:
        return r.choice([[b"HSET", b"h_%d" % r.randint(0, 30), b"f", element(r) if r.random() < 0.1 else b"%d" % r.randint(0, 9)], [b"SADD", b"s1", b"%d" % r.randint(0, 40)],
                         [b"SADD", b"s2", member(r)], [b"ZADD", b"z1", number(r), member(r)], [b"DEL", r.choice([b"s1", b"s2", b"z1", b"h_1"])]])
    name = b"SORT_RO" if r.random() < 0.2 else b"SORT"
    request = [name, key] + [arg for _ in range(r.randint(0, 4)) for arg in option(r)]
    return [b"COMMAND", b"GETKEYS"] + request if r.random() < 0.03 else request
