"""The run store's tables, and how a store of an earlier version gets what was added since. In: a connection. Out: the same, up to date."""

import sqlite3

SCHEMA = """
create table if not exists runs (
    number integer primary key autoincrement, id text unique, created real not null, status text not null,
    config text not null, summary text not null default '{}', error text not null default ''
);
create table if not exists events (
    run text not null, seq integer not null, kind text not null, body text not null, primary key (run, seq)
) without rowid;
create table if not exists requests (
    id integer primary key, run text not null, kind text not null, created real not null
);
"""
# What later versions added, one entry a version; a store says in `user_version` how many of them it has.
LATER = (
    (
        "alter table runs add column name text not null default ''",
        "alter table runs add column notes text not null default ''",
        "alter table runs add column tags text not null default '[]'",
        "alter table runs add column parent text not null default ''",
        "alter table runs add column parent_epoch integer",
        "alter table runs add column place real",
        "alter table runs add column removed real",
        "alter table runs add column press text",
        "create unique index presses on runs (press)",
        "alter table requests add column body text not null default '{}'",
    ),
    (
        "create table digests (run text primary key, body blob not null)",
        "create index rare on events (run, seq) where kind != 'Steps'",
    ),
    (
        "alter table runs add column owner text not null default ''",
        "alter table runs add column origin text not null default ''",
        "create index origins on runs (origin)",
        "create table attempts (number integer primary key autoincrement, lesson text not null, data text not null,"
        " owner text not null, prediction text not null, created real not null)",
    ),
    (
        "alter table runs add column started real",
        "create index owners on runs (owner, started)",
    ),
)


def bring_up_to_date(db: sqlite3.Connection) -> None:
    """Make the tables, or what they lack. Several processes may do so at the same moment."""
    db.executescript(SCHEMA)
    db.execute("begin immediate")  # another process may be about to do the same
    version = db.execute("pragma user_version").fetchone()[0]
    for statement in (statement for added in LATER[version:] for statement in added):
        db.execute(statement)
    db.execute(f"pragma user_version = {max(version, len(LATER))}")
