"""Callables by their name, for modules that load torch or timm only when a network is built. In: "module:callable". Out: the callable."""

from importlib import import_module
from typing import Any

from cnn_core.errors import SettingError

NO_TIMM = (
    "The package timm, which this network needs, is not installed. Install it with: pip install timm. Or choose another model."
)


def import_target(target: str) -> Any:
    """Return the callable "module:callable". Raises SettingError where the package of a network is not installed."""
    module, _, name = target.partition(":")
    try:
        return getattr(import_module(module), name)  # loads torch, and torchvision or timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise SettingError(NO_TIMM, "model") from None
