"""Submissions to exercise 3: right, wrong and hostile ones."""

import os
from pathlib import Path

STUDENT = (
    "import numpy as np\n"
    "def softmax_cross_entropy(logits, labels):\n"
    "    s = logits - logits.max(axis=1, keepdims=True)\n"
    "    log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))\n"
    "    rows = np.arange(len(labels))\n"
    "    d = np.exp(log_p)\n"
    "    d[rows, labels] -= 1\n"
    "    return -log_p[rows, labels].mean(), d / len(labels)\n"
)
WRONG = STUDENT.replace(".mean()", ".sum()")
FILE = "e03_softmax_cross_entropy.py"
FORGED = (
    "import io, os, struct, numpy as np\nfile = io.BytesIO()\n"
    "{}\ndata = file.getvalue()\n"
    "for descriptor in range(3, 20):\n"
    "    try: os.write(descriptor, struct.pack('<Q', len(data)) + data)\n"
    "    except OSError: pass\n"
    "os._exit(0)\n"
)


def inside(statement):
    """Return the right answer with a statement in its function."""
    return STUDENT.replace("    rows", f"    {statement}\n    rows")


# name: (source, mistake, part of the message); the mistake of a right answer is None
SUBMISSIONS = {
    "right": (STUDENT, None, "right"),
    "wrong": (WRONG, "loss_summed", "sum over the rows"),
    "missing": (None, "missing", "there is no e03_softmax_cross_entropy.py"),
    "no_import": ("import nothing_of_that_name\n", "import", "No module named 'nothing_of_that"),
    "no_answer": ("def other(): pass\n", "import", "defines no softmax_cross_entropy"),
    "no_function": ("softmax_cross_entropy = 3\n", "import", "no function or class, but 3"),
    "banned": ("from torch.nn import functional\n", "banned", "it imports torch"),
    "latin_1": (b"# -*- coding: latin-1 -*-\n# \xe9\n" + STUDENT.encode(), None, "right"),
    "large_source": ("x = 1\n" * 900_000, "import", "expected at most 1,000,000 bytes"),
    "pipe": (os.mkfifo, "import", "expected a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "import", "expected a regular file"),
    "folder": (Path.mkdir, "import", "IsADirectoryError"),
    "equal_to_all": (
        "class Any:\n    def __eq__(self, other): return True\n"
        "def softmax_cross_entropy(logits, labels): return Any(), Any()\n",
        "no_array", "Any",
    ),
    "patches_numpy": (
        "import numpy\nnumpy.allclose = lambda *a, **k: True\n"
        "numpy.savez = lambda file, **k: None\n" + WRONG, "results", "cannot be compared",
    ),
    "wraps_minnet": (
        "import minnet.exercises\nloss = minnet.SoftmaxCrossEntropy()\n"
        "def softmax_cross_entropy(logits, labels):\n"
        "    return loss.forward(logits, labels), loss.backward()\n", "banned", "minnet",
    ),
    "finds_minnet": ("import sys\nm = sys.modules['minnet']\n" + STUDENT, "banned", "minnet"),
    "exits": (inside("__import__('os')._exit(0)"), "exit", "with exit code 0"),
    "exits_at_import": ("import os\nos._exit(3)\n", "exit", "with exit code 3"),
    "exits_in_python": (inside("raise SystemExit"), "error", "SystemExit in line 5"),
    "exits_at_exit": ("import atexit, sys\natexit.register(sys.exit, 3)\n" + STUDENT, None, ""),
    "interrupts": (inside("raise KeyboardInterrupt"), "error", "KeyboardInterrupt"),
    "error_without_text": (
        "class E(Exception):\n    def __str__(self): raise self\n" + inside("raise E"),
        "error", "it stops with E.",
    ),
    "long_error": (inside("raise ValueError('x' * 10 ** 8)"), "error", "ValueError in line 5"),
    "surrogate": (inside(r"raise ValueError('\udc80')"), "error", "ValueError in line 5"),
    "recursion": (inside("softmax_cross_entropy(logits, labels)"), "error", "RecursionError"),
    "crashes": (inside("import ctypes; ctypes.string_at(0)"), "exit", "with exit code -11"),
    "threads": (
        "import threading, time\n"
        + inside("while True: threading.Thread(target=time.sleep, args=(99,)).start()"),
        "error", "can't start new thread",
    ),
    "error_in_library": (
        "import random\n" + inside("random.choice([])"), "error", "in line 6, `random.choice([])`",
    ),
    "kills_grader": (
        inside("import os; os.kill(os.getppid(), 9)"), "error", "must not start or end processes",
    ),
    "kills_all": (inside("import os; os.kill(-1, 9)"), "error", "must not start or end processes"),
    "fork_bomb": (
        "import os\n" + inside("while True: os.fork()"), "error", "must not start or end processes",
    ),
    "subprocess": (
        "import subprocess\nsubprocess.run(['true'])\n", "import", "must not start or end",
    ),
    "changes_another": (
        "open(__file__.replace('changes_another', 'right'), 'w')\n", "import",
        "must not change files",
    ),
    "deletes_another": (
        "import os\nos.remove(__file__.replace('deletes_another', 'right'))\n", "import",
        "must not change files",
    ),
    "memory": (inside("np.ones(10 ** 9)"), "error", "MemoryError in line 5"),
    "prints": ("print('x' * 10 ** 8)\nfor i in range(10 ** 5): print(i)\n" + STUDENT, None, ""),
    "writes": ("import os\nfor i in range(2000): os.write(1, b'x' * 10 ** 5)\n", "import", "large"),
    "closes_stdout": ("import sys\nsys.stdout.close()\n" + STUDENT, None, "right"),
    "closes_descriptors": ("import os\nos.closerange(0, 99)\n" + STUDENT, "exit", "Python process"),
    "forges": (FORGED.format("np.savez(file, logits=np.ones(3))"), "no_result", "no loss"),
    "forges_pickle": (
        FORGED.format("np.savez(file, loss=np.array([{}], object))"), "results", "be compared",
    ),
    "forges_noise": (FORGED.format("file.write(b'noise')"), "results", "be compared"),
    "forges_text": (
        FORGED.format("np.savez(file, **{'result loss': np.array('a')})"), "results", "be compared",
    ),
}  # fmt: skip
ENDLESS = {
    "endless": (inside("while True: pass"), "timeout", "not end within 2 seconds"),
    "endless_import": ("while True: print('x')\n", "timeout", "not end within 2 seconds"),
    "slow": ("import time\ntime.sleep(1.2)\n" + STUDENT, "timeout", "not end within 2 seconds"),
    "opens_a_pipe": (
        "open(__file__.replace('opens_a_pipe', 'fifo'))\n", "timeout", "not end within 2 seconds",
    ),
    "stops_itself": (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
        + inside("while True: pass"), "timeout", "not end within 2 seconds",
    ),
}  # fmt: skip
