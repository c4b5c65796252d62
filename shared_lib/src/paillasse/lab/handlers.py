"""What the browser may ask of the server: each request needs Jupyter's token, and is checked before it is answered.

The library's work is done beside the server's own: the server has kernels to serve meanwhile. DuckDB's one connection
is used by one thread at a time, so all that reads data takes turns; what only looks at files does not wait for it.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from pydantic import Field, ValidationError
from tornado import web

from paillasse.documents import Strict, text_of
from paillasse.errors import AccessError, InputError, PaillasseError
from paillasse.lab import analyses, bench, catalogue, form
from paillasse.lab.places import file_below, project_of
from paillasse.lab.worker import Worker
from paillasse.project.doctor import examine
from paillasse.runs.declared import NAME
from paillasse.runs.results import RUN_ID

DATA_SET = r"([a-z][a-z0-9_]{0,199})"
RUN = r"[A-Za-z0-9][A-Za-z0-9_.=-]{0,199}"  # a name of `runs.yaml`, or of a point of a grid
READING_FILES = Worker()
READING_DATA = Worker()


class Place(Strict):
    """Where the browser is: a notebook or a folder, as JupyterLab writes its path."""

    path: Annotated[str, Field(max_length=4096)] = ""


class OnScreen(Place):
    """A notebook as the browser has it."""

    notebook: dict[str, Any]


RunName = Annotated[str, text_of(RUN, "the name of a run")]


class ToStart(Place):
    """Runs to be executed; none named: all that are not done."""

    names: Annotated[list[RunName], Field(max_length=100)] = []
    fresh: bool = False


class Filled(Place):
    """A filled form: an entry as it would stand in `runs.yaml`; whether its values fit is said by the library."""

    name: RunName
    parameters: dict[str, Any] = {}
    grid: dict[str, list[Any]] = {}

    def entry(self, project: Path, notebook: Path) -> dict:
        given = {"parameters": self.parameters, "grid": self.grid}
        place = notebook.relative_to(project).as_posix()
        return {"name": self.name, "notebook": place} | {key: value for key, value in given.items() if value}


class ToBegin(Place):
    """A notebook, and the name of the one that is to be made from it."""

    name: Annotated[str, NAME]


class ToStop(Place):
    """A run to be stopped."""

    name: RunName


Asked = TypeVar("Asked", bound=Strict)


class Handler(APIHandler):
    """Answers in JSON. What a user can mend is said as the library says it; of all else only that it happened."""

    @property
    def root(self) -> Path:
        """The folder that the server serves."""
        folder = getattr(self.contents_manager, "root_dir", None)
        if not folder:
            raise web.HTTPError(501, "This server's files are in no folder, so Paillasse finds no project in it.")
        return Path(folder)

    def in_query(self, model: type[Asked]) -> Asked:
        """The query's values of the names that the model knows; JupyterLab adds others, against caches."""
        given = {name: self.get_query_argument(name) for name in model.model_fields if name in self.request.arguments}
        return self._checked(model, given)

    def in_body(self, model: type[Asked]) -> Asked:
        try:
            given = json.loads(self.request.body)
        except (ValueError, RecursionError):
            raise web.HTTPError(400, "The request's body is not JSON.") from None
        return self._checked(model, given)

    def _checked(self, model: type[Asked], given: object) -> Asked:
        try:
            return model.model_validate(given)
        except ValidationError as refusal:  # the values, which may be a notebook's, are not repeated
            where = sorted({".".join(map(str, each["loc"][:2]))[:60] for each in refusal.errors(include_input=False)})
            raise web.HTTPError(400, f"The request is not understood: {', '.join(where) or 'an object'}.") from None

    async def answer(self, worker: Worker, function: Callable, *arguments) -> None:
        try:
            content = await asyncio.wrap_future(worker.do(function, *arguments))
        except AccessError as error:
            self.set_status(403)
            content = {"message": str(error)}
        except PaillasseError as error:
            self.set_status(422)
            content = {"message": str(error)}
        except Exception as error:  # its message may quote a value
            self.log.error("paillasse: %s at %s", type(error).__name__, self.request.path)
            self.set_status(500)
            content = {"message": f"The server could not do this ({type(error).__name__})."}
        self.finish(json.dumps(content))


class ListOfDataSets(Handler):
    @web.authenticated
    @authorized("read", "contents")
    async def get(self):
        asked, root = self.in_query(Place), self.root
        await self.answer(READING_FILES, lambda: catalogue.listed(project_of(root, asked.path)))


class CardOfDataSet(Handler):
    @web.authenticated
    @authorized("read", "contents")
    async def get(self, name: str):
        asked, root = self.in_query(Place), self.root
        await self.answer(READING_FILES, lambda: catalogue.card(project_of(root, asked.path), name))


class PreviewOfDataSet(Handler):
    @web.authenticated
    @authorized("read", "contents")
    async def get(self, name: str):
        asked, root = self.in_query(Place), self.root
        await self.answer(READING_DATA, lambda: catalogue.preview(project_of(root, asked.path), name))


class Verdict(Handler):
    """The scan of a notebook that is open. It changes nothing, so whoever may read the notebook may ask for it."""

    @web.authenticated
    @authorized("read", "contents")
    async def post(self):
        asked, root = self.in_body(OnScreen), self.root
        await self.answer(READING_DATA, _judged, root, asked)


def _judged(root: Path, asked: OnScreen) -> dict:
    from paillasse.lab.verdict import verdict

    file = file_below(root, asked.path)
    if file.suffix != ".ipynb":
        raise InputError("Only notebooks are judged here.")
    try:
        project = project_of(root, asked.path)
    except InputError:  # a notebook of no project is judged, too
        project = None
    return verdict(root, file, project, asked.notebook)


class ListOfRuns(Handler):
    _track_activity = False  # it is asked every two seconds, also by a page that nobody looks at

    @web.authenticated
    @authorized("read", "contents")
    async def get(self):
        asked, root = self.in_query(Place), self.root
        await self.answer(READING_FILES, lambda: bench.listed(project_of(root, asked.path), root))


class ReasonsOfRuns(Handler):
    @web.authenticated
    @authorized("read", "contents")
    async def get(self):
        asked, root = self.in_query(Place), self.root
        await self.answer(READING_DATA, lambda: bench.reasons(project_of(root, asked.path)))


class ResultOfRun(Handler):
    @web.authenticated
    @authorized("read", "contents")
    async def get(self, name: str, run_id: str):
        asked, root = self.in_query(Place), self.root
        await self.answer(READING_FILES, lambda: bench.result(project_of(root, asked.path), name, run_id))


class StartOfRuns(Handler):
    """Who may execute code in a kernel may execute a run."""

    @web.authenticated
    @authorized("execute", "kernels")
    async def post(self):
        asked, root = self.in_body(ToStart), self.root
        await self.answer(READING_FILES, lambda: bench.start(project_of(root, asked.path), asked.names, asked.fresh))


class StopOfRun(Handler):
    @web.authenticated
    @authorized("execute", "kernels")
    async def post(self):
        asked, root = self.in_body(ToStop), self.root
        await self.answer(READING_FILES, lambda: bench.stop(project_of(root, asked.path), asked.name))


class FormOfNotebook(Handler):
    @web.authenticated
    @authorized("read", "contents")
    async def get(self):
        asked, root = self.in_query(Place), self.root
        await self.answer(READING_FILES, lambda: form.form(*_project_and_notebook(root, asked.path)))


class StartOfForm(Handler):
    @web.authenticated
    @authorized("execute", "kernels")
    async def post(self):
        await self.answer(READING_FILES, _with_entry, form.start, self.root, self.in_body(Filled))


class AdditionOfForm(Handler):
    @web.authenticated
    @authorized("write", "contents")
    async def post(self):
        await self.answer(READING_FILES, _with_entry, form.add, self.root, self.in_body(Filled))


class ListOfAnalyses(Handler):
    @web.authenticated
    @authorized("read", "contents")
    async def get(self):
        asked, root = self.in_query(Place), self.root
        await self.answer(READING_FILES, lambda: analyses.listed(project_of(root, asked.path), root))


class NewAnalysis(Handler):
    @web.authenticated
    @authorized("write", "contents")
    async def post(self):
        asked, root = self.in_body(ToBegin), self.root
        await self.answer(READING_FILES, lambda: analyses.begin(root, file_below(root, asked.path), asked.name))


class Examination(Handler):
    """What `paillasse doctor` sees; it changes nothing, and shows no variable's value."""

    @web.authenticated
    @authorized("read", "contents")
    async def get(self):
        asked, root = self.in_query(Place), self.root
        await self.answer(READING_DATA, lambda: [asdict(each) for each in examine(project_of(root, asked.path))])


def _project_and_notebook(root: Path, path: str) -> tuple[Path, Path]:
    return project_of(root, path), file_below(root, path)


def _with_entry(do: Callable, root: Path, asked: Filled) -> dict:
    project, notebook = _project_and_notebook(root, asked.path)
    return do(project, asked.entry(project, notebook))


def handlers(base_url: str) -> list[tuple[str, type]]:
    """The addresses, behind whatever prefix the server has."""
    routes = {
        "catalog": ListOfDataSets,
        f"catalog/{DATA_SET}": CardOfDataSet,
        f"catalog/{DATA_SET}/preview": PreviewOfDataSet,
        "scan": Verdict,
        "runs": ListOfRuns,
        "runs/reasons": ReasonsOfRuns,
        "runs/start": StartOfRuns,
        "runs/stop": StopOfRun,
        "analyses": ListOfAnalyses,
        "analyses/new": NewAnalysis,
        "doctor": Examination,
        "form": FormOfNotebook,
        "form/start": StartOfForm,
        "form/add": AdditionOfForm,
        f"runs/({RUN})/({RUN_ID})": ResultOfRun,
    }
    return [(url_path_join(base_url, "paillasse", "api", route), handler) for route, handler in routes.items()]
