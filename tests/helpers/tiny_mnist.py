"""A tiny MNIST of eight images of 2 x 3 pixels: idx files, and mirrors that serve them."""

import gzip

import numpy as np


def pack(data):
    """Compress without a time stamp: the bytes are part of test names in every worker."""
    return gzip.compress(data, mtime=0)


RNG = np.random.default_rng(0)
TINY = {
    "train-images-idx3-ubyte": RNG.integers(0, 256, (5, 2, 3), dtype=np.uint8),
    "train-labels-idx1-ubyte": RNG.integers(0, 10, (5,), dtype=np.uint8),
    "t10k-images-idx3-ubyte": RNG.integers(0, 256, (3, 2, 3), dtype=np.uint8),
    "t10k-labels-idx1-ubyte": RNG.integers(0, 10, (3,), dtype=np.uint8),
}
IMAGES, LABELS = list(TINY)[:2]


def idx(values):
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return b"\0\0\x08" + bytes([values.ndim]) + sizes + values.tobytes()


PACKED = pack(idx(TINY[IMAGES]))


def changed(file, **at):
    data = bytearray(idx(TINY[file]))
    for where, value in at.items():
        data[int(where[1:])] = value
    return pack(bytes(data))


def write(folder, *, packed=True, without=()):
    folder.mkdir(parents=True, exist_ok=True)
    for file, values in TINY.items():
        if file not in without:
            path = folder / (f"{file}.gz" if packed else file)
            path.write_bytes(pack(idx(values)) if packed else idx(values))
    return folder


class Mirrors:
    """Replacement of pooch's downloader: serves `answers` by URL and records requested URLs."""

    def __init__(self):
        self.answers = {}
        self.requested = []

    def serve(self, mirror, without=(), **changed):
        for file, values in TINY.items():
            if file not in without:
                answer = pack(idx(values))
                self.answers[f"{mirror}{file}.gz"] = changed.get(file.split("-ubyte")[0], answer)

    def __call__(self, url, output, _pooch):
        self.requested.append(url)
        answer = self.answers.get(url, OSError("unreachable"))
        # A connection often breaks after some bytes.
        output.write(b"half" if isinstance(answer, BaseException) else answer)
        if isinstance(answer, BaseException):
            raise answer


def assert_tiny(split, dtype=np.float32):
    (x_train, y_train), (x_test, y_test) = split
    for got, file in ((x_train, IMAGES), (x_test, "t10k-images-idx3-ubyte")):
        due = TINY[file].reshape(-1, 6).astype(dtype) / dtype(255)
        np.testing.assert_array_equal(got, due, strict=True)
        assert got.flags.c_contiguous
        assert got.flags.writeable
    for got, file in ((y_train, LABELS), (y_test, "t10k-labels-idx1-ubyte")):
        np.testing.assert_array_equal(got, TINY[file].astype(np.int64), strict=True)
        assert got.flags.writeable


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
