"""Numbers as they are said in English."""

# fmt: off
_BELOW_20 = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# fmt: on
_SCALES = ((10**9, "billion"), (10**6, "million"), (10**3, "thousand"), (100, "hundred"))


def number_words(number: int) -> list[str]:
    """A number from 0 below 10**12, word by word and without "and": 123 is "one hundred
    twenty three"."""
    for scale, name in _SCALES:
        if number >= scale:
            rest = number % scale
            return [*number_words(number // scale), name, *(number_words(rest) if rest else ())]
    if number < len(_BELOW_20):
        return [_BELOW_20[number]]
    tens, rest = _TENS[number // 10 - 2], number % 10
    return [tens, _BELOW_20[rest]] if rest else [tens]
