"""ICC profiles made byte by byte, and the sRGB colours that they stand for, by arithmetic."""

import struct

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])
D65 = (0.3127, 0.3290)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
DISPLAY_P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
PROPHOTO = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))
PROPHOTO_WHITE = (0.3457, 0.3585)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def to_xyz(primaries: tuple[tuple[float, float], ...], white: tuple[float, float] = D65) -> np.ndarray:
    """The matrix (3, 3) from linear RGB to XYZ, adapted to D50 after Bradford."""

    def xyz(x: float, y: float) -> np.ndarray:
        return np.array([x / y, 1.0, (1 - x - y) / y])

    columns = np.stack([xyz(*primary) for primary in primaries], 1)
    matrix = columns * np.linalg.solve(columns, xyz(*white))
    gains = np.diag((BRADFORD @ D50) / (BRADFORD @ xyz(*white)))
    return np.linalg.inv(BRADFORD) @ gains @ BRADFORD @ matrix


def srgb_from_xyz(xyz: np.ndarray) -> np.ndarray:
    """sRGB levels (..., 3) of XYZ colours relative to D50."""
    linear = (xyz @ np.linalg.inv(to_xyz(SRGB)).T).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255


def srgb_from_lab(lab: np.ndarray) -> np.ndarray:
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1)
    return srgb_from_xyz(np.where(f > 6 / 29, f**3, (f - 4 / 29) * 3 * (6 / 29) ** 2) * D50)


def rgb_profile(primaries: tuple[tuple[float, float], ...], gamma: float, white: tuple[float, float] = D65) -> bytes:
    matrix = to_xyz(primaries, white)
    tags = {name + b"XYZ": _xyz(matrix[:, number]) for number, name in enumerate((b"r", b"g", b"b"))}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags | {name + b"TRC": _curve(gamma) for name in (b"r", b"g", b"b")})


def grey_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


def cmyk_profile(lab_of_ink: "dict[tuple[int, int, int, int], tuple[int, int, int]]") -> bytes:
    """A profile of print colours by the Lab colours of full inks; what is not named is black."""
    ramp = bytes(range(256))
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    table = b"".join(
        bytes((round(L * 2.55), a + 128, b + 128)) for L, a, b in (lab_of_ink.get(ink, (0, 0, 0)) for ink in corners)
    )
    identity = struct.pack(">9l", *(65536 * (number % 4 == 0) for number in range(9)))
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + ramp * 4 + table + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut})


def _fixed(value: float) -> bytes:
    return struct.pack(">l", round(value * 65536))


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, values))


def _curve(gamma: float) -> bytes:
    return b"curv" + struct.pack(">LLHH", 0, 1, round(gamma * 256), 0)


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": b"desc" + struct.pack(">LL", 0, 5) + b"test\0" + bytes(79), b"wtpt": _xyz(D50)} | tags
    place, directory, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        directory += name + struct.pack(">LL", place + len(body), len(data))
        body += data
    date = struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    header = bytes(4) + struct.pack(">L", 0x02400000) + kind + space + connection + date + b"acsp" + bytes(24)
    header += struct.pack(">L", 1) + b"".join(map(_fixed, D50)) + bytes(48)
    return struct.pack(">L", place + len(body)) + header + struct.pack(">L", len(tags)) + directory + body
