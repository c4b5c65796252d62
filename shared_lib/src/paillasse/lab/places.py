"""Which file and which project the browser means: below the server's folder, or it is refused."""

from pathlib import Path

from paillasse.catalog.entries import FILE_NAME as CATALOG
from paillasse.errors import AccessError, InputError
from paillasse.files import nearest
from paillasse.runs.declared import FILE as RUNS


def file_below(root: Path, path: str) -> Path:
    """The file or folder that a path of JupyterLab's means, which need not exist.

    Parameters
    ----------
    root
        The folder that the server serves.
    path
        As JupyterLab writes it: relative to that folder, with `/`.

    Raises
    ------
    AccessError
        It is hidden, or outside the folder, be it by a link.

    Examples
    --------
    >>> file_below(Path("/srv/study"), "notebooks/km.ipynb").as_posix()
    '/srv/study/notebooks/km.ipynb'
    """
    refusal = AccessError("This is no path below the folder that JupyterLab was started in.")
    parts = [part for part in path.split("/") if part]
    if any(part.startswith(".") or set(part) & set("\0\\:") for part in parts):
        raise refusal
    try:
        root = root.resolve()
        file = root.joinpath(*parts).resolve()
    except (OSError, RuntimeError):  # links that lead in a circle
        raise refusal from None
    if not file.is_relative_to(root):
        raise refusal
    return file


def project_of(root: Path, path: str) -> Path:
    """The project in which a notebook or a folder is: the nearest one upward with a catalogue or a `runs.yaml`.

    It may lie above the server's folder, as for kernels: JupyterLab is often started in a project's `notebooks`.

    Raises
    ------
    AccessError
        The path is not below the server's folder.
    InputError
        There is no project.
    """
    if folder := nearest(file_below(root, path), CATALOG, RUNS):
        return folder
    raise InputError(
        f"There is no {CATALOG} and no {RUNS} here or in a folder above. Open a notebook of a project, or its folder "
        f"in the file browser."
    )
