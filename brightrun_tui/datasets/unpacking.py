"""Files that are not plain UTF-8 text as they lie there: packed ones, and text in another encoding.

What is read then is a copy in UTF-8 that is gone with the `SourceFile` it belongs to. Fingerprints are those of the original.
"""

from __future__ import annotations

import codecs
import gzip
import lzma
import re
import shutil
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from brightrun_tui.datasets.folder import is_about
from brightrun_tui.domain.disk import is_disk_full
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError

GZIP, ZIP, ZSTD = b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd"
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 1 << 20
_FED = 1 << 10
"""Bytes of zstd at a time, which may hold 32 MiB."""
_MOST_BYTES = 64 << 30
_MOST_TIMES = 200
"""A file that unpacks to more than this many times its size, and to more than a gigabyte, is a bomb."""
_LEAST_SUSPECT = 1 << 30
_KEEP_FREE = 1 << 30
_LOOK_EVERY = 64 << 20
_SAMPLE = 256 * 1024
_GUESSED = (
    "cp1252 cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp874 cp932 euc-jp gb18030 big5 big5hkscs cp949 "
    "koi8-r koi8-u cp850 cp437 cp852 cp866 mac-roman utf-16-le utf-16-be"
).split()
"""What programs wrote or write; of the others one is only taken for one of these by mistake."""
_WESTERN = "cp1252"
_WITH_EURO = "iso8859-15"
_EURO = re.compile(rb"\d\s?\xa4|\xa4\s?\d")
"""The euro as ISO 8859-15 has it, beside a number: of Windows-1252 it would be a sign that nobody writes."""
_OF_WINDOWS = re.compile(rb"[\x80-\x9f]")
_AS_LIKELY = 0.94
"""Of the likelihood of the best guess: what has as much may be it too, and by far the most files are Western."""
_NAMES = {
    "utf-8": "UTF-8",
    "cp1252": "Windows-1252 (Western European)",
    "cp1250": "Windows-1250 (Central European)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "iso8859-15": "ISO 8859-15 (Western, with €)",
    "mac-roman": "Mac Roman",
    "cp850": "DOS 850 (Western European)",
    "koi8-r": "KOI8-R (Russian)",
    "cp932": "Shift-JIS (Japanese)",
    "gb18030": "GB 18030 (Chinese)",
    "big5": "Big5 (Traditional Chinese)",
    "euc-jp": "EUC-JP (Japanese)",
    "euc-kr": "EUC-KR (Korean)",
    "cp949": "Windows-949 (Korean)",
    "cp1257": "Windows-1257 (Baltic)",
    "cp437": "DOS 437",
    "cp866": "DOS 866 (Cyrillic)",
    "utf-16": "UTF-16",
    "utf-32": "UTF-32",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
}


class Copy:
    """A temporary file; it is deleted with this object, at the latest when the process ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        weakref.finalize(self, path.unlink, missing_ok=True)


def unpack(path: Path, head: bytes) -> tuple[Copy, str] | None:
    """Return a copy of what a packed file holds, and that file's name; None if it is not packed.

    Raises:
        DatasetError: damaged, more than one file, protected by a password, too large for this disk, or a bomb.
    """
    if head.startswith(GZIP):
        return _copy(path, lambda stream: gzip.GzipFile(fileobj=stream)), path.name.removesuffix(".gz")
    if head.startswith(ZSTD):
        return _copy(path, _Zstd), path.name.removesuffix(".zst")
    if head.startswith(ZIP) and path.suffix.lower() not in (".xlsx", ".xlsm"):
        return _from_zip(path)
    return None


ENCODINGS = (
    "utf-8",
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "iso8859-15",
    "mac-roman",
    "cp850",
    "koi8-r",
    "cp932",
    "gb18030",
    "big5",
    "euc-kr",
    "utf-16",
)
"""Those to choose from, by Python's names; any other that Python knows can be typed."""


def encoding_title(encoding: str) -> str:
    """Return what people call an encoding that Python calls so."""
    return _NAMES.get(encoding, encoding.replace("_", "-").upper())


def guess_encoding(path: Path) -> str:
    """Return Python's name of the encoding that a text file seems to be in. Raises ``OSError``."""
    with path.open("rb") as stream:
        head = stream.read(64 * 1024)
    return _encoding(path, head) or "utf-8"


def to_utf8(path: Path, data: Path, head: bytes, chosen: str = "") -> tuple[Copy, str] | None:
    """Return a UTF-8 copy of a text in another encoding, and the name of that where it is a guess; None if it is UTF-8 or
    unknown.

    ``chosen`` is the encoding that a person named; then nothing is guessed, and bytes that are none of it are refused.

    Text with characters that are UTF-8 beside bytes that are not is damaged, not of another encoding.
    """
    if chosen:
        if codecs.lookup(chosen).name in ("utf-8", "utf-8-sig"):
            return None
        return _copy(path, lambda stream: _Recoded(stream, chosen, path), data), ""
    encoding = _encoding(data, head)
    if encoding is None:
        return None
    name = "" if head.startswith(tuple(mark for mark, _ in _BOMS)) else encoding_title(encoding)
    return _copy(path, lambda stream: _Recoded(stream, encoding), data), name


def _copy(path: Path, opened: Callable[[IO[bytes]], Any], data: Path | None = None) -> Copy:
    """Return what ``opened`` makes of the file, in a temporary file."""
    packed = (data or path).stat().st_size
    done = looked = 0
    with (
        _errors(path),
        (data or path).open("rb") as stream,
        tempfile.NamedTemporaryFile(prefix="brightrun-dataset-", delete=False) as target,
    ):
        copy = Copy(Path(target.name))  # before anything is in it: this process may be ended at any time
        try:
            reader = opened(stream)
            while chunk := reader.read(_CHUNK):
                done += len(chunk)
                if done > _LEAST_SUSPECT and done > _MOST_TIMES * packed:
                    raise DatasetError(
                        f"the file unpacks to more than {_MOST_TIMES} times its size",
                        where=str(path),
                        fix="this looks like an archive bomb; unpack it by hand if it is not",
                        kind=ErrorKind.DATASET_BOMB,
                    )
                look = done - looked >= _LOOK_EVERY
                looked = done if look else looked
                if done > _MOST_BYTES or (look and shutil.disk_usage(target.name).free < _KEEP_FREE):
                    raise _no_room(path)
                target.write(chunk)
            target.flush()
        except BaseException:
            copy.path.unlink(missing_ok=True)
            raise
    return copy


def _no_room(path: Path) -> DatasetError:
    return DatasetError(
        "there is not enough room on the disk to unpack the file",
        where=str(path),
        fix=f"free some space in {tempfile.gettempdir()}, or unpack it elsewhere",
        kind=ErrorKind.DISK_FULL,
    )


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise DatasetError(
            f"the archive is damaged or cut off ({error})",
            where=str(path),
            fix="copy or export it again",
            kind=ErrorKind.DATASET_BROKEN_ARCHIVE,
        ) from None
    except OSError as error:
        if is_disk_full(error):
            raise _no_room(path) from None
        raise
    except (RuntimeError, NotImplementedError):
        raise DatasetError(
            "the archive is protected by a password, or packed in an unusual way",
            where=str(path),
            fix="unpack it by hand",
            kind=ErrorKind.DATASET_BROKEN_ARCHIVE,
        ) from None


def _from_zip(path: Path) -> tuple[Copy, str]:
    with _errors(path), zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if not one.is_dir() and not _is_clutter(one.filename)]
        if len(members) != 1:
            names = ", ".join(PurePosixPath(one.filename).name[:40] for one in members[:4]) or "none"
            raise DatasetError(
                f"the archive holds {len(members)} files ({names})",
                where=str(path),
                kind=ErrorKind.DATASET_ARCHIVE,
                fix="unpack it, and name the file to learn from",
            )
        name = PurePosixPath(members[0].filename).name
        return _copy(path, lambda _: archive.open(members[0])), name


def _is_clutter(name: str) -> bool:
    """Return what archivers of some systems add by themselves, and files about the data."""
    return name.startswith("__MACOSX/") or is_about(PurePosixPath(name).name)


class _Zstd:
    """A binary stream of what frames of zstd hold, one after another. The library's own ends quietly where a frame is cut off."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._frame: Any = None
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return the next bytes, not bounded by ``size``; none at the end. Raises ``EOFError``: damaged or cut off."""
        from zstandard import ZstdDecompressor, ZstdError

        while given := self._rest or self._stream.read(_FED):
            self._frame = self._frame or ZstdDecompressor(max_window_size=1 << 31).decompressobj()
            try:
                said: bytes = self._frame.decompress(given)
            except ZstdError as error:
                raise EOFError(str(error)) from None
            self._rest = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
            if said:
                return said
        if self._frame is not None:
            raise EOFError("it ends within a frame")
        return b""


class _Recoded:
    """A binary stream of text in some encoding, read as UTF-8. With ``chosen_for``, a file, what is not of it is refused."""

    def __init__(self, stream: IO[bytes], encoding: str, chosen_for: Path | None = None) -> None:
        self._stream = stream
        self._encoding, self._file = encoding, chosen_for
        self._decoder = codecs.getincrementaldecoder(encoding)("strict" if chosen_for else "replace")

    def read(self, size: int) -> bytes:
        try:
            while chunk := self._stream.read(size):
                if text := self._decoder.decode(chunk):
                    return text.encode("utf-8", "replace")
            return self._decoder.decode(b"", True).encode("utf-8", "replace")
        except UnicodeError:
            raise DatasetError(
                f"the text is not in {encoding_title(self._encoding)}",
                where=str(self._file),
                fix="choose another encoding, or none: then it is guessed",
                kind=ErrorKind.DATASET_ENCODING,
            ) from None


def _encoding(data: Path, head: bytes) -> str | None:
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    if (zeros := _utf16_by_zeros(head)) is not None:
        return zeros
    sample = _first_that_is_not_utf8(data)
    if sample is None:
        return None
    from chardet import detect_all

    found = detect_all(
        sample, ignore_threshold=True, prefer_superset=True, compat_names=False, include_encodings=_GUESSED
    )
    likely = [one["encoding"] for one in found if one["confidence"] >= _AS_LIKELY * found[0]["confidence"]]
    if _WESTERN in likely:
        return _WITH_EURO if _EURO.search(sample) and not _OF_WINDOWS.search(sample) else _WESTERN
    return likely[0]


def is_utf16(head: bytes) -> bool:
    """Say whether these first bytes are text in UTF-16 or UTF-32, which holds zeros."""
    return head.startswith(tuple(mark for mark, _ in _BOMS)) or _utf16_by_zeros(head) is not None


def _utf16_by_zeros(head: bytes) -> str | None:
    """Recognise UTF-16 without its mark: in Latin scripts every second byte is zero."""
    if len(head) < 4 or b"\0" not in head:
        return None
    half = len(head) // 2
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if head[start::2].count(0) > 0.4 * half and head[1 - start :: 2].count(0) < 0.01 * half:
            return name
    return None


def _first_that_is_not_utf8(data: Path) -> bytes | None:
    """Return bytes around the first place that is not UTF-8; None if there is none, or where the text is UTF-8 that was
    damaged.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with data.open("rb") as stream:
        while True:
            start = stream.tell()
            chunk = stream.read(_CHUNK)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                if "unexpected end" in error.reason:
                    return None
                before = chunk[: max(0, error.start)]
                stream.seek(start)
                return (
                    None
                    if not before.isascii()
                    else stream.read(_SAMPLE + error.start)[max(0, error.start - _SAMPLE // 2) :]
                )
            if not chunk or not text.isascii() or "\0" in text:
                return None
