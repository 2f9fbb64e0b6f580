"""What a running agent-memory is made of: one client for the process, and the parts that share it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

import memories
from conversations import Conversations
from dapr_calls import DaprCalls
from dead_letters import DeadLetters
from forgetting import Forgetter
from memories import Memories
from models import Message
from recording import Recorder
from sdk_client import SdkClient
from secret_store import SecretStore
from settings import Settings
from store import Object, StateStore
from summaries import Summaries
from summarizer import Chosen
from tombstones import Tombstones
from user_hash import UserHashes


@dataclass(frozen=True)
class Parts:
    """What the routes use."""

    session: aiohttp.ClientSession
    store: StateStore
    hashes: UserHashes
    tombstones: Tombstones
    memories: Memories
    conversations: Conversations
    dead_letters: DeadLetters
    forgetter: Forgetter
    recorder: Recorder
    summaries: Summaries

    async def recall(
        self, user_hash: str, session_id: str | None, limit: int
    ) -> tuple[Object | None, list[Message] | None]:
        """A user's memory, and the newest messages of a session if one is named."""
        if session_id is None:
            return await self.memories.get(user_hash), None
        async with self.store.read_ahead(memories.key_of(user_hash), self.conversations.key_of(session_id)):
            memory = await self.memories.get(user_hash)
            return memory, await self.conversations.newest(user_hash, session_id, limit) if memory else None


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[Parts]:
    """Makes the parts, and keeps the summaries refreshed while they are in use."""
    seconds = settings.sidecar_timeout_seconds
    async with aiohttp.ClientSession() as session, aclosing(SdkClient(settings, session)) as sdk:
        secrets = SecretStore(settings, sdk)
        hashes = UserHashes(secrets)
        store = StateStore(sdk, settings.state_store_name, seconds)
        tombstones = Tombstones(
            store, timedelta(seconds=settings.stream_ttl_seconds + settings.forgetting_slack_seconds)
        )
        known = Memories(store, tombstones)
        conversations = Conversations(store)
        dead_letters = DeadLetters(store, hashes, tombstones)
        dapr = DaprCalls(sdk, settings.pubsub_name, seconds)
        forgetter = Forgetter(settings, dapr, tombstones, known, conversations, dead_letters)
        async with aclosing(Chosen(settings, secrets, sdk)) as summarizer:
            summaries = Summaries(settings, known, conversations, summarizer)
            recorder = Recorder(store, hashes, tombstones, conversations, known, forgetter, summaries)
            refreshing = asyncio.create_task(summaries.run())
            yield Parts(
                session,
                store,
                hashes,
                tombstones,
                known,
                conversations,
                dead_letters,
                forgetter,
                recorder,
                summaries,
            )
            refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await refreshing
