"""Java programs: downloaded once with Maven, checked by a pinned checksum, and run by the Java on PATH."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import LabError
from labctl.make.setup import checkout_lock
from labctl.progress import Steps
from labctl.stack import HOME

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
OLDEST_JAVA = 17


@dataclass(frozen=True)
class JavaProgram:
    """A program, and the goal of Maven's dependency plugin that downloads it into an empty folder.

    pom: a project, for a goal that needs one. sha256: as `digest` returns it. without: a sentence for readers
    without Java.
    """

    name: str
    version: str
    size: str
    goal: tuple[str, ...]
    sha256: str
    pom: str = ""
    without: str = ""

    def java(self) -> str:
        """Return the Java on PATH. Raise LabError when it is missing or too old."""
        java = shutil.which("java")
        mend = "Install one: `sudo apt install default-jre-headless`, `brew install openjdk`."
        needs = f"{self.name} needs Java {OLDEST_JAVA} or newer"
        if not java:
            raise self._error(f"{needs}, and there is no java on PATH. {mend}")
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
        found = re.search(r'version "(\d+)', said)
        if not found or int(found[1]) < OLDEST_JAVA:
            shown = said.splitlines()[0] if said else "nothing"
            raise self._error(f"{needs}. `java -version` prints {shown}. {mend}")
        return java

    def maven(self) -> str:
        """Return the Maven on PATH. Raise LabError when it is missing."""
        if maven := shutil.which("mvn"):
            return maven
        mend = "Install it (`sudo apt install maven`, `brew install maven`) and run this again."
        raise self._error(f"Maven downloads {self.name}, and there is no mvn on PATH. {mend}")

    def ensure(self, folder: Path, steps: Steps) -> None:
        """Download it into this folder, unless the folder exists. Raise LabError."""
        if folder.exists():
            return
        title = f"{self.name} {self.version}: downloading {self.size} with Maven"
        with steps.step(title), checkout_lock(folder.name):
            if folder.exists():
                return  # by the one that this one waited for
            new = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(new, ignore_errors=True)
            self._download(new)
            if digest(new) != self.sha256:
                raise self._error(f"{self.name} does not have the pinned checksum, so it was not used.")
            new.rename(folder)

    def _download(self, folder: Path) -> None:
        goal, *options = self.goal
        words = [self.maven(), "-B", "-q", f"{PLUGIN}:{goal}", *options, f"-DoutputDirectory={folder}"]
        if self.pom:
            project = HOME / f"{self.name.lower()}-pom.xml"
            project.write_text(self.pom)
            words += ["-f", str(project)]
        # In a folder without a pom.xml, which Maven would read.
        done = subprocess.run(words, cwd=HOME, capture_output=True, text=True, check=False)
        if done.returncode:
            said = next((line for line in done.stdout.splitlines() if "[ERROR]" in line), "it says nothing")
            raise self._error(f"Maven could not download {self.name}: {said[:400]} Is the network there?")

    def _error(self, sentence: str) -> LabError:
        return LabError(f"{sentence} {self.without}".strip())


def digest(folder: Path) -> str:
    """Return the checksum of the only file of a folder, or of the list of its files with their checksums."""
    files = sorted(folder.iterdir())
    if len(files) == 1:
        return _of(files[0])
    lines = [f"{_of(file)}  {file.name}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
