#!/usr/bin/python3
"""Fill the sources of the demo.

    load.py sqlite DIRECTORY        archive.db and people.db
    load.py mongodb PORT KIND       database "media" of one server; KIND is hot or cold

The data is a media service: files that belong to chats, and chats that
belong to people.  Recent files live in MongoDB, older ones in SQLite.
"""
import datetime
import os
import random
import sqlite3
import sys

FILES = 4000
CHATS = 200
PEOPLE = 50
KINDS = ("photo", "video", "voice", "document")


def files(seed, first):
    """Rows (id, chat, name, kind, bytes, day) of files, always the same."""
    dice = random.Random(seed)
    day = datetime.date(2024, 1, 1)
    for number in range(first, first + FILES):
        kind = dice.choice(KINDS)
        yield (number, dice.randrange(CHATS), "%s-%05d" % (kind, number), kind,
               int(dice.lognormvariate(12, 2)), day + datetime.timedelta(days=number % 700))


def load_sqlite(directory):
    """Two files: old media files, and the people."""
    db = sqlite3.connect(os.path.join(directory, "archive.db"))
    db.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, chat_id INTEGER NOT NULL, name TEXT NOT NULL,"
               " kind TEXT NOT NULL, bytes INTEGER NOT NULL, added DATE)")
    db.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)",
                   ((*row[:5], row[5].isoformat()) for row in files(1, 1)))
    db.execute("CREATE INDEX files_chat ON files (chat_id)")
    db.execute("CREATE VIEW every_number AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n")
    db.commit()
    db = sqlite3.connect(os.path.join(directory, "people.db"))
    db.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    db.executemany("INSERT INTO people VALUES (?, ?)", ((i, "person %02d" % i) for i in range(PEOPLE)))
    db.execute("CREATE TABLE chats (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, title TEXT NOT NULL)")
    db.executemany("INSERT INTO chats VALUES (?, ?, ?)", ((i, i % PEOPLE, "chat %03d" % i) for i in range(CHATS)))
    db.commit()


def load_mongodb(port, kind):
    """New media files; the hot database also counts downloads, in a nested document."""
    import bson
    import pymongo
    dice = random.Random(kind)
    collection = pymongo.MongoClient("127.0.0.1", port, directConnection=True).media.files
    collection.insert_many([
        {"_id": bson.ObjectId("%024x" % row[0]), "chat_id": row[1], "name": row[2], "kind": row[3],
         "bytes": bson.Int64(row[4]), "added": datetime.datetime.combine(row[5], datetime.time()),
         "downloads": {"total": dice.randrange(1000), "today": dice.randrange(20)}, "preview": "x" * 1500}
        for row in files(kind, 10000 if kind == "hot" else 20000)])
    collection.create_index("chat_id")


if __name__ == "__main__":
    if sys.argv[1] == "sqlite":
        load_sqlite(sys.argv[2])
    else:
        load_mongodb(int(sys.argv[2]), sys.argv[3])
