"""`python -m healthcloud_simulator`: the stand-in as a process of its own.

Environment: `GATEHOUSE_HOST` and `GATEHOUSE_PORT` (127.0.0.1, 8110) where to listen, `HEALTHCLOUD_SIMULATOR_STORE` the JSON
file that keeps the declarations (without it they are gone with the process), `HEALTHCLOUD_SIMULATOR_API_KEY` the key that
queries must carry, or `HEALTHCLOUD_SIMULATOR_API_KEY_FILE` the file that it stands in.
"""

import os
from pathlib import Path

import uvicorn

from healthcloud_simulator.app import create_app
from healthcloud_simulator.store import Store

file = os.environ.get("HEALTHCLOUD_SIMULATOR_STORE")
key_file = os.environ.get("HEALTHCLOUD_SIMULATOR_API_KEY_FILE")
api_key = Path(key_file).read_text().strip() if key_file else os.environ.get("HEALTHCLOUD_SIMULATOR_API_KEY", "simulator")
app = create_app(Store(Path(file) if file else None), api_key=api_key)
uvicorn.run(
    app,
    host=os.environ.get("GATEHOUSE_HOST", "127.0.0.1"),
    port=int(os.environ.get("GATEHOUSE_PORT", "8110")),
    log_level="warning",
    access_log=False,
    timeout_graceful_shutdown=3,
)
