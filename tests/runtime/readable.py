"""Where words can be read that no log and no metric may have."""

from __future__ import annotations

from collections.abc import Sequence

from labctl.up import logfiles
from tests.runtime.conftest import Running


def in_logs_and_metrics(lab: Running, words: Sequence[str]) -> dict[str, list[str]]:
    """Return the words that an app's log, a sidecar's log or a sidecar's metrics have, by the place."""
    texts: dict[str, str] = {}
    for app in lab.apps:
        for kind in ("app", "daprd"):
            log = logfiles.file(lab.stack, app, kind)
            assert log, f"{app.app_id} has no {kind} log"
            texts[log.name] = log.read_text(errors="replace")
            assert texts[log.name], "an empty log would show nothing"
        metrics = texts[f"metrics of {app.app_id}"] = lab.http.get(f"http://127.0.0.1:{app.metrics_port}/metrics").text
        assert "dapr_http_server_request_count" in metrics
    found = {place: [word for word in words if word in text] for place, text in texts.items()}
    return {place: some for place, some in found.items() if some}
