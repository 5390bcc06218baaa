#!/usr/bin/python3
"""Start and stop private mongod servers for the tests.

    mongod.py start --dir D [--members N | --standalone] [--auth] [--tls]
                    [--connections N]       no more than these at a time
    mongod.py restart --dir D           those that ended, on the same ports
    mongod.py stop --dir D
    mongod.py watch --dir D --pid P     end them and remove D (or --remove R)
                                        when process P ends
    mongod.py eval --dir D              run Python from standard input

All files of the servers live in directory D: the data, the logs, state.json,
and per server a mongod.pid.  "start" prints the ports, space-separated.  The
server is $MONGOD.  "eval" gives the code these names: client (a MongoClient
with all rights), db (its database "test"), bson, datetime.

With --auth the user "root" has the password "root secret" in admin; with
--tls the certificates are D/ca.pem and D/server.pem, made for localhost and
127.0.0.1.
"""
import argparse
import datetime
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

try:
    import bson
    import bson.decimal128
    import pymongo
except ImportError:
    sys.exit("mongod.py: no pymongo for %s: install the package python3-pymongo" % sys.executable)

ROOT_PASSWORD = "root secret"
SELECTION_MS = 5000


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_state(directory):
    """What "start" wrote about the servers in this directory."""
    with open(os.path.join(directory, "state.json"), encoding="utf-8") as file:
        return json.load(file)


def connect(directory, port=None):
    """A client with all rights: of one server if a port is given, else of the set."""
    state = read_state(directory)
    # What is written shall be what is read, also by 4.4, whose default is 1.
    options = {"serverSelectionTimeoutMS": SELECTION_MS, "w": "majority"}
    if state["tls"]:
        options.update(tls=True, tlsCAFile=os.path.join(directory, "ca.pem"))
    if state["auth"]:
        options.update(username="root", password=ROOT_PASSWORD, authSource="admin")
    if port is None and state["set"]:
        hosts = ["127.0.0.1:%d" % p for p in state["ports"]]
        return pymongo.MongoClient(hosts, replicaSet=state["set"], **options)
    return pymongo.MongoClient("127.0.0.1", port or state["ports"][0], directConnection=True, **options)


def make_certificates(directory):
    """A private authority, ca.pem, and a server certificate it signed, server.pem."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    with open(os.path.join(directory, "server.ext"), "w", encoding="ascii") as file:
        file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=switchyard test CA",
            "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
            "-keyout", "server.key", "-out", "server.csr")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "server.ext", "-out", "server.crt")
    with open(os.path.join(directory, "server.pem"), "wb") as both:
        for part in ("server.key", "server.crt"):
            with open(os.path.join(directory, part), "rb") as file:
                both.write(file.read())
    os.chmod(os.path.join(directory, "server.pem"), 0o600)


def launch(command, pidfile):
    """Run a mongod that forks; returns its pid, or None and prints why not."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        return None
    with open(pidfile, encoding="ascii") as file:
        return int(file.read())


def start_one(directory, number, options):
    """Start one server on a free port; returns (pid, port, command, pid file)."""
    data = os.path.join(directory, "node%d" % number)
    os.makedirs(data, exist_ok=True)
    pidfile = os.path.join(data, "mongod.pid")
    log = os.path.join(data, "log")
    for _ in range(5):
        port = free_port()
        command = [os.environ["MONGOD"], "--dbpath", data, "--port", str(port), "--bind_ip", "127.0.0.1",
                   "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25",
                   "--setParameter", "enableTestCommands=1",
                   "--setParameter", "diagnosticDataCollectionEnabled=false",
                   "--fork", "--logpath", log, "--pidfilepath", pidfile, *options]
        pid = launch(command, pidfile)
        if pid:
            return pid, port, command, pidfile
    if os.path.exists(log):
        with open(log, encoding="utf-8", errors="replace") as file:
            sys.stderr.write("".join(file.readlines()[-20:]))
    sys.exit("mongod.py: could not start %s" % os.environ["MONGOD"])


def write_state(directory, state):
    """Note what runs here."""
    with open(os.path.join(directory, "state.json"), "w", encoding="utf-8") as file:
        json.dump(state, file)


def await_primary(client):
    """Wait until the server that the client is connected to can be written to."""
    deadline = time.monotonic() + 60
    while not client.admin.command("isMaster")["ismaster"]:
        if time.monotonic() > deadline:
            sys.exit("mongod.py: the replica set has no primary after 60 s")
        time.sleep(0.05)


def initiate(directory, state):
    """Make a set of the servers and wait until it has a primary."""
    options = {"tls": True, "tlsCAFile": os.path.join(directory, "ca.pem")} if state["tls"] else {}
    client = pymongo.MongoClient("127.0.0.1", state["ports"][0], directConnection=True,
                                 serverSelectionTimeoutMS=SELECTION_MS, **options)
    client.admin.command("replSetInitiate", {
        "_id": state["set"],
        "members": [{"_id": i, "host": "127.0.0.1:%d" % port, "priority": 2 if i == 0 else 1}
                    for i, port in enumerate(state["ports"])],
        "settings": {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 200}})
    await_primary(client)
    return client


def start(arguments):
    """Start the servers and print their ports."""
    if not os.environ.get("MONGOD"):
        sys.exit("mongod.py: MONGOD is not set: it names the mongod to start")
    directory = os.path.abspath(arguments.dir)
    os.makedirs(directory, exist_ok=True)
    options = []
    if arguments.tls:
        make_certificates(directory)
        options += ["--tlsMode", "requireTLS", "--tlsCAFile", os.path.join(directory, "ca.pem"),
                    "--tlsCertificateKeyFile", os.path.join(directory, "server.pem"),
                    "--tlsAllowConnectionsWithoutCertificates"]
    if arguments.connections:
        options += ["--maxConns", str(arguments.connections)]
    if not arguments.standalone:
        options += ["--replSet", "rs0"]
    if arguments.auth:
        key = os.path.join(directory, "keyfile")
        with open(key, "w", encoding="ascii") as file:
            file.write("switchyardtestkeyfile\n")
        os.chmod(key, 0o600)
        options += ["--keyFile", key] if not arguments.standalone else ["--auth"]
    servers = [start_one(directory, i, options) for i in range(1 if arguments.standalone else arguments.members)]
    state = {"set": None if arguments.standalone else "rs0", "pids": [s[0] for s in servers],
             "ports": [s[1] for s in servers], "commands": [s[2:] for s in servers],
             "tls": arguments.tls, "auth": arguments.auth}
    write_state(directory, state)
    if not arguments.standalone:
        client = initiate(directory, state)
    elif arguments.auth:
        options = {"tls": True, "tlsCAFile": os.path.join(directory, "ca.pem")} if arguments.tls else {}
        client = pymongo.MongoClient("127.0.0.1", state["ports"][0], directConnection=True, **options)
    if arguments.auth:
        client.admin.command("createUser", "root", pwd=ROOT_PASSWORD, roles=["root"], mechanisms=["SCRAM-SHA-256"])
    print(" ".join(str(port) for port in state["ports"]))


def is_ours(pid, directory):
    """Is process "pid" a server of this directory?"""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return os.fsencode(directory) in file.read()
    except OSError:
        return False


def stop(arguments):
    """Kill the servers: their files are thrown away."""
    directory = os.path.abspath(arguments.dir)
    try:
        pids = read_state(directory)["pids"]
    except OSError:
        return
    for pid in pids:
        if is_ours(pid, directory):
            os.kill(pid, signal.SIGKILL)
    while any(is_ours(pid, directory) for pid in pids):
        time.sleep(0.02)


def restart(arguments):
    """Start those servers again that ended, and wait for a primary."""
    directory = os.path.abspath(arguments.dir)
    state = read_state(directory)
    for i, (command, pidfile) in enumerate(state["commands"]):
        if not is_ours(state["pids"][i], directory):
            state["pids"][i] = launch(command, pidfile)
            if not state["pids"][i]:
                sys.exit("mongod.py: could not start a server again")
    write_state(directory, state)
    await_primary(connect(directory))


def watch(arguments):
    """In the background: wait for the end of a process, then clean up."""
    if os.fork() > 0:
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.close(int(name))
            except OSError:
                pass
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.path.exists("/proc/%d" % arguments.pid):
        time.sleep(0.2)
    stop(arguments)
    shutil.rmtree(arguments.remove or arguments.dir, ignore_errors=True)


def evaluate(arguments):
    """Run the program on standard input with a connected client."""
    client = connect(os.path.abspath(arguments.dir), arguments.port)
    names = {"client": client, "db": client.test, "bson": bson, "datetime": datetime, "pymongo": pymongo}
    exec(compile(sys.stdin.read(), "<eval>", "exec"), names)


def main():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="private mongod servers for the tests")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in (("start", start), ("stop", stop), ("restart", restart), ("watch", watch), ("eval", evaluate)):
        command = commands.add_parser(name)
        command.set_defaults(run=function)
        command.add_argument("--dir", required=True)
        if name == "start":
            command.add_argument("--members", type=int, default=1)
            command.add_argument("--standalone", action="store_true")
            command.add_argument("--auth", action="store_true")
            command.add_argument("--tls", action="store_true")
            command.add_argument("--connections", type=int)
        elif name == "watch":
            command.add_argument("--pid", type=int, required=True)
            command.add_argument("--remove")
        elif name == "eval":
            command.add_argument("--port", type=int)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
