"""The programs of a Kubernetes cluster and of Dapr on it, which `./lab test kubernetes` starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labctl.make import build, runtime
from labctl.progress import Steps
from labctl.stack import HOME, ROOT


@dataclass(frozen=True)
class Programs:
    """The tools of a Go module. folders: as `build.install_tools` has them."""

    module: Path
    folder: Path
    folders: dict[str, str]

    def are_made(self) -> bool:
        """Return whether they were built from the present pins."""
        made_from = self.folder / "made-from.txt"
        return made_from.exists() and made_from.read_text() == (self.module / "go.mod").read_text()

    def make(self, steps: Steps) -> None:
        """Build them. Raise LabError."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        build.install_tools(steps, self.folder.name, self.module, self.folder, self.folders)
        (self.folder / "made-from.txt").write_text((self.module / "go.mod").read_text())


_TOOLS, _HOME = ROOT / "kubernetes" / "tools", HOME / "cluster"
KUBERNETES = Programs(_TOOLS, _HOME / "kubernetes", {})
# Other modules, because Dapr needs older libraries of Kubernetes, and kwok newer ones.
DAPR = Programs(_TOOLS / "dapr", _HOME / "dapr", {"github.com/dapr/dapr": "charts/dapr/crds"})
# Its stages say how a simulated node and its pods behave.
KWOK = Programs(_TOOLS / "kwok", _HOME / "kwok", {"sigs.k8s.io/kwok": "kustomize/stage"})
EVERY = (KUBERNETES, DAPR, KWOK)


def ensure(steps: Steps) -> None:
    """Build the programs that are missing or stale. Raise LabError."""
    # The runtime first: all builds share their caches, which are deleted when one has succeeded.
    runtime.ensure(steps, own=True)
    for programs in EVERY:
        if not programs.are_made():
            programs.make(steps)
