#!/usr/bin/python3
"""The tables of doc/options.md, made from the tables of options in the code.

    options.py          compares, prints what differs
    options.py --write  writes the tables into doc/options.md

lint.py has the comparison as a rule.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENT = "doc/options.md"
COMMON = "src/source/option.c"
LEVELS = [("SY_LEVEL_WRAPPER", "wrapper"), ("SY_LEVEL_SERVER", "server"), ("SY_LEVEL_MAPPING", "user mapping"),
          ("SY_LEVEL_TABLE", "table"), ("SY_LEVEL_COLUMN", "column"), ("SY_LEVEL_IMPORT", "IMPORT")]
TYPES = {"SY_OPTION_TEXT": "text", "SY_OPTION_BOOL": "boolean", "SY_OPTION_INT": "integer",
         "SY_OPTION_DURATION": "duration", "SY_OPTION_SIZE": "size", "SY_OPTION_REAL": "number"}


def read(path):
    """The text of a file."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def split(text):
    """Pieces of C source between commas, but not within braces, parentheses or strings."""
    pieces = [""]
    depth = 0
    for token in re.findall(r'"(?:\\.|[^"\\])*"|.', text, re.S):
        depth += (token in "{(") - (token in "})")
        if token == "," and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += token
    return [piece.strip() for piece in pieces]


def string(text):
    """The value of a C string, which may be in several pieces; None for NULL."""
    if text == "NULL":
        return None
    return "".join(re.findall(r'"((?:\\.|[^"\\])*)"', text)).replace('\\"', '"')


def tables(path):
    """Options in the tables of a C file, each a list of its struct's members."""
    text = re.sub(r"/\*.*?\*/", "", read(path), flags=re.S)
    for name, value in re.findall(r"^#define\s+(\w+)\s+\(([^()]*SY_LEVEL[^()]*)\)$", text, re.M):
        text = re.sub(r"\b%s\b" % name, value, text)
    words = {name: [string(word) for word in split(body) if string(word) is not None]
             for name, body in re.findall(r"\*const (\w+)\[\] = \{([^{}]*)\}", text)}
    for body in re.findall(r"const SyOption \w+\[\] = \{(.*?)\n\s*\{NULL\}\s*\};", text, re.S):
        for entry in split(body):
            if entry:
                yield split(entry.strip()[1:-1]), words


def row(members, words):
    """One line of a table."""
    name, levels, kind, default, values, _, _, description = members
    where = [word for constant, word in LEVELS if re.search(r"\b%s\b" % constant, levels)]
    if kind == "SY_OPTION_ENUM":
        shown = ", ".join("`%s`" % word for word in words[values])
    else:
        shown = TYPES[kind]
    default = string(default)
    return "| `%s` | %s | %s | %s | %s |" % (string(name), ", ".join(where), shown,
                                             "" if default is None else "`%s`" % default,
                                             string(description).replace("|", "\\|"))


def table(path):
    """The table for a C file's options."""
    lines = ["| Option | Where | Values | Default | Meaning |", "|---|---|---|---|---|"]
    return "\n".join(lines + [row(members, words) for members, words in tables(path)])


def sources():
    """(heading of the table, C file) for the common options and for each driver that has some."""
    yield "common", COMMON
    folder = os.path.join(ROOT, "src/drivers")
    for driver in sorted(os.listdir(folder)):
        for name in sorted(os.listdir(os.path.join(folder, driver))):
            path = "src/drivers/%s/%s" % (driver, name)
            if name.endswith(".c") and re.search(r"const SyOption \w+\[\] = \{", read(path)):
                yield driver, path


def block(name, text):
    """A table between its marks."""
    return "<!-- options: %s -->\n%s\n<!-- end -->" % (name, text)


def updated(document):
    """The document with the tables as they should be, and what is wrong with it otherwise."""
    problems = []
    names = []
    for name, path in sources():
        wanted = block(name, table(path))
        pattern = r"<!-- options: %s -->\n.*?<!-- end -->" % re.escape(name)
        names.append(name)
        if not re.search(pattern, document, re.S):
            problems.append("%s: no table for the options of %s" % (DOCUMENT, path))
        document = re.sub(pattern, lambda match, wanted=wanted: wanted, document, flags=re.S)
    for name in re.findall(r"<!-- options: (\w+) -->", document):
        if name not in names:
            problems.append("%s: a table for %s, which has no options" % (DOCUMENT, name))
    return document, problems


def findings():
    """What is wrong with the document."""
    if not os.path.exists(os.path.join(ROOT, DOCUMENT)):
        return [DOCUMENT + ": is not there"]
    document = read(DOCUMENT)
    new, problems = updated(document)
    for number, (old_line, new_line) in enumerate(zip(document.split("\n"), new.split("\n")), 1):
        if old_line != new_line:
            problems.append("%s:%d: differs from the code; run test/lint/options.py --write" % (DOCUMENT, number))
            break
    else:
        if document != new:
            problems.append("%s: a table has another length than in the code; run test/lint/options.py --write" % DOCUMENT)
    return problems


def main():
    """Compare, or write."""
    if sys.argv[1:] == ["--write"]:
        new, problems = updated(read(DOCUMENT))
        with open(os.path.join(ROOT, DOCUMENT), "w", encoding="utf-8") as file:
            file.write(new)
    else:
        problems = findings()
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
