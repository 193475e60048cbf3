"""CRC-16 with the polynomial 0x8005 and 0 at the start, as FLAC, LAME and FFmpeg write it."""

import functools

import numpy as np
import numpy.typing as npt

_POLYNOMIAL, _REFLECTED = 0x8005, 0xA001
_LANE = 256


class Crc16:
    """A checksum of bytes.

    CRCs are linear. So the contribution of a byte at each place of a lane is looked up for many
    lanes at once, and the lanes are then combined one after the other.

    Args:
        reflected: whether bits are taken from the low one (MP3), not from the high one (FLAC).
    """

    def __init__(self, *, reflected: bool) -> None:
        self._reflected = reflected
        self.table: list[int] = [self._of_byte(byte) for byte in range(256)]
        """The contribution of a byte to an empty CRC."""

    def _of_byte(self, byte: int) -> int:
        value = byte if self._reflected else byte << 8
        for _ in range(8):
            if self._reflected:
                value = value >> 1 ^ (_REFLECTED if value & 1 else 0)
            else:
                value = (value << 1 ^ (_POLYNOMIAL if value & 0x8000 else 0)) & 0xFFFF
        return value

    def after(self, value: int, byte: int) -> int:
        """The checksum of some bytes and one more."""
        if self._reflected:
            return self.table[(value ^ byte) & 0xFF] ^ value >> 8
        return self.table[value >> 8 ^ byte] ^ (value & 0xFF) << 8

    def _after_zero(self, values: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        table = np.array(self.table, dtype=np.uint16)
        if self._reflected:
            return table[values & 0xFF] ^ values >> 8
        return table[values >> 8] ^ values << 8

    @functools.cached_property
    def _places(self) -> npt.NDArray[np.uint16]:
        """(lane, 256): the contribution of a byte at a place of a lane to the CRC of the lane."""
        rows = [np.array(self.table, dtype=np.uint16)]
        for _ in range(_LANE - 1):
            rows.append(self._after_zero(rows[-1]))
        return np.stack(rows[::-1])

    @functools.cached_property
    def _lane_later(self) -> tuple[list[int], list[int]]:
        """The low and the high byte of a CRC after a lane of zeros."""
        low: npt.NDArray[np.uint16] = np.arange(256, dtype=np.uint16)
        high: npt.NDArray[np.uint16] = low * np.uint16(256)
        for _ in range(_LANE):
            low, high = self._after_zero(low), self._after_zero(high)
        return low.tolist(), high.tolist()

    def __call__(self, data: bytes, value: int = 0) -> int:
        """The checksum of bytes; `value`: of those before them."""
        n_lanes = len(data) // _LANE
        if n_lanes:
            low, high = self._lane_later
            lanes = np.frombuffer(data, np.uint8, n_lanes * _LANE).reshape(n_lanes, _LANE)
            left = np.bitwise_xor.reduce(self._places[np.arange(_LANE), lanes], axis=1)
            for lane in left.tolist():
                value = low[value & 0xFF] ^ high[value >> 8] ^ lane
        for byte in data[n_lanes * _LANE :]:
            value = self.after(value, byte)
        return value


crc16_of_flac = Crc16(reflected=False)
crc16_of_mpeg = Crc16(reflected=True)
