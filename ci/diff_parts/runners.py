"""Runs the steps of one epoch on both servers. Each runner returns a Difference, or None."""
import collections
import random
import re
import time
import zlib

import state
from masks import is_masked, same
from wire import Connection, elements, encode, encode_inline, split_replies

MARK = b"-- vireo diff mark --"
# Numbered, as a log may show those of earlier exchanges.
END = b"-- vireo diff end %d --"
BATCH = 250
# What HELLO tells of one server only: the client's id, and modules.
HELLO_MASKED = re.compile(rb"(?<=\$2\r\nid\r\n):\d+|(?<=\$7\r\nmodules\r\n)\*(0|1\r\n[%*]\d.*?args\r\n\*0)\r\n", re.S)


class Difference:
    """Where two servers were not equal: at which step, for what request, and what each said."""

    def __init__(self, step, args, ours, reference):
        self.step, self.args, self.ours, self.reference = step, args, ours, reference

    def kind(self):
        return self.args[0].upper() if self.args else b""


def bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text)


def wire_form(args):
    """A request as it is sent: one in ten as a line. Which it is follows from the request, so that it is sent alike again."""
    data = encode(args)
    if len(data) < 1000 and args and args[0] and zlib.crc32(data) % 10 == 0:
        return encode_inline(args, random.Random(zlib.crc32(data)))
    return data


def is_silent(step):
    return len(step[1]) > 1 and step[1][0][:2] == [b"CLIENT", b"REPLY"]


def open_connections(servers, count, proto):
    """So many clients of each server, speaking a protocol."""
    rows = [[Connection(server.port) for _ in range(count)] for server in servers]
    for connection in (connection for row in rows for connection in row):
        connection.ask(b"HELLO", b"%d" % proto)
    return rows


def close_all(rows):
    for connection in (connection for row in rows for connection in row):
        connection.close()


class Events:
    """A listener at each server. Messages between the requests show which event belongs to which."""

    def __init__(self, servers, flags):
        self.rows, self.ending = [], b"*3\r\n" + bulk(b"message") + bulk(MARK)
        self.held, self.numbers, self.slept = [b"", b""], [], False
        for server in servers:
            server.admin.ask(b"CONFIG", b"SET", b"notify-keyspace-events", flags)
            listener = Connection(server.port)
            listener.ask(b"PSUBSCRIBE", b"__key*")
            listener.ask(b"SUBSCRIBE", MARK)
            self.rows.append(listener)

    def mark(self, number):
        return encode([b"PUBLISH", MARK, b"%d" % number])

    def compare(self, numbers, around_sleep):
        """The events of a batch, up to the last mark. Those of batches around a sleep are compared together, in any order, as
        keys and fields expire when each server finds them."""
        ending = self.ending + bulk(b"%d" % numbers[-1][0])
        for at, listener in enumerate(self.rows):
            self.held[at] += listener.until(ending)
        self.numbers += numbers
        self.slept |= around_sleep
        if around_sleep:
            return None
        streams, numbers, slept = self.held, self.numbers, self.slept
        self.held, self.numbers, self.slept = [b"", b""], [], False
        if streams[0] == streams[1]:
            return None
        if slept:
            a, b = (collections.Counter(split_replies(stream)) for stream in streams)
            return Difference(numbers[-1][0], [b"EVENTS", b"around a sleep"], b"".join((a - b).elements()), b"".join((b - a).elements())) if a != b else None
        parts = [stream.split(self.ending) for stream in streams]
        for at, (number, args) in enumerate(numbers):
            a, b = (part[at] if at < len(part) else b"" for part in parts)
            # The number of the mark before stands at the head.
            # SORT looks up what it sorts by in the order of a hash table.
            if a != b and not (args[0].upper().startswith(b"SORT") and sorted(split_replies(a)) == sorted(split_replies(b))):
                return Difference(number, [b"EVENTS"] + args, a, b)
        return None

    def close(self):
        for listener in self.rows:
            listener.close()


class Pipelined:
    """One connection: steps are sent in batches, and the replies compared as one piece where they must be equal."""

    def __init__(self, servers, proto, flags=None):
        self.servers, self.proto, self.flags = servers, proto, flags
        self.exchanges = 0

    def run(self, steps):
        rows = open_connections(self.servers, 1, self.proto)
        events = Events(self.servers, self.flags) if self.flags else None
        try:
            return self.batches(steps, [row[0] for row in rows], events)
        finally:
            close_all(rows)
            if events:
                events.close()

    def batches(self, steps, connections, events):
        start, hello = 0, encode([b"HELLO", b"%d" % self.proto])
        after_sleep = False
        while start < len(steps):
            end = start
            while end < len(steps) and end - start < BATCH and steps[end][0] != "sleep":
                end += 1
            if end > start:
                for connection in connections:
                    connection.send(hello)
                    connection.reply()
                before_sleep = end < len(steps) and steps[end][0] == "sleep"
                found = self.exchange(steps, start, end, connections, events, before_sleep or after_sleep)
                if found:
                    return found
                after_sleep = False
            if end < len(steps) and steps[end][0] == "sleep":
                time.sleep(steps[end][1] / 1000)
                after_sleep = True
                end += 1
            start = end
        return None

    def exchange(self, steps, start, end, connections, events, around_sleep):
        mark = encode([b"ECHO", MARK])
        data, groups, group, numbers = [], [], [], []
        for at in range(start, end):
            step = steps[at]
            masked = not is_silent(step) and is_masked(step[1][0])
            if masked and group:
                data.append(mark)
                groups.append(group)
                group = []
            data += [wire_form(args) if len(step[1]) == 1 else encode(args) for args in step[1]]
            if events:
                data.append(events.mark(at))
                numbers.append((at, next((args for args in step[1] if args[0].upper().startswith(b"SORT")), step[1][0])))
            group.append(at)
            if masked:
                data.append(mark)
                groups.append(group)
                group = []
        groups.append(group)
        ending = END % self.exchanges
        self.exchanges += 1
        data = b"".join(data) + encode([b"ECHO", ending])
        for connection in connections:
            connection.send(data)
        replies = []
        for connection in connections:
            try:
                replies.append(connection.until(bulk(ending))[: -len(bulk(ending))])
            except OSError as error:
                raise EOFError(f"no answer within steps {start}..{end}") from error
        found = self.compare(steps, groups, replies, bool(events))
        return found or (events.compare(numbers, around_sleep) if events else None)

    def compare(self, steps, groups, replies, published):
        if replies[0] == replies[1]:
            return None
        pieces = [reply.split(bulk(MARK)) for reply in replies]
        if len(pieces[0]) != len(groups) or len(pieces[1]) != len(groups):
            # A reply held the mark, as COMMANDLOG does: only the marks themselves are cut out.
            pieces = [self.cut(reply) for reply in replies]
        for group, a, b in zip(groups, *pieces):
            if a != b and (found := self.locate(steps, group, split_replies(a), split_replies(b), published)):
                return found
        if len(pieces[0]) != len(groups) or len(pieces[1]) != len(groups):
            return Difference(groups[-1][-1] if groups[-1] else 0, [b"REPLIES"], b"%d" % len(pieces[0]), b"%d" % len(pieces[1]))
        return None

    @staticmethod
    def cut(reply):
        out = [[]]
        for part in split_replies(reply):
            if part == bulk(MARK):
                out.append([])
            else:
                out[-1].append(part)
        return [b"".join(parts) for parts in out]

    @staticmethod
    def locate(steps, group, a, b, published):
        at = 0
        for number in group:
            step = steps[number]
            answers = (step[1][0][2] == b"OFF") if is_silent(step) else 1
            answers += published
            x, y = b"".join(a[at : at + answers]), b"".join(b[at : at + answers])
            if published:
                x, y = x.removesuffix(b":1\r\n"), y.removesuffix(b":1\r\n")
            if not same(step[1][0], x, y):
                return Difference(number, step[1][0], x, y)
            at += answers
        return None


class Lockstep:
    """Several connections, one after the other; each request has one reply, within EXEC too."""

    def __init__(self, servers, proto, count):
        self.servers, self.proto, self.count = servers, proto, count

    def run(self, steps):
        rows = open_connections(self.servers, self.count, self.proto)
        queued, start = [[] for _ in range(self.count)], 0
        try:
            while start < len(steps):
                if steps[start][0] == "sleep":
                    time.sleep(steps[start][1] / 1000)
                    start += 1
                    continue
                at, end = steps[start][0], start
                while end < len(steps) and steps[end][0] == at and end - start < 40:
                    end += 1
                data = b"".join(encode(step[1]) for step in steps[start:end])
                for row in rows:
                    row[at].send(data)
                for number in range(start, end):
                    a, b = (row[at].reply() for row in rows)
                    if not self.alike(steps[number][1], a, b, queued[at]):
                        return Difference(number, steps[number][1], a, b)
                start = end
            return None
        finally:
            close_all(rows)

    @staticmethod
    def alike(args, a, b, queued):
        if b == b"+QUEUED\r\n" and a == b:
            queued.append(args)
            return True
        waiting = list(queued)
        if args[:1] in ([b"EXEC"], [b"DISCARD"], [b"RESET"]):
            queued.clear()
        if a == b:
            return True
        if args == [b"EXEC"] and a[:1] == b[:1] == b"*" and len(waiting) == int(b[1 : b.index(b"\r\n")]):
            return all(same(request, x, y) for request, x, y in zip(waiting, elements(a)[1], elements(b)[1]))
        return same(args, a, b)


class Marked:
    """Several connections that listen: what each got is compared between its own answers to PING."""

    def __init__(self, servers, proto, count):
        self.servers, self.proto, self.count = servers, proto, count

    def run(self, steps):
        rows = open_connections(self.servers, self.count, self.proto)
        try:
            for number, (at, requests) in enumerate(steps):
                found = self.step(rows, number, at, requests)
                if found:
                    return found
            for at in range(self.count):
                found = self.step(rows, len(steps) - 1, at, [])
                if found:
                    return found
            return None
        finally:
            close_all(rows)

    def step(self, rows, number, at, requests):
        data = b"".join(encode(args) for args in requests) + encode([b"PING", MARK])
        for row in rows:
            row[at].send(data)
        a, b = (row[at].until(bulk(MARK)) for row in rows)
        if [b"HELLO"] in [args[:1] for args in requests]:
            a, b = (HELLO_MASKED.sub(b"", segment) for segment in (a, b))
        if a == b or self.loosely(requests, a, b):
            return None
        return Difference(number, requests[0] if requests else [b"LISTENER"], a, b)

    @staticmethod
    def loosely(requests, a, b):
        """Several patterns of one client match in any order, and what is left all at once is left in any order."""
        free = {b"PUBSUB", b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE"}
        if b"pmessage" in b or any(args[0] in free for args in requests):
            return sorted(a.split(b"\r\n")) == sorted(b.split(b"\r\n"))
        return False


def check(servers, steps, options=()):
    """The state of both after an epoch, as a difference of its last step."""
    found = state.compare(servers, options)
    return Difference(len(steps) - 1, [b"STATE", found[0]], found[1], found[2]) if found else None
