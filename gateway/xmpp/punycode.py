"""A-labels, in a time that grows no faster than the label (Punycode, RFC 3492).

The codec of Python's library looks at the whole label twice for each different character in it, so it takes ten times
as long for some labels as for usual ones, and its decoder calls four functions for each digit.
"""

from __future__ import annotations

import sys
from bisect import bisect_left

LABEL_BYTES = 63  # RFC 1035 §2.3.4
PREFIX = "xn--"

_DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789"
_BASE, _T_MIN, _T_MAX, _SKEW, _DAMP = 36, 1, 26, 38, 700
_FIRST_BIAS, _FIRST_CODE_POINT = 72, 0x80
_VALUES = bytes(_DIGITS.find(chr(octet)) % 0x100 for octet in range(0x100))
"""The value of each digit in ASCII; 255 if it is none."""
_NO_DIGIT = 0xFF
_MOST_DELTA = (_BASE - _T_MIN) * _T_MAX // 2
_POSITIONS = [_BASE - (_BASE - _T_MIN + 1) * delta // (delta + _SKEW) for delta in range(_MOST_DELTA + 1)]
"""Where the next number begins, 36 less its bias, behind each usual delta."""
_SURELY_FITS = 8  # characters, each of which takes at most seven digits


def fits_label(label: str) -> bool:
    """Return whether the A-label of a label is no longer than DNS allows."""
    if len(label) <= _SURELY_FITS:
        return True
    try:
        return bool(to_a_label(label))
    except ValueError:
        return False


def to_a_label(label: str) -> str:
    """Return the A-label of a label with characters beyond ASCII; raise ValueError if it is longer than 63 bytes."""
    basic = [place for place, character in enumerate(label) if character < "\x80"]
    output = [label[place] for place in basic]
    if basic:
        output.append("-")
    places = basic  # of what the decoder has by now, in order
    code_point, index, damp, first_position = _FIRST_CODE_POINT, 0, _DAMP, _BASE - _FIRST_BIAS
    others = sorted([(ord(character), place) for place, character in enumerate(label) if character >= "\x80"])
    for count, (next_code_point, place) in enumerate(others, len(basic) + 1):
        before = bisect_left(places, place)
        delta = (next_code_point - code_point) * count + before - index
        places.insert(before, place)
        code_point, index = next_code_point, before + 1
        number, position = delta, first_position
        while True:
            threshold = _T_MIN if position <= _T_MIN else _T_MAX if position >= _T_MAX else position
            if number < threshold:
                break
            number, digit = divmod(number - threshold, _BASE - threshold)
            output.append(_DIGITS[threshold + digit])
            position += _BASE
        output.append(_DIGITS[number])
        delta //= damp
        delta += delta // count
        first_position = _POSITIONS[delta] if delta <= _MOST_DELTA else _position_behind(delta)
        damp = 2
        if len(output) > LABEL_BYTES - len(PREFIX):
            raise ValueError(f"a label is longer than {LABEL_BYTES} bytes")
    return PREFIX + "".join(output)


def from_a_label(a_label: str) -> str:
    """Return the label of an A-label in lower case; raise ValueError if it is no label's A-label."""
    basic, delimiter, digits = a_label.removeprefix(PREFIX).rpartition("-")
    if (delimiter and not basic) or not digits or not basic.isascii():
        raise ValueError(f"{a_label!r} is not the A-label of a label")
    values = digits.encode("ascii", "replace").translate(_VALUES)
    if _NO_DIGIT in values:
        raise ValueError(f"{a_label!r} is not an A-label")
    output = list(basic)
    code_point, index, damp = _FIRST_CODE_POINT, 0, _DAMP
    number, weight, position = 0, 1, _BASE - _FIRST_BIAS
    count = len(output) + 1
    for value in values:
        number += value * weight
        threshold = _T_MIN if position <= _T_MIN else _T_MAX if position >= _T_MAX else position
        if value >= threshold:
            weight *= _BASE - threshold
            position += _BASE
            continue
        index += number
        if index >= count:
            rounds, index = divmod(index, count)
            code_point += rounds
            if code_point > sys.maxunicode:
                raise ValueError(f"{a_label!r} is not an A-label")
        output.insert(index, chr(code_point))
        index += 1
        number //= damp
        number += number // count
        position = _POSITIONS[number] if number <= _MOST_DELTA else _position_behind(number)
        number, weight, damp = 0, 1, 2
        count += 1
    if weight != 1:
        raise ValueError(f"{a_label!r} ends in the middle of a number")
    return "".join(output)


def _position_behind(delta: int) -> int:
    """Return where the next number begins behind a delta that is divided already (§3.4)."""
    bias = 0
    while delta > _MOST_DELTA:
        delta //= _BASE - _T_MIN
        bias += _BASE
    return _POSITIONS[delta] - bias
