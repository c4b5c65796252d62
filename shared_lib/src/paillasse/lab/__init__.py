"""The workbench inside JupyterLab: the server's part of the extension, and the extension as it was built.

Jupyter Server loads this room, so all that it needs of the server is there; the library itself does not ask for it. The
wheel brings the setting that switches the room on, and the built extension: nobody has to build or to fetch anything.
What the browser asks is answered by the library's own functions: here is no rule of its own.
"""


def _jupyter_server_extension_points() -> list[dict]:
    return [{"module": "paillasse.lab"}]


def _load_jupyter_server_extension(app) -> None:
    from paillasse.lab.handlers import handlers

    app.web_app.add_handlers(".*$", handlers(app.web_app.settings["base_url"]))
