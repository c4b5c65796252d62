"""The pytest plugin: with `--nbval`, notebooks are collected as `proof.ProvenNotebook` rather than as nbval's own.

pytest loads this module at every start, in every project that has `paillasse`, so it imports nothing heavy and
does nothing where `--nbval` is not given.
"""

import contextlib
import os
from pathlib import Path

import pytest

NOT_COMPARED = "paillasse_not_compared"


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config, args):
    """A cell may take `CELL_TIMEOUT` where nobody said otherwise."""
    asked = any(str(argument).startswith("--nbval-cell-timeout") for argument in args)
    if getattr(early_config.known_args_namespace, "nbval", False) and not asked:
        from paillasse.notebooks.stored import CELL_TIMEOUT

        early_config.option.nbval_cell_timeout = CELL_TIMEOUT


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Stop at settings under which a proof would be wrong or unsafe."""
    if not _proves(config):
        return
    from paillasse.errors import PaillasseError
    from paillasse.notebooks.stored import refuse_secure_profile

    try:
        refuse_secure_profile()
    except PaillasseError as error:
        raise pytest.UsageError(str(error)) from None
    # The cells of one notebook share a kernel: xdist must keep a file together.
    if getattr(config.option, "dist", "no") not in ("no", "loadfile", "loadscope"):
        raise pytest.UsageError("--nbval with -n needs --dist loadfile: the cells of a notebook share one kernel.")


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session):
    """Fork the kernels from a warm process that all workers share; not in CI, for it hides a missing import."""
    config = session.config
    if _proves(config) and not hasattr(config, "workerinput") and not os.environ.get("CI"):
        from paillasse.kernels.started import warm_kernels

        named = [Path(argument.partition("::")[0]) for argument in config.args]
        found = [file for path in named for file in (path.rglob("*.ipynb") if path.is_dir() else [path])]
        notebooks = {file for file in found if file.suffix == ".ipynb" and file.is_file()}
        if len(notebooks) > 1:
            warm = contextlib.ExitStack()
            config.add_cleanup(warm.close)
            warm.enter_context(warm_kernels(notebooks))
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Take nbval's place for each notebook that nbval would collect."""
    collected = yield
    if not _proves(parent.config) or file_path.suffix != ".ipynb":
        return collected
    from nbval.plugin import IPyNbFile

    from paillasse.notebooks.proof import ProvenNotebook

    return [
        ProvenNotebook.from_parent(parent, path=file_path) if type(each) is IPyNbFile else each for each in collected
    ]


def pytest_terminal_summary(terminalreporter):
    """Name the cells that passed without a comparison, so that a mark in a notebook does not hide one."""
    reasons = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, reason in getattr(report, "user_properties", ()):
                if name == NOT_COMPARED:
                    reasons[report.nodeid] = reason
    if reasons:
        terminalreporter.section("cells not compared", sep="-")
        cells = "1 cell was" if len(reasons) == 1 else f"{len(reasons)} cells were"
        terminalreporter.line(f"{cells} not compared with the stored outputs:")
        for nodeid, reason in sorted(reasons.items()):
            terminalreporter.line(f"  {nodeid}: {reason}")


def _proves(config) -> bool:
    """Whether notebooks are proven; --nbval-lax, which compares only marked cells, is left to nbval."""
    return getattr(config.option, "nbval", False)
