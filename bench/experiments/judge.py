"""What the experiments stand on: the binary, the data of ../shared, onnxruntime as judge, and results kept row by row.

Scratch files lie in build/experiments, so that an experiment that was stopped goes on where it was; finished rows in docs/results/rows.
"""
import json, os, pathlib, subprocess, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
MODELS = SHARED / "models"
SCRATCH = ROOT / "build/experiments"
SCRATCH.mkdir(parents=True, exist_ok=True)
BINARY = pathlib.Path(os.environ.get("HALFTONE", ROOT / "build/release/halftone"))

CIFAR = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
IMAGENET = dict(resize=256, crop=224, interpolation="bicubic", mean=[127 / 255] * 3, std=[128 / 255] * 3)


def preprocess_file(preprocess):
    path = SCRATCH / ("imagenet.json" if "crop" in preprocess else "cifar.json")
    path.write_text(json.dumps(preprocess))
    return path


def unpacked(archive):
    """The folder that an archive of shared/data unpacks to; unpacked once."""
    folder = SCRATCH / archive.split(".")[0]
    if not (folder / ".whole").exists():
        folder.mkdir(exist_ok=True)
        subprocess.run(["tar", "xf", SHARED / "data" / archive, "-C", folder], check=True)
        (folder / ".whole").touch()
    return folder


def halves():
    """The ImageNet samples in two folders of alternate classes, for cross-fitting."""
    root = next(p for p in unpacked("imagenet-samples.tar").iterdir() if p.is_dir())
    both = []
    for k in (0, 1):
        half = SCRATCH / f"imagenet-half-{k}"
        half.mkdir(exist_ok=True)
        for folder in sorted(p for p in root.iterdir() if p.is_dir())[k::2]:
            if not (half / folder.name).exists():
                (half / folder.name).symlink_to(folder)
        both.append(half)
    return both


def labelled(root, preprocess):
    """(inputs [n, 3, h, w] float32, labels [n]) of a folder of class folders, prepared by Pillow."""
    import numpy as np
    from PIL import Image
    cache = SCRATCH / f"{root.parent.name}-{root.name}.npz"
    if not cache.exists():
        names = sorted(p.name for p in root.iterdir() if p.is_dir())
        index = {name: i for i, name in enumerate(names)}
        if len(names) > 100:
            rows = [line.split("\t") for line in open(SHARED / "data/imagenet-classes.tsv")]
            index = {r[1]: int(r[0]) for r in rows if r[0].isdigit()}
        images, labels = [], []
        for name in names:
            for path in sorted((root / name).iterdir()):
                image = Image.open(path).convert("RGB")
                if "crop" in preprocess:
                    w, h = image.size
                    r = preprocess["resize"] / min(w, h)
                    image = image.resize((round(w * r), round(h * r)), Image.BICUBIC)
                    w, h = image.size
                    c = preprocess["crop"]
                    left, top = (w - c) // 2, (h - c) // 2
                    image = image.crop((left, top, left + c, top + c))
                x = np.asarray(image, np.float32) / 255
                images.append(((x - np.float32(preprocess["mean"])) / np.float32(preprocess["std"])).transpose(2, 0, 1))
                labels.append(index[name])
        np.savez(cache, X=np.stack(images), Y=np.array(labels))
    z = np.load(cache)
    return z["X"], z["Y"]


def outputs(model, X, batch=100, exact=True):
    """What onnxruntime makes of X; exact: with kernels that never saturate, else at its default options."""
    import numpy as np
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: X[i:i + batch]})[0] for i in range(0, len(X), batch)])


def correct(model, X, Y, exact=True):
    """How many onnxruntime gets right."""
    return int((outputs(model, X, exact=exact).argmax(1) == Y).sum())


def halftone(*arguments):
    """Runs one command; its facts, with wall seconds and peak memory."""
    with tempfile.NamedTemporaryFile(suffix=".json") as facts:
        command = [str(BINARY), *map(str, arguments), "--json", facts.name]
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   env=dict(os.environ, OMP_WAIT_POLICY="PASSIVE"))
        error = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}\n{error[-500:]}")
        return dict(json.load(open(facts.name)), wall_seconds=time.perf_counter() - begin, peak_bytes=usage.ru_maxrss * 1024)


class Rows:
    """Finished rows of one experiment, kept in docs/results/rows/NAME.json."""

    def __init__(self, name):
        self.path = ROOT / f"docs/results/rows/{name}.json"
        self.path.parent.mkdir(exist_ok=True)
        self.done = self._kept()

    def _kept(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def get(self, key, compute):
        if key not in self.done:
            print(f"... {key}", flush=True)
            result = compute()
            self.done = {**self._kept(), key: result}  # another run may have finished rows meanwhile
            self.path.write_text(json.dumps(self.done, indent=1) + "\n")
        return self.done[key]
