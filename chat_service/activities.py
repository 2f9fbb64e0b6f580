"""The steps of the workflow. Each has a time limit, and may run twice without harm.

generate_response may ask the model twice if the process dies before its result is kept. Only one reply is saved.
save_conversation may publish twice: the event id is the message id, and memory keeps each id once. It also takes the
message out of the queue, because another step for that would cost a tenth of the whole (`./lab bench chat`).
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from events import Events
from failures import Faults, ModelBusy, step
from kit.engine.instances import Instances, LostInstance, NoInstance
from kit.engine.worker import Activity
from memory import MemoryService
from messages import Answered, Context, Fetched, Generated, Memory, Message, Outcome, Prompt
from once.register import Register
from replies.choice import LanguageModels
from replies.prompts import shortened, with_recent
from settings import Settings
from workflow import YOU_ARE_NEXT

log = logging.getLogger("chat")


@dataclass(frozen=True)
class Activities:
    """The activities, with the clients and stores that they use."""

    settings: Settings
    memory: MemoryService
    models: LanguageModels
    events: Events
    register: Register
    instances: Instances
    faults: Faults

    def all(self) -> list[Activity]:
        """Return the activities, to be registered under their names."""
        mine = (
            self.take_turn, self.fetch_context, self.generate_response, self.save_conversation, self.handle_error
        )  # fmt: skip
        return [step(activity, self.faults) for activity in mine]

    async def take_turn(self, waiting: Outcome) -> bool:
        """Check whether a waiting message is next in its session's queue."""
        return await self.register.is_next(waiting.message, waiting.instance_id, self.instances.has_ended)

    async def fetch_context(self, message: Message) -> Fetched:
        """Read the facts about the user, and the history with the turns that memory does not have yet."""
        recent, recalled = await asyncio.gather(
            self.register.recent(message), self.memory.recall(message, self.settings.history_messages)
        )
        said = with_recent(recalled.history, recent)
        # When this step is repeated, memory may have this message's own turn already. That is no history of it.
        before = [each for each in said if each.message_id != message.message_id]
        known = {each.message_id for each in recalled.history}
        context = Context(
            memory=Memory(**recalled.model_dump(exclude={"history"})),
            history=shortened(before, self.settings.history_tokens),
        )
        remembered = [turn.message_id for turn in recent if turn.message_id in known]
        return Fetched(context=context, remembered=remembered)

    async def generate_response(self, prompt: Prompt) -> Generated:
        """Ask the model. If it is busy and says for how long, the workflow waits."""
        try:
            return Generated(answered=await self.models.reply(prompt))
        except ModelBusy as busy:
            if not prompt.may_wait or busy.seconds > self.settings.max_retry_after_seconds:
                raise
            return Generated(retry_after_seconds=busy.seconds)

    async def save_conversation(self, outcome: Outcome) -> Answered | None:
        """Publish the turn for memory, and let the next message start. Return the first reply that was saved."""
        assert outcome.answered is not None
        await self.events.conversation_updated(outcome.message, outcome.answered.reply)
        await self.faults.strike("pass_turn")
        return await self._end(outcome)

    async def handle_error(self, outcome: Outcome) -> None:
        """Record a failure, and let the next message start."""
        assert outcome.failure is not None
        log.error("chat failed", extra={"instance_id": outcome.instance_id, **outcome.failure.model_dump()})
        await self._end(outcome)

    async def _end(self, outcome: Outcome) -> Answered | None:
        answered, following = await self.register.settle(
            outcome.message, outcome.instance_id, outcome.answered, outcome.remembered
        )
        if following is not None:
            # A workflow that has not started yet checks the queue when it does. A lost one can do nothing any more.
            with suppress(NoInstance, LostInstance):
                await self.instances.raise_event(following, YOU_ARE_NEXT)
        return answered
