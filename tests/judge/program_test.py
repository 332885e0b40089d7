"""The program of a build without LibTorch: small, and in need of nothing that a bare system lacks but Highway."""
import re

import pytest
from conftest import BUILD, halftone, has_verb, run

SYSTEM = {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libhwy.so.1"}


@pytest.fixture
def needed():
    """Names of the shared libraries that the program asks for itself."""
    if has_verb("quantize"):
        pytest.skip("this build has LibTorch")
    found = set(re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "-d", BUILD / "halftone").stdout))
    if any(name.startswith("libasan") for name in found):
        pytest.skip("this build has sanitizers")
    return {name for name in found if not name.startswith("ld-linux")}


def test_needs_only_system_libraries_and_highway(needed):
    assert needed and needed <= SYSTEM


def test_is_under_five_megabytes(needed):
    assert (BUILD / "halftone").stat().st_size < 5_000_000


def test_decodes_images_all_the_same(needed, digits):
    data = digits[1] / "test"
    report = halftone("eval", digits[0], "--data", data, "--preprocess", digits[2], "--limit", 8).stdout
    assert "top-1" in report
