#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""nbd_server.py does what its options say, seen by a client of a few lines."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

SERVER = pathlib.Path(__file__).resolve().parents[2] / "testbed/wine/nbd_server.py"
GO, LIST, EXPORT_NAME, ABORT = 7, 3, 1, 2
READ, WRITE, DISC, FLUSH = 0, 1, 2, 3
ACK, INFO = 1, 3
ERR_UNSUP, ERR_UNKNOWN = 0x80000001, 0x80000006


@contextlib.contextmanager
def serving(*options):
    """The server's process and port."""
    with subprocess.Popen([sys.executable, SERVER, *map(str, options)], stdout=subprocess.PIPE) as process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def __del__(self):
        self.socket.close()

    def receive(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def greet(self):
        greeting = self.receive(18)
        assert greeting[:16] == b"NBDMAGICIHAVEOPT", greeting
        self.socket.sendall(struct.pack(">L", 3))
        return greeting[17]

    def option(self, option, data=b""):
        """The answers to an option, as (kind, data)."""
        self.socket.sendall(b"IHAVEOPT" + struct.pack(">LL", option, len(data)) + data)
        answers = []
        while not answers or answers[-1][0] not in (ACK, *range(0x80000000, 0x80000010)):
            magic, echoed, kind, length = struct.unpack(">QLLL", self.receive(20))
            assert (magic, echoed) == (0x3E889045565A9, option), (magic, echoed)
            answers.append((kind, self.receive(length)))
        return answers

    def go(self, name=b""):
        self.greet()
        return self.option(GO, struct.pack(">L", len(name)) + name + bytes(2))

    def request(self, command, cookie=1, offset=0, length=0, payload=b""):
        self.socket.sendall(struct.pack(">LHHQQL", 0x25609513, 0, command, cookie, offset, length) + payload)

    def reply(self, length=0):
        magic, error, cookie = struct.unpack(">LLQ", self.receive(16))
        return magic, error, cookie, self.receive(length) if not error else b""


REPLY = 0x67446698


class Plain(unittest.TestCase):
    def test_export(self):
        with tempfile.TemporaryDirectory() as folder:
            log, stats = pathlib.Path(folder, "log"), pathlib.Path(folder, "stats")
            with serving("--size", "1M", "--log", log, "--stats", stats) as (process, port):
                client = Client(port)
                answers = client.go(b"any")
                sizes = struct.unpack(">HLLL", answers[0][1])
                self.assertEqual(sizes, (3, 1, 4096, 32 << 20))
                self.assertEqual(struct.unpack(">HQH", answers[1][1]), (0, 1 << 20, 0x6D))
                client.request(WRITE, 5, 512, 4, b"data")
                self.assertEqual(client.reply(), (REPLY, 0, 5, b""))
                client.request(READ, 6, 511, 6)
                self.assertEqual(client.reply(6), (REPLY, 0, 6, b"\0data\0"))
                client.request(READ, 7, (1 << 20) - 1, 2)
                self.assertEqual(client.reply()[1], 22)
                client.request(WRITE, 8, (1 << 20) - 1, 2, b"xx")
                self.assertEqual(client.reply()[1], 28)
                client.request(FLUSH, 9)
                self.assertEqual(client.reply(), (REPLY, 0, 9, b""))
                client.request(DISC)
                self.assertRaises(EOFError, client.receive, 1)
                process.terminate()
                self.assertEqual(process.wait(), 0)
            self.assertIn("write offset 512 length 4", log.read_text())
            counts = json.loads(stats.read_text())
            self.assertEqual((counts["read"], counts["write"], counts["requests"]), (2, 2, 6))

    def test_image(self):
        with tempfile.NamedTemporaryFile() as image:
            image.write(b"abcd" * 256)
            image.flush()
            with serving("--image", image.name) as (_, port):
                client = Client(port)
                client.go()
                client.request(WRITE, 1, 2, 2, b"xy")
                client.reply()
                self.assertEqual(pathlib.Path(image.name).read_bytes()[:6], b"abxyab")

    def test_names_and_list(self):
        with serving("--name", "one", "--name", "two") as (_, port):
            client = Client(port)
            self.assertEqual(client.go(b"three")[-1][0], ERR_UNKNOWN)
            names = [data[4:] for kind, data in client.option(LIST) if kind == 2]
            self.assertEqual(names, [b"one", b"two"])
            self.assertEqual(client.option(ABORT), [(ACK, b"")])

    def test_read_only_and_its_lie(self):
        for option, flag in (("--read-only", 2), ("--lie-writable", 0)):
            with self.subTest(option=option), serving(option) as (_, port):
                client = Client(port)
                self.assertEqual(struct.unpack(">HQH", client.go()[1][1])[2] & 2, flag)
                client.request(WRITE, 1, 0, 1, b"x")
                self.assertEqual(client.reply()[1], 1)

    def test_block_limits(self):
        with serving("--min-block", 4096, "--max-block", "64K") as (_, port):
            client = Client(port)
            self.assertEqual(struct.unpack(">HLLL", client.go()[0][1]), (3, 4096, 4096, 65536))
            for offset, length in ((512, 4096), (0, 512), (0, 128 << 10)):
                client.request(READ, 1, offset, length)
                self.assertEqual(client.reply()[1], 22)


class Handshake(unittest.TestCase):
    def test_oldstyle(self):
        with serving("--oldstyle", "--size", "1M") as (_, port):
            client = Client(port)
            magic, number, size, _ = struct.unpack(">8sQQL124x", client.receive(152))
            self.assertEqual((magic, number, size), (b"NBDMAGIC", 0x420281861253, 1 << 20))
            client.request(READ, 1, 0, 4)
            self.assertEqual(client.reply(4), (REPLY, 0, 1, bytes(4)))

    def test_not_fixed(self):
        with serving("--not-fixed") as (_, port):
            self.assertEqual(Client(port).greet(), 2)
            self.assertRaises((EOFError, ConnectionError), Client(port).go)

    def test_no_go(self):
        with serving("--no-go") as (_, port):
            client = Client(port)
            self.assertEqual(client.go(), [(ERR_UNSUP, b"")])
            client.socket.sendall(b"IHAVEOPT" + struct.pack(">LL", EXPORT_NAME, 0))
            self.assertEqual(struct.unpack(">QH", client.receive(10))[0], 64 << 20)

    def test_refusal(self):
        with serving("--refuse", "not today", "--refuse-code", "policy") as (_, port):
            self.assertEqual(Client(port).go(), [(0x80000002, b"not today")])

    def test_other_greeting(self):
        with serving("--greeting", "220 mail") as (_, port):
            self.assertEqual(Client(port).receive(10), b"220 mail\r\n")

    def test_bad_option_magic(self):
        with serving("--bad-option-magic") as (_, port):
            self.assertRaises(AssertionError, Client(port).go)


class Misbehaviour(unittest.TestCase):
    def assert_silent(self, client):
        client.socket.settimeout(0.3)
        self.assertRaises(TimeoutError, client.receive, 1)

    def test_silent(self):
        with serving("--silent") as (_, port):
            self.assert_silent(Client(port))

    def test_stall(self):
        with serving("--stall", "request:2") as (_, port):
            client = Client(port)
            client.go()
            client.request(READ, 1, 0, 4)
            client.reply(4)
            client.request(READ, 2, 0, 4)
            self.assert_silent(client)

    def test_close(self):
        for step in ("accept", "greeting", "option", "answer:2", "request", "reply"):
            with self.subTest(step=step), serving("--close", step) as (_, port):
                client = Client(port)

                def use(client=client):
                    client.go()
                    client.request(READ, 1, 0, 4)
                    client.reply(4)
                self.assertRaises((EOFError, ConnectionError), use)

    def test_close_after(self):
        with serving("--close-after", 7) as (_, port):
            client = Client(port)
            self.assertEqual(client.receive(7), b"NBDMAGI")
            self.assertRaises((EOFError, ConnectionError), client.receive, 1)

    def test_kill_after(self):
        with serving("--kill-after", 2) as (process, port):
            client = Client(port)
            client.go()
            for cookie in (1, 2):
                client.request(READ, cookie, 0, 4)
            self.assertEqual(process.wait(10), 0)

    def test_delay_keeps_requests_in_flight(self):
        with serving("--delay", 200, "--shuffle", 3) as (_, port):
            client = Client(port)
            client.go()
            start = time.monotonic()
            for cookie in range(20):
                client.request(READ, cookie, 0, 4)
            cookies = [client.reply(4)[2] for _ in range(20)]
            self.assertLess(time.monotonic() - start, 2)
            self.assertEqual(sorted(cookies), list(range(20)))
            self.assertNotEqual(cookies, list(range(20)))

    def test_chunk(self):
        with serving("--chunk", 1) as (_, port):
            client = Client(port)
            client.go()
            client.request(READ, 1, 0, 64)
            self.assertEqual(client.reply(64), (REPLY, 0, 1, bytes(64)))

    def test_fail(self):
        with serving("--fail", "read:5:2") as (_, port):
            client = Client(port)
            client.go()
            errors = []
            for cookie in range(3):
                client.request(READ, cookie, 0, 4)
                errors.append(client.reply(4)[1])
            self.assertEqual(errors, [0, 5, 5])

    def test_bad_replies(self):
        for option, wrong in (("--bad-magic", (REPLY ^ 1, 0, 2)), ("--bad-cookie", (REPLY, 0, 2 ^ (1 << 63 | 1))),
                              ("--old-cookie", (REPLY, 0, 1))):
            with self.subTest(option=option), serving(option, 2) as (_, port):
                client = Client(port)
                client.go()
                for cookie, expected in ((1, (REPLY, 0, 1)), (2, wrong)):
                    client.request(READ, cookie, 0, 4)
                    self.assertEqual(client.reply(4)[:3], expected)

    def test_short_read(self):
        with serving("--short-read", 1) as (_, port):
            client = Client(port)
            client.go()
            client.request(READ, 1, 0, 8)
            client.receive(16 + 4)
            self.assertRaises((EOFError, ConnectionError), client.receive, 1)

    def test_signals(self):
        with serving() as (process, port):
            client = Client(port)
            client.go()
            os.kill(process.pid, signal.SIGUSR1)
            time.sleep(0.2)
            client.request(READ, 1, 0, 4)
            self.assert_silent(client)
            os.kill(process.pid, signal.SIGUSR1)
            client.socket.settimeout(10)
            self.assertEqual(client.reply(4), (REPLY, 0, 1, bytes(4)))
            os.kill(process.pid, signal.SIGUSR2)
            self.assertRaises((EOFError, ConnectionError), client.receive, 1)


if __name__ == "__main__":
    unittest.main()
