"""./lab vendor: copies the parts of kit/ that each service imports into the service's own folder.

Services share no code at run time, so each has its copy. The source is the root's kit/, and a copy is never edited.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

KIT = "kit"


def plan(root: Path, service: Path) -> dict[Path, Path]:
    """Return the kit files that a service needs: the path in the service's folder, and the source.

    These are the modules that its own files import, the modules that those import, and the packages around them.
    """
    own = [path for path in _python_files(service) if KIT not in path.relative_to(service).parts]
    found: set[Path] = set()
    pending = {source for path in own for source in _kit_imports(path, root)}
    while pending:
        source = pending.pop()
        found.add(source)
        around = {parent / "__init__.py" for parent in source.parents if parent.is_relative_to(root / KIT)}
        pending |= (around | set(_kit_imports(source, root))) - found
    return {service / source.relative_to(root): source for source in found}


def stale(root: Path, service: Path) -> dict[Path, Path | None]:
    """Return the paths in the service's copy to be written, with their sources, and those to be deleted, with None."""
    wanted = plan(root, service)
    unneeded = dict.fromkeys(path for path in _python_files(service / KIT) if path not in wanted)
    return unneeded | {
        path: source for path, source in wanted.items() if not path.exists() or path.read_bytes() != source.read_bytes()
    }


def vendor(root: Path, service: Path) -> list[Path]:
    """Bring the service's copy up to date; return the paths that changed."""
    changed = stale(root, service)
    for path, source in changed.items():
        if source:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read_bytes())
        else:
            path.unlink()
    return sorted(changed)


def copy_faults(root: Path) -> bool:
    """Make the page of the table of runtime faults. Return whether it changed."""
    table, page = (root / "kit/engine/FAULTS.md").read_bytes(), root / "docs/dapr-faults.md"
    changed = not page.exists() or page.read_bytes() != table
    if changed:
        page.write_bytes(table)
    return changed


def _python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if ".venv" not in path.parts)


def _kit_imports(path: Path, root: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_bytes(), path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from kit.edge import logs` names a module, `from kit.edge.logs import configure` a part of one.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # pytest's plugins are named in strings.
            names = [node.value]
        else:
            continue
        for name in names:
            if name.startswith(f"{KIT}.") and name.replace(".", "").isidentifier():
                module = root.joinpath(*name.split("."))
                yield from (each for each in (module.with_suffix(".py"), module / "__init__.py") if each.exists())
