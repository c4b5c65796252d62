"""A wheelhouse holds what the lock says and nothing else, and one that was changed is refused before anything happens.

pip is replaced here by one that makes small wheels up; `tests/template/test_life_of_a_project.py` has the real one.
"""

import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from paillasse.cli import main
from paillasse.errors import ProjectError
from paillasse.project import wheelhouse
from paillasse.project.lock import read_lock
from paillasse.project.target import Target

ROOT = Path(__file__).parents[2]
HERE = "{}.{}".format(*sys.version_info)
LINUX = Target("3.11", "manylinux_2_28_x86_64")


def wheel(folder: Path, name: str, version: str, *lines: str, tag: str = "py3-none-any") -> Path:
    """A wheel without code, with a licence; the same bytes each time."""
    path = folder / f"{name.replace('-', '_')}-{version}-{tag}.whl"
    own = f"{name.replace('-', '_')}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        header = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines]
        archive.writestr(zipfile.ZipInfo(f"{own}/METADATA"), "\n".join(header) + "\n\nText\n")
        archive.writestr(zipfile.ZipInfo(f"{own}/licenses/LICENSE"), "Do as you like.\n")
    return path


class Index:
    """What pip would fetch, and the calls by which it was asked."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        self.calls: list[list[str]] = []
        self.built_tag = "py3-none-any"
        self.wheel("six", "1.17.0", "Classifier: License :: OSI Approved :: MIT License")
        self.wheel("pip", "26.0", "License-Expression: MIT", "Summary: Installs")
        self.wheel("sieve", "2.0", "License: BSD\n  and more")
        self.wheel("sieve", "3.0", "License-Expression: BSD-3-Clause")
        (folder / "pure_source-0.5.tar.gz").write_text("source", encoding="utf-8")

    def wheel(self, name: str, version: str, *lines: str) -> None:
        wheel(self.folder, name, version, *lines)

    def hash(self, file: str) -> str:
        return "sha256:" + hashlib.sha256((self.folder / file).read_bytes()).hexdigest()

    def lock(self) -> str:
        """A lock of all that is there, as uv writes it."""
        old, new = "python_full_version < '3.11.5'", "python_full_version >= '3.11.5'"
        packages = {
            "colorama==0.4.6 ; sys_platform == 'win32'": "sha256:00",
            "pip==26.0": self.hash("pip-26.0-py3-none-any.whl"),
            f"sieve==2.0 ; {old}": self.hash("sieve-2.0-py3-none-any.whl"),
            f"sieve==3.0 ; {new}": self.hash("sieve-3.0-py3-none-any.whl"),
            "six==1.17.0": self.hash("six-1.17.0-py3-none-any.whl"),
        }
        packages = {each: f"{value} \\\n    --hash=sha256:ff" for each, value in packages.items()}
        packages["pure-source==0.5"] = self.hash("pure_source-0.5.tar.gz")  # the index has no wheel of it
        lines = [f"{each} \\\n    --hash={value}" for each, value in sorted(packages.items())]
        return "\n".join([*lines, "    # via", "    #   something"]) + "\n"

    def pip(self, *arguments) -> None:
        words = [str(each) for each in arguments]
        self.calls.append(words)
        if words[0] == "download":
            asked = Path(words[words.index("-r") + 1]).read_text(encoding="utf-8")
            self.calls[-1] = [*words, *asked.split()]
            for name, version in re.findall(r"(?m)^(\S+)==(\S+)", asked):
                for file in self.folder.glob(f"{name.replace('-', '_')}-{version}*"):
                    shutil.copy(file, words[words.index("--dest") + 1])
        else:
            target = Path(words[words.index("--wheel-dir") + 1])
            target.mkdir(exist_ok=True)
            if words[-1].endswith("shared_lib"):
                wheel(target, "paillasse", "0.1.0", "License-Expression: Apache-2.0")
            else:
                wheel(target, "pure-source", "0.5", "License: Public", tag=self.built_tag)


@pytest.fixture
def index(tmp_path, monkeypatch):
    index = Index(tmp_path / "index")
    monkeypatch.setattr(wheelhouse, "_pip", index.pip)
    return index


@pytest.fixture
def project(tmp_path, index):
    """A project's folder, as far as a wheelhouse needs it, with an environment that must not be lost."""
    folder = tmp_path / "project"
    (folder / "shared_lib/src").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "lung_study"\n', encoding="utf-8")
    (folder / "shared_lib/pyproject.toml").write_text('[project]\nname = "paillasse"\n', encoding="utf-8")
    (folder / ".paillasse.json").write_text("{}", encoding="utf-8")
    (folder / "requirements.lock").write_text(index.lock(), encoding="utf-8", newline="\n")
    for name in ("in_env.py", "setup_offline.py"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv").mkdir()
    (folder / ".venv/keep").write_text("precious", encoding="utf-8")
    return folder


@pytest.fixture
def archive(project) -> Path:
    """A wheelhouse for this machine."""
    return wheelhouse.build(project, Target.here(), project / "dist")


def content_of(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


# Making one


def test_an_archive_holds_the_wheels_of_its_target_and_all_that_belongs_to_them(project):
    archive = wheelhouse.build(project, LINUX, project / "dist")
    assert archive.name == "wheelhouse-lung_study-cp311-manylinux_2_28_x86_64.zip"
    texts = ["paillasse-0.1.0", "pip-26.0", "pure-source-0.5", "sieve-2.0", "sieve-3.0", "six-1.17.0"]
    assert sorted(content_of(archive)) == sorted(
        [
            "SHA256SUMS",
            "library/paillasse-0.1.0-py3-none-any.whl",
            "licences.csv",
            *(f"licences/{each}/LICENSE" for each in texts),
            "requirements.lock",
            "sbom.cdx.json",
            "wheelhouse.json",
            "wheels.lock",
            "wheels/pip-26.0-py3-none-any.whl",
            "wheels/pure_source-0.5-py3-none-any.whl",
            "wheels/sieve-2.0-py3-none-any.whl",
            "wheels/sieve-3.0-py3-none-any.whl",
            "wheels/six-1.17.0-py3-none-any.whl",
        ]
    )
    assert sorted(each.name for each in archive.parent.iterdir()) == [archive.name, archive.name + ".sha256"]


def test_the_same_lock_gives_the_same_archive(project):
    first, second = (wheelhouse.build(project, LINUX, project / folder) for folder in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_the_checksums_are_what_sha256sum_reads(project, archive):
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(project / "unpacked")
    for folder, file in ((archive.parent, archive.name + ".sha256"), (project / "unpacked", "SHA256SUMS")):
        subprocess.run(["sha256sum", "--quiet", "--strict", "--check", file], cwd=folder, check=True)
    listed = (project / "unpacked/SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert len(listed) == len(content_of(archive)) - 1


def test_what_is_installed_keeps_its_marker_and_has_the_hash_of_the_one_file(project, index):
    lines = content_of(wheelhouse.build(project, LINUX, project / "dist"))["wheels.lock"].decode().splitlines()
    assert f'sieve==2.0 ; python_full_version < "3.11.5" --hash={index.hash("sieve-2.0-py3-none-any.whl")}' in lines
    assert len(lines) == 5


def test_pip_is_never_asked_for_the_library_and_for_all_else_by_hash(project, index):
    wheelhouse.build(project, LINUX, project / "dist")
    for call in index.calls:
        assert not [word for word in call if re.match(r"paillasse\b", word)]
        assert "--no-deps" in call
        if call[0] == "download":
            assert {"--require-hashes", "--no-build-isolation"} <= set(call)
            asked = [word for word in call if "==" in word]
            assert asked and len(asked) == len({word.split("=")[0] for word in asked})
        else:
            assert {"--no-index", "--no-build-isolation"} <= set(call)
    assert [call[0] for call in index.calls] == ["download", "download", "wheel", "wheel"]


def test_what_is_built_here_is_named_with_its_source(project, index):
    about = json.loads(content_of(wheelhouse.build(project, LINUX, project / "dist"))["wheelhouse.json"])
    assert about["built"] == {"pure-source": index.hash("pure_source-0.5.tar.gz")}


def test_a_source_that_gives_machine_code_is_refused(project, index):
    index.built_tag = "cp311-cp311-linux_x86_64"
    with pytest.raises(ProjectError, match=r"pure_source-0.5.tar.gz has no wheel, .* machine code"):
        wheelhouse.build(project, LINUX, project / "dist")
    assert list((project / "dist").iterdir()) == []


def test_a_source_is_refused_where_the_index_has_wheels_for_other_platforms(project, index):
    (index.folder / "six-1.17.0-py3-none-any.whl").rename(index.folder / "six-1.17.0.tar.gz")
    with pytest.raises(ProjectError, match=r"six-1.17.0.tar.gz came, because no wheel of it runs there"):
        wheelhouse.build(project, LINUX, project / "dist")


def test_a_package_that_is_not_fetched_is_named(project, index):
    (index.folder / "six-1.17.0-py3-none-any.whl").unlink()
    with pytest.raises(ProjectError, match="no file of six for cp311-manylinux_2_28_x86_64"):
        wheelhouse.build(project, LINUX, project / "dist")


def test_a_file_that_the_lock_does_not_know_is_refused(project, index):
    index.wheel("six", "1.17.0", "License: another")
    with pytest.raises(ProjectError, match="six-1.17.0-py3-none-any.whl is not what requirements.lock says"):
        wheelhouse.build(project, LINUX, project / "dist")


def test_when_pip_fails_the_error_says_for_what(project, monkeypatch):
    monkeypatch.setattr(wheelhouse, "_pip", lambda *arguments: subprocess.run(["false"], check=True))
    monkeypatch.chdir(project)
    done = CliRunner().invoke(main, ["wheelhouse", "--python", "3.12", "--platform", "win_amd64"])
    assert done.exit_code == 1
    assert "could be fetched for cp312-win_amd64" in done.stderr


def test_the_bill_of_materials_names_each_component_with_licence_and_hash(project, index):
    document = json.loads(content_of(wheelhouse.build(project, LINUX, project / "dist"))["sbom.cdx.json"])
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    components = {each["bom-ref"]: each for each in document["components"]}
    pip = components["pip@26.0"]
    assert pip["purl"] == "pkg:pypi/pip@26.0" and pip["licenses"] == [{"expression": "MIT"}]
    assert "sha256:" + pip["hashes"][0]["content"] == index.hash("pip-26.0-py3-none-any.whl")
    assert components["six@1.17.0"]["licenses"] == [{"license": {"name": "MIT License"}}]
    assert components["sieve@2.0"]["licenses"] == [{"license": {"name": "BSD"}}]
    assert "purl" not in components["paillasse@0.1.0"]  # no index serves it


def test_the_table_of_licences_has_a_line_for_each(project):
    lines = content_of(wheelhouse.build(project, LINUX, project / "dist"))["licences.csv"].decode().splitlines()
    assert lines[:2] == ["name,version,licence,texts", "paillasse,0.1.0,Apache-2.0,1"]
    assert len(lines) == 7


# Its target


@pytest.mark.parametrize(
    ("target", "needed"),
    [
        (LINUX, {"pip", "pure-source", "sieve", "six"}),
        (Target("3.12", "win_amd64"), {"colorama", "pip", "pure-source", "sieve", "six"}),
    ],
)
def test_only_what_the_target_needs_is_packed(project, target, needed):
    assert {each.name for each in target.needed(read_lock(project / "requirements.lock"))} == needed


def test_both_versions_go_where_the_patch_decides(project):
    def versions(target):
        needed = target.needed(read_lock(project / "requirements.lock"))
        return [each.version for each in needed if each.name == "sieve"]

    assert versions(LINUX) == ["2.0", "3.0"]
    assert versions(Target("3.12", "win_amd64")) == ["3.0"]


def test_wheels_for_older_systems_run_on_a_newer_one():
    tags = LINUX.tags()
    assert (tags[0], tags[-1]) == ("manylinux_2_28_x86_64", "manylinux1_x86_64")
    assert tags.index("manylinux_2_17_x86_64") < tags.index("manylinux2014_x86_64") < tags.index("manylinux_2_5_x86_64")
    assert Target("3.11", "win_amd64").tags() == ["win_amd64"]


@pytest.mark.parametrize("python", ["3.10", "3", "3.11.7", "4.0", "", "3.x"])
def test_a_python_that_cannot_be_is_refused(python):
    with pytest.raises(ProjectError, match="--python: expected 3.11 or a later version"):
        Target(python, "win_amd64")


@pytest.mark.parametrize("tag", ["linux_x86_64", "any", "manylinux2014_x86_64", "win32", "../x", "manylinux_2_28_"])
def test_a_platform_that_cannot_be_is_refused(tag):
    with pytest.raises(ProjectError, match="--platform: expected a wheel's platform"):
        Target("3.11", tag)


# Refusing one in the enclave


def set_up(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "setup_offline.py", *arguments]
    return subprocess.run(command, cwd=project, check=False, capture_output=True, encoding="utf-8")


def repacked(archive: Path, change, sums_anew: bool = False) -> None:
    """The archive with its content changed, and its own checksum gone."""
    content = content_of(archive)
    change(content)
    if sums_anew:
        del content["SHA256SUMS"]
        lines = [f"{hashlib.sha256(each).hexdigest()}  {name}\n" for name, each in content.items()]
        content["SHA256SUMS"] = "".join(lines).encode()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, each in content.items():
            packed.writestr(name, each)
    archive.with_name(archive.name + ".sha256").unlink()


def change_wheel(content):
    content["wheels/six-1.17.0-py3-none-any.whl"] += b"x"


def add_wheel(content):
    content["wheels/six-1.18.0-py3-none-any.whl"] = b"x"


def take_wheel_out(content):
    del content["wheels/six-1.17.0-py3-none-any.whl"]


def change_wheel_and_its_lock(content):
    change_wheel(content)
    new = hashlib.sha256(content["wheels/six-1.17.0-py3-none-any.whl"]).hexdigest()
    content["wheels.lock"] = re.sub(rb"(six==\S+ --hash=sha256:)\w+", rb"\g<1>" + new.encode(), content["wheels.lock"])


def claim_that_it_was_built(content):
    change_wheel_and_its_lock(content)
    about = json.loads(content["wheelhouse.json"])
    about["built"]["six"] = "sha256:ff"  # which the lock knows, beside the wheel's
    content["wheelhouse.json"] = json.dumps(about).encode()


def add_option(content):
    content["wheels.lock"] = b"--index-url https://example.org\n" + content["wheels.lock"]


def allow_two_files(content):
    two = b"--hash=sha256:" + b"0" * 64 + b" --hash="
    content["wheels.lock"] = content["wheels.lock"].replace(b"--hash=", two)


def change_built_wheel_alone(content):
    content["wheels/pure_source-0.5-py3-none-any.whl"] += b"x"


def change_form(content):
    content["wheelhouse.json"] = b"[]"


def of(**more):
    """A change of what the archive says that it is for."""

    def change(content):
        content["wheelhouse.json"] = json.dumps(json.loads(content["wheelhouse.json"]) | more).encode()

    return change


CHANGES = {
    "changed wheel": (change_wheel, False, "wheels/six-1.17.0-py3-none-any.whl was changed after it was packed"),
    "added wheel": (add_wheel, False, "something else than its SHA256SUMS lists: wheels/six-1.18.0"),
    "wheel taken out": (take_wheel_out, False, "something else than its SHA256SUMS lists: wheels/six-1.17.0"),
    "no sums": (lambda content: content.pop("SHA256SUMS"), False, "it is damaged"),
    "sums made anew": (change_wheel_and_its_lock, True, "its six is not in requirements.lock"),
    "said to be built": (claim_that_it_was_built, True, "its six is not in requirements.lock"),
    "option for pip": (add_option, True, "its --index-url https://example.org is not in requirements.lock"),
    "two hashes": (allow_two_files, True, "its pip is not in requirements.lock"),
    "built wheel": (change_built_wheel_alone, False, "wheels/pure_source-0.5-py3-none-any.whl was changed"),
    "another form": (change_form, True, "its wheelhouse.json or wheels.lock is not as this version"),
    "another python": (of(python="3.99"), True, "it is for Python 3.99; this is"),
    "another system": (of(platform="win_arm64"), True, "it is for win_arm64; this machine is"),
    "newer system": (of(platform=f"manylinux_2_99_{platform.machine()}"), True, "it needs glibc 2.99 or later"),
    "another lock": (of(lock="0" * 64), True, "it was made for another requirements.lock"),
}


@pytest.mark.parametrize(("change", "sums_anew", "message"), CHANGES.values(), ids=CHANGES)
def test_a_changed_archive_is_refused_and_the_environment_stays(project, archive, change, sums_anew, message):
    repacked(archive, change, sums_anew)
    done = set_up(project)
    assert done.returncode == 1
    assert message in done.stderr and "Traceback" not in done.stderr
    assert "the environment is as it was" in done.stderr
    assert [each.name for each in (project / ".venv").iterdir()] == ["keep"]


@pytest.mark.parametrize("content", [b"0" * 64 + b"  wheelhouse.zip\n", b"", b"\xff\xfe"])
def test_an_archive_that_is_not_the_one_of_its_checksum_is_refused(project, archive, content):
    beside = archive.with_name(archive.name + ".sha256")
    beside.write_bytes(content)
    assert f"it is not the archive that {beside.name} names" in set_up(project).stderr


@pytest.mark.parametrize("part", [0, 10, 1000, -1000, -1])
def test_a_part_of_an_archive_is_refused(project, archive, part):
    archive.with_name(archive.name + ".sha256").unlink()
    archive.write_bytes(archive.read_bytes()[:part])
    done = set_up(project)
    assert done.returncode == 1
    assert "it is damaged" in done.stderr and "Traceback" not in done.stderr
    assert (project / ".venv/keep").is_file()


def test_without_an_archive_it_says_what_to_carry_in(project):
    done = set_up(project)
    assert done.returncode == 1
    assert "Make one where there is internet (make wheelhouse), and carry it in." in done.stderr
    assert "There is no archive elsewhere.zip." in set_up(project, "elsewhere.zip").stderr


def test_of_several_archives_one_is_named(project, archive):
    older = shutil.copy(archive, project / "wheelhouse-older one.zip")
    assert f"There are several wheelhouses. Name one: make setup-offline WHEELHOUSE='{older}'" in set_up(project).stderr


def test_an_environment_from_a_wheelhouse_is_never_completed_from_an_index(project):
    (project / ".venv/made-offline").touch()
    done = subprocess.run(
        [sys.executable, "in_env.py", "true"], cwd=project, check=False, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 1
    assert "make setup-offline" in done.stderr
    assert (project / ".venv/keep").is_file()


def test_this_machine_is_a_target():
    assert platform.machine() in Target.here().platform or sys.platform != "linux"
    assert Target.here().python == HERE
