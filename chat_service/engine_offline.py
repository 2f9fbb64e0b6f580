"""The engine without a model: the same prompt always gives the same reply. Enough to see what memory does."""

import phrases
from clock import get_current_time
from turn import Prompt

LONGEST_QUOTE = 80
FORMAL = ("formal", "polite", "professional")


class Offline:
    """Knows the user's name and style, the time, what was said last and what memory tells of the user."""

    name = "offline"

    async def reply(self, prompt: Prompt) -> str:
        """A greeting in the preferred style, and the answer to the question, if it understands one."""
        text, memory = prompt.turn.text, prompt.context.memory
        say = phrases.of(text)
        formal = any(word in memory.preferred_style.lower() for word in FORMAL)
        greeting = (say.formal if formal else say.casual).format(memory.name)
        if say.time.search(text):
            answer = say.tell_time.format(get_current_time())
        elif say.name.search(text):
            answer = say.tell_name.format(memory.name)
        elif say.topic.search(text):
            said = [one.content for one in prompt.context.history if one.role == "user"]
            answer = say.tell_topic.format(_quote(said[-1])) if said else say.no_topic
        elif say.about_me.search(text):
            answer = say.tell_about.format(memory.user_summary)
        else:
            answer = say.heard.format(_quote(text))
        return f"{greeting} {answer}"

    async def aclose(self) -> None:
        """Nothing is open."""


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 1]}…"
