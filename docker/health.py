"""Whether the daemon of this container is alive: exit code 0 or 1. Asks where its settings say it listens.

Reads the settings without checking them, and imports little: it runs every few seconds.
"""

import http.client
import os
import sys
from pathlib import Path
from typing import Any

import yaml

TIMEOUT_S = 3.0


def alive(settings: Path) -> bool:
    """Whether /healthz answers 200."""
    metrics = _said(settings)
    token_file = metrics.get("token_file")
    headers = {}
    if token_file is not None:
        text = (settings.parent / token_file).read_text(encoding="utf-8-sig")
        token = text.lstrip("\r\n").partition("\n")[0].rstrip("\r")
        headers["Authorization"] = f"Bearer {token}"
    host = str(metrics.get("host", "127.0.0.1"))
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(here, metrics.get("port", 9108), timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/healthz", headers=headers)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _said(settings: Path) -> dict[str, Any]:
    """The section `metrics`; variables of the environment win, as for the daemon."""
    if (section := os.environ.get("INSPECTOR_METRICS")) is not None:
        metrics: dict[str, Any] = yaml.safe_load(section) or {}
    else:
        metrics = yaml.safe_load(settings.read_text(encoding="utf-8")).get("metrics") or {}
    for key in ("host", "port", "token_file"):
        if (value := os.environ.get(f"INSPECTOR_METRICS__{key.upper()}")) is not None:
            metrics[key] = yaml.safe_load(value)
    return metrics


if __name__ == "__main__":
    sys.exit(not alive(Path(sys.argv[1])))
