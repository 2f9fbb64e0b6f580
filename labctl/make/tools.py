"""The programs of a Go tool module, such as a load generator, built when they are missing or stale."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from labctl.files import is_made_from
from labctl.make import build, runtime
from labctl.progress import Steps


@dataclass(frozen=True)
class Tools:
    """The programs of the Go module `module` in `folder`. folders: as `build.install_tools` has them."""

    what: str
    module: Path
    folder: Path
    folders: dict[str, str] = field(default_factory=dict[str, str])

    def are_made(self) -> bool:
        """Return whether they were built from the present pins."""
        return is_made_from(self.folder, self.module / "go.mod")

    def ensure(self, steps: Steps) -> None:
        """Build them, unless they were built from the present pins. Raise LabError."""
        if self.are_made():
            return
        # The runtime first: all builds share their caches, which are deleted when one has succeeded.
        runtime.ensure(steps, own=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        build.install_tools(steps, self.what, self.module, self.folder, self.folders)
