"""The contract files say what the code does."""

import sys
from importlib import resources
from pathlib import Path

from conftest import SERVICE
from grpc_tools import protoc

from kit.fakes.contract import check_openapi


def test_openapi_json_is_what_the_service_serves():
    check_openapi(SERVICE)


def test_generated_code_is_up_to_date(tmp_path, monkeypatch):
    # protoc finds its plugins beside the Python that runs the tests.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    includes = resources.files("grpc_tools") / "_proto"
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    proto = str(SERVICE / "protos" / "greeter.proto")
    assert protoc.main(["protoc", f"-I{SERVICE}", f"-I{includes}", *outputs, proto]) == 0
    for generated in (tmp_path / "protos").iterdir():
        assert (SERVICE / "protos" / generated.name).read_text() == generated.read_text(), "see the README"
