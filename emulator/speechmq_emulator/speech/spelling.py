"""British, American and Australian spelling of a few common families of words.

The service respells with a whole dictionary for each locale; this is a short list, of
stems whose endings follow by rule. Words that are not in it stay as they were recognised.
"""

from collections.abc import Mapping
from types import MappingProxyType

_OUR = "arm behavi col fav flav harb hon hum lab neighb rum sav vap vig"
_OUR_ENDINGS = ("", "s", "ed", "ing", "able", "ful", "less", "hood", "hoods", "ite", "ites")
_ISE = (
    "apolog author categor civil critic emphas final general global hospital legal local maxim"
    " memor minim modern normal optim organ priorit real recogn special standard summar util visual"
)
_ISE_ENDINGS = ("e", "es", "ed", "ing", "er", "ers", "ation", "ations")
_PAIRS = (
    "centre:center centres:centers theatre:theater theatres:theaters metre:meter metres:meters"
    " litre:liter litres:liters fibre:fiber fibres:fibers defence:defense offence:offense"
    " licence:license licences:licenses analyse:analyze analysed:analyzed analysing:analyzing"
    " travelled:traveled travelling:traveling traveller:traveler travellers:travelers"
    " cancelled:canceled cancelling:canceling modelling:modeling labelled:labeled"
    " catalogue:catalog catalogues:catalogs dialogue:dialog grey:gray cheque:check"
    " programme:program programmes:programs tyre:tire tyres:tires jewellery:jewelry"
    " aluminium:aluminum aeroplane:airplane mum:mom mums:moms"
)
_OTHER_WORDS = frozenset({"check", "tire", "tires", "meter", "meters", "dialog"})
"""American spellings that are other words in British English: never respelled."""


def _british_to_american() -> dict[str, str]:
    pairs = dict(pair.split(":") for pair in _PAIRS.split())
    pairs |= {f"{stem}our{end}": f"{stem}or{end}" for stem in _OUR.split() for end in _OUR_ENDINGS}
    pairs |= {f"{stem}is{end}": f"{stem}iz{end}" for stem in _ISE.split() for end in _ISE_ENDINGS}
    return pairs


_AMERICAN = MappingProxyType(_british_to_american())
_BRITISH = MappingProxyType({us: gb for gb, us in _AMERICAN.items() if us not in _OTHER_WORDS})
# Australians write "program".
_AUSTRALIAN = MappingProxyType(
    {us: gb for us, gb in _BRITISH.items() if not us.startswith("program")}
)

_LOCALES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"en-US": _AMERICAN, "en-GB": _BRITISH, "en-AU": _AUSTRALIAN}
)


def respelling(locale: str | None) -> Mapping[str, str]:
    """Lower-case words that the locale spells otherwise; empty for one that is not imitated."""
    return _LOCALES.get(locale or "", MappingProxyType({}))


def respelled(content: str, words: Mapping[str, str]) -> str:
    """``content`` or the locale's spelling of it, with its capitals."""
    spelling = words.get(content.lower())
    if spelling is None:
        return content
    if content.isupper() and len(content) > 1:
        return spelling.upper()
    return spelling.capitalize() if content[0].isupper() else spelling
