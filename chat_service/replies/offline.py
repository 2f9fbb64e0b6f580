"""Replies without a model: the same prompt always gets the same reply. Enough to see the effect of memory."""

from messages import Prompt
from replies import phrases
from replies.clock import get_current_time

LONGEST_QUOTE = 80
FORMAL = ("formal", "polite", "professional")


class Offline:
    """Fixed rules that know the user's name and style, the time, the last topic, and memory's summary of the user."""

    name = "offline"

    async def reply(self, prompt: Prompt) -> str:
        """Return a greeting in the preferred style, and the answer to the question if the rules know it."""
        text, memory = prompt.text, prompt.context.memory
        say = phrases.of(text)
        formal = any(word in memory.preferred_style.lower() for word in FORMAL)
        greeting = (say.formal if formal else say.casual).format(memory.name)
        if say.time.search(text):
            answer = say.tell_time.format(get_current_time())
        elif say.name.search(text):
            answer = say.tell_name.format(memory.name)
        elif say.topic.search(text):
            said = [each.content for each in prompt.context.history if each.role == "user"]
            answer = say.tell_topic.format(_quote(said[-1])) if said else say.no_topic
        elif say.about_me.search(text):
            answer = say.tell_about.format(memory.user_summary)
        else:
            answer = say.heard.format(_quote(text))
        return f"{greeting} {answer}"


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 1]}…"
