"""Runs steps of clients that wait: after each all comes to rest, and who still waits and who got what is compared."""
import re
import time

from runners import Difference, close_all, open_connections
from wire import Connection, decode, encode

REST_S = 10


class Peer:
    """The connections of one server: what they asked, what they were answered."""

    def __init__(self, server, connections, proto):
        self.server, self.connections, self.proto = server, connections, proto
        self.ids = [self.id_of(connection) for connection in connections]
        self.asked = [[] for _ in connections]
        self.replies = [[] for _ in connections]

    @staticmethod
    def id_of(connection):
        return decode(connection.ask(b"CLIENT", b"ID"))

    def send(self, at, requests):
        known = {b"@%d" % number: b"%d" % identifier for number, identifier in enumerate(self.ids)}
        self.asked[at] += requests
        self.connections[at].send(b"".join(encode([known.get(arg, arg) for arg in args]) for args in requests))

    def waiting(self):
        for at, connection in enumerate(self.connections):
            if len(self.replies[at]) < len(self.asked[at]):
                self.replies[at] += connection.arrived()
        return {at for at in range(len(self.connections)) if len(self.replies[at]) < len(self.asked[at])}

    def blocked(self):
        """The ids of all clients, with whether they wait."""
        text = decode(self.server.admin.ask(b"CLIENT", b"LIST"))
        return {int(number): b"b" in flags for number, flags in re.findall(rb"^id=(\d+) .*? flags=(\S+)", text, re.M)}

    def settle(self):
        """Waits until each client has all its replies or waits for a key. Returns those who wait."""
        ending = time.monotonic() + REST_S
        while True:
            waiting = self.waiting()
            if not waiting:
                return waiting
            flags = self.blocked()
            if all(flags.get(self.ids[at]) for at in waiting):
                # What was answered before the list was written has arrived.
                return self.waiting()
            if time.monotonic() > ending:
                raise EOFError(f"clients {sorted(waiting)} neither wait nor are answered: {[self.asked[at][len(self.replies[at])] for at in waiting]}")

    def finish(self, at):
        """Waits until a client that only waits for short times has its replies, on a busy machine too."""
        ending = time.monotonic() + REST_S
        while at in self.waiting() and time.monotonic() < ending:
            time.sleep(0.001)

    def replace(self, at):
        """Closes a connection, waits until the server knows, and opens another in its place."""
        self.connections[at].close()
        while self.ids[at] in self.blocked():
            time.sleep(0.0005)
        self.connections[at] = Connection(self.server.port)
        self.connections[at].ask(b"HELLO", b"%d" % self.proto)
        self.ids[at] = self.id_of(self.connections[at])
        self.asked[at], self.replies[at] = [], []


class Waiters:
    """Several connections, of which some wait."""

    def __init__(self, servers, proto, count):
        self.servers, self.proto, self.count = servers, proto, count

    def run(self, steps):
        rows = open_connections(self.servers, self.count, self.proto)
        peers = [Peer(server, row, self.proto) for server, row in zip(self.servers, rows)]
        try:
            for number, (at, what) in enumerate(steps):
                if at == "sleep":
                    time.sleep(what / 1000)
                for peer in peers:
                    if at == "sleep":
                        peer.finish(self.count - 1)
                    if at == "kill":
                        peer.replace(what)
                    elif at != "sleep":
                        peer.send(at, what)
                # What ends by time is compared once its time is over.
                found = None if steps[number + 1 : number + 2] and steps[number + 1][0] == "sleep" else self.compare(peers, number)
                if found:
                    return found
            return self.release(peers, len(steps) - 1)
        finally:
            close_all([peer.connections for peer in peers])

    def release(self, peers, number):
        """Ends all waits, so that all that was asked is answered."""
        for _ in range(200):
            blocked = peers[0].settle()
            if not blocked:
                return self.compare(peers, number)
            for peer in peers:
                peer.server.admin.ask(b"CLIENT", b"UNBLOCK", b"%d" % peer.ids[min(blocked)])
            found = self.compare(peers, number)
            if found:
                return found
        return Difference(number, [b"WAITS"], b"still blocked", b"")

    def compare(self, peers, number):
        ours, reference = (peer.settle() for peer in peers)
        for at in range(self.count):
            asked = peers[0].asked[at]
            for args, a, b in zip(asked, peers[0].replies[at], peers[1].replies[at]):
                if a != b:
                    return Difference(number, args, a, b)
        if ours != reference:
            at = min(ours ^ reference)
            seen = [peer.replies[at] for peer in peers]
            args = peers[0].asked[at][min(map(len, seen))]
            return Difference(number, args, *(b"waits" if at in waits else b"has %d replies" % len(peer.replies[at]) for peer, waits in zip(peers, (ours, reference))))
        return None
