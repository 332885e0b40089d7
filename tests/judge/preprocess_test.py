"""Preprocessing judged by Pillow and numpy: decoding, resizing, cropping and normalising.

Run by pytest, or by itself: python tests/judge/preprocess_test.py. What is judged is the binary
preprocess_dump of the build under test.
"""
import json
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np
from conftest import BUILD
from PIL import Image

DUMP = BUILD / "tests/preprocess_dump"


def halftone(preprocess, files):
    """float32 values of all files after each other."""
    if not DUMP.exists():
        raise unittest.SkipTest("preprocess_dump is not built")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(preprocess, f)
        f.flush()
        done = subprocess.run([DUMP, f.name, *files], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return np.frombuffer(done.stdout, np.float32)


def pillow(preprocess, file):
    im = Image.open(file).convert("RGB")
    kind = Image.BICUBIC if preprocess.get("interpolation") == "bicubic" else Image.BILINEAR
    w, h = im.size
    if "resize" in preprocess:
        r = preprocess["resize"] / min(w, h)
        im = im.resize((round(w * r), round(h * r)), kind)
        w, h = im.size
    if "crop" in preprocess:
        c = preprocess["crop"]
        left, top = (w - c) // 2, (h - c) // 2
        im = im.crop((left, top, left + c, top + c))
    if preprocess.get("color") == "gray":
        pixels = np.asarray(im.convert("L"))[:, :, None]
    else:
        pixels = np.asarray(im)
    x = pixels.astype(np.float32) / 255
    x = (x - np.float32(preprocess.get("mean", [0]))) / np.float32(preprocess.get("std", [1]))
    if preprocess.get("color") == "bgr":
        x = x[:, :, ::-1]
    return (x if preprocess.get("layout") == "nhwc" else x.transpose(2, 0, 1)).ravel()


def images(folder):
    """One small picture of every kind that the decoders tell apart, and their names."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:75, 0:101]
    smooth = np.stack([x * 2, y * 3, (x + y)], -1)
    rgb = np.clip(smooth + rng.integers(-30, 30, smooth.shape), 0, 255).astype(np.uint8)
    color = Image.fromarray(rgb)
    gray = color.convert("L")
    alpha = color.copy()
    alpha.putalpha(gray)
    made = {}

    def save(name, image, **options):
        image.save(folder / name, **options)
        made[name] = folder / name

    for subsampling in (0, 1, 2):
        save(f"rgb{subsampling}.jpg", color, quality=80, subsampling=subsampling)
    save("progressive.jpg", color, progressive=True)
    save("restart.jpg", color, restart_marker_rows=1)
    save("keep_rgb.jpg", color, keep_rgb=True)
    save("gray.jpg", gray)
    save("cmyk.jpg", color.convert("CMYK"), quality=90)
    for mode in ("1", "L", "P", "RGB"):
        save(f"{mode}.png", color.convert(mode))
    for bits in (1, 2, 4):
        save(f"palette{bits}.png", color.quantize(2**bits), bits=bits)
    save("transparent.png", color.quantize(16), transparency=3)
    save("rgb_transparent.png", color, transparency=tuple(int(v) for v in rgb[0, 0]))
    save("rgba.png", alpha)
    save("la.png", alpha.convert("LA"))
    save("gray16.png", Image.fromarray((rgb[:, :, 0].astype(np.uint16) * 5)))
    return made


def compare(preprocess, files):
    """Greatest difference between halftone and Pillow, in grey levels; 0 is equal bit for bit."""
    ours = halftone(preprocess, files)
    theirs = np.concatenate([pillow(preprocess, f) for f in files])
    assert ours.shape == theirs.shape, (preprocess, ours.shape, theirs.shape)
    if np.array_equal(ours.view(np.uint32), theirs.view(np.uint32)):
        return 0.0
    smallest_std = min(preprocess.get("std", [1]))
    return float(np.abs(ours - theirs).max() * 255 * max(smallest_std, 1))


def test_decoders_equal_pillow():
    with tempfile.TemporaryDirectory() as folder:
        made = images(pathlib.Path(folder))
        different = {name: d for name, file in made.items() if (d := compare({}, [file]))}
    assert not different, different


def test_resize_equals_pillow():
    sizes = [(75, 101), (101, 75), (31, 33), (640, 480), (1, 1), (3, 500), (97, 96)]
    rng = np.random.default_rng(6)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for w, h in sizes:
            files.append(f"{folder}/{w}x{h}.png")
            Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)).save(files[-1])
        for side in (1, 7, 32, 75, 96, 224):
            for kind in ("bilinear", "bicubic"):
                for file in files:
                    for crop in ({}, {"crop": side}):
                        case = {"resize": side, "interpolation": kind, **crop}
                        assert compare(case, [file]) == 0, (case, file)


def test_normalising_equals_numpy_float32():
    with tempfile.TemporaryDirectory() as folder:
        files = [images(pathlib.Path(folder))["rgb0.jpg"]]
        cropped = {"resize": 50, "crop": 32, "color": "bgr"}
        for extra in ({}, {"color": "bgr"}, {"layout": "nhwc"}, cropped):
            mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
            assert compare({"mean": mean, "std": std, **extra}, files) == 0, extra
        assert compare({"color": "gray", "mean": [0.13], "std": [0.3]}, files) == 0


if __name__ == "__main__":
    for check in (test_decoders_equal_pillow, test_resize_equals_pillow,
                  test_normalising_equals_numpy_float32):
        try:
            check()
            print("ok", check.__name__)
        except unittest.SkipTest as reason:
            print("skipped", check.__name__, reason)
