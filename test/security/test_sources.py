# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What docs/security.md promises about the code, read from the sources.

That there is no eval, no shell, no unsafe YAML and so on is what ruff checks in `make lint`; here
it is checked that it would find them, and what it does not know.
"""

import ast
import functools
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for folder in ("geloc3r_ros", "training") for path in (ROOT / folder).rglob("*.py")
)
NETWORK = {
    *("aiohttp", "ftplib", "http", "httpx", "requests", "smtplib", "socket", "socketserver"),
    *("ssl", "telnetlib", "urllib", "urllib3", "webbrowser", "xmlrpc", "huggingface_hub"),
}
UNPICKLERS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
# The one place that goes to the network, and the one that reads pickles: plain values of numpy.
ALLOWED = {
    "geloc3r_ros/model/hub.py": {"huggingface_hub"},
    "training/data/datasets/files.py": {"pickle"},
}


def name(path):
    return path.relative_to(ROOT).as_posix()


@functools.cache
def texts():
    return {name(path): path.read_text(encoding="utf-8") for path in SOURCES}


def calls(function):
    """Every call of a function of this dotted name: file, line and keyword arguments."""
    for file, text in texts().items():
        for node in ast.walk(ast.parse(text)) if function in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(function):
                yield file, node.lineno, {k.arg: ast.unparse(k.value) for k in node.keywords}


def imported(text):
    """Top-level packages that a file imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def test_checkpoints_are_read_as_data():
    found = list(calls("torch.load"))
    assert found
    assert [call for call in found if call[2].get("weights_only") != "True"] == []


def test_arrays_are_read_without_pickles():
    found = list(calls("np.load"))
    assert found
    assert [call for call in found if call[2].get("allow_pickle") == "True"] == []


def test_who_unpickles_and_who_goes_to_the_network():
    wrong = {
        file: used
        for file, text in texts().items()
        if (used := set(imported(text)) & (NETWORK | UNPICKLERS) - ALLOWED.get(file, set()))
    }
    assert wrong == {}


def test_downloads_are_asked_for():
    """Only `fetch` downloads; whoever else asks the hub's library takes what is on the disk."""
    tree = ast.parse(texts()["geloc3r_ros/model/hub.py"])
    downloading = {
        function.name
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "huggingface_hub.hf_hub_download"
        and "local_files_only" not in {k.arg for k in node.keywords}
    }
    assert downloading == {"fetch"}
    callers = [file for file, text in texts().items() if "hub.fetch(" in text]
    assert callers == ["geloc3r_ros/commands/weights.py"]


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("S307", 'eval("1")'),
        ("S102", 'exec("1")'),
        ("S602", 'import subprocess\n\nsubprocess.run("ls | wc", shell=True)'),
        ("S605", 'import os\n\nos.system("ls " + str(os.getpid()))'),
        ("S506", 'import yaml\n\nyaml.load("1", Loader=yaml.UnsafeLoader)'),
        ("S301", 'import pickle\n\npickle.loads(b"")'),
        ("S306", "import tempfile\n\ntempfile.mktemp()"),
        ("S202", 'import tarfile\n\ntarfile.open("a").extractall()'),
        ("S310", 'import urllib.request\n\nurllib.request.urlopen("file:///etc/passwd" + str(1))'),
    ],
)
def test_the_linter_finds_it_in_the_package(rule, code):
    run = subprocess.run(
        ["ruff", "check", "--output-format=concise", "--stdin-filename=geloc3r_ros/x.py", "-"],
        cwd=ROOT,
        input=code,
        capture_output=True,
        text=True,
        check=False,
    )
    assert rule in run.stdout


def test_no_security_rule_is_silenced_in_the_sources():
    silenced = [
        f"{file}: {line.strip()}"
        for file, text in texts().items()
        for line in text.splitlines()
        if "# noqa" in line and ("noqa: S" in line or "noqa:" not in line)
    ]
    assert silenced == []
