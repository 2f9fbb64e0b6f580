"""The folders of variants/: other brokers and stores for the labs."""

from __future__ import annotations

from labctl.errors import LabError
from labctl.runfile import VARIANTS


def names() -> list[str]:
    """Return the names of the folders in variants/."""
    return sorted(folder.name for folder in VARIANTS.iterdir() if folder.is_dir())


def refuse_unknown(components: str) -> None:
    """Raise LabError for a name that is no folder of variants/."""
    if components and components not in names():
        raise LabError(f"There are no components {components!r}. These are in variants/: {', '.join(names())}.")
