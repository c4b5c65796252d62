"""How long a scan takes: 200 notebooks of 1 MB, of figures, tables, pictures and printed text, none of them public.

    python benchmarks/scan.py

Prints the CPU seconds and the largest memory. The floor is 20 CPU s.
"""

import base64
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

NOTEBOOKS = 200
SIZE = 1_000_000
FLOOR = 20


def made(number: int) -> dict:
    """A notebook of 1 MB whose outputs are those of a working day: a third of it pictures."""
    rng = np.random.default_rng(number)
    cells, size = [], 0
    while size < SIZE:
        n = int(rng.integers(100, 900))
        values = {
            key: {"dtype": "f8", "bdata": base64.b64encode(rng.normal(size=n).tobytes()).decode()} for key in "xy"
        }
        table = pd.DataFrame(rng.normal(size=(int(rng.integers(5, 60)), 8)), columns=list("abcdefgh"))
        picture = b"\x89PNG\r\n\x1a\n" + rng.bytes(40_000)
        bundles = [
            {"application/vnd.plotly.v1+json": {"data": [{"type": "scatter", **values}], "layout": {}}},
            {"text/html": table.to_html(), "text/plain": str(table)},
            {"image/png": base64.b64encode(picture).decode()},
        ]
        outputs = [{"output_type": "display_data", "metadata": {}, "data": bundle} for bundle in bundles]
        outputs.append({"output_type": "stream", "name": "stdout", "text": table.to_string()})
        cells.append(
            {"cell_type": "code", "metadata": {}, "source": "show()", "execution_count": 1, "outputs": outputs}
        )
        size += len(json.dumps(outputs))
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def main() -> None:
    from paillasse.scan.scanner import scan

    with tempfile.TemporaryDirectory() as folder:
        for number in range(NOTEBOOKS):
            Path(folder, f"{number:03}.ipynb").write_text(json.dumps(made(number)), encoding="utf-8")
        megabytes = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
        start = time.process_time()
        report = scan([folder])
        spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{report.files} notebooks, {megabytes:.0f} MB, {len(report.leaks)} leaks told")
    print(f"{spent:.1f} CPU s (floor: {FLOOR}), {peak:.0f} MB at most")


if __name__ == "__main__":
    main()
