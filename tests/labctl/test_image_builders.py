"""./lab images on a machine without a builder."""

from __future__ import annotations

import pytest

from labctl.errors import LabError
from labctl.make import images
from labctl.stack import ROOT


def test_a_machine_without_a_builder_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(LabError, match=r"docker .* podman or buildah .* Install one"):
        images.find_builder()


def test_an_image_has_the_name_that_its_manifests_use() -> None:
    folder = ROOT / "pizza_services" / "order_service"
    assert f"image: {images.image_name(folder)}" in (folder / "kubernetes" / "deployment.yaml").read_text()
