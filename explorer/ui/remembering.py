"""The app's memory: what a person's file says at the start, and what is added to it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from textual import on, work
from textual.app import App
from textual.message import Message
from textual.reactive import reactive
from textual.theme import Theme

from explorer.errors import ExplorerError, UsageError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import ModelRef, Source
from explorer.inspection.watching import seen_of
from explorer.ui.messages import Looked, Remember, ToggleMark, ToggleWatch
from explorer.ui.session import Session
from explorer.ui.sources import Sources
from explorer.userfile import Remembered, Seen, UserFile


class RememberingApp(App[None]):
    """Takes over what was remembered, and writes down what is to be."""

    source: reactive[Source | None] = reactive(None)
    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)
    marked: reactive[tuple[ModelRef, ...]] = reactive((), bindings=True)
    """Models to compare, in the order they were marked."""

    remembered: reactive[Remembered] = reactive(Remembered)
    """What the person's file says, and what was added since."""

    @dataclass
    class WasRead(Message):
        """The person's file was read."""

        remembered: Remembered
        machine: Machine | None = None
        """The one that was chosen last time."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._user_file: UserFile | None = None
        self._writing = asyncio.Lock()
        self._sources = Sources(session.open_source, session.sources, session.local)
        self.set_reactive(RememberingApp.machine, session.machine)
        self.set_reactive(RememberingApp.scenario, session.scenario)

    async def _read_user_file(self, open_user_file: Callable[[], UserFile]) -> None:
        """Read what is remembered, in a thread."""
        self._user_file = open_user_file()
        remembered = await asyncio.to_thread(self._user_file.read)
        self.post_message(self.WasRead(remembered, await self._chosen(remembered.machine)))

    async def _chosen(self, spec: str) -> Machine | None:
        """The machine that was chosen last time; a spec that can't be read any more is told of."""
        from explorer.hardware.spec import parse_machine

        try:
            return await asyncio.to_thread(parse_machine, spec) if spec else None
        except UsageError as error:
            sentence = f"the machine chosen last, “{spec}”, is not known any more: {error.title}"
            self.notify(sentence, severity="warning", markup=False)
            return None

    @on(WasRead)
    def _recall(self, message: WasRead) -> None:
        """Take over what was remembered, where nothing else was asked for yet."""
        self.remembered = message.remembered
        if message.machine is not None and self._session.machine is None:
            self.machine = message.machine
        if not self.marked:
            self.marked = tuple(ModelRef(model) for model in message.remembered.marked)
        if self.scenario.context_tokens is None and message.remembered.context_tokens:
            self.scenario = replace(self.scenario, context_tokens=message.remembered.context_tokens)
        if message.remembered.theme in self.available_themes:
            self.theme = message.remembered.theme
        self.theme_changed_signal.subscribe(self, self._remember_theme)

    def _remember_theme(self, theme: Theme) -> None:
        self.post_message(Remember(lambda now: replace(now, theme=theme.name)))

    @on(Remember)
    def _remember(self, message: Remember) -> None:
        self.remembered = message.edit(self.remembered)
        if self._user_file is not None:
            self._write(self._user_file, message.edit)

    @work(group="remembering", exit_on_error=False)
    async def _write(self, file: UserFile, edit: Callable[[Remembered], Remembered]) -> None:
        """Change the file in a thread, one change after the other: others may hold its lock."""
        async with self._writing:
            await asyncio.to_thread(file.change, edit)
        for notice in file.notices:
            self.notify(notice, severity="warning", markup=False)

    @on(ToggleMark)
    def _mark(self, message: ToggleMark) -> None:
        others = tuple(ref for ref in self.marked if ref != message.ref)
        on = others == self.marked
        if on:
            self._sources.mark(message.ref)
        self.marked = (*self.marked, message.ref) if on else others
        self.post_message(Remember(lambda now: now.mark(message.ref.id, on=on)))

    @on(ToggleWatch)
    def _watch(self, message: ToggleWatch) -> None:
        listing = message.listing
        on = listing.id not in self.remembered.watched
        seen = seen_of(listing, self._session.now())
        self.post_message(Remember(lambda now: now.watch(listing.id, on=on).look(listing.id, seen)))
        if on and self.source is not None:
            self._count(self.source, listing.id)

    @work(group="watching", exit_on_error=False)
    async def _count(self, source: Source, model: str) -> None:
        """See a model that is watched from now on with its quantizations, which listings do not count."""
        try:
            page = await source.listed(model)
        except ExplorerError:
            return  # the watch list says what is wrong when it asks
        self.post_message(Looked(page.rows))

    @on(Looked)
    def _look(self, message: Looked) -> None:
        now = self._session.now()
        seen = {
            listing.id: seen_of(listing, now)
            for listing in message.listings
            if listing.id in self.remembered.watched
        }
        if seen:
            self.post_message(Remember(partial(_looked, seen=seen)))


def _looked(now: Remembered, *, seen: Mapping[str, Seen]) -> Remembered:
    """What is remembered after several models were looked at."""
    for model, what in seen.items():
        now = now.look(model, what)
    return now
