"""PostgreSQL, on which `./lab up --components` stores state."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from labctl.errors import LabError
from labctl.stack import THROUGH, Stack
from labctl.up.broker import Broker, prepare

# As on docs/brokers.md.
MEND = """sudo -u postgres psql -c "CREATE ROLE dapr LOGIN PASSWORD 'dapr'" -c "CREATE DATABASE dapr OWNER dapr\""""


class Postgres(Broker):
    """PostgreSQL, with the account and the database that the components name."""

    name = "postgres"
    programs, package = ("postgres", "initdb"), "postgresql"
    account = "dapr"
    # The startup message of protocol 3.0.
    hello = b"\x00\x00\x00\x21\x00\x03\x00\x00user\x00dapr\x00database\x00dapr\x00\x00"

    def welcomes(self, answer: bytes) -> bool:
        return answer.startswith(b"R")  # it asks for a password, or needs none; while it starts it answers an error

    def refuses(self, port: int) -> str:
        try:
            psql = self.program("psql")
        except LabError:
            return ""  # a server without its client, as in a container: the sidecars will say it
        server = f"postgres://{self.account}:{self.account}@127.0.0.1:{port}/{self.account}?connect_timeout=10"
        command = [psql, "--no-psqlrc", "--no-password", server, "-c", "SELECT 1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return f"{done.stderr.strip()}\nMake the account and the database: {MEND}" if done.returncode else ""

    def command(self, stack: Stack, data: Path) -> list[str]:
        server, initdb = (self.program(name) for name in self.programs)
        user: list[str] = []
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root. Its own user must reach the data through the folder of the stack, at
            # each checkpoint too.
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(stack.state, group="postgres")
            stack.state.chmod(THROUGH)
            shutil.chown(data, "postgres", "postgres")
        if not (data / "PG_VERSION").exists():
            prepare(self.name, [*user, initdb, "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8"])
            alone = [*user, server, "--single", "-D", str(data), "postgres"]
            made = f"CREATE ROLE {self.account} LOGIN\nCREATE DATABASE {self.account} OWNER {self.account}\n"
            prepare(self.name, alone, made)
            # Like Redis it asks for no password. It admits only this account, which has no rights outside its database.
            (data / "pg_hba.conf").write_text(f"host {self.account} {self.account} 127.0.0.1/32 trust\n")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": stack.ports["postgres"],
            "unix_socket_directories": "",
            "max_connections": 300,  # each store of each sidecar has some
        }
        return [*user, server, "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())]
