"""The questions that offline.py knows, and its sentences, by language. A text that asks none of them is English."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Phrases:
    """Patterns of questions, and the sentences that answer them."""

    time: re.Pattern[str]
    name: re.Pattern[str]
    topic: re.Pattern[str]
    about_me: re.Pattern[str]
    formal: str
    casual: str
    tell_time: str
    tell_name: str
    tell_topic: str
    no_topic: str
    tell_about: str
    heard: str

    def asks(self, text: str) -> bool:
        """Check whether the text asks a question of this language."""
        return any(pattern.search(text) for pattern in (self.time, self.name, self.topic, self.about_me))


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(rf"\b(?:{pattern})" for pattern in patterns), re.IGNORECASE)


ENGLISH = Phrases(
    time=_any("what time", "time is it", "current time", "what(?:'s| is) the (?:time|date)", "today's date"),
    name=_any("what(?:'s| is) my name", "who am i", "know my name"),
    topic=_any("last (?:topic|talk)", "did we (?:talk|speak|discuss)", "were we talking", "what did i (?:say|ask)"),
    about_me=_any("know about me", "remember about me", "who do you think i am"),
    formal="Greetings, {}!",
    casual="Hi {}!",
    tell_time="It is {}.",
    tell_name="Your name is {}.",
    tell_topic="Last we talked about “{}”.",
    no_topic="We have not talked about anything yet.",
    tell_about="This is what I know of you: {}",
    heard="I noted “{}”.",
)
GERMAN = Phrases(
    time=_any("wie spät", "wie viel uhr", "welches datum"),
    name=_any("wie hei(?:ß|ss)e ich", "wer bin ich"),
    topic=_any("worüber haben wir", "letztes thema"),
    about_me=_any("wei(?:ß|ss)t du über mich"),
    formal="Guten Tag, {}!",
    casual="Hallo {}!",
    tell_time="Es ist {}.",
    tell_name="Sie heißen {}.",
    tell_topic="Zuletzt sprachen wir über „{}“.",
    no_topic="Wir haben noch über nichts gesprochen.",
    tell_about="Das weiß ich: {}",
    heard="Notiert: „{}“.",
)
LANGUAGES = (ENGLISH, GERMAN)


def of(text: str) -> Phrases:
    """Return the language in which a text asks something."""
    return next((language for language in LANGUAGES if language.asks(text)), ENGLISH)
