#!/usr/bin/python3
"""A TCP proxy that misbehaves on command, and a listener that never answers.

    proxy.py PORT       forwards to 127.0.0.1:PORT
    proxy.py --backlog  a listener whose backlog is full: connects hang
    proxy.py --deaf     a name server (port 53, so for root only) that never
                        answers; prints its address instead, runs until killed

Prints its own port, then obeys lines on standard input, answering each with
one line; it ends when standard input does.

    pass            forward everything at once (as at the start)
    trickle N       server to client: N bytes every 10 ms
    delay MS        server to client: each chunk MS milliseconds late
    stall           server to client: nothing any more
    cut N           let N more bytes pass to the client, then close all
    answer C JSON   the next command C is not forwarded but answered with this
                    document (extended JSON)
    hold C          commands C are neither forwarded nor answered, until "release";
                    "*": whatever is sent
    release         what comes from now on is forwarded
    close           close all connections now
    refuse          close, and accept no connection
    accept          accept again
    reset           set the counters to zero
    stats           JSON: attempts (refused ones, too), connections, requests, up, down (bytes),
                    open, most_open, busy (connections with a request that has no answer
                    yet), most_busy
"""
import asyncio
import json
import random
import signal
import socket
import struct
import sys


OP_MSG = 2013


def command_of(message):
    """The name of the command in a whole OP_MSG; None if it is none."""
    if len(message) < 26 or struct.unpack_from("<ii", message, 12) != (OP_MSG, 0) or message[20] != 0:
        return None
    return message[26:message.index(b"\0", 26)].decode()


def reply_to(message, document):
    """An OP_MSG that answers another one."""
    import bson
    import bson.json_util
    body = bson.encode(bson.json_util.loads(document))
    request, = struct.unpack_from("<i", message, 4)
    return struct.pack("<iiiiib", 21 + len(body), 0, request, OP_MSG, 0, 0) + body


class Proxy:
    """The listener, its connections, and the mode they all obey."""

    def __init__(self, target):
        self.target = target
        self.mode = "pass"
        self.number = 0
        self.changed = asyncio.Event()
        self.writers = set()
        self.busy = set()
        self.refusing = False
        self.answers = {}
        self.held = set()
        self.reset()

    def reset(self):
        """Zero the counters."""
        self.attempts = self.connections = self.requests = self.up = self.down = 0
        self.most_open = len(self.writers) // 2
        self.most_busy = len(self.busy)

    def close_all(self):
        """Cut every connection, both sides."""
        for writer in list(self.writers):
            writer.transport.abort()

    async def deliver(self, writer, data):
        """Send data from the server to the client as the mode says."""
        while data:
            if self.mode == "stall":
                await self.wait_for_change()
                continue
            if self.mode == "trickle":
                await asyncio.sleep(0.01)
                piece = data[:self.number]
            elif self.mode == "cut":
                piece = data[:self.number]
                self.number -= len(piece)
            else:
                if self.mode == "delay":
                    await asyncio.sleep(self.number / 1000)
                piece = data
            data = data[len(piece):]
            self.busy.discard(writer)
            self.down += len(piece)
            writer.write(piece)
            await writer.drain()
            if self.mode == "cut" and self.number <= 0:
                await asyncio.sleep(0.01)
                self.mode = "pass"
                self.close_all()
                return

    async def wait_for_change(self):
        """Sleep until another mode is set."""
        self.changed.clear()
        await self.changed.wait()

    async def downstream(self, reader, writer):
        """Server to client."""
        while True:
            data = await reader.read(65536)
            if not data:
                break
            await self.deliver(writer, data)

    def answer(self, data):
        """The answer of our own to a message, or None."""
        if not self.answers or len(data) < 16 or int.from_bytes(data[:4], "little") != len(data):
            return None
        document = self.answers.pop(command_of(data), None)
        return reply_to(data, document) if document else None

    def is_held(self, data):
        """Is this a message that goes nowhere?"""
        return bool(self.held) and ("*" in self.held or command_of(data) in self.held)

    async def upstream(self, reader, writer, client):
        """Client to server; counts messages by the length that heads each."""
        pending = b""
        skip = 0
        while True:
            data = await reader.read(65536)
            if not data:
                break
            self.up += len(data)
            self.busy.add(client)
            self.most_busy = max(self.most_busy, len(self.busy))
            if self.is_held(data):
                self.requests += 1
                continue
            answer = self.answer(data)
            if answer:
                self.requests += 1
                self.busy.discard(client)
                client.write(answer)
                await client.drain()
                continue
            writer.write(data)
            await writer.drain()
            if skip >= len(data):
                skip -= len(data)
                continue
            pending += data[skip:]
            skip = 0
            while len(pending) >= 16:
                length = int.from_bytes(pending[:4], "little")
                if not 16 <= length <= 50000000:
                    pending = b""
                    break
                self.requests += 1
                skip = max(0, length - len(pending))
                pending = pending[length:]

    async def client(self, reader, writer):
        """One accepted connection, until either side ends it."""
        self.attempts += 1
        if self.refusing:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, server_writer}
        self.writers |= both
        self.most_open = max(self.most_open, len(self.writers) // 2)
        tasks = [asyncio.ensure_future(self.upstream(reader, server_writer, writer)),
                 asyncio.ensure_future(self.downstream(server_reader, writer))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.writers -= both
        self.busy.discard(writer)
        for end in both:
            end.transport.abort()

    def obey(self, line):
        """One line of standard input; returns the answer."""
        words = line.split()
        command = words[0]
        if command in ("pass", "trickle", "delay", "stall", "cut"):
            self.number = int(words[1]) if len(words) > 1 else 0
            self.mode = command
            self.changed.set()
        elif command == "answer":
            self.answers[words[1]] = line.split(None, 2)[2]
        elif command == "hold":
            self.held.add(words[1])
        elif command == "release":
            self.held.clear()
        elif command == "close":
            self.close_all()
        elif command == "refuse":
            self.refusing = True
            self.close_all()
        elif command == "accept":
            self.refusing = False
        elif command == "reset":
            self.reset()
        elif command == "stats":
            return json.dumps({"attempts": self.attempts, "connections": self.connections,
                               "requests": self.requests, "up": self.up, "down": self.down,
                               "open": len(self.writers) // 2, "most_open": self.most_open,
                               "busy": len(self.busy), "most_busy": self.most_busy})
        else:
            return "unknown command"
        return "ok"


async def serve(target):
    """Run the proxy until standard input ends."""
    loop = asyncio.get_running_loop()
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.client, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while True:
        line = await lines.readline()
        if not line:
            break
        print(proxy.obey(line.decode()), flush=True)
    proxy.close_all()


def full_backlog():
    """Listen, fill the backlog, and never accept."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        print(listener.getsockname()[1], flush=True)
        sys.stdin.read()


def deaf():
    """Take questions on a free address of the loopback interface, and answer none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        address = "127.53.%d.%d" % (random.randint(0, 255), random.randint(1, 254))
        listener.bind((address, 53))
        print(address, flush=True)
        signal.pause()


if __name__ == "__main__":
    if sys.argv[1:] == ["--deaf"]:
        deaf()
    elif sys.argv[1:] == ["--backlog"]:
        full_backlog()
    else:
        asyncio.run(serve(int(sys.argv[1])))
