"""Start a project's JupyterLab by `make lab`, fetch its page and all that the page names, start a kernel, stop it.

Prints what was seen, as JSON. Run in an enclave, where the server's port is nobody else's.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

TOKEN = "of-this-test"
SERVER = "http://127.0.0.1:8888"


def ask(path: str, data: bytes | None = None) -> tuple[int, str]:
    request = urllib.request.Request(SERVER + path, data, {"Authorization": f"token {TOKEN}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status, answer.read().decode("utf-8", errors="replace")


def page_when_ready(server: subprocess.Popen) -> str:
    for _ in range(120):
        if server.poll() is not None:
            sys.exit("make lab ended by itself")
        try:
            return ask("/lab")[1]
        except urllib.error.URLError:
            time.sleep(0.5)
    sys.exit("make lab did not answer")


def main() -> None:
    server = subprocess.Popen(
        ["make", "lab", *sys.argv[1:]],
        env=os.environ | {"JUPYTER_TOKEN": TOKEN, "BROWSER": "true"},
        stdout=sys.stderr,
        start_new_session=True,
    )
    try:
        page = page_when_ready(server)
        named = sorted(set(re.findall(r'(?:src|href)="([^"]+)"', page)))
        started, _ = ask("/api/kernels", json.dumps({"name": "python3"}).encode())
        seen = {
            "elsewhere": [each for each in named if "://" in each],
            "files": {each: ask(each)[0] for each in named if "://" not in each},
            "kernel": started,
        }
        print(json.dumps(seen))
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


if __name__ == "__main__":
    main()
