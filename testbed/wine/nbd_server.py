#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""An NBD server that misbehaves on request, for what nbdkit and nbd-server can't be made to do.

Listens on 127.0.0.1, prints its port as the first line on stdout and serves until it is killed (SIGTERM: status 0).
Without options it is a plain server of a writable memory export under any name. SIGUSR1 makes it stop answering,
SIGUSR1 again makes it go on; SIGUSR2 drops every connection. Source: the NBD protocol document, proto.md.
"""
import argparse
import heapq
import json
import mmap
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

MAGIC = b"NBDMAGIC"
OPTION_MAGIC = b"IHAVEOPT"
OLDSTYLE_MAGIC = 0x0000420281861253
OPTION_REPLY_MAGIC = 0x0003E889045565A9
REQUEST_MAGIC = 0x25609513
REPLY_MAGIC = 0x67446698

FIXED_NEWSTYLE, NO_ZEROES = 1, 2
OPTIONS = {1: "EXPORT_NAME", 2: "ABORT", 3: "LIST", 5: "STARTTLS", 6: "INFO", 7: "GO", 8: "STRUCTURED_REPLY"}
REP_ACK, REP_SERVER, REP_INFO = 1, 2, 3
REP_ERRORS = {"unsup": 1, "policy": 2, "invalid": 3, "platform": 4, "tls": 5, "unknown": 6, "shutdown": 7,
              "block-size": 8, "too-big": 9}
INFO_EXPORT, INFO_BLOCK_SIZE = 0, 3
COMMANDS = {0: "read", 1: "write", 2: "disc", 3: "flush", 4: "trim", 6: "zeroes"}
EPERM, EINVAL, ENOSPC = 1, 22, 28

STEPS = ("accept", "greeting", "option", "answer", "request", "reply")


class Closed(Exception):
    """The connection ends, by the peer or by what was asked for."""


def number(text):
    """A count or a size: decimal or 0x, with K, M, G or T."""
    scale = {"K": 10, "M": 20, "G": 30, "T": 40}.get(text[-1:].upper())
    return int(text[:-1], 0) << scale if scale else int(text, 0)


def failure(text):
    """COMMAND:ERRNO or COMMAND:ERRNO:K, the K-th such command and those after it (default: all)."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or parts[0] not in COMMANDS.values():
        raise argparse.ArgumentTypeError("%r is not COMMAND:ERRNO[:K]" % text)
    return parts[0], int(parts[1], 0), int(parts[2]) if len(parts) == 3 else 1


def pause(text):
    """OFFSET:BYTES"""
    offset, _, count = text.partition(":")
    return number(offset), int(count)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    add = parser.add_argument
    group = parser.add_argument_group("export")
    add = group.add_argument
    add("--size", type=number, default=64 << 20, help="bytes of the export (64M)")
    add("--image", help="serve this file instead of memory")
    add("--name", action="append", help="only these export names exist; repeatable (default: every name)")
    add("--read-only", action="store_true", help="say read-only and refuse writes")
    add("--lie-writable", action="store_true", help="refuse writes without having said read-only")
    add("--without", action="append", default=[], choices=("flush", "fua", "trim", "zeroes"),
        help="don't offer this; repeatable")
    add("--rotational", action="store_true")
    add("--min-block", type=number, default=1)
    add("--preferred-block", type=number, default=4096)
    add("--max-block", type=number, default=32 << 20)
    add("--no-block-info", action="store_true", help="answer GO without block sizes, and enforce none")

    group = parser.add_argument_group("handshake")
    add = group.add_argument
    add("--oldstyle", action="store_true", help="oldstyle negotiation")
    add("--not-fixed", action="store_true", help="newstyle, but not fixed: close on any option but EXPORT_NAME")
    add("--no-go", action="store_true", help="don't know NBD_OPT_GO")
    add("--no-list", action="store_true", help="refuse NBD_OPT_LIST")
    add("--refuse", metavar="TEXT", help="refuse the export with this text")
    add("--refuse-code", choices=sorted(REP_ERRORS), default="unknown")
    add("--greeting", metavar="TEXT", help="say this instead of the greeting, as another kind of server would")
    add("--bad-option-magic", action="store_true", help="wrong magic in option replies")
    add("--answer", metavar="HEX", help="answer every option with these bytes, and wait for the client to go")
    add("--answer-times", type=number, default=1, metavar="N", help="so often")
    add("--list-many", type=number, metavar="N", help="list N exports: many-0 and so on")

    group = parser.add_argument_group("misbehaviour")
    add = group.add_argument
    add("--silent", action="store_true", help="accept connections and say nothing")
    add("--stall", metavar="STEP[:K]", help="stop for good at the K-th (1) of these steps: " + ", ".join(STEPS))
    add("--close", metavar="STEP[:K]", help="close the connection at such a step")
    add("--close-after", type=number, metavar="BYTES", help="close after sending so many bytes")
    add("--kill-after", type=number, metavar="K", help="after K requests drop all connections and exit")
    add("--delay", type=number, default=0, metavar="MS", help="hold every reply back; requests go on being read")
    add("--shuffle", type=int, metavar="SEED", help="hold each reply back for a random part of --delay")
    add("--chunk", type=number, metavar="N", help="send in pieces of N bytes, each on its own")
    add("--fail", type=failure, action="append", default=[], metavar="COMMAND:ERRNO[:K]",
        help="answer with an error, from the K-th such command on; repeatable")
    add("--bad-magic", type=number, metavar="K", help="wrong magic in the K-th reply")
    add("--bad-cookie", type=number, metavar="K", help="a cookie that nobody sent in the K-th reply")
    add("--old-cookie", type=number, metavar="K", help="answer the (K-1)-th request once more in the K-th reply")
    add("--pause-in", type=pause, metavar="OFFSET:BYTES",
        help="stand still after BYTES of the reply to the first read at OFFSET, until SIGUSR1")
    add("--short-read", type=number, metavar="K", help="half the data in the K-th reply, then close")

    group = parser.add_argument_group("running")
    add = group.add_argument
    add("--port", type=int, default=0)
    add("--log", help="append what happens to this file")
    add("--stats", help="write counts to this file, as JSON, at the end")
    arguments = parser.parse_args()
    for name in ("stall", "close"):
        value = getattr(arguments, name)
        step, _, count = (value or "").partition(":")
        if value and step not in STEPS:
            parser.error("--%s: %r is none of %s" % (name, step, ", ".join(STEPS)))
        setattr(arguments, name, (step, int(count or 1)) if value else None)
    return arguments


class Export:
    """The data, its size and what may be done with it."""

    def __init__(self, arguments):
        self.read_only = arguments.read_only
        if arguments.image:
            with open(arguments.image, "rb" if self.read_only else "r+b") as image:
                self.size = os.fstat(image.fileno()).st_size
                access = mmap.ACCESS_READ if self.read_only else mmap.ACCESS_WRITE
                self.data = mmap.mmap(image.fileno(), 0, access=access)
        else:
            self.size = arguments.size
            self.data = mmap.mmap(-1, self.size) if self.size else b""
        self.flags = 1
        self.flags |= 2 if self.read_only else 0
        for bit, name in ((2, "flush"), (3, "fua"), (5, "trim"), (6, "zeroes")):
            self.flags |= 0 if name in arguments.without else 1 << bit
        self.flags |= 16 if arguments.rotational else 0
        self.refuse_writes = arguments.read_only or arguments.lie_writable


class Server:
    def __init__(self, arguments):
        self.arguments = arguments
        self.export = Export(arguments)
        self.log_file = open(arguments.log, "a", encoding="utf-8") if arguments.log else None
        self.lock = threading.Lock()
        self.connections = set()
        self.going = threading.Event()
        self.going.set()
        self.counts = {"connections": 0, "requests": 0, "replies": 0, "in_flight_most": 0, "longest": 0}
        self.counts.update((name, 0) for name in COMMANDS.values())
        self.random = random.Random(arguments.shuffle)

    def log(self, text):
        if self.log_file:
            with self.lock:
                self.log_file.write(text + "\n")
                self.log_file.flush()

    def finish(self, status):
        if self.arguments.stats:
            with open(self.arguments.stats, "w", encoding="utf-8") as stats:
                json.dump(self.counts, stats, sort_keys=True)
        self.drop_all()
        os._exit(status)

    def drop_all(self):
        for connection in list(self.connections):
            connection.drop()

    def handle_signals(self, signals):
        while True:
            number = signal.sigwait(signals)
            if number == signal.SIGTERM:
                self.finish(0)
            elif number == signal.SIGUSR2:
                self.drop_all()
            elif self.going.is_set():
                self.going.clear()
            else:
                self.going.set()

    def run(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.arguments.port))
        listener.listen(64)
        # A handler would run when accept() returns: too late for a signal that comes just before it is called.
        signals = {signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        threading.Thread(target=self.handle_signals, args=(signals,), daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        while True:
            peer, _ = listener.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.counts["connections"] += 1
            Connection(self, peer).start()


class Connection(threading.Thread):
    """One client. This thread reads and serves; a second one sends the replies when they are due."""

    def __init__(self, server, peer):
        super().__init__(daemon=True)
        self.server, self.arguments, self.peer = server, server.arguments, peer
        self.steps = dict.fromkeys(STEPS, 0)
        self.sent = 0
        self.replies = []  # heap of (due time, order, bytes)
        self.due = threading.Condition()
        self.in_flight = 0
        self.cookies = []
        self.pause_in = None  # the reply in which it stands still, once
        self.ended = False

    def log(self, text):
        self.server.log("%d %s" % (self.peer_port, text))

    def drop(self):
        """Resets the connection: the peer sees it go at once."""
        try:
            self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.peer.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def step(self, name):
        """Called before each thing the server does; the place where it stops or leaves."""
        self.steps[name] += 1
        here = (name, self.steps[name])
        if self.arguments.close == here:
            self.log("closes at %s %d" % here)
            raise Closed
        if self.arguments.stall == here:
            self.log("stalls at %s %d" % here)
            while self.peer.recv(65536):
                pass
            raise Closed
        self.server.going.wait()

    def receive(self, count):
        data = bytearray()
        while len(data) < count:
            piece = self.peer.recv(min(count - len(data), 1 << 20))
            if not piece:
                raise Closed
            data += piece
        return bytes(data)

    def send(self, data):
        limit = self.arguments.close_after
        if limit is not None and self.sent + len(data) >= limit:
            self.peer.sendall(data[:limit - self.sent])
            self.log("closes after %d bytes" % limit)
            raise Closed
        self.sent += len(data)
        size = self.arguments.chunk or len(data) or 1
        for at in range(0, len(data), size):
            self.peer.sendall(data[at:at + size])

    def run(self):
        self.peer_port = self.peer.getpeername()[1]
        self.server.connections.add(self)
        self.log("connects")
        sender = threading.Thread(target=self.send_replies, daemon=True)
        try:
            self.step("accept")
            if self.arguments.silent:
                while self.receive(1):
                    pass
            if self.handshake():
                sender.start()
                while self.serve_one():
                    pass
        except (Closed, OSError):
            pass
        with self.due:
            self.ended = True
            self.due.notify()
        if sender.is_alive():
            sender.join()
        self.log("ends")
        self.server.connections.discard(self)
        self.peer.close()

    # Negotiation

    def handshake(self):
        arguments = self.arguments
        self.step("greeting")
        if arguments.greeting is not None:
            self.send(arguments.greeting.encode() + b"\r\n")
            raise Closed
        if arguments.oldstyle:
            self.send(MAGIC + struct.pack(">QQL124x", OLDSTYLE_MAGIC, self.server.export.size,
                                          self.server.export.flags))
            return True
        flags = NO_ZEROES | (0 if arguments.not_fixed else FIXED_NEWSTYLE)
        self.send(MAGIC + OPTION_MAGIC + struct.pack(">H", flags))
        client_flags, = struct.unpack(">L", self.receive(4))
        self.log("client flags %d" % client_flags)
        while True:
            magic, option, length = struct.unpack(">8sLL", self.receive(16))
            if magic != OPTION_MAGIC or length > 65536:
                self.log("sent no option")
                raise Closed
            data = self.receive(length)
            self.log("option %s %r" % (OPTIONS.get(option, option), data))
            self.step("option")
            if self.answer_option(option, data, client_flags):
                return True

    def option_reply(self, option, kind, data=b""):
        self.step("answer")
        magic = OPTION_REPLY_MAGIC ^ (1 if self.arguments.bad_option_magic else 0)
        self.send(struct.pack(">QLLL", magic, option, kind, len(data)) + data)

    def option_error(self, option, code, text=""):
        self.option_reply(option, REP_ERRORS[code] | 1 << 31, text.encode())

    def known(self, name):
        return self.arguments.name is None and not self.arguments.list_many or \
            name.decode() in (self.arguments.name or ())

    def answer_option(self, option, data, client_flags):
        """True when the transmission phase begins."""
        name = OPTIONS.get(option)
        if self.arguments.answer is not None:
            for _ in range(self.arguments.answer_times):
                self.send(bytes.fromhex(self.arguments.answer))
            while self.receive(1):
                pass
        if name == "EXPORT_NAME":
            if self.arguments.refuse is not None or not self.known(data):
                raise Closed
            zeroes = b"" if client_flags & NO_ZEROES else bytes(124)
            self.send(struct.pack(">QH", self.server.export.size, self.server.export.flags) + zeroes)
            return True
        if self.arguments.not_fixed:
            raise Closed
        if name == "ABORT":
            self.option_reply(option, REP_ACK)
            raise Closed
        if name == "LIST" and not self.arguments.no_list:
            many = ["many-%d" % number for number in range(self.arguments.list_many or 0)]
            for export in self.arguments.name or many or [""]:
                self.option_reply(option, REP_SERVER, struct.pack(">L", len(export)) + export.encode())
            self.option_reply(option, REP_ACK)
        elif name in ("GO", "INFO") and not self.arguments.no_go:
            return self.answer_go(option, data) and name == "GO"
        else:
            self.option_error(option, "unsup")
        return False

    def answer_go(self, option, data):
        length, = struct.unpack_from(">L", data)
        export = self.server.export
        if self.arguments.refuse is not None:
            self.option_error(option, self.arguments.refuse_code, self.arguments.refuse)
            return False
        if not self.known(data[4:4 + length]):
            self.option_error(option, "unknown", "export not found")
            return False
        if not self.arguments.no_block_info:
            self.option_reply(option, REP_INFO, struct.pack(">HLLL", INFO_BLOCK_SIZE, self.arguments.min_block,
                                                            self.arguments.preferred_block, self.arguments.max_block))
        self.option_reply(option, REP_INFO, struct.pack(">HQH", INFO_EXPORT, export.size, export.flags))
        self.option_reply(option, REP_ACK)
        return True

    # Transmission

    def serve_one(self):
        magic, flags, command, cookie, offset, length = struct.unpack(">LHHQQL", self.receive(28))
        name = COMMANDS.get(command, str(command))
        counts = self.server.counts
        if magic != REQUEST_MAGIC:
            self.log("sent no request: magic 0x%08x" % magic)
            raise Closed
        payload = self.receive(length) if name == "write" else b""
        with self.due:
            self.in_flight += 1
            counts["in_flight_most"] = max(counts["in_flight_most"], self.in_flight)
        counts["requests"] += 1
        counts[name] = counts.get(name, 0) + 1
        counts["longest"] = max(counts["longest"], length if name in ("read", "write") else 0)
        self.log("%s%s offset %d length %d" % (name, " fua" if flags & 1 else "", offset, length))
        self.step("request")
        if name == "disc":
            return False
        error, data = self.perform(name, offset, length, payload)
        if name == "read" and self.arguments.pause_in and self.arguments.pause_in[0] == offset and not self.pause_in:
            self.pause_in = len(self.cookies) + 1
        self.queue_reply(error, cookie, data)
        if self.arguments.kill_after is not None and counts["requests"] >= self.arguments.kill_after:
            self.server.finish(0)
        return True

    def perform(self, name, offset, length, payload):
        """Does what is asked. Result: error number and the data of a read."""
        arguments, export = self.arguments, self.server.export
        for command, error, first in arguments.fail:
            if name == command and self.server.counts[name] >= first:
                return error, b""
        if name in ("write", "trim", "zeroes") and export.refuse_writes:
            return EPERM, b""
        if name in ("read", "write", "trim", "zeroes") and offset + length > export.size:
            return (ENOSPC if name == "write" else EINVAL), b""
        if name in ("read", "write") and not arguments.no_block_info:
            if offset % arguments.min_block or length % arguments.min_block or length > arguments.max_block:
                return EINVAL, b""
        if name == "read":
            return 0, export.data[offset:offset + length]
        if name == "write":
            export.data[offset:offset + length] = payload
        elif name in ("trim", "zeroes"):
            export.data[offset:offset + length] = bytes(length)
        elif name != "flush":
            return EINVAL, b""
        return 0, b""

    def queue_reply(self, error, cookie, data):
        arguments = self.arguments
        self.cookies.append(cookie)
        order = len(self.cookies)
        magic = REPLY_MAGIC ^ (1 if arguments.bad_magic == order else 0)
        if arguments.bad_cookie == order:
            cookie ^= 1 << 63 | 1
        if arguments.old_cookie == order and order > 1:
            cookie = self.cookies[-2]
        short = arguments.short_read == order
        reply = struct.pack(">LLQ", magic, error, cookie) + (data[:len(data) // 2] if short else data)
        delay = arguments.delay / 1000
        if arguments.shuffle is not None:
            delay *= self.server.random.random()
        with self.due:
            heapq.heappush(self.replies, (time.monotonic() + delay, order, reply, short))
            self.due.notify()

    def next_reply(self):
        """The next reply when it is due; None at the connection's end."""
        with self.due:
            while not self.ended:
                now = time.monotonic()
                if self.replies and self.replies[0][0] <= now:
                    self.in_flight -= 1
                    return heapq.heappop(self.replies)
                self.due.wait(self.replies[0][0] - now if self.replies else None)
        return None

    def send_replies(self):
        try:
            while (reply := self.next_reply()) is not None:
                self.step("reply")
                if reply[1] == self.pause_in:
                    count = self.arguments.pause_in[1]
                    self.send(reply[2][:count])
                    self.server.going.clear()
                    self.log("stands still")
                    self.server.going.wait()
                    self.send(reply[2][count:])
                else:
                    self.send(reply[2])
                self.server.counts["replies"] += 1
                if reply[3]:
                    self.log("closes after half a reply")
                    # What the client has sent is still read: unread data would turn the close into a reset.
                    self.peer.shutdown(socket.SHUT_WR)
                    return
        except (Closed, OSError):
            self.drop()


if __name__ == "__main__":
    try:
        Server(parse_arguments()).run()
    except OSError as error:
        sys.exit("nbd_server.py: %s" % error)
