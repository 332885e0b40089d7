"""Makes the seed corpus of the data targets and prints the goldens of image_test.cpp.

    python tests/fuzz/make_data_corpus.py      # needs Pillow and numpy

The files are committed: the C++ tests read them, so a change here changes what they expect.
"""
import gzip
import io
import pathlib
import zipfile
import zlib

import numpy as np
from PIL import Image

CORPUS = pathlib.Path(__file__).parent / "corpus"


def save(target, name, content):
    path = CORPUS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def image_files():
    """One small picture of every kind that the decoders tell apart."""
    y, x = np.mgrid[0:19, 0:23]
    rng = np.random.default_rng(1)
    noise = rng.integers(-20, 20, (19, 23, 3))
    rgb = np.clip(np.stack([x * 10, y * 12, (x + y) * 5], -1) + noise, 0, 255).astype(np.uint8)
    color = Image.fromarray(rgb)
    gray = color.convert("L")
    alpha = color.copy()
    alpha.putalpha(gray)
    return {
        "420.jpg": (color, dict(quality=60, subsampling=2, optimize=True)),
        "444.jpg": (color, dict(quality=60, subsampling=0, optimize=True)),
        "progressive.jpg": (color, dict(quality=60, progressive=True)),
        "restart.jpg": (color, dict(quality=60, restart_marker_blocks=1, optimize=True)),
        "gray.jpg": (gray, dict(quality=60, optimize=True)),
        "cmyk.jpg": (color.convert("CMYK"), dict(quality=60, optimize=True)),
        "rgb.png": (color, {}),
        "rgba.png": (alpha, {}),
        "gray.png": (gray, {}),
        "gray_alpha.png": (alpha.convert("LA"), {}),
        "bit.png": (color.convert("1"), {}),
        "palette4.png": (color.quantize(16), dict(bits=4, transparency=3)),
        "gray16.png": (Image.fromarray(rgb[:, :, 0].astype(np.uint16) * 2), {}),
    }


def main():
    for name, (image, options) in image_files().items():
        out = io.BytesIO()
        image.save(out, "jpeg" if name.endswith("jpg") else "png", **options)
        save("image", name, out.getvalue())
        pixels = np.asarray(Image.open(out).convert("RGB"))
        print(f'    {{"{name}", 0x{zlib.crc32(pixels.tobytes()):08x}}},')

    values = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    out = io.BytesIO()
    np.save(out, values)
    save("npy", "float.npy", out.getvalue())
    out = io.BytesIO()
    np.lib.format.write_array(out, values[:, 0].astype(np.int64), version=(3, 0))
    save("npy", "int_version3.npy", out.getvalue())

    labels = np.array([2, 0, 1, 2])
    for name, write in (("stored.npz", np.savez), ("compressed.npz", np.savez_compressed)):
        out = io.BytesIO()
        write(out, image=values, label=labels)
        save("npz", name, out.getvalue())

    # Every size and offset in zip64 fields, as beyond 4 GB.
    out = io.BytesIO()
    limits = zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT
    zipfile.ZIP64_LIMIT = zipfile.ZIP_FILECOUNT_LIMIT = 0
    np.savez(out, image=values, label=labels)
    zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = limits
    # zipfile writes the real values into the old end record; all ones send readers to the new one.
    save("npz", "zip64.npz", out.getvalue()[:-14] + b"\xff" * 12 + b"\0\0")

    header = bytes([0, 0, 8, 3]) + np.array([2, 3, 4], ">u4").tobytes()
    save("idx", "images-idx3-ubyte", header + bytes(range(24)))
    save("idx", "images-idx3-ubyte.gz", gzip.compress(header + bytes(range(24)), mtime=0))

    save("preprocess", "all.json", b'{"resize": 256, "crop": 224, "interpolation": "bicubic",\n'
         b'"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "color": "bgr", '
         b'"layout": "nhwc"}\n')
    save("preprocess", "gray.json", b'{"color": "gray", "mean": [0.1307], "std": [0.3081]}')
    save("class_list", "two.tsv", b"index\tfolder\tname\n0\tn01440764\ttench\n1\tn01443537\tfish\n")


main()
