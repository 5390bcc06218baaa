#!/usr/bin/python3
"""Rules that the compiler cannot check; prints one line per rule.

    lint.py             "ok NAME" or "not ok NAME" for each, findings before it
    lint.py RULE ...    only these

Exits with 1 if there is a finding.  Looks at the files of the tree, whether
they are known to git or not.
"""
import glob
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import options  # noqa: E402, the table check beside this file

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED_FOLDERS = {".git", "build", "results", "output_iso", "tmp_check", "tmp_check_iso", "log", "__pycache__"}
SKIPPED_NAMES = re.compile(r"\.(o|so|bc|dylib|pyc)$|^regression\.(diffs|out)$")
TOP_LEVEL = {"src", "sql", "expected", "test", "doc", "Makefile", "switchyard.control", "README.md", "LICENSE",
             "META.json", ".editorconfig", ".gitignore", ".gitattributes", ".ci", ".github"}

# Layers of src/: a file includes its own folder and lower layers.
LAYERS = {"base": 0, "source": 1, "health": 1, "route": 2, "pushdown": 2, "conn": 2, "fdw": 3, "worker": 3, "sqlfn": 3}
CONTRACT = "pushdown/query.h"       # drivers get it, so what stands between may know it
DRIVER_MAY = re.compile(r"^(base/\w+|source/driver|source/value|pushdown/query)\.h$")
CLIENT_HEADERS = {"sqlite": re.compile(r"^sqlite3(ext)?\.h$"), "mongodb": re.compile(r"^(mongoc|bson)[/.]")}
VERSION_HOMES = {"src/base/compat.h", "src/drivers/mongodb/compat.h"}
MAX_FILE_LINES = 700
MAX_FUNCTION_LINES = 120
COMMENTED_FROM_LINES = 6

RULES = []


def rule(function):
    """Register a rule: a generator of findings, named by the function."""
    RULES.append((function.__name__.replace("_", "-"), function))
    return function


def tree(*suffixes, under=""):
    """Paths, relative to the root, of files whose names end so."""
    for folder, folders, names in os.walk(os.path.join(ROOT, under)):
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS)
        for name in sorted(names):
            if name.endswith(suffixes or ("",)) and not SKIPPED_NAMES.search(name):
                yield os.path.relpath(os.path.join(folder, name), ROOT)


def read(path):
    """The text of a file."""
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def without_comments(text, keep_strings=True):
    """C source with comments (and, if wanted, strings) blanked, lines kept."""
    def blank(match):
        piece = match.group(0)
        if piece.startswith(("\"", "'")):
            return piece if keep_strings else piece[0] + re.sub(r"[^\n]", " ", piece[1:-1]) + piece[-1]
        return re.sub(r"[^\n]", " ", piece)
    return re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', blank, text, flags=re.S)


def line_of(text, position):
    """Line number of a position."""
    return text.count("\n", 0, position) + 1


def includes(path):
    """(line, header) of each #include of a C file."""
    for number, line in enumerate(read(path).split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1)


def folder_of(path):
    """The folder of src/ that a file is in, "" for src itself."""
    parts = path.split("/")
    return parts[1] if len(parts) > 2 else ""


def calls(text, names):
    """(position, name, whole call) of each call of one of the functions."""
    for match in re.finditer(r"\b(%s)\s*\(" % "|".join(names), text):
        depth = 0
        for position in range(match.end() - 1, len(text)):
            if text[position] == "(":
                depth += 1
            elif text[position] == ")":
                depth -= 1
                if depth == 0:
                    break
        yield match.start(), match.group(1), text[match.start():position + 1]


# ------------------------------------------------------------------ layers

@rule
def include_layers():
    """Includes go downwards only."""
    ours = {f for f in os.listdir(os.path.join(ROOT, "src")) if os.path.isdir(os.path.join(ROOT, "src", f))}
    for unknown in sorted(ours - set(LAYERS) - {"drivers"}):
        yield "src/%s: a folder without a layer" % unknown
    for path in tree(".c", ".h", under="src"):
        folder = folder_of(path)
        for number, header in includes(path):
            target = header.split("/")[0] if "/" in header else ""
            if target not in ours or folder in ("", "drivers") or target == folder or header == CONTRACT:
                continue
            if target == "drivers" or LAYERS.get(target, 9) >= LAYERS.get(folder, -1):
                yield "%s:%d: %s may not include %s" % (path, number, folder, header)


@rule
def driver_includes():
    """A driver knows the contract, the query tree, and base."""
    ours = set(os.listdir(os.path.join(ROOT, "src")))
    for path in tree(".c", ".h", under="src/drivers"):
        own = path.split("/")[2]
        for number, header in includes(path):
            first = header.split("/")[0]
            if first == "drivers" and header.split("/")[1] != own:
                yield "%s:%d: includes another driver's %s" % (path, number, header)
            elif first in ours and first != "drivers" and not DRIVER_MAY.match(header):
                yield "%s:%d: a driver may not include %s" % (path, number, header)


@rule
def client_headers():
    """A client library's headers stay in its driver's folder."""
    for path in tree(".c", ".h", under="src"):
        for number, header in includes(path):
            for driver, pattern in CLIENT_HEADERS.items():
                if pattern.match(header) and not path.startswith("src/drivers/%s/" % driver):
                    yield "%s:%d: %s belongs to src/drivers/%s" % (path, number, header, driver)


@rule
def driver_names():
    """Nothing outside drivers/ names a driver, but the setting and the SQL-callable declarations."""
    allowed = re.compile(r"\bsy_sqlite_directories\b|\bswitchyard_(sqlite|mongodb)_(handler|validator)\b")
    exempt = {"src/source/registry.c", "src/base/guc.c"}
    for path in tree(".c", ".h", under="src"):
        if path.startswith("src/drivers/") or path in exempt:
            continue
        code = allowed.sub("", without_comments(read(path)))
        for number, line in enumerate(code.split("\n"), 1):
            if re.search(r"sqlite|mongo|bson\b", line, re.I) and not re.search(r"bson_type", line):
                yield "%s:%d: names a driver: %s" % (path, number, line.strip())


@rule
def version_tests():
    """Tests of a library's version live in the two compat.h."""
    for path in tree(".c", ".h", under="src"):
        if path in VERSION_HOMES:
            continue
        for number, line in enumerate(without_comments(read(path)).split("\n"), 1):
            if re.match(r"\s*#\s*(el)?if", line) and re.search(
                    r"PG_VERSION_NUM|PG_MAJORVERSION|(MONGOC|BSON)_(CHECK_VERSION|\w+_VERSION)|SQLITE_VERSION_NUMBER", line):
                yield "%s:%d: %s" % (path, number, line.strip())


@rule
def no_threads_or_sleeps():
    """One thread, and one place where a backend waits."""
    for path in tree(".c", ".h", under="src"):
        code = without_comments(read(path), keep_strings=False)
        for match in re.finditer(r"\b(pthread_create|thrd_create|sleep|usleep|pg_usleep|nanosleep|system|popen|fork|"
                                 r"mongoc_client_pool_new\w*)\s*\(", code):
            yield "%s:%d: calls %s" % (path, line_of(code, match.start()), match.group(1))


# ------------------------------------------------------------------ errors

@rule
def error_codes():
    """Every warning and error has an SQLSTATE; what only informs needs none, as in PostgreSQL."""
    for path in tree(".c", ".h", under="src"):
        code = without_comments(read(path))
        for position, _, call in calls(code, ("ereport", "ereport_domain", "errsave")):
            if re.match(r"ereport\s*\(\s*(LOG|INFO|NOTICE|DEBUG\d|elevel)\b", call):
                continue
            if not re.search(r"\berrcode(_for_\w+)?\s*\(", call):
                yield "%s:%d: ereport without errcode" % (path, line_of(code, position))


@rule
def error_messages():
    """Primary messages begin in lower case and end without a period; details and hints are sentences."""
    string = r'((?:"(?:\\.|[^"\\])*"\s*)+)'
    primary = re.compile(r"\b(?:errmsg|errmsg_internal|errmsg_plural)\s*\(\s*" + string)
    record = re.compile(r"\bsy_error_set\s*\([^\"]*?" + string)
    sentence = re.compile(r"\b(?:errdetail|errhint|sy_error_detail|sy_error_hint)\s*\([^\"();]*?" + string)

    def text_of(match):
        return "".join(re.findall(r'"((?:\\.|[^"\\])*)"', match.group(1)))

    for path in tree(".c", ".h", under="src"):
        code = without_comments(read(path))
        for pattern in (primary, record):
            for match in pattern.finditer(code):
                text = text_of(match)
                if re.match(r"[A-Z][a-z ]", text) or text.endswith((".", "!", "\\n")):
                    yield "%s:%d: primary message \"%s\"" % (path, line_of(code, match.start()), text)
        for match in sentence.finditer(code):
            text = text_of(match)
            if text not in ("%s", "") and (re.match(r"[a-z]", text) or not re.search(r"[.?]\)?$|%s$|%m$", text)):
                yield "%s:%d: no sentence: \"%s\"" % (path, line_of(code, match.start()), text)


# ------------------------------------------------------------------- files

def functions(path):
    """(line, name, number of lines, has a comment) of each function of a C file."""
    lines = read(path).split("\n")
    start = 0
    while start < len(lines):
        if lines[start] == "{" and start > 0:
            end = start
            while end < len(lines) and lines[end] != "}":
                end += 1
            head = start - 1
            while head > 0 and lines[head].strip() and not lines[head].rstrip().endswith(("*/", ";", "}")) \
                    and not lines[head].startswith("#"):
                head -= 1
            declaration = " ".join(lines[head + 1:start])
            name = re.search(r"(\w+)\s*\(", declaration)
            if name and not re.match(r"\s*(typedef|struct|enum|union|static const \w+ \w+\[)", declaration):
                before = head
                while before > 0 and (not lines[before].strip() or lines[before].startswith(("PG_FUNCTION_INFO", "#"))):
                    before -= 1
                if lines[before].rstrip().endswith(";"):    # a prototype with attributes stands between
                    while before > 0 and not lines[before].rstrip().endswith(("*/", "}")) and lines[before].strip():
                        before -= 1
                yield head + 2, name.group(1), end - start + 1, lines[before].rstrip().endswith("*/")
            start = end
        start += 1


@rule
def function_length():
    """No function is longer than 120 lines."""
    for path in tree(".c", ".h", under="src"):
        for number, name, length, _ in functions(path):
            if length > MAX_FUNCTION_LINES:
                yield "%s:%d: %s() has %d lines" % (path, number, name, length)


@rule
def function_comments():
    """Every function over five lines says what it does."""
    for path in tree(".c", ".h", under="src"):
        for number, name, length, commented in functions(path):
            if length - 2 >= COMMENTED_FROM_LINES and not commented:
                yield "%s:%d: %s() has no comment" % (path, number, name)


@rule
def file_length():
    """No source file is longer than 700 lines."""
    for path in tree(".c", ".h", ".py", ".sh", ".pl", ".pm", "Makefile"):
        length = read(path).count("\n")
        if length > MAX_FILE_LINES:
            yield "%s: %d lines" % (path, length)


@rule
def file_headers():
    """C files begin with what they are and where."""
    for path in tree(".c", ".h", under="src"):
        head = read(path)[:6000]
        if not head.startswith("/*----") or "\n * %s\n" % os.path.basename(path) not in head:
            yield "%s: no header with the file's name" % path
        elif "\n *\t  %s\n" % path not in head:
            yield "%s: IDENTIFICATION does not say %s" % (path, path)


@rule
def whitespace():
    """No trailing blanks, no CR, one newline at the end; C is indented by tabs."""
    for path in tree():
        if path.startswith("expected/") or path.startswith("test/isolation/expected/"):
            continue
        text = read(path)
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            yield "%s: does not end with one newline" % path
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip() or "\r" in line:
                yield "%s:%d: trailing blank" % (path, number)
            elif path.endswith((".c", ".h")) and line.startswith("    "):
                yield "%s:%d: indented by blanks" % (path, number)


@rule
def no_leftovers():
    """Nothing is put off, and nothing tells of the machine it was written on."""
    own = os.path.relpath(os.path.abspath(__file__), ROOT)
    pattern = re.compile(r"\b(TODO|FIXME|XXX)\b|/work/|/root/|/home/\w|\bpypi\.org|pythonhosted\.org|deb\.debian\.org|"
                         r"proxy\.golang\.org|npmjs\.|crates\.io")
    for path in tree():
        if path == own:
            continue
        for number, line in enumerate(read(path).split("\n"), 1):
            match = pattern.search(line)
            if match:
                yield "%s:%d: %s" % (path, number, match.group(0))


@rule
def top_level():
    """The top level holds the known few."""
    for name in sorted(os.listdir(ROOT)):
        if name not in TOP_LEVEL | SKIPPED_FOLDERS and not SKIPPED_NAMES.search(name) and not name.endswith(".deps"):
            yield "%s: does not belong to the top level" % name


# ----------------------------------------------------------------- scripts

@rule
def extension_scripts():
    """Extension scripts refuse psql; functions state volatility, strictness and parallel safety."""
    for path in tree(".sql", under="sql"):
        if not os.path.basename(path).startswith("switchyard--"):
            continue
        text = read(path)
        if "\\quit" not in re.split(r"^(?!\\\\)\w", text, 1, re.M)[0]:
            yield "%s: does not guard against psql" % path
        for match in re.finditer(r"CREATE\s+(?:OR\s+REPLACE\s+)?FUNCTION\s+([\w.]+).*?;", text, re.S | re.I):
            body = match.group(0)
            if re.search(r"RETURNS\s+fdw_handler", body, re.I):
                continue
            for words in ("IMMUTABLE|STABLE|VOLATILE", r"STRICT|CALLED\s+ON\s+NULL\s+INPUT", r"PARALLEL\s+(SAFE|RESTRICTED|UNSAFE)"):
                if not re.search(r"\b(%s)\b" % words, body, re.I):
                    yield "%s:%d: %s states none of %s" % (path, line_of(text, match.start()), match.group(1), words)


@rule
def extension_version():
    """Control file, library and base script are of one version."""
    control = re.search(r"default_version = '([^']*)'", read("switchyard.control")).group(1)
    library = re.search(r'#define SY_VERSION\s+"([^"]*)"', read("src/base/version.h")).group(1)
    if control != library:
        yield "switchyard.control says %s, src/base/version.h says %s" % (control, library)
    if not any(path.endswith("--%s.sql" % control) for path in tree(".sql", under="sql")):
        yield "no script leads to version %s" % control


@rule
def option_tables():
    """doc/options.md says what the tables of options in the code say."""
    yield from options.findings()


@rule
def regress_scripts():
    """Every regression script is run, and has its expected output; no variants."""
    makefile = read("Makefile").replace("\\\n", " ")
    listed = re.search(r"^REGRESS =(.*)$", makefile, re.M).group(1).split()
    scripts = {os.path.basename(p)[:-4] for p in tree(".sql", under="sql") if not os.path.basename(p).startswith("switchyard--")}
    outputs = {os.path.basename(p)[:-4] for p in tree(".out", under="expected")}
    specs = {os.path.basename(p)[:-5] for p in tree(".spec", under="test/isolation/specs")}
    isolation = {os.path.basename(p)[:-4] for p in tree(".out", under="test/isolation/expected")}
    for text, names in (("not in REGRESS", scripts - set(listed)), ("in REGRESS, but no script", set(listed) - scripts),
                        ("no expected output", scripts - outputs), ("expected output without a script", outputs - scripts),
                        ("no expected isolation output", specs - isolation), ("isolation output without a spec", isolation - specs)):
        for name in sorted(names):
            yield "%s: %s" % (name, text)


def broken(path, command):
    """The first lines of a syntax check that fails, or nothing."""
    done = subprocess.run(command + [os.path.join(ROOT, path)], capture_output=True, text=True)
    if done.returncode != 0:
        yield "%s: %s" % (path, " | ".join((done.stderr or done.stdout).strip().split("\n")[:3]))


@rule
def shell_syntax():
    """bash -n likes every shell script."""
    for path in tree():
        if path.endswith(".sh") or re.match(r"#!/bin/(ba)?sh", read(path)[:20]):
            yield from broken(path, ["bash", "-n"])


@rule
def perl_syntax():
    """perl -c likes every Perl file."""
    modules = glob.glob("/usr/lib/postgresql/*/lib/pgxs/src/test/perl")
    if not modules:
        yield "PostgreSQL::Test is not there: install postgresql-server-dev-NN"
        return
    for path in tree(".pl", ".pm"):
        yield from broken(path, ["perl", "-I", os.path.join(ROOT, "test/perl"), "-I", sorted(modules)[-1], "-Mwarnings", "-c"])


@rule
def python_syntax():
    """Python compiles every Python file, and each has a docstring."""
    for path in tree(".py"):
        text = read(path)
        try:
            compile(text, path, "exec")
        except SyntaxError as error:
            yield "%s:%s: %s" % (path, error.lineno, error.msg)
        if not re.match(r'(#[^\n]*\n)*"""', text):
            yield "%s: no docstring" % path


def main():
    """Run the rules named on the command line, or all."""
    failed = False
    for name, function in RULES:
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        findings = list(function())
        for finding in findings:
            print("    " + finding)
        print("%s %s - %s" % ("not ok" if findings else "ok", name, function.__doc__.split("\n")[0]))
        failed = failed or bool(findings)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
