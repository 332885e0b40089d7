"""No room includes one that stands below it, and nothing above the line includes LibTorch."""
import re

from conftest import ROOT

ROOMS = ["base", "graph", "quant", "onnx", "export", "data", "codec", "runtime", "nn", "sensitivity", "ptq", "qat", "allocate",
         "search", "datafree", "lowrank", "distributed", "report", "cli"]
LINE = ROOMS.index("nn")


def sources():
    return [f for f in sorted((ROOT / "halftone").rglob("*")) if f.suffix in (".h", ".cpp") and not f.name.endswith("_test.cpp")]


def test_rooms_only_include_rooms_above():
    wrong = []
    for path in sources():
        room = ROOMS.index(path.relative_to(ROOT / "halftone").parts[0])
        for other in re.findall(r'#include "halftone/(\w+)/', path.read_text()):
            if ROOMS.index(other) > room:
                wrong.append(f"{path.relative_to(ROOT)} includes {other}/")
    assert len(sources()) > 50 and not wrong


def test_nothing_above_the_line_includes_libtorch():
    wrong = []
    for path in sources():
        room = path.relative_to(ROOT / "halftone").parts[0]
        above = ROOMS.index(room) < LINE or (room == "cli" and not path.stem.endswith("_train"))
        if above and re.search(r"#include <(torch|ATen|c10)/", path.read_text()):
            wrong.append(str(path.relative_to(ROOT)))
    assert not wrong
