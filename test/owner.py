#!/usr/bin/python3
"""Runs Python as another operating system user, for tests of files that
belong to somebody else; started by root.

    owner.py SOCKET CLIENT USER

Listens on the socket, which only the user CLIENT may use.  Each connection
gets a process of its own as USER.  A request is a line, a program as a JSON
string; the answer is a line, what it printed or the error it raised, as
{"out": ...} or {"error": ...}.  Variables stay from one program to the next.
"""
import contextlib
import io
import json
import os
import pwd
import signal
import socket
import sys


def serve(connection):
    """Obey one client until it leaves."""
    variables = {}
    with connection.makefile("rw", encoding="utf-8") as stream:
        for line in stream:
            out = io.StringIO()
            try:
                with contextlib.redirect_stdout(out):
                    exec(compile(json.loads(line), "program", "exec"), variables)
                answer = {"out": out.getvalue().rstrip("\n")}
            except Exception as error:
                answer = {"error": "%s: %s" % (type(error).__name__, error)}
            stream.write(json.dumps(answer) + "\n")
            stream.flush()


def main():
    """Listen, drop all rights, serve."""
    path, client, name = sys.argv[1:]
    user = pwd.getpwnam(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chown(path, pwd.getpwnam(client).pw_uid, -1)
    os.chmod(path, 0o600)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.umask(0o022)
    os.chdir("/")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener.listen()
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            serve(connection)
            os._exit(0)
        connection.close()


if __name__ == "__main__":
    main()
