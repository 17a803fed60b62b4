"""Words that the service tags in a transcript, in lower case.

English disfluencies are the service's published list. Its list of profanities is not
published: these few stand in for it.
"""

from collections.abc import Sequence
from dataclasses import replace

from speechmq_emulator.speech.events import Result, Tag, Word

_DISFLUENCIES = (
    "huh aha ah aw eh err hmm mm um uh uh-oh uh-huh uh-uh mhm a-ha aah aahh aaw ah-ha ahaa ahh"
    " ahha aww eeh erm hhm hhmm hm huh-uh m-hm uggh ugh ughh uhh uhhm uhm uhmm umm uuh uuhh uum"
)
_PROFANITIES = (
    "arse arsehole ass asshole bastard bitch bloody bollocks bugger bullshit cock crap cunt damn"
    " dick dickhead fuck fucked fucker fucking goddamn motherfucker piss pissed prick shit shitty"
    " slut twat wanker whore"
)
_TAGS: dict[str, Tag] = {
    **dict.fromkeys(_DISFLUENCIES.split(), "disfluency"),
    **dict.fromkeys(_PROFANITIES.split(), "profanity"),
}


def tagged(results: Sequence[Result]) -> list[Result]:
    """The same, with each English word of the lists tagged."""
    return [_tagged(result) for result in results]


def _tagged(result: Result) -> Result:
    if not isinstance(result, Word):
        return result
    tag = _TAGS.get(result.content.lower())
    if tag is None or tag in result.tags:
        return result
    return replace(result, tags=(*result.tags, tag))
