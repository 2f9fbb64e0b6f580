"""Build agent-memory's collaborators: one client for the process, and the parts that share it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Annotated

import aiohttp
from fastapi import Depends

import conversations
import memories
from conversations import Conversations
from forgetting.forgetter import Forgetter
from forgetting.tombstones import Tombstones
from kit.edge.service import from_state
from kit.edge.token import only_dapr
from kit.sidecar.client import SdkClient
from kit.sidecar.dead_letters import DeadLetters
from kit.sidecar.events import Publisher
from kit.sidecar.jobs import Jobs
from kit.sidecar.secrets import Secrets, UserHashes
from kit.sidecar.store import StateStore
from memories import Memories, StoredMemory
from models import History
from recording import Recorder
from settings import Settings
from summaries.refresher import Summaries
from summaries.summarizer import Summarizer


class Services:
    """The collaborators of the routes."""

    def __init__(self, settings: Settings, sdk: SdkClient, secrets: Secrets, summarizer: Summarizer) -> None:
        self.settings = settings
        self.store = StateStore(sdk, settings.state_store_name)
        self.users = UserHashes(secrets)
        # No event is later: the letter of one that failed is replayed within its retention.
        late = settings.stream_ttl_seconds + settings.forgetting_slack_seconds
        self.tombstones = Tombstones(self.store, late + settings.dead_letter_retention_seconds)
        self.memories, self.conversations = Memories(self.store, self.tombstones), Conversations(self.store)
        self.letters = DeadLetters(self.store, settings.dead_letter_retention_seconds)
        publisher, jobs = Publisher(sdk, settings.pubsub_name, "agent-memory-service"), Jobs(sdk)
        self.forgetter = Forgetter(
            settings, publisher, jobs, self.tombstones, self.memories, self.conversations, self.letters
        )
        self.summaries = Summaries(settings, self.memories, self.conversations, summarizer)
        self.recorder = Recorder(
            self.store, self.users, self.tombstones, self.conversations, self.memories, self.forgetter, self.summaries
        )

    async def check_keys(self) -> None:
        """Return if users and their values can be read. With another key each user would be unknown."""
        await self.store.check_key(await self.users.mark())

    async def recall(
        self, user_hash: str, session_id: str | None, limit: int
    ) -> tuple[StoredMemory | None, History | None]:
        """Return a user's memory and, if a session is named, its newest messages. Refresh a stale summary later."""
        keys = [memories.key_of(user_hash), *([conversations.key_of(session_id)] if session_id else [])]
        async with self.store.read_ahead(*keys):
            memory = await self.memories.get(user_hash)
            history = await self.conversations.history(session_id, limit, user_hash=user_hash) if session_id else None
        if memory and memory.due and memory.due.is_stale(self.settings.summary_stale_seconds):
            self.summaries.request(user_hash)
        return memory, history


async def with_their_keys(services: Annotated[Services, Depends(from_state("services"))]) -> Services:
    """Return the collaborators, if the keys are those by which they stored what there is."""
    await services.check_keys()
    return services


ServicesDep = Annotated[Services, Depends(with_their_keys)]
from_dapr = [Depends(only_dapr)]
# The statuses of an answer while a dependency fails.
DOWN = (502, 503, 504)


@asynccontextmanager
async def open_services(settings: Settings, session: aiohttp.ClientSession) -> AsyncGenerator[Services]:
    """Build the collaborators, and keep the summaries refreshed while they are in use."""
    async with aclosing(SdkClient(settings, session, settings.sidecar_timeout_seconds)) as sdk:
        secrets = Secrets(sdk, settings.secret_stores, settings)
        async with aclosing(Summarizer(settings, secrets, sdk)) as summarizer:
            services = Services(settings, sdk, secrets, summarizer)
            async with services.summaries.refreshing():
                yield services
