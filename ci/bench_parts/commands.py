"""The commands of the data types, at pipeline 64, on one large key and on many small ones."""
import statistics

import load
from servers import Floor, Server, encode

# Each group: what makes its keys, sent with all numbers below the last value in turn; and what is measured, one command after
# the other, so that what the first adds the second may take away. `#` stands for a number, `@` for one more, MIDDLE for the
# ranks of a hundred elements in the middle.
MANY = 100_000
TEN = [str(number) for number in range(10)]
TYPES = [
    ([], ["LPUSH list __data__", "LPOP list"], 1),
    ([], ["RPUSH list __data__", "RPOP list"], 1),
    (["RPUSH list:# a b c d e f g h i j"], ["LPUSH list:# __data__", "LPOP list:#"], MANY),
    (["RPUSH list:# a b c d e f g h i j"], ["RPUSH list:# __data__", "RPOP list:#"], MANY),
    (["SADD set element:#"], ["SADD set element:#", "SREM set element:#"], 1_000_000),
    (["SADD set element:#"], ["SPOP set", "SADD set element:#"], 1_000_000),
    (["SADD set:# a b c d e f g h i j"], ["SREM set:# e", "SADD set:# e"], MANY),
    (["SADD set:# a b c d e f g h i j"], ["SPOP set:#", "SADD set:# a"], MANY),
    (["HSET hash field:# __data__"], ["HSET hash field:# __data__", "HGET hash field:#"], 1_000_000),
    (["HSET hash:# " + " ".join(f"field:{n} __data__" for n in TEN)], ["HSET hash:# field:5 __data__", "HGET hash:# field:5"], MANY),
    (["ZADD zset # element:@"], ["ZADD zset # element:#", "ZRANK zset element:#"], 1_000_000),
    (["ZADD zset # element:@"], ["ZSCORE zset element:#", "ZRANGE zset MIDDLE", "ZRANGE zset 0 99"], 1_000_000),
    (["ZADD zset:# " + " ".join(f"{n} element:{n}" for n in TEN)], ["ZADD zset:# 5.5 element:5", "ZRANK zset:# element:5"], MANY),
    (["ZADD zset # element:@"], ["ZRANGE zset 0 99", "ZRANK zset element:#"], 100),
    ([], ["XADD stream * field __data__"], 1),
    ([], ["XADD stream:# * field __data__"], MANY),
    (["SET key:# __data__"], ["MGET" + " key:#" * 10, "MSET" + " key:# __data__" * 10, "EXISTS" + " key:#" * 10], 1_000_000),
    ([], ["INCR counter", "INCR counter:#"], 1_000_000),
    (["SET key:# __data__ EX 1000"], ["SET key:# __data__ EX 1000", "EXPIRE key:# 1000"], 1_000_000),
    (["SET key:# __data__ EX 1000"], ["DEL key:#", "SETEX key:# 1000 __data__"], 1_000_000),
]
# Places of those that a quick run keeps.
QUICK = (0, 4, 8, 10, 17)


def send(options, server, command, below, requests, sequential=False):
    """Runs one command; returns the server's CPU time a request, us."""
    words = command.replace("#", "__rand_int__").replace("@", "__rand_1st__").split()
    sizes = ["-c", "50", "-P", "64", "-n", str(requests), "-r", str(below), "-d", "16"]
    before = server.exact_cpu()
    load.run(options, server, [*sizes, *(["--sequential"] if sequential else []), *words])
    return (server.exact_cpu() - before) / requests * 1e6


def floor(options, server, command, folder):
    """Answers to requests of the command's length with as many bytes as the server does. It is asked once to learn that."""
    number = "0" * 12
    words = command.replace("#", number).replace("@", number).replace("__data__", "x" * 16).split()
    request = encode(*words)
    reply = server.send([request])
    if reply.count(b"\r\n") == 1:
        return Floor(options.floor, folder, len(request), ["--reply", reply.decode().rstrip()])
    # A string, give or take the digits of its length.
    return Floor(options.floor, folder, len(request), ["--value-len", str(max(0, len(reply) - 5 - len(str(len(reply)))))])


def title(command, below):
    """A line's name: the command, and how many keys or elements its numbers choose from."""
    words = command.split()
    several = {"MGET": 1, "EXISTS": 1, "MSET": 2}.get(words[0])
    words = words[: 1 + several] + [f"... {len(words[1:]) // several} keys"] if several else words
    return " ".join(words) + (f", # below {below}" if "#" in command else f", {below} elements" if below > 1 else "")


def groups(options):
    """What is to be done: fill, commands, their names, and how many numbers there are."""
    for place, (fill, commands, below) in enumerate(TYPES):
        if options.quick and place not in QUICK:
            continue
        below = min(below, options.keys)
        middle = f"{below // 2} {below // 2 + 99}"
        commands = [command.replace("MIDDLE", middle) for command in commands]
        names = [title(command, below) for command in commands]
        if any(options.wants("types: " + name) for name in names):
            yield fill, commands, names, below


def run(options, binaries, folder, report):
    """All groups of which a line is wanted."""
    servers = [Server(binary, folder) for binary in binaries]
    for fill, commands, names, below in groups(options):
        for server in servers:
            server.empty()
            for command in fill:
                send(options, server, command, below, below, sequential=True)
        # Beside one table alone there is no floor.
        floors = [] if options.alone else [floor(options, servers[0], command, folder) for command in commands]
        columns = [[server] * len(commands) for server in servers] + ([floors] if floors else [])
        # One round to get warm.
        rounds = [
            [[send(options, one, command, below, options.requests) for one, command in zip(column, commands)] for column in columns]
            for _ in range(options.rounds + 1)
        ][1:]
        for one in floors:
            one.stop()
        for index, name in enumerate(names):
            values = [statistics.median(turn[index] for turn in column) for column in zip(*rounds)]
            report.line("types", f"CPU us a {name}", values)
    for server in servers:
        server.stop()
