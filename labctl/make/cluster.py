"""The programs of a Kubernetes cluster and of Dapr on it, which `./lab test kubernetes` starts."""

from __future__ import annotations

from labctl.make.tools import Tools
from labctl.progress import Steps
from labctl.stack import HOME, ROOT

_TOOLS, _HOME = ROOT / "kubernetes" / "tools", HOME / "cluster"
KUBERNETES = Tools("kubernetes", _TOOLS, _HOME / "kubernetes")
# Other modules, because Dapr needs older libraries of Kubernetes, and kwok newer ones.
DAPR = Tools("dapr", _TOOLS / "dapr", _HOME / "dapr", {"github.com/dapr/dapr": "charts/dapr"})
# Its stages say how a simulated node and its pods behave.
KWOK = Tools("kwok", _TOOLS / "kwok", _HOME / "kwok", {"sigs.k8s.io/kwok": "kustomize/stage"})
EVERY = (KUBERNETES, DAPR, KWOK)

CHART = DAPR.folder / "dapr"


def ensure(steps: Steps) -> None:
    """Build the programs that are missing or stale. Raise LabError."""
    for tools in EVERY:
        tools.ensure(steps)
