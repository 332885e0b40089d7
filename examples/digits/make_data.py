"""Writes scikit-learn's digits as PNG files, DIR/train/<class>/ and DIR/test/<class>/ (every fifth image is a test image).

    python examples/digits/make_data.py DIR
"""
import pathlib
import sys

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

root = pathlib.Path(sys.argv[1])
digits = load_digits()
pixels = np.round(digits.images * 255 / 16).astype(np.uint8)
for i, (image, label) in enumerate(zip(pixels, digits.target)):
    folder = root / ("test" if i % 5 == 0 else "train") / str(label)
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(folder / f"{i:04}.png")
