"""How an English word that stands in no dictionary is probably said: spelling -> phones.

Pure: the longest spelling that fits is taken, from left to right. Of a dictionary's words one in
four comes out exactly and three in five at most one phone off. Phones are ARPABET's.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

_VOWELS = "aeiouy"

_TABLE = """
    augh:AO|eigh:EY|ough:AO|tion:SH AH N|sion:ZH AH N|ture:CH ER|cial:SH AH L|tial:SH AH L
    cious:SH AH S|tious:SH AH S|igh:AY|air:EH R|are:EH R|ear:IH R|eer:IH R|ere:IH R|oar:AO R
    oor:AO R|our:AO R|ore:AO R|ire:AY ER|ure:Y UH R|tch:CH|dge:JH|sch:SH|ai:EY|ay:EY|au:AO
    aw:AO|ea:IY|ee:IY|ei:EY|ey:IY|eu:Y UW|ew:UW|ie:IY|oa:OW|oe:OW|oi:OY|oy:OY|oo:UW|ou:AW
    ow:OW|ue:UW|ui:UW|ar:AA R|er:ER|ir:ER|or:AO R|ur:ER|yr:ER|ch:CH|ck:K|gh:G|gn:N|kn:N
    ng:NG|nk:NG K|ph:F|ps:P S|qu:K W|rh:R|sc:S K|sh:SH|th:TH|wh:W|wr:R|ts:T S|dj:JH
    bb:B|cc:K|dd:D|ff:F|gg:G|kk:K|ll:L|mm:M|nn:N|pp:P|rr:R|ss:S|tt:T|vv:V|zz:Z
    a:AE|b:B|c:K|d:D|e:EH|f:F|g:G|h:HH|i:IH|j:JH|k:K|l:L|m:M|n:N|o:AA|p:P|q:K|r:R|s:S
    t:T|u:AH|v:V|w:W|x:K S|y:IH|z:Z
"""
_SPELLINGS: Final[Mapping[str, str]] = MappingProxyType(
    dict(entry.strip().split(":") for entry in _TABLE.strip().replace("\n", "|").split("|"))
)
_AT_START: Final = MappingProxyType({"x": "Z", "gn": "N", "ps": "S", "pn": "N", "y": "Y"})
_AT_END: Final = MappingProxyType(
    {
        "y": "IY",
        "a": "AH",
        "i": "IY",
        "o": "OW",
        "u": "UW",
        "le": "AH L",
        "es": "Z",
        "ed": "D",
        "ism": "IH Z AH M",
        "ous": "AH S",
        "mb": "M",
        "que": "K",
        "gue": "G",
        "ie": "IY",
    }
)
_SOFT: Final = MappingProxyType({"c": "S", "g": "JH", "cc": "K S", "sc": "S"})
_LONG: Final = MappingProxyType({"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW", "y": "AY"})
_LONGEST = 5


def pronunciations(word: str) -> list[str]:
    """What lower-case letters ``a`` to ``z`` may sound like, best first; without vowels, none.

    The second, if there is one, has long vowels where a single consonant and a vowel follow
    ("tomato": both are heard).
    """
    readings = [" ".join(_phones(word, open_is_long=is_long)) for is_long in (False, True)]
    return list(dict.fromkeys(reading for reading in readings if reading))


def _phones(word: str, *, open_is_long: bool) -> Iterator[str]:
    at = 0
    while at < len(word):
        length = _spelling_length(word, at)
        spelling, rest = word[at : at + length], word[at + length :]
        yield from _sound(spelling, rest, first=at == 0, open_is_long=open_is_long).split()
        at += length


def _spelling_length(word: str, at: int) -> int:
    for length in range(min(_LONGEST, len(word) - at), 1, -1):
        spelling = word[at : at + length]
        at_end = at > 0 and at + length == len(word) and spelling in _AT_END
        if spelling in _SPELLINGS or at_end or (at == 0 and spelling in _AT_START):
            return length
    return 1


def _sound(spelling: str, rest: str, *, first: bool, open_is_long: bool) -> str:
    if first and spelling in _AT_START and (spelling != "y" or rest[:1] in tuple("aeiou")):
        return _AT_START[spelling]
    if not rest and not first:
        if spelling == "e":
            return ""
        if spelling in _AT_END:
            return _AT_END[spelling]
    if spelling in _SOFT and rest[:1] in tuple("eiy"):
        return _SOFT[spelling]
    if spelling in _LONG and _is_open(rest, open_is_long=open_is_long):
        return _LONG[spelling]
    return _SPELLINGS[spelling]


def _is_open(rest: str, *, open_is_long: bool) -> bool:
    """Whether one consonant and a vowel follow: an ``e`` at the end always makes it long."""
    if len(rest) < 2 or rest[0] in _VOWELS or rest[0] == "x" or rest[1] not in _VOWELS:
        return False
    return rest[1:] in {"e", "es"} or open_is_long
