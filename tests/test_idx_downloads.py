"""Downloads of idx files: only verified files are kept, and errors state the remedy.

No test uses the network beyond this machine.
"""

import contextlib
import functools
import gzip
import http.server
import os
import threading

import pooch
import pytest
from helpers.tiny_mnist import (
    IMAGES,
    LABELS,
    PACKED,
    TINY,
    assert_tiny,
    changed,
    files_in,
    idx,
    write,
)

from minnet import datasets
from minnet import idx as idx_files

REAL_MIRRORS = idx_files.MIRRORS
REAL_DOWNLOADER = pooch.HTTPDownloader

pytestmark = pytest.mark.usefixtures("downloads", "mirrors")


def test_only_missing_files_are_downloaded_and_only_once(tiny, downloads, mirrors):
    mirrors.serve("https://one.invalid/")
    write(downloads / "mnist", without=[LABELS])
    assert_tiny(datasets.mnist())
    assert mirrors.requested == [f"https://one.invalid/{LABELS}.gz"]
    assert files_in(downloads) == sorted(f"mnist/{file}.gz" for file in TINY)
    assert_tiny(datasets.mnist())
    assert len(mirrors.requested) == 1


@pytest.mark.parametrize("fault", [OSError("no route"), b"<html>", PACKED[:-9], changed(LABELS)])
def test_the_next_mirror_is_tried_after_an_error_or_an_invalid_file(
    fault, tiny, downloads, mirrors
):
    mirrors.serve("https://one.invalid/", **{"train-images-idx3": fault})
    mirrors.serve("https://two.invalid/")
    assert_tiny(datasets.mnist())
    assert mirrors.requested[:3] == [
        f"https://one.invalid/{IMAGES}.gz",
        f"https://two.invalid/{IMAGES}.gz",
        f"https://one.invalid/{LABELS}.gz",
    ]
    assert files_in(downloads) == sorted(f"mnist/{file}.gz" for file in TINY)


def test_without_network_the_error_lists_files_folders_and_sources(
    tiny, downloads, mirrors, tmp_path, monkeypatch
):
    monkeypatch.setenv("MINNET_DATA", str(tmp_path / "env"))
    mirrors.answers[f"https://two.invalid/{IMAGES}.gz"] = b"<html>a login page"
    with pytest.raises(FileNotFoundError) as caught:
        datasets.mnist()
    message = str(caught.value)
    for folder in (tmp_path / "env" / "mnist", downloads / "mnist"):
        assert f"{folder} lacks {', '.join(TINY)}" in message
    assert "by hand; they are published at\n  https://one.invalid/\n" in message
    assert f"https://one.invalid/{IMAGES}.gz: unreachable\n" in message
    assert f"https://two.invalid/{IMAGES}.gz: expected 46 unpacked bytes" in message
    assert list((downloads / "mnist").iterdir()) == []
    assert not (tmp_path / "env").exists()


def test_a_verified_file_is_kept_when_a_later_file_fails(tiny, downloads, mirrors):
    mirrors.serve("https://one.invalid/", without=[LABELS])
    with pytest.raises(FileNotFoundError, match=f"{LABELS}.gz: unreachable"):
        datasets.fetch("mnist")
    assert os.listdir(downloads / "mnist") == [f"{IMAGES}.gz"]
    assert gzip.decompress((downloads / "mnist" / f"{IMAGES}.gz").read_bytes()) == idx(TINY[IMAGES])


def test_an_interrupted_download_leaves_nothing(tiny, downloads, mirrors):
    mirrors.answers[f"https://one.invalid/{IMAGES}.gz"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        datasets.fetch("mnist")
    assert list((downloads / "mnist").iterdir()) == []


def test_download_false_requests_nothing_and_makes_no_folder(tiny, downloads, mirrors):
    mirrors.serve("https://one.invalid/")
    with pytest.raises(FileNotFoundError, match=r"Run `minnet data mnist .* or set MINNET_DATA to"):
        datasets.mnist(download=False)
    assert mirrors.requested == []
    assert not downloads.exists()


def test_files_are_downloaded_into_the_cache_even_if_minnet_data_is_set(
    tiny, downloads, mirrors, tmp_path, monkeypatch
):
    mirrors.serve("https://one.invalid/")
    monkeypatch.setenv("MINNET_DATA", str(tmp_path / "env"))
    assert datasets.fetch("mnist") == downloads / "mnist"
    assert_tiny(datasets.mnist())
    assert not (tmp_path / "env").exists()


def test_fetch_downloads_into_the_given_folder(tiny, downloads, mirrors, tmp_path):
    mirrors.serve("https://one.invalid/")
    folder = datasets.fetch("fashion_mnist", str(tmp_path / "home"))
    assert folder == tmp_path / "home" / "fashion_mnist"
    assert_tiny(datasets.fashion_mnist(tmp_path / "home"))
    assert not downloads.exists()


def test_fetch_raises_with_the_known_names_for_an_unknown_one():
    with pytest.raises(
        ValueError, match="expected name as one of mnist, fashion_mnist, got 'cifar'"
    ):
        datasets.fetch("cifar")


def test_a_cache_that_cannot_be_created_raises_with_the_remedy(tiny, downloads, mirrors):
    mirrors.serve("https://one.invalid/")
    downloads.parent.write_text("a file where the folder should be")
    with pytest.raises(FileNotFoundError, match="`minnet data mnist --home FOLDER`") as caught:
        datasets.mnist()
    assert "The download failed:\n" in str(caught.value)
    assert str(downloads.parent) in str(caught.value)


def test_a_user_without_a_home_folder_gets_an_error_with_the_remedy(
    tiny, mirrors, monkeypatch, tmp_path
):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: "~/.cache/minnet")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"this user has no home folder .* set MINNET_DATA"):
        datasets.mnist()
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def served(folder, encoding=None):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self):
            if encoding:
                self.send_header("Content-Encoding", encoding)
            super().end_headers()

        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


# Some servers unpack the file, so that plain idx bytes arrive under the name of the packed file.
@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_a_download_over_http_continues_with_the_next_mirror_after_a_404(
    encoding, tiny, downloads, tmp_path, monkeypatch
):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(pooch, "HTTPDownloader", REAL_DOWNLOADER)
    (tmp_path / "empty").mkdir()
    with (
        served(tmp_path / "empty") as first,
        served(write(tmp_path / "full"), encoding) as second,
    ):
        monkeypatch.setattr(idx_files, "MIRRORS", {"mnist": (first, second)})
        assert_tiny(datasets.mnist())
    assert files_in(downloads) == sorted(f"mnist/{file}.gz" for file in TINY)


def test_every_set_has_several_mirrors_over_https():
    for mirrors in REAL_MIRRORS.values():
        assert len(set(mirrors)) >= 2
        assert all(m.startswith("https://") and m.endswith("/") for m in mirrors)
