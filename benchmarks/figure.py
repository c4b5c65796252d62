"""Draw survival.csv: CPU seconds against n, one panel a task, one line a package: `python figure.py FOLDER`."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from survival import PACKAGES, TASKS

COLOURS = dict(zip(PACKAGES, ("#0b5fa5", "#d1690e", "#3a8f4d", "#8a4fa0", "#555555")))
COLUMNS = 4
WIDTH, HEIGHT = 1300, 950
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def drawn(rows: pd.DataFrame) -> go.Figure:
    """The figure; a package without an answer at a size has no point there."""
    rows = rows[(rows["state"] == "ok") & rows["task"].isin(TASKS)]
    tasks = [task for task in TASKS if (rows["task"] == task).any()]
    height = -(-len(tasks) // COLUMNS)
    titles = [TASKS[task] for task in tasks]
    figure = make_subplots(height, COLUMNS, subplot_titles=titles, horizontal_spacing=0.05, vertical_spacing=0.1)
    shown = set()
    for place, task in enumerate(tasks):
        for package in PACKAGES:
            line = rows[(rows["task"] == task) & (rows["package"] == package)]
            if len(line):
                figure.add_scatter(
                    x=line["n"].tolist(),
                    y=line["seconds"].tolist(),
                    name=package,
                    legendgroup=package,
                    showlegend=package not in shown,
                    mode="lines+markers",
                    line={"color": COLOURS[package], "width": 3 if package == "paillasse" else 1.5},
                    row=place // COLUMNS + 1,
                    col=place % COLUMNS + 1,
                )
                shown.add(package)
    figure.update_xaxes(type="log", dtick=1, range=[3.9, 6.1])
    figure.update_yaxes(type="log", dtick=1, range=[-3.3, 2.7], ticksuffix=" s")
    figure.update_layout(
        template="simple_white",
        width=WIDTH,
        height=HEIGHT,
        title="CPU seconds against number of patients, one thread",
        legend={"orientation": "h", "y": -0.05},
    )
    return figure


def save(figure: go.Figure, folder: Path, name: str) -> None:
    """Write a figure for plotly and, where there is a Chromium, as a picture."""
    (folder / f"{name}.plotly.json").write_text(figure.to_json(), encoding="utf-8")
    browser = next((found for each in BROWSERS if (found := shutil.which(each))), None)
    if browser is None:
        print(f"No Chromium on this machine, so {name}.png was not drawn; {name}.plotly.json holds the figure.")
        return
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch, "page.html")
        figure.write_html(page, include_plotlyjs=True, config={"displayModeBar": False})
        shot = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={scratch}/profile"]
        shot += [f"--window-size={figure.layout.width + 20},{figure.layout.height + 20}", "--virtual-time-budget=10000"]
        shot += [f"--screenshot={folder.resolve() / name}.png", page.as_uri()]
        subprocess.run(shot, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    to = Path(sys.argv[1])
    save(drawn(pd.read_csv(to / "survival.csv")), to, "survival")
