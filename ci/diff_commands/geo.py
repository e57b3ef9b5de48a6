"""Random requests on places: see ci/diff.

No two members have one place, and scores that are distances are not searched: the order of equal distances is chance. Polygons
around a pole are left out, as the reference then searches cells that it never sets. Stored distances are not read: their last
digits depend on the sine of the C library.
"""
import math


KEYS = [b"g%d" % i for i in range(3)]
MEMBERS = [b"p%d" % i for i in range(40)] + [b"", b"7", b"\x00x", b"q" * 70]
BAD_PLACES = [(b"181", b"10"), (b"10", b"86"), (b"x", b"1"), (b"1", b"nan"), (b"inf", b"0"), (b"-180.1", b"-86"), (b"1e300", b"2"), (b"", b"")]
UNITS = [b"m", b"km", b"ft", b"mi", b"KM", b"Mi"]
SHAPES = [b"BYRADIUS", b"BYBOX", b"BYPOLYGON"]


def key(r):
    return r.choice([b"string", b"missing"]) if r.random() < 0.05 else r.choice(KEYS)


def place(r, edges=True):
    if r.random() < 0.02:
        return list(r.choice(BAD_PLACES))
    if edges and r.random() < 0.05:
        return [r.choice([b"180", b"-180", b"0", b"-0", b"179.99"]), r.choice([b"85.05112878", b"-85.05112878", b"0", b"85"])]
    if r.random() < 0.5:
        return [b"%.6f" % r.uniform(10, 12), b"%.6f" % r.uniform(40, 42)]
    return [b"%.4f" % r.uniform(-180, 180), b"%.4f" % r.uniform(-85, 85)]


def unit(r):
    return b"x" if r.random() < 0.02 else r.choice(UNITS)


def length(r):
    if r.random() < 0.03:
        return r.choice([b"-1", b"abc", b"", b"nan", b"inf"])
    return r.choice([b"0", b"100", b"2000", b"%.3f" % r.uniform(0, 500), b"20000", b"100000", b"1e7"])


def shape(r):
    kind = r.random()
    if kind < 0.4:
        return [b"BYRADIUS", length(r), unit(r)]
    if kind < 0.75:
        return [b"BYBOX", length(r), length(r), unit(r)]
    count, vertices = r.randint(3, 6), []
    while not vertices or is_polar(vertices):
        vertices = [place(r) for _ in range(count)]
    text = b"%d" % count if r.random() < 0.9 else r.choice([b"2", b"-1", b"9", b"x", b"4294967297"])
    request = [b"BYPOLYGON", text]
    return request + sum(vertices, [])


def is_polar(vertices):
    x = y = z = 0
    for longitude, latitude in vertices:
        try:
            longitude, latitude = math.radians(float(longitude)), math.radians(float(latitude))
        except ValueError:
            return False
        if not math.isfinite(longitude + latitude):
            return False
        x, y, z = x + math.cos(latitude) * math.cos(longitude), y + math.cos(latitude) * math.sin(longitude), z + math.sin(latitude)
    return abs(math.atan2(z, math.hypot(x, y))) > math.radians(85)


def centre(r):
    return [b"FROMMEMBER", r.choice(MEMBERS)] if r.random() < 0.5 else [b"FROMLONLAT"] + place(r)


def options(r, store):
    request = []
    for word in (b"WITHDIST", b"WITHHASH", b"WITHCOORD"):
        if r.random() < (0.02 if store else 0.35):
            request.append(word)
    if r.random() < 0.5:
        request.append(r.choice([b"ASC", b"desc"]))
    if r.random() < 0.4:
        request += [b"COUNT", r.choice([b"1", b"2", b"5", b"100"]) if r.random() < 0.95 else r.choice([b"0", b"-1", b"x"])]
        if r.random() < 0.3:
            request.append(b"ANY")
    elif r.random() < 0.03:
        request.append(b"ANY")
    return request


def search(r):
    store = r.random() < 0.25
    parts = []
    shaped = shape(r) if r.random() < 0.97 else []
    if r.random() < (0.05 if shaped and shaped[0] == b"BYPOLYGON" else 0.97):
        parts.append(centre(r))
    parts.append(shaped)
    if r.random() < 0.02:
        parts.append(r.choice([centre(r), shape(r)]))
    parts.append(options(r, store))
    distances = store and r.random() < 0.4
    if distances:
        parts.append([b"STOREDIST"])
    r.shuffle(parts)
    return ([b"GEOSEARCHSTORE", b"distances" if distances else r.choice(KEYS), key(r)] if store else [b"GEOSEARCH", key(r)]) + sum(parts, [])


def radius(r):
    read_only = r.random() < 0.3
    store = r.random() < (0.03 if read_only else 0.25)
    tail = [length(r), unit(r)] + options(r, store)
    if store:
        tail += r.choice([[b"STORE", r.choice(KEYS)], [b"STOREDIST", b"distances"]])
    suffix = b"_RO" if read_only else b""
    if r.random() < 0.5:
        return [b"GEORADIUS" + suffix, key(r)] + place(r) + tail
    return [b"GEORADIUSBYMEMBER" + suffix, key(r), r.choice(MEMBERS)] + tail


def add(r):
    request = [b"GEOADD", key(r)]
    for word in (b"NX", b"XX", b"CH"):
        if r.random() < 0.1:
            request.append(word)
    for _ in range(r.randint(1, 6)):
        request += place(r, edges=False) + [r.choice(MEMBERS)]
    return request


def command(r):
    """One random request."""
    choice = r.random()
    if choice < 0.2:
        return add(r)
    if choice < 0.5:
        return search(r)
    if choice < 0.65:
        return radius(r)
    if choice < 0.75:
        return [r.choice([b"GEOPOS", b"GEOHASH"]), r.choice([key(r), b"scores"])] + [r.choice(MEMBERS) for _ in range(r.randint(0, 4))]
    if choice < 0.85:
        return [b"GEODIST", r.choice([key(r), b"scores"]), r.choice(MEMBERS), r.choice(MEMBERS)] + ([unit(r)] if r.random() < 0.5 else []) + ([b"m"] if r.random() < 0.02 else [])
    if choice < 0.9:
        return r.choice([[b"ZRANGE", key(r), b"0", b"-1", b"WITHSCORES"], [b"ZRANGE", b"distances", b"0", b"-1"]])
    if choice < 0.93:
        return r.choice([[b"DEL", r.choice(KEYS)], [b"OBJECT", b"ENCODING", key(r)], [b"SET", b"string", b"v"], [b"ZREM", key(r), r.choice(MEMBERS)],
                         [b"ZADD", b"scores", r.choice([b"-1", b"1.5", b"9007199254740993", b"3e15", b"0"]), r.choice(MEMBERS)]])
    request = command(r)
    return request[: r.randint(1, len(request))]
