"""What the programs of "make bench" share: settings, sessions, proxies.

Called with two arguments: a directory to work in, and the port of a mongod
whose files are in the directory "mongo" beside it.
"""
import os
import signal
import subprocess
import sys
import threading
import time

DIRECTORY = sys.argv[1]
PORT = int(sys.argv[2])
TEST = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
URI = "mongodb://127.0.0.1:%d/?replicaSet=rs0" % PORT
DIRECT = "mongodb://127.0.0.1:%d/?directConnection=true"


def setting(name, default):
    """A size, which the environment may set."""
    return int(os.environ.get("SY_BENCH_" + name, default))


def psql(script):
    """Run a script; returns its output's lines."""
    done = subprocess.run(["psql", "-XtAq", "-v", "ON_ERROR_STOP=1"], input=script, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("bench: " + done.stderr)
    return done.stdout.strip().split("\n")


class Session:
    """A psql that stays, and the moments at which it printed lines."""

    def __init__(self):
        self.process = subprocess.Popen(["psql", "-XtAq", "-v", "VERBOSITY=default"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.lines = []
        self.arrived = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()
        self.pid = int(self.ask("SELECT pg_backend_pid()")[0])

    def read(self):
        """Note each line and its time; None at the end."""
        for line in self.process.stdout:
            self.note(line.rstrip("\n"))
        self.note(None)

    def note(self, line):
        """One line arrived now."""
        with self.arrived:
            self.lines.append((time.monotonic(), line))
            self.arrived.notify_all()

    def send(self, sql):
        """Hand over statements; forgets what was printed before."""
        with self.arrived:
            self.lines = []
        self.process.stdin.write(sql + "\n")
        self.process.stdin.flush()

    def wait(self, what, seconds=120):
        """The time and text of the first line that "what" accepts; None if it does not come in time."""
        with self.arrived:
            self.arrived.wait_for(lambda: any(line is None or what(line) for _, line in self.lines), seconds)
            return next(((at, line) for at, line in self.lines if line is not None and what(line)), None)

    def ask(self, sql):
        """Run statements to their end; returns the lines printed."""
        self.send(sql + ";\n\\echo over")
        if not self.wait(lambda line: line == "over"):
            sys.exit("bench: %s: no end; %s" % (sql, self.lines[-3:]))
        return [line for _, line in self.lines if line not in ("over", None)]

    def must(self, sql):
        """Like ask(), and an error ends the program."""
        lines = self.ask(sql)
        if any("ERROR:" in line for line in lines):
            sys.exit("bench: %s: %s" % (sql, lines))
        return lines

    def peak_mb(self):
        """The most memory that the server process had at a time."""
        with open("/proc/%d/status" % self.pid, encoding="ascii") as file:
            return int([line for line in file if line.startswith("VmHWM")][0].split()[1]) / 1024

    def close(self):
        """End psql, however busy."""
        if os.path.exists("/proc/%d" % self.pid):
            os.kill(self.pid, signal.SIGTERM)
        self.process.kill()
        self.process.wait()


class Proxy:
    """A test/proxy.py in front of a port; without one, a full backlog."""

    def __init__(self, port=None):
        command = [sys.executable, os.path.join(TEST, "proxy.py"), str(port) if port else "--backlog"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def command(self, line):
        """Tell it one line."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "ok\n":
            sys.exit("bench: the proxy did not take: " + line)

    def close(self):
        """End it."""
        self.process.stdin.close()
        self.process.wait()


def goal(value, reach, stretch):
    """The columns that hold a value against its goals."""
    mark = "MISSED" if value > reach else "stretch" if value <= stretch else "reached"
    return "%8g %8g  %s" % (reach, stretch, mark)
