"""Whole folders, to compare what was made twice."""

import hashlib
from pathlib import Path


def sha256_folder(path: str | Path) -> str:
    """SHA-256 over the sorted relative names and contents of all files below a folder."""
    digest = hashlib.sha256()
    for file in sorted(p for p in Path(path).rglob("*") if p.is_file()):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(path).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()
