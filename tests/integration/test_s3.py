"""Files behind an address `s3://…`, read from a real server of that protocol."""

import hashlib
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from pyarrow.fs import FileType, S3FileSystem
from toy_catalog import CSV, FIELDS, entry, refused

from paillasse.catalog.drivers import engine
from paillasse.errors import CatalogError

pytestmark = pytest.mark.slow  # installs a server

REQUIREMENTS = Path(__file__).with_name("s3_server.lock")
ID = FIELDS[:1]
YEAR = {"name": "year", "type": "year"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """An S3 server on a free port: moto's, in an environment of its own, for it needs older packages than ours."""
    environment = tmp_path_factory.mktemp("moto")
    uv = shutil.which("uv", path=Path(sys.executable).parent)
    subprocess.run([uv, "venv", "--quiet", environment], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", environment, "--require-hashes", "-r", REQUIREMENTS]
    subprocess.run(install, check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = shutil.which("moto_server", path=environment / "bin")
    process = subprocess.Popen([program, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_it_answers(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def wait_until_it_answers(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise TimeoutError("the S3 server does not start")


@pytest.fixture
def bucket(server, monkeypatch):
    """The storage with the bucket `cluster`, whose folder `data [1]` is TOY_ROOT."""
    variables = {"AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "s3cret"}
    for name, value in (variables | {"AWS_DEFAULT_REGION": "us-east-1", "TOY_ROOT": "s3://cluster/data [1]/"}).items():
        monkeypatch.setenv(name, value)
    storage = S3FileSystem(endpoint_override=server, allow_bucket_creation=True, allow_bucket_deletion=True)
    if storage.get_file_info("cluster").type == FileType.Directory:
        storage.delete_dir("cluster")
    storage.create_dir("cluster")
    return storage


def write(storage, name: str, content: bytes) -> None:
    with storage.open_output_stream(f"cluster/{name}") as file:
        file.write(content)


def put(storage, name: str, **columns) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    content = sink.getvalue().to_pybytes()
    write(storage, name, content)
    return content


def toy(folder, path: str, fields=ID, driver: str = "parquet", **source):
    return entry(folder, None, fields, source={"driver": driver, "path": path, **source})


def test_a_file_is_read_below_the_root(bucket, tmp_path):
    content = put(bucket, "data [1]/toy.parquet", id=[1, 2, 3])
    data = toy(tmp_path, "${TOY_ROOT}/toy.parquet", sha256=hashlib.sha256(content).hexdigest())
    assert data.read(where=lambda t: t.id > 1).id.tolist() == [2, 3]
    put(bucket, "data [1]/toy.parquet", id=[1, 2, 4])
    assert "not the file that the catalogue declares" in refused(data)


def test_csv_is_read_too(bucket, tmp_path):
    write(bucket, "data [1]/toy.csv", CSV.encode())
    assert toy(tmp_path, "${TOY_ROOT}/toy.csv", FIELDS, "csv").read().shape == (3, 7)
    write(bucket, "data [1]/toy.csv", b"id\nx\n")
    assert "column 'id': not integer: 1 row" in refused(toy(tmp_path, "${TOY_ROOT}/toy.csv", driver="csv"))


@pytest.mark.parametrize("path", ["claims", "claims/**", "claims/*/*.parquet", "claims/**/a.parquet"])
def test_folders_wildcards_and_partitions_are_read(bucket, tmp_path, path):
    put(bucket, "data [1]/claims/year=2020/a.parquet", id=[1, 2])
    put(bucket, "data [1]/claims/year=2021/a.parquet", id=[3])
    put(bucket, "data [1]/claims_of_others/year=2021/a.parquet", id=[4])
    put(bucket, "data [1]/claims/_temporary/year=2021/a.parquet", id=[5])
    write(bucket, "data [1]/claims/_SUCCESS", b"")
    data = toy(tmp_path, "${TOY_ROOT}/" + path, [*ID, YEAR]).read()
    assert sorted(data.to_numpy().tolist()) == [[1, 2020], [2, 2020], [3, 2021]]


def test_what_is_wrong_is_said_as_for_files(bucket, tmp_path):
    content = put(bucket, "data [1]/claims/a.parquet", id=[1])
    write(bucket, "data [1]/claims/b.parquet", content[:-9])
    assert refused(toy(tmp_path, "${TOY_ROOT}/claims")).startswith("${TOY_ROOT}/claims/b.parquet: not a complete")
    put(bucket, "data [1]/claims/b.parquet", ident=[1])
    assert refused(toy(tmp_path, "${TOY_ROOT}/claims")).startswith("${TOY_ROOT}/claims/b.parquet: other columns")
    assert "the folder holds no file" in refused(toy(tmp_path, "${TOY_ROOT}/nowhere.parquet"))
    assert "no file matches" in refused(toy(tmp_path, "${TOY_ROOT}/nowhere/*.parquet"))


def test_a_bucket_that_is_not_there_and_a_server_that_is_down_are_said(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_ROOT", "s3://nowhere")
    assert refused(toy(tmp_path, "${TOY_ROOT}/toy.parquet")).startswith("${TOY_ROOT}/toy.parquet: ")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("TOY_ROOT", "s3://cluster")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    message = refused(toy(tmp_path, "${TOY_ROOT}/toy.parquet"))
    assert "the storage cannot be reached, or refuses" in message
    assert "s3cret" not in message


def test_a_file_that_goes_away_between_is_said(bucket, tmp_path, monkeypatch):
    put(bucket, "data [1]/toy.parquet", id=[1])
    data = toy(tmp_path, "${TOY_ROOT}/toy.parquet")
    table = data.table()
    bucket.delete_file("cluster/data [1]/toy.parquet")
    monkeypatch.setattr("paillasse.catalog.drivers.open_table", lambda *arguments: table)
    assert "cannot read it" in refused(data)


@pytest.mark.parametrize("root", ["http://example.org/data", "gs://cluster", "file:///data", "s3:///data", "memory://x"])
def test_other_addresses_are_refused(tmp_path, monkeypatch, root):
    monkeypatch.setenv("TOY_ROOT", root)
    assert "the environment variable TOY_ROOT" in refused(toy(tmp_path, "${TOY_ROOT}/toy.parquet"), CatalogError)


def test_duckdb_has_loaded_no_extension_for_it(bucket, tmp_path):
    put(bucket, "data [1]/toy.parquet", id=[1])
    toy(tmp_path, "${TOY_ROOT}/toy.parquet").read()
    loaded = engine.rows("SELECT extension_name FROM duckdb_extensions() WHERE loaded")
    assert "httpfs" not in {name for (name,) in loaded}
