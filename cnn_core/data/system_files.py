"""Files and folders that operating systems, servers and tools leave beside a person's files; they are ignored and not reported.

In: the name of a file or folder. Out: whether it is one of them.
"""

NAMES = frozenset(
    (
        "__macosx", "icon\r",  # macOS; its other files begin with a full stop
        "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "recycler", "system volume information",  # Windows
        "lost+found",  # Linux
        "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot",  # network storage
    )
)  # fmt: skip


def is_system_file(name: str) -> bool:
    """Whether a name is hidden (`.DS_Store`, `._1.jpg`, `.ipynb_checkpoints`) or one of NAMES, in capitals or not."""
    return (name.startswith(".") and name not in (".", "..")) or name.lower() in NAMES


def is_in_system_folder(path: str) -> bool:
    """Whether any part of a path, with slashes, is such a file or folder."""
    return any(map(is_system_file, path.split("/")))
