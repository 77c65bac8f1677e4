"""One page about one recording, which opens anywhere and needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ._page import page
from .plots._axes import axes_for, details_of

if TYPE_CHECKING:
    from calab_core import CaDeconResult, Quality
    from numpy.typing import ArrayLike

__all__ = ["write_report"]


def write_report(
    result: CaDeconResult,
    traces: ArrayLike,
    path: str | Path,
    *,
    quality: Quality | None = None,
    title: str = "CaLab: automated deconvolution",
) -> None:
    """Write an HTML page with the figures, the quality of each cell, settings and versions.

    Parameters
    ----------
    result : CaDeconResult
        With its `details`, as `run_cadecon` returns it.
    traces : array_like, shape (n_cells, n_frames) or (n_frames,)
        The traces it was made from.
    path : str or Path
        The file to write, one that is there included. It holds everything, is readable offline,
        and appears only when it is complete.
    quality : Quality, optional
        Of the same result and traces; by default `calab.quality` is asked.
    title : str
        Heading of the page.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    IsADirectoryError, NotADirectoryError
        If `path` is a folder, or its folder is not there.
    TypeError
        If `result` is no `CaDeconResult`, `path` no path or `title` no text.
    ValueError
        If `result` has no details, or `traces` or `quality` do not belong to it.

    See Also
    --------
    calab_core.quality : Defines the figures and flags of the table.
    """
    from calab_core import quality as judge
    from calab_io.atomic import atomic_path

    details_of(result)
    if not isinstance(title, str):
        raise TypeError(f"title: expected a str, got {type(title).__name__}")
    target = _file(path)
    # A missing library is said before anything is computed.
    axes_for(None)
    judged = judge(result, traces) if quality is None else quality
    n_cells = result.activity.shape[0]
    if len(judged.flags) != n_cells:
        raise ValueError(
            f"quality: expected {n_cells} cells as in the result, got {len(judged.flags)}"
        )
    text = page(result, traces, judged, title)
    with atomic_path(target) as draft:
        draft.write_text(text, encoding="utf-8")


def _file(path: str | Path) -> Path:
    """Refuse, before anything is computed, what cannot be written."""
    if not isinstance(path, str | Path):
        raise TypeError(f"path: expected a str or Path, got {type(path).__name__}")
    file = Path(path)
    if file.is_dir():
        raise IsADirectoryError(f"path: expected a file to write, got the folder {str(path)!r}")
    if not file.parent.is_dir():
        raise NotADirectoryError(f"path: expected an existing folder, got {str(file.parent)!r}")
    return file
