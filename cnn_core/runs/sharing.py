"""Runs of exercises that several people use: the same exercise, data and seed are trained once on a server that people share.

A run belongs to the attempt whose number is in its origin ("lesson/dropout/3/B0"), and other attempts may use it too. When its owner stops,
removes or deletes it, it passes to the attempt of another person that has used it longest, so that nobody loses a result through another person.
In: the database of runs. Out: which runs an attempt uses. Importing this module does not import torch.
"""

from cnn_core.runs.database import RunDatabase

LONGEST_USER = (
    "select attempts.number, attempts.owner, attempts.lesson from shared_runs join attempts on attempts.number = shared_runs.attempt"
    " join runs on runs.id = shared_runs.run where shared_runs.run = ? and attempts.owner != runs.owner order by attempts.number limit 1"
)


def share_run(database: RunDatabase, run: str, attempt: int) -> None:
    """Let an attempt use the run of another one."""
    with database.connect() as db:
        db.execute("insert or ignore into shared_runs (attempt, run) values (?, ?)", (attempt, run))


def runs_shared_with(database: RunDatabase, attempt: int) -> list[str]:
    """Return the runs of other attempts that this one uses."""
    with database.connect() as db:
        return [run for (run,) in db.execute("select run from shared_runs where attempt = ?", (attempt,))]


def is_used_by_others(database: RunDatabase, run: str) -> bool:
    """Whether attempts of other people than its owner use the run."""
    with database.connect() as db:
        return db.execute(LONGEST_USER, (run,)).fetchone() is not None


def stop_using(database: RunDatabase, run: str, attempt: int) -> None:
    """Let an attempt no longer use the run of another one."""
    with database.connect() as db:
        db.execute("delete from shared_runs where attempt = ? and run = ?", (attempt, run))


def hand_over(database: RunDatabase, run: str) -> bool:
    """Give the run to the attempt of another person that has used it longest; return whether there is one. It leaves the bin then."""
    with database.connect() as db:
        user = db.execute(LONGEST_USER, (run,)).fetchone()
        if user is None:
            return False
        number, owner, exercise = user
        db.execute("delete from shared_runs where attempt = ? and run = ?", (number, run))
        (origin,) = db.execute("select origin from runs where id = ?", (run,)).fetchone()
        values = (owner, f"lesson/{exercise}/{number}/{origin.rpartition('/')[2]}", run)
        db.execute("update runs set owner = ?, origin = ?, removed = null where id = ?", values)
        return True
