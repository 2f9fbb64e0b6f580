"""Make the keys of a new secrets folder, and prepare the volumes of compose.yaml.

Only the standard library: a container of compose.yaml runs this file alone, without the rest of labctl.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Keys that are generated. Dapr takes an AES key of 16, 24 or 32 bytes, in hexadecimal digits.
GENERATED = ("STATE_ENCRYPTION_KEY", "USER_HASH_KEY")
DAPR_USER = 65532  # in Dapr's images


def fill(example: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Return the secrets of the example with those that are kept, and a key in place of each empty one.

    A key is never replaced: data that was stored under it could not be read any more.
    """
    known = example | kept
    return known | {name: known[name] or secrets.token_hex(32) for name in GENERATED if name in known}


def json_web_key() -> str:
    """Return a new key for the component `crypto`."""
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return json.dumps({"kty": "oct", "k": key}) + "\n"


def prepare(example: Path, folder: Path, volumes: Sequence[Path], user: int = DAPR_USER) -> None:
    """Make the keys in the folder, which only this user can read, unless it has them. Give the user the volumes."""
    attachments = folder / "keys" / "attachments.json"
    attachments.parent.mkdir(exist_ok=True)
    made = {
        folder / "secrets.json": json.dumps(fill(json.loads(example.read_text()), {}), indent=2) + "\n",
        attachments: json_web_key(),
    }
    for path, text in made.items():
        if not path.exists():
            new = path.with_suffix(".new")
            new.write_text(text)
            new.chmod(0o400)
            os.chown(new, user, user)
            new.replace(path)
    for volume in volumes:
        os.chown(volume, user, user)


if __name__ == "__main__":
    prepare(Path(sys.argv[1]), Path(sys.argv[2]), [Path(volume) for volume in sys.argv[3:]])
