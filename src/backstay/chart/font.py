"""Letters as pixels, for pictures that no browser draws: printable ASCII in cells of 5 by 9, the base line under the seventh row.

Each letter is its rows from above, a digit of base 32 for each: its five bits are the row's pixels. What has no letter is a box.
"""

from __future__ import annotations

from typing import Final

WIDE, HIGH, BASE = 6, 9, 7
"""The cell of a letter with the gap to the next one, and the rows above the base line."""

_ROWS: Final = {
    " ": "0", "!": "4444404", '"': "aaa", "#": "aavavaa", "$": "4fke5u4", "%": "op248j3", "&": "cik8lid", "'": "448",
    "(": "2488842", ")": "8422248", "*": "04lel4", "+": "044v44", ",": "00000cc48", "-": "000v", ".": "00000cc", "/": "01248g",
    "0": "ehjlphe", "1": "4c4444e", "2": "eh1248v", "3": "v2421he", "4": "26aiv22", "5": "vgu11he", "6": "68guhhe",
    "7": "v124888", "8": "ehhehhe", "9": "ehhf12c", ":": "0cc0cc", ";": "0cc0cc48", "<": "248g842", "=": "00v0v",
    ">": "8421248", "?": "eh12404", "@": "eh1dlle",
    "A": "ehhvhhh", "B": "uhhuhhu", "C": "ehggghe", "D": "sihhhis", "E": "vgguggv", "F": "vgguggg", "G": "ehgnhhf",
    "H": "hhhvhhh", "I": "e44444e", "J": "72222ic", "K": "hikokih", "L": "ggggggv", "M": "hrllhhh", "N": "hhpljhh",
    "O": "ehhhhhe", "P": "uhhuggg", "Q": "ehhhlid", "R": "uhhukih", "S": "fgge11u", "T": "v444444", "U": "hhhhhhe",
    "V": "hhhhha4", "W": "hhhllla", "X": "hha4ahh", "Y": "hhha444", "Z": "v1248gv", "[": "e88888e", "\\": "0g8421",
    "]": "e22222e", "^": "4ah", "_": "0000000v", "`": "842",
    "a": "00e1fhf", "b": "ggmphhu", "c": "00egghe", "d": "11djhhf", "e": "00ehvge", "f": "698s888", "g": "00fhhhf1e",
    "h": "ggmphhh", "i": "40c444e", "j": "2062222ic", "k": "ggikoki", "l": "c44444e", "m": "00qllhh", "n": "00mphhh",
    "o": "00ehhhe", "p": "00uhhhugg", "q": "00djhhf11", "r": "00mpggg", "s": "00fge1u", "t": "88s8896", "u": "00hhhjd",
    "v": "00hhha4", "w": "00hhlla", "x": "00ha4ah", "y": "00hhhhf1e", "z": "00v248v",
    "{": "2448442", "|": "444444444", "}": "8442448", "~": "008l2", "…": "000000l",
}  # fmt: skip
_BOX: Final = "vhhhhhv"


def pixels(letter: str) -> tuple[int, ...]:
    """The rows of `letter`, of five bits each, the leftmost pixel the highest bit."""
    rows = tuple(int(row, 32) for row in _ROWS.get(letter, _BOX))
    return rows + (0,) * (HIGH - len(rows))


def is_set(rows: tuple[int, ...], x: int, y: int) -> bool:
    """Whether the pixel at column `x` and row `y` belongs to the letter; none does outside of the cell."""
    return 0 <= y < HIGH and 0 <= x < 5 and bool(rows[y] >> (4 - x) & 1)


def doubled(letter: str) -> list[tuple[int, int]]:
    """The pixels of `letter` at twice its size, slopes made smooth (Scale2x, Andrea Mazzoleni, 2001): a quarter of a pixel takes
    its corner's side where both neighbours of that corner agree and the opposite ones do not."""
    rows = pixels(letter)
    found: list[tuple[int, int]] = []
    for y in range(HIGH):
        for x in range(-1, WIDE):
            here = is_set(rows, x, y)
            up, down, left, right = (is_set(rows, x + dx, y + dy) for dx, dy in ((0, -1), (0, 1), (-1, 0), (1, 0)))
            quarters = ((left, up, 0, 0), (right, up, 1, 0), (left, down, 0, 1), (right, down, 1, 1))
            for side, end, dx, dy in quarters:
                takes_side = up != down and left != right and side == end
                if side if takes_side else here:
                    found.append((2 * x + dx, 2 * y + dy))
    return found
