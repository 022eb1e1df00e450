"""Where models are listed from, and where those that were marked before were found."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from explorer.hub.source import ModelRef, Source

FIRST = ""
"""Name of the source the program was started with."""


class Sources:
    """Sources to list from, by name. One that was opened stays open for what was found in it."""

    def __init__(
        self,
        first: Callable[[], Source],
        others: Mapping[str, Callable[[], Source]],
        local: str = "",
    ) -> None:
        """``local`` names the one of the others whose models are paths on this machine."""
        self._openers = {FIRST: first, **others}
        self._local = local
        self._opened: dict[str, Source] = {}
        self._opening = asyncio.Lock()
        self._homes: dict[ModelRef, str] = {}
        self.listed = FIRST
        """Name of the source that is listed."""

    async def open(self, name: str) -> Source:
        """The source of a name, opened in a thread the first time. Raises what opening it raises."""
        async with self._opening:
            if name not in self._opened:
                self._opened[name] = await asyncio.to_thread(self._openers[name])
        return self._opened[name]

    def mark(self, ref: ModelRef) -> None:
        """Remember that a model was found in the source that is listed."""
        self._homes[ref] = self.listed

    def home(self, ref: ModelRef) -> str:
        """Name of the source a model was marked in; of one that was not, the one that can know it."""
        return self._homes[ref] if ref in self._homes else self.knowing(ref)

    def knowing(self, ref: ModelRef) -> str:
        """Name of the source to ask for a model by its name: the listed one, if it names models that way."""
        is_path = Path(ref.id).is_absolute()
        if not self._local or is_path == self._names_paths(self.listed):
            return self.listed
        return self._local if is_path else FIRST

    def _names_paths(self, name: str) -> bool:
        opened = self._opened.get(name)
        return name == self._local or (opened is not None and opened.name == "local")

    async def of(self, ref: ModelRef) -> Source:
        """The source a marked model is in."""
        return await self.open(self.home(ref))

    async def close(self) -> None:
        """Close whatever was opened."""
        async with self._opening:
            for source in self._opened.values():
                await source.close()
            self._opened.clear()
