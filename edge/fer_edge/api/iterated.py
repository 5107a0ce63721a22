"""Frames out of anything that can be iterated over."""

from collections.abc import Iterable, Iterator

from fer_edge.api.given import ColourOrder, GivenImage, frame_of
from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import PictureError
from fer_edge.shared.records import Frame


class IteratedFrames(Closing):
    """A source that takes its pictures from an iterable, each when the last one is done.

    Args:
        images: Arrays or pictures of Pillow.
        rate: Frames a second, where they are a clip's; 0 where they are as old as they come.
        colour: Order of an array's channels.

    Attributes:
        fault: What the iterable itself raised.
    """

    def __init__(
        self, images: Iterable[GivenImage], *, rate: float, colour: ColourOrder | None
    ) -> None:
        self._images: Iterator[GivenImage] = iter(images)
        self._rate = rate
        self._colour = colour
        self._count = 0
        self.frames_per_second = rate
        self.fault: Exception | None = None

    @property
    def live(self) -> bool:
        """Always false: the next picture is taken when it is wanted."""
        return False

    def read(self, timeout_seconds: float) -> Frame | None:  # noqa: ARG002 - theirs to wait
        """Return the next picture; None after the last.

        Raises:
            PictureError: It is none, as `Reader.read` says.
            Exception: What the iterable raises.
        """
        try:
            image = next(self._images, _END)
        except Exception as error:
            self.fault = error
            raise
        if image is _END:
            return None
        index, self._count = self._count, self._count + 1
        at = index / self._rate if self._rate else None
        try:
            return frame_of(image, colour=self._colour, index=index, clip_seconds=at)
        except PictureError as error:
            raise PictureError(
                f"picture {index}: {error.found}", expected=error.expected, fix=error.fix
            ) from error

    def close(self) -> None:
        """Ask for no further picture; may be called twice."""
        self._images = iter(())


_END = object()
