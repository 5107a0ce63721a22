"""Faces over time: found rarely, followed in every frame, confirmed now and then."""

import logging
from typing import Final

from fer_edge.shared.records import Face, Frame, GreyImage
from fer_edge.stages.clocks import Clock
from fer_edge.stages.follow.association import (
    belongs_to_another,
    crowded,
    followed_twice,
    returned_face,
    same_face,
)
from fer_edge.stages.follow.track import Patience, Track
from fer_edge.stages.search.background import Runner
from fer_edge.stages.search.schedule import SearchSchedule
from fer_edge.stages.search.scout import Report, Scout

_REFUTED_SECONDS: Final = 0.5  # for which what proved to be no face is not looked at again
_GAP_SECONDS: Final = 5.0  # without a frame; who is in the same place after it may be another

_log = logging.getLogger(__name__)


class FaceTracker:
    """Follows faces from frame to frame.

    Each frame, every known face is found again by correlation, and at most one of them is checked
    in a small window. A face that correlation loses goes on where it was heading for a
    moment. The scout finds new faces.

    Args:
        scout: Searches whole pictures and looks at known faces, by its own technique.
        schedule: Says when.
        runner: Runs the scout's search, at once or beside the frames; closed with the tracker.
        clock: Tells the time of a frame.
        max_faces: Followed at the same time; further ones are left out, and that is
            logged once.
        check_frames: Between two checks of a well-known face.
        patience: How long a face that is not seen is believed in.

    Attributes:
        left_out: Faces that `max_faces` keeps from being followed, as far as the last search
            that found such; 0 as soon as there is room.
    """

    def __init__(
        self,
        scout: Scout,
        schedule: SearchSchedule,
        *,
        runner: Runner,
        clock: Clock,
        max_faces: int,
        check_frames: int,
        patience: Patience,
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._schedule = schedule
        self._scout = scout
        self._max_faces = max_faces
        self._check_frames = check_frames
        self._patience = patience
        self._tracks: list[Track] = []
        self._lost: list[Track] = []
        self._refuted: list[Track] = []
        self._next_number = 1
        self._now = self._began = float("-inf")
        self._passed = 0.0  # between the last two frames: of some cameras that is minutes
        self._shape = (0, 0)
        self._warned = False
        self.left_out = 0

    def update(self, frame: Frame) -> list[Face]:
        """Return the faces of the next frame, largest first."""
        grey, now = frame.grey, self._clock(frame)
        usual = max(_GAP_SECONDS, 2 * self._passed)
        if not self._now <= now <= self._now + usual or grey.shape != self._shape:
            self._start_anew(now)
        self._passed = max(0.0, now - self._now) if self._shape != (0, 0) else 0.0
        self._now, self._shape = now, grey.shape
        motion = self._schedule.watch(grey)
        hidden = self._step(grey, now)
        if motion.cut:
            self._drop(hidden, now)
        self._receive(grey, now)
        self._check(grey, now)
        self._decay(grey, now)
        if not self._runner.busy:
            request = self._schedule.request(
                grey,
                [track.box for track in self._tracks if track.reported],
                [track.box for track in (*self._tracks, *self._refuted) if not track.reported],
                now=now,
            )
            if request is not None:
                self._runner.send(request)
                self._receive(grey, now)
        faces = [track.seen.as_face(track.number) for track in self._tracks if track.reported]
        return sorted(faces, key=lambda face: -face.box.area) if len(faces) > 1 else faces

    def close(self) -> None:
        """End the scout; may be called twice."""
        self._runner.close()

    def _start_anew(self, now: float) -> None:
        """Forget all faces, but not the numbers that were given.

        Time went back, so these are the frames of another clip; or no frame came for long; or
        they have another size.
        """
        self._began = now
        self._tracks, self._lost, self._refuted = [], [], []
        self.left_out = 0
        self._schedule.start_anew()

    def _step(self, grey: GreyImage, now: float) -> list[Track]:
        """Follow every face into the frame; return those that were not found again."""
        tracks = self._tracks
        if len(tracks) == 1:
            return [] if tracks[0].step(grey, now) else [tracks[0]]
        near = [crowded(track, tracks, now=now) for track in tracks]
        return [
            track
            for track, is_near in zip(tracks, near, strict=True)
            if not track.step(grey, now, crowded=is_near)
        ]

    def _receive(self, grey: GreyImage, now: float) -> None:
        """Take in a finished search, if there is one."""
        fetched = self._runner.fetch()
        if fetched is None:
            return
        report, spent_ms = fetched
        self._schedule.spend(spent_ms)
        if not self._began <= report.request.now <= now:
            return  # it was sent before all was forgotten
        self._schedule.found(report)
        self._take_in(report, grey, now)

    def _take_in(self, report: Report, grey: GreyImage, now: float) -> None:
        request = report.request
        left_out = 0
        for find in report.finds:
            if same_face(find.face, self._tracks) is not None:
                continue
            if len(self._tracks) >= self._max_faces:
                left_out += 1
                continue
            before = returned_face(find.face, self._lost, now=request.now)
            track = Track(
                self._number(before), request.grey, find.face,
                now=request.now, sure=find.sure or (before is not None and before.reported),
            )  # fmt: skip
            if request.now == now or track.step(grey, now):
                self._tracks.append(track)
                if before is not None:
                    self._lost.remove(before)
        if left_out:
            self._leave_out(left_out)

    def _number(self, before: Track | None) -> int:
        if before is not None:
            return before.number
        self._next_number += 1
        return self._next_number - 1

    def _check(self, grey: GreyImage, now: float) -> None:
        """Check the face whose turn it is, and those that cannot wait for theirs."""
        turn = min(self._tracks, key=lambda one: one.check_in, default=None)
        for track in self._tracks:
            its_turn = track is turn and track.check_in <= 0
            if its_turn or track.is_overdue(now, self._patience):
                self._check_one(track, grey, now)

    def _check_one(self, track: Track, grey: GreyImage, now: float) -> None:
        look = self._scout.check if track.reported else self._scout.confirm
        found = look(grey, track.seen)
        if found is None or belongs_to_another(found, track, self._tracks):
            track.doubt(now=now, interval=self._check_frames)
        else:
            track.confirm(grey, found, now=now, interval=self._check_frames)

    def _decay(self, grey: GreyImage, now: float) -> None:
        """Drop faces that are gone; forget those dropped long ago."""
        gone = [
            track
            for track in self._tracks
            if track.is_gone(now, self._patience) or _has_left(track, grey)
        ]
        seen = [track for track in self._tracks if track.seen_at == now and track not in gone]
        if len(seen) > 1:
            gone += followed_twice(seen)
        self._drop(gone, now)
        if len(self._tracks) < self._max_faces:
            self.left_out = 0
        if self._lost or self._refuted:
            remembered = max(self._patience.remember_seconds, 2 * self._passed)
            self._lost = [track for track in self._lost if now - track.seen_at <= remembered]
            self._refuted = [t for t in self._refuted if now - t.at <= _REFUTED_SECONDS]

    def _drop(self, tracks: list[Track], now: float) -> None:
        if not tracks:
            return
        self._tracks = [track for track in self._tracks if track not in tracks]
        self._lost += [track for track in tracks if track.reported]
        self._refuted += [track for track in tracks if not track.reported]
        self._schedule.alert(now)

    def _leave_out(self, faces: int) -> None:
        self.left_out = faces
        if not self._warned:
            self._warned = True
            _log.warning(
                "more than %d faces: the others are left out; raise tracker.max_faces to follow "
                "more, at more time a frame",
                self._max_faces,
            )


def _has_left(track: Track, grey: GreyImage) -> bool:
    """Whether the middle of a face lies outside the picture, where nobody can see it."""
    height, width = grey.shape
    return not (0 <= track.x < width and 0 <= track.y < height)
