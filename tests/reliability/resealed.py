"""Valid checksums for changed files, like those of files crafted by an attacker."""

import contextlib
import hashlib
import struct
import zlib
from typing import List

import yaml

from edgeflownas.hardware import cost
from edgeflownas.storage import record, sealed

_NO_CONTENT = (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError)


def png(data: bytes) -> bytes:
    """Return a PNG file with valid checksums, whatever its content."""
    place = 8
    parts: List[bytes] = [data[:8]]
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        body = data[place + 4 : place + 8 + min(size, len(data))]
        parts.append(struct.pack(">I", max(len(body) - 4, 0)) + body + struct.pack(">I", zlib.crc32(body)))
        place += 12 + size
    return b"".join(parts)


def hdf5(data: bytes) -> bytes:
    """Return a sealed HDF5 file with a valid checksum."""
    image = data[512:]
    return sealed._make_seal(hashlib.sha256(image)) + image


def state(data: bytes) -> bytes:
    """Return a record with a valid checksum from the content of YAML, if that is a mapping."""
    with contextlib.suppress(*_NO_CONTENT):
        content = yaml.safe_load(data)
        return record._seal_text({key: value for key, value in content.items() if key != "sha256"}).encode()
    return data


def table(data: bytes) -> bytes:
    """Return a cost table with a valid checksum from the content of YAML."""
    with contextlib.suppress(*_NO_CONTENT):
        content = yaml.safe_load(data)
        return cost._text({**content, "sha256": cost._digest(content)}).encode()
    return data
