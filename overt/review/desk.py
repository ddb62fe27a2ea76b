"""What the pages share: the installation, its store, the person's words, and how a page is made of a template."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from capture_gate.permissions import Permissions
from consent_ledger.grants import Grant
from event_model.errors import OvertError
from event_model.events import FILLER
from event_model.ids import StudyId
from local_store.forgetting import origin_of
from overt.console import bytes_text
from overt.device import Device
from overt.review.assets import STYLE
from overt.review.catalogue import Catalogue
from overt.review.guard import Guard
from overt.review.jobs import Jobs
from overt.review.preferences import THEMES, preferred_language, read_preferences
from overt.review.texts import LANGUAGES, Texts

FOLDER = Path(__file__).parent

MAX_OFFERS = 8
"""Manifests that are being looked at, in this page's memory."""


def make_templates() -> jinja2.Environment:
    """Make the environment of all templates: what is put into them is escaped."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["sentence"] = lambda text: text[:1].upper() + text[1:]
    made.filters["origin"] = origin_of
    made.filters["paragraphs"] = paragraphs
    made.filters["unfilled"] = lambda text: re.sub(f"{FILLER}+", "▒", text)
    return made


Page = Callable[["Desk", Request], Awaitable[Response]]
"""A page: what it answers to a request."""


class Desk:
    """One running page."""

    def __init__(self, device: Device, guard: Guard) -> None:
        self.device = device
        self.guard = guard
        self.permissions = Permissions(device.ledger, device.clock)
        self.preferences = read_preferences(device.home)
        self.offers: dict[str, bytes] = {}
        self.jobs = Jobs()
        self.closing = asyncio.Event()
        self.used: Callable[[], None] = lambda: None
        self._open = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._catalogue: Catalogue | None = None
        self._templates = make_templates()

    async def close(self) -> None:
        """Let go of the store."""
        self.closing.set()
        await self.jobs.close()
        if self._catalogue is not None:
            await self._catalogue.settle()
        await self._open.aclose()

    async def catalogue(self) -> Catalogue | None:
        """Give what is in the store; ``None`` before anything was captured. OvertError: if it can't be opened."""
        if self._catalogue is None and self.device.has_store:
            async with self._opening:
                if self._catalogue is None:
                    store = await self._open.enter_async_context(self.device.store())
                    glance = await self._open.enter_async_context(self.device.store())
                    self._catalogue = Catalogue(
                        store,
                        glance=glance,
                        installation=self.device.keys().installation,
                        grants=self.grants,
                        clock=self.device.clock,
                    )
        if self._catalogue is not None:
            await self._catalogue.refresh()
        return self._catalogue

    async def warm(self) -> None:
        """Make ready what the first page needs, before anyone waits for it; what fails is said by the page itself."""
        for name in self._templates.list_templates():
            self._templates.get_template(name)
        with contextlib.suppress(OvertError):
            self.grants()
            await self.catalogue()

    def grants(self) -> dict[StudyId, Grant]:
        """Give what the person allows at this moment."""
        self.permissions.changed(now=True)
        return self.permissions.grants

    def title(self, study: str) -> str:
        """Name a study as its manifest does."""
        grant = self.permissions.grants.get(StudyId(study))
        return grant.manifest.title if grant is not None and grant.signed_manifest is not None else study

    def texts(self, request: Request) -> Texts:
        """Give the person's language."""
        accept = request.headers.get("accept-language", "")
        return Texts(self.preferences.language or preferred_language(accept))

    def now_ms(self) -> int:
        """Unix time."""
        return self.device.clock.wall_ms()

    def today(self) -> datetime.date:
        """Give the person's own day."""
        return datetime.datetime.fromtimestamp(self.now_ms() / 1000).astimezone().date()

    def page(self, request: Request, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
        """Fill in a template."""
        return HTMLResponse(self.fill(request, template, **values), status)

    def fill(self, request: Request, template: str, **values: object) -> str:
        """Fill in a template, as text."""
        t = self.texts(request)
        when = Moments(t)
        return self._templates.get_template(template).render(
            t=t,
            when=when,
            base=self.guard.base,
            csrf=self.guard.csrf,
            style=STYLE,
            theme=self.preferences.theme,
            themes=THEMES,
            languages=LANGUAGES,
            path=request.url.path,
            today=self.today(),
            first_run=not self.preferences.welcomed,
            bytes_text=lambda size: t.decimal(bytes_text(size)),
            study_title=self.title,
            done=request.query_params.get("done", ""),
            **values,
        )

    def bound(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """Hand this desk to a page."""

        async def answer(request: Request) -> Response:
            return await page(self, request)

        return answer

    def part(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """Hand this desk to a part of a page, which is given up when nobody waits for it any more."""

        async def answer(request: Request) -> Response:
            working = asyncio.ensure_future(page(self, request))
            leaving = asyncio.ensure_future(_left(request))
            try:
                await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
                return working.result() if working.done() else Response(status_code=204)
            finally:
                for task in (working, leaving):
                    task.cancel()
                await asyncio.gather(working, leaving, return_exceptions=True)

        return answer

    def back(self, path: str, done: str = "") -> Response:
        """Go on to a page of ours after something was done."""
        mark = "&" if "?" in path else "?"
        return RedirectResponse(self.guard.base + path + (f"{mark}done={done}" if done else ""), 303)

    def sorry(self, request: Request, error: OvertError) -> HTMLResponse:
        """Say what went wrong, and what can be done."""
        return self.page(request, "error.html", status=409, error=error)


async def _left(request: Request) -> None:
    """Wait until the browser has gone on to something else."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def form(request: Request) -> dict[str, str]:
    """Give a form's fields, the last value of each."""
    fields: dict[str, list[str]] = request.scope["overt.form"]
    return {name: values[-1] for name, values in fields.items()}


def flag(request: Request, name: str) -> bool:
    """Say whether a box was ticked."""
    return form(request).get(name, "") != ""


class Moments:
    """Times as the person writes them. All are Unix milliseconds."""

    def __init__(self, texts: Texts) -> None:
        self._t = texts

    def local(self, ms: int) -> datetime.datetime:
        """Give the person's own time."""
        return datetime.datetime.fromtimestamp(ms / 1000).astimezone()

    def clock(self, ms: int) -> str:
        """Hours and minutes."""
        return self.local(ms).strftime("%H:%M")

    def second(self, ms: int) -> str:
        """Hours, minutes and seconds."""
        return self.local(ms).strftime("%H:%M:%S")

    def day(self, ms: int) -> str:
        """A day in words."""
        return self.date(self.local(ms).date())

    def date(self, day: datetime.date) -> str:
        """A day in words."""
        weekday = self._t("day." + str(day.weekday()))
        month = self._t("month." + str(day.month))
        return str(self._t("word.date", weekday=weekday, day=day.day, month=month, year=day.year))

    def written(self, day: str) -> str:
        """A day in words that is given as ISO 8601; what is none stays as it is."""
        try:
            return self.date(datetime.date.fromisoformat(day))
        except ValueError:
            return day

    def short(self, ms: int) -> str:
        """A day without its year, and a time: for tables."""
        local = self.local(ms)
        month = self._t("month." + str(local.month))
        return str(self._t("word.short", day=local.day, month=month, time=self.clock(ms)))

    def full(self, ms: int) -> str:
        """A day and a time."""
        return f"{self.day(ms)}, {self.clock(ms)}"

    def soon(self, ms: int, today: datetime.date) -> str:
        """A time, with its day where that is not today."""
        return self.clock(ms) if self.local(ms).date() == today else self.full(ms)

    def iso(self, ms: int) -> str:
        """For machines."""
        return self.local(ms).isoformat(timespec="seconds")

    def span(self, ms: int) -> Markup:
        """A length of time, as a person says it."""
        seconds = round(ms / 1000)
        if seconds < 5:
            return self._t("span.moment")
        if seconds < 60:
            return self._t("span.seconds", n=seconds)
        if seconds < 5400 and seconds % 3600:
            return self._t("span.minutes", n=round(seconds / 60))
        if seconds < 172_800:
            return self._t("span.hours", n=round(seconds / 3600))
        return self._t("span.days", n=round(seconds / 86400))


def paragraphs(text: str) -> list[list[str]]:
    """Lay a text out: an empty line ends a paragraph, a list's line stands alone, other line ends are spaces."""
    laid: list[list[str]] = []
    for part in text.strip().split("\n\n"):
        lines: list[str] = []
        for line in part.splitlines():
            if lines and not line.lstrip().startswith(("-", "*", "•")) and not line[:1].isdigit():
                lines[-1] += " " + line.strip()
            else:
                lines.append(line.strip())
        laid.append(lines)
    return laid


def day_bounds(day: datetime.date) -> tuple[int, int]:
    """Give a local day's first moment and the one after its last, as Unix ms."""
    start = datetime.datetime.combine(day, datetime.time()).astimezone()
    end = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time()).astimezone()
    return round(start.timestamp() * 1000), round(end.timestamp() * 1000)
