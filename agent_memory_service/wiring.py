"""Build agent-memory's collaborators: one client for the process, and the parts that share it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import aiohttp
from fastapi import Depends

import memories
from conversations import Conversations
from dead_letters.user_letters import UserLetters
from forgetting.forgetter import Forgetter
from forgetting.tombstones import Tombstones
from kit.edge.service import from_state
from kit.edge.token import only_dapr
from kit.sidecar.client import SdkClient
from kit.sidecar.dead_letters import DeadLetters
from kit.sidecar.events import Publisher
from kit.sidecar.jobs import Jobs
from kit.sidecar.secrets import Secrets
from kit.sidecar.store import Object, StateStore
from memories import Memories, StoredMemory
from models import History
from recording import Recorder
from settings import Settings
from summaries.refresher import Summaries
from summaries.summarizer import Summarizer
from users import UserHashes


@dataclass(frozen=True)
class Services:
    """The collaborators of the routes."""

    settings: Settings
    store: StateStore[Object]
    users: UserHashes
    memories: Memories
    conversations: Conversations
    letters: DeadLetters
    user_letters: UserLetters
    forgetter: Forgetter
    recorder: Recorder
    summaries: Summaries

    async def recall(
        self, user_hash: str, session_id: str | None, limit: int
    ) -> tuple[StoredMemory | None, History | None]:
        """Return a user's memory and, if a session is named, its newest messages. Refresh a stale summary later."""
        keys = [memories.key_of(user_hash), *([self.conversations.key_of(session_id)] if session_id else [])]
        async with self.store.read_ahead(*keys):
            memory = await self.memories.get(user_hash)
            history = await self.conversations.history(session_id, limit, user_hash=user_hash) if session_id else None
        if memory and memory.due and memory.due.is_stale(self.settings.summary_stale_seconds):
            self.summaries.request(user_hash)
        return memory, history


ServicesDep = Annotated[Services, Depends(from_state("services"))]
from_dapr = [Depends(only_dapr)]


@asynccontextmanager
async def open_services(settings: Settings, session: aiohttp.ClientSession) -> AsyncGenerator[Services]:
    """Build the collaborators, and keep the summaries refreshed while they are in use."""
    async with aclosing(SdkClient(settings, session, settings.sidecar_timeout_seconds)) as sdk:
        secrets = Secrets(sdk, settings.secret_stores, settings)
        async with aclosing(Summarizer(settings, secrets, sdk)) as summarizer:
            services = _services(settings, sdk, secrets, summarizer)
            async with services.summaries.refreshing():
                yield services


def _services(settings: Settings, sdk: SdkClient, secrets: Secrets, summarizer: Summarizer) -> Services:
    users, store = UserHashes(secrets), StateStore(sdk, settings.state_store_name)
    until_gone = timedelta(seconds=settings.stream_ttl_seconds + settings.forgetting_slack_seconds)
    tombstones, conversations, letters = Tombstones(store, until_gone), Conversations(store), DeadLetters(store)
    known, user_letters = Memories(store, tombstones), UserLetters(letters, users, tombstones)
    publisher, jobs = Publisher(sdk, settings.pubsub_name, "agent-memory-service"), Jobs(sdk)
    forgetter = Forgetter(settings, publisher, jobs, tombstones, known, conversations, user_letters)
    summaries = Summaries(settings, known, conversations, summarizer)
    recorder = Recorder(store, users, tombstones, conversations, known, forgetter, summaries)
    return Services(settings, store, users, known, conversations, letters, user_letters, forgetter, recorder, summaries)
