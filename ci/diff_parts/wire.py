"""Two servers under test, their connections, and the protocol: requests out, whole replies back."""
import os
import select
import socket
import subprocess
import time


class Connection:
    """One client of one server. Replies are cut out of what has arrived, and kept as bytes."""

    def __init__(self, port):
        for attempt in range(500):
            try:
                self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
                break
            except OSError:
                if attempt == 499:
                    raise
                time.sleep(0.02)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf, self.at, self.closed = b"", 0, False

    def send(self, data):
        if not self.closed:
            try:
                self.sock.sendall(data)
            except OSError:
                self.closed = True

    def more(self):
        try:
            piece = self.sock.recv(1 << 18)
        except ConnectionError:
            piece = b""
        if not piece:
            self.closed = True
            raise EOFError("the connection is closed")
        self.buf = self.buf[self.at :] + piece
        self.at = 0

    def until(self, ending):
        """All bytes up to the next such ending, with it."""
        searched = self.at
        while (found := self.buf.find(ending, searched)) < 0:
            searched = max(0, len(self.buf) - self.at - len(ending))
            self.more()
        end = found + len(ending)
        piece, self.at = self.buf[self.at : end], end
        return piece

    def reply(self):
        """The next reply, waited for."""
        while (end := end_of_reply(self.buf, self.at)) is None:
            self.more()
        reply, self.at = self.buf[self.at : end], end
        return reply

    def arrived(self, timeout=0):
        """The replies that are here by now, or after a time if there are none."""
        out = []
        while True:
            while (end := end_of_reply(self.buf, self.at)) is not None:
                out.append(self.buf[self.at : end])
                self.at = end
            if self.closed or not select.select([self.sock], [], [], 0 if out else timeout)[0]:
                return out
            try:
                self.more()
            except EOFError:
                return out

    def ask(self, *args):
        self.send(encode(args))
        return self.reply()

    def close(self):
        self.sock.close()
        self.closed = True


class Server:
    """A server process, its port, and the connection by which the script looks at it."""

    def __init__(self, binary, folder, more=()):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = open(os.path.join(folder, f"{self.port}.log"), "wb")
        options = ["--port", str(self.port), "--save", "", "--enable-debug-command", "yes", "--bind", "127.0.0.1"]
        self.process = subprocess.Popen([os.path.abspath(binary)] + options + list(more), cwd=folder, stdout=self.log, stderr=self.log)
        self.admin = Connection(self.port)

    def conversation(self, data, cut):
        """All that another connection answers to some bytes, sent in two pieces and then half-closed.

        A server that closes with bytes unread resets the connection, and that may lose what it had answered: such
        conversations are repeated. Returns the longest answer, and whether it is whole.
        """
        best = b""
        for _ in range(20):
            answer, whole = b"", True
            with socket.create_connection(("127.0.0.1", self.port), timeout=30) as sock:
                try:
                    sock.sendall(data[:cut])
                    sock.sendall(data[cut:])
                    sock.shutdown(socket.SHUT_WR)
                    while piece := sock.recv(1 << 16):
                        answer += piece
                except OSError:
                    whole = False
            best = max(best, answer, key=len)
            if whole:
                return answer, True
        return best, False

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def end_of_reply(buf, at):
    """Where a reply ends, or None if it is not whole yet."""
    todo = 1
    while todo:
        todo -= 1
        end = buf.find(b"\r\n", at)
        if end < 0:
            return None
        kind = buf[at]
        if kind in b"$=!":
            length = int(buf[at + 1 : end])
            at = end + 2 if length < 0 else end + 4 + length
            if at > len(buf):
                return None
            continue
        if kind in b"*~>":
            todo += max(0, int(buf[at + 1 : end]))
        elif kind in b"%|":
            todo += 2 * int(buf[at + 1 : end]) + (kind == 124)
        at = end + 2
    return at


def split_replies(buf):
    """All replies of a buffer that holds whole ones only."""
    out, at = [], 0
    while at < len(buf):
        end = end_of_reply(buf, at)
        if end is None:
            out.append(buf[at:])
            break
        out.append(buf[at:end])
        at = end
    return out


def elements(reply):
    """The kind of an aggregate, and its elements as bytes; those of a map one by one."""
    end = reply.index(b"\r\n")
    return reply[:1], split_replies(reply[end + 2 :])


def decode(reply):
    """A reply as text, numbers and lists, for those that are looked into; maps are flat lists."""
    kind, end = reply[:1], reply.index(b"\r\n")
    if kind in b"$=":
        return None if reply[1:2] == b"-" else reply[end + 2 : -2]
    if kind in b"*~>%":
        return None if reply[1:2] == b"-" else [decode(part) for part in elements(reply)[1]]
    return int(reply[1:end]) if kind == b":" else reply[:end]


def bulks(reply):
    """The bulk strings of a reply."""
    found = decode(reply)
    todo, out = [found], []
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(reversed(item))
        elif item is not None and not isinstance(item, int):
            out.append(item)
    return out


def encode(args):
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        parts.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(parts)


def encode_inline(args, r):
    """The same request as a line: bare, in single or in double quotes.

    A bare byte 255 is not sent: where characters are signed the reference takes it for "no character" and drops it.
    """
    words = []
    for arg in args:
        style = r.randrange(3)
        if style == 0 and arg and not set(arg) & set(b"\"' \t\r\n\0\\\xff"):
            words.append(arg)
        elif style == 1 and not set(arg) & set(b"\r\n\0\\\xff"):
            words.append(b"'" + arg.replace(b"'", b"\\'") + b"'")
        else:
            words.append(b'"' + b"".join(b"\\x%02x" % byte if byte < 33 or byte > 126 or byte in b'"\\' else bytes([byte]) for byte in arg) + b'"')
    return b" ".join(words) + r.choice([b"\r\n", b"\n"])


def written(args):
    """A request as a line of a transcript."""
    words = []
    for arg in args:
        if arg and all(32 < byte < 127 and byte not in b"\"'\\" for byte in arg):
            words.append(arg.decode())
        else:
            words.append('"' + "".join(chr(byte) if 31 < byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in arg) + '"')
    return " ".join(words)
