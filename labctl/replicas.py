"""Further processes of an app, beside the one that the run file starts."""

from __future__ import annotations

from dataclasses import replace

from labctl.runfile import PORT_KEYS, App


def replica(app: App, by: int) -> App:
    """Return a replica of an app, whose ports are higher by this number."""
    entry = {key: value + by if key in PORT_KEYS else value for key, value in app.entry.items()}
    return replace(
        app,
        entry=entry,
        app_port=app.app_port + by,
        http_port=app.http_port + by,
        grpc_port=app.grpc_port + by,
        internal_port=app.internal_port + by,
        metrics_port=app.metrics_port + by,
    )
