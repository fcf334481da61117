"""Looks at a collection before a run: a few pages of it, and for events Klaviyo's own counts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from math import ceil
from statistics import median
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from pendulum import DateTime

from pipelines.rehearsal import HALF, Rehearsal, Stage
from pipelines.survey import Curve, Gap, Piece, Span, Survey, instant, total
from sources.klaviyo import aggregates
from sources.klaviyo.errors import BadRequest, KlaviyoError, NotPermitted
from sources.klaviyo.extraction import Extraction
from sources.klaviyo.lanes import Range
from sources.klaviyo.resources import EVENTS, select
from sources.klaviyo.rows import Page, PageReader
from sources.klaviyo.spec import Resource
from sources.klaviyo.walk import Walk
from sources.klaviyo.windows import BEGINNING, Window, whole_second

PAGES: Final = 20
"""The most pages asked of a collection; one of each of its queries where these are more."""
MORE: Final = 10
"""The most further pages asked of parents whose children are many."""
SAMPLES: Final = 10
"""How many of them are spread over all events, where these are too many to be seen."""
COUNTS: Final = 40
"""The most counts asked of Klaviyo: less than a minute's worth, whatever the account."""
CREATED: Final = ("created", "created_at")
METRICS: Final = select(["metrics"])[0]
LOADING: Final = 2.0
"""Loading a page takes our processor about as long again as reading it."""
DAY: Final = 86_400.0


@dataclass(eq=False)
class Scout:
    """Looks at one collection: asks a few pages, and reckons what its walk would take."""

    extraction: Extraction
    walk: Walk
    state: dict[str, Any]
    asked: int = field(default=0, init=False)
    listing: int = field(default=0, init=False)
    """Requests that it took to list the parents."""
    sizes: Counter[str] = field(default_factory=Counter, init=False)
    """Rows of each table, and objects (""), in the pages seen."""
    metrics: Counter[str] = field(default_factory=Counter, init=False)
    """Events of each metric in the pages seen."""
    answers: list[float] = field(default_factory=list, init=False)
    """Seconds that each answer took."""
    labours: list[float] = field(default_factory=list, init=False)
    """Seconds that our processor was at work for each page."""
    how: str = field(default="", init=False)
    """What the figures come from, in words."""
    found: list[Survey] = field(default_factory=list, init=False)

    def look(self) -> None:
        """Raises what would end a run; what ends only the walk is noted."""
        try:
            self.found = self.surveys()
            self.walk.tally.status = "complete"
        except KlaviyoError as error:
            self.extraction.give_up(self.walk, error)

    def rehearsal(self, stage: Stage) -> Rehearsal:
        pace = (median(self.answers), LOADING * median(self.labours)) if self.answers else (0.0, 0.0)
        return Rehearsal(stage, self.extraction, self.walk, self.found, pace)

    def surveys(self) -> list[Survey]:
        state = deepcopy(self.state)
        planned = self.extraction.plan(self.walk, lambda: state)
        self.listing = self.walk.tally.requests
        parts, reader = planned.ranges(self.walk), PageReader(self.walk.tables, planned.by)
        if self.walk.host.shows_parent:
            return [shown(part) for part in parts]
        if self.walk.host.per:
            return self.look_at_some(parts, reader)
        if planned.by is None:
            return [self.whole(part) for part in parts]
        surveys = [Survey(part) for part in parts if part.window]
        if self.walk.host is EVENTS:
            self.survey_events(surveys, reader)
        else:
            self.explore(surveys, reader, PAGES)
        return [*surveys, *map(self.whole, planned.also)]

    # --- pages ---

    def explore(self, surveys: Sequence[Survey], reader: PageReader, most: int) -> None:
        """One page of each query, then pages where most rows may be that have not been seen."""
        for survey in surveys:
            if survey.untouched:
                self.look_at(survey, survey.pieces[0], survey.pieces[0].start, reader)
        while self.asked < most and (gaps := [(gap, survey) for survey in surveys for gap in survey.gaps()]):
            gap, survey = max(gaps, key=lambda one: one[0].most)
            fits = gap.most <= (self.walk.endpoint.page_size or 1)
            self.look_at(survey, gap.piece, gap.piece.start if fits else float(int(gap.probe)), reader)
        self.how = pages(self.asked)

    def look_at_some(self, parts: Sequence[Range], reader: PageReader) -> list[Survey]:
        """What some parents hold; each of the others is taken to hold as much on average."""
        if reader.cursor:
            seen = [Survey(part) for part in some(parts)]
            self.explore(seen, reader, len(seen) + MORE)
        else:
            seen = [self.whole(part) for part in some(parts)]
        self.how = f"{len(seen)} of {len(parts)} parents"
        surveys = {survey.part: survey for survey in seen}
        for part in parts:
            if part not in surveys:
                surveys[part] = Survey(part)
                surveys[part].pieces[0].rows = total(seen) / len(seen)
        return [*surveys.values()]

    def look_at(self, survey: Survey, gap: Piece, start: float, reader: PageReader) -> None:
        """Ask for the page that begins at an instant in a gap."""
        window = Window(instant(start), instant(gap.end))
        page = self.ask(self.target(replace(survey.part, window=window), reader.cursor), reader)
        survey.see(gap, start, seconds_of(page), last=page.next is None)

    def whole(self, part: Range) -> Survey:
        """Follow the pages of a query; where there are too many, look at those of times far apart."""
        reader, survey = PageReader(self.walk.tables), Survey(part)
        target = self.walk.first(part, None)
        page = self.ask(target, reader)
        rows, target = len(page.items), page.next or ""
        while target and self.asked < PAGES:
            page = self.ask(target, reader)
            rows, target = rows + len(page.items), page.next or ""
        by = next((name for name in CREATED if name in self.walk.endpoint.sort and self.bounds(name)), None)
        # Beside that of another time of change, Klaviyo takes no date filter.
        if target and by and not part.order:
            return self.far_apart(part, by)
        # Rows found by another time of change may be among the others.
        survey.pieces = [Piece(0.0, 1.0, rows, seen=not target and not (part.order and rows))]
        self.how = "at least: more pages than were looked at" if target else pages(self.asked)
        return survey

    def far_apart(self, part: Range, by: str) -> Survey:
        """A query without a window, looked at by when things were created."""
        survey = Survey(replace(part, window=Window(BEGINNING, whole_second(self.extraction.now))))
        self.asked = 0
        self.explore([survey], PageReader(self.walk.tables, by), PAGES)
        survey.part = part
        return survey

    def bounds(self, by: str) -> bool:
        return self.walk.endpoint.allows("greater-than", by) or self.walk.endpoint.allows("greater-or-equal", by)

    def target(self, part: Range, by: str | None) -> str:
        """The run's own request for a part of a query, but for an upper bound that the endpoint does not know."""
        address = urlsplit(self.walk.first(part, by))
        if by is None or self.walk.endpoint.allows("less-than", by):
            return address.geturl()
        parameters = dict(parse_qsl(address.query))
        conditions = [
            one for one in [part.query, *self.walk.bounds(part, by)] if one and not one.startswith("less-than")
        ]
        parameters["filter"] = ",".join(conditions)
        return f"{address.path}?{urlencode({name: value for name, value in parameters.items() if value})}"

    def ask(self, target: str, reader: PageReader) -> Page:
        client, tally = self.extraction.client, self.walk.tally
        began, waited, idle = time.monotonic(), tally.waited, time.thread_time()
        page = client.read(self.walk.endpoint, target, reader.page, tally)
        self.answers.append(time.monotonic() - began - (tally.waited - waited))
        self.asked += 1
        self.sizes[""] += len(page.items)
        for name, rows in reader.rows(page).tables.items():
            self.sizes[name] += rows.num_rows
        self.labours.append(time.thread_time() - idle)
        if self.walk.host is EVENTS:
            self.metrics.update(metric for item in page.items for metric in item.related("metric"))
        return page

    # --- events, which Klaviyo counts ---

    def survey_events(self, surveys: Sequence[Survey], reader: PageReader) -> None:
        """A few pages; where they leave something open, Klaviyo's counts, and pages spread evenly over all rows."""
        self.explore(surveys, reader, PAGES - SAMPLES)
        if all(survey.complete for survey in surveys):
            return
        spans = [(survey, span) for survey in surveys for span in years([*survey.gaps()])]
        try:
            metrics = self.all_metrics()
            common = [metric for metric, _ in self.metrics.most_common()]
            wanted = sorted(metrics, key=lambda one: common.index(one) if one in common else len(common))
            counted = self.count(wanted[: max(COUNTS // len(spans), 1)], spans)
        except NotPermitted:
            self.explore(surveys, reader, PAGES)
            self.how += "; the key may not read metrics, whose counts would tell more"
            return
        self.sample(surveys, reader)
        self.scale(surveys, counted, exact=set(counted) == set(metrics))

    def all_metrics(self) -> list[str]:
        walk = Walk(METRICS, [METRICS], self.walk.contract)
        walk.tally = self.walk.tally
        found = walk.links(self.extraction.client, PageReader(walk.tables), walk.first(Range("", None), None))
        return [item.id for page in found for item in page.items]

    def count(self, metrics: Sequence[str], spans: Sequence[tuple[Survey, Span]]) -> list[str]:
        """Replace what is known of these spans by counts of these metrics. The metrics that Klaviyo has counted."""
        refused = set()
        for survey, span in spans:
            days: Counter[DateTime] = Counter()
            for metric in metrics:
                try:
                    days.update(self.daily(metric, span))
                except BadRequest:
                    refused.add(metric)
            survey.replace(span, [day_piece(day, rows, span) for day, rows in sorted(days.items())])
        return [metric for metric in metrics if metric not in refused]

    def daily(self, metric: str, span: Span) -> aggregates.Counts:
        window = Window(instant(span[0]), instant(span[1]))
        return aggregates.event_counts(self.extraction.client, self.walk.contract, metric, window, self.walk.tally)

    def sample(self, surveys: Sequence[Survey], reader: PageReader) -> None:
        """See what events are like: from here on only these pages tell of their metrics and of what comes with them."""
        self.sizes.clear()
        self.metrics.clear()
        for survey in surveys:
            curve, times = Curve(survey.pieces), max(round(SAMPLES * survey.rows / (total(surveys) or 1)), 1)
            for place in range(times if survey.rows else 0):
                start = whole_second(curve.at(survey.rows * (place + HALF) / times))
                window = Window(start, instant(survey.pieces[-1].end + 1))
                self.ask(self.target(Range(survey.part.query, window), reader.cursor), reader)

    def scale(self, surveys: Sequence[Survey], counted: Sequence[str], *, exact: bool) -> None:
        """Allow for metrics that were not counted."""
        if exact:
            self.how = "Klaviyo's counts"
            return
        share = sum(self.metrics[metric] for metric in counted) / max(self.metrics.total(), 1) or 1.0
        self.how = f"Klaviyo's counts of {len(counted)} metrics, {share:.0%} of the events in {pages(SAMPLES)}"
        for piece in (piece for survey in surveys for piece in survey.pieces if piece.counted):
            piece.rows, piece.seen = piece.rows / share, False

    # --- what it comes to ---

    @property
    def objects(self) -> float:
        """The collection's own."""
        return total(self.found)

    def rows(self, resource: Resource) -> int:
        """Of its table: as many for each object as in the pages seen, where they are not the objects themselves."""
        each = self.sizes[resource.name] / max(self.sizes[""], 1) if derived(resource) else 1.0
        return round(self.objects * each)

    def exact(self, resource: Resource) -> bool:
        """Whether all of these rows were seen, or counted by Klaviyo."""
        complete = all(survey.complete for survey in self.found)
        return complete and (not derived(resource) or self.sizes[""] == round(self.objects))


def some(parts: Sequence[Range]) -> Sequence[Range]:
    """Of all, as many as pages are asked for, evenly."""
    return parts[:: max(ceil(len(parts) / PAGES), 1)]


def shown(part: Range) -> Survey:
    """An object shown by itself: of one that has been listed, this is known."""
    survey = Survey(part)
    survey.pieces = [Piece(0.0, 1.0, 1.0, seen=True)]
    return survey


def derived(resource: Resource) -> bool:
    """Whether its rows are not the objects that are listed, but some within them."""
    return bool(resource.include or resource.each)


def pages(number: int) -> str:
    return "1 page" if number == 1 else f"{number} pages"


def day_piece(day: DateTime, rows: int, span: Span) -> Piece:
    start = day.timestamp()
    return Piece(max(start, span[0]), min(start + DAY, span[1]), rows, seen=True, counted=True)


def seconds_of(page: Page) -> list[float]:
    """The times of a page's rows."""
    return [one.timestamp() for one in (page.times.to_pylist() if page.times is not None else []) if one]


def years(gaps: Sequence[Gap]) -> list[Span]:
    """Spans of at most a year that hold all gaps, newest first."""
    spans: list[Span] = []
    longest = aggregates.LONGEST.total_seconds()
    for gap in reversed([gap.piece for gap in gaps]):
        end = gap.end
        while end > gap.start:
            if spans and spans[-1][1] - gap.start <= longest:
                spans[-1] = (gap.start, spans[-1][1])
                break
            start = max(gap.start, end - longest)
            spans.append((start, end))
            end = start
    return spans
