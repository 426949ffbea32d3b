"""`backbeat similar`: the tracks most like one, by the published model."""

from __future__ import annotations

from backbeat.output import CommandFailed, Flag, Limit, console, emit, notice, refuse_beyond, table
from backbeat.recommend import checked_id, opened_reader
from backbeat.settings import Settings
from serving.parameters import MAX_LIMIT
from serving.service.library import UnknownTrack


def similar(
    track: str,
    /,
    *,
    n: Limit = 10,
    json: Flag = False,
) -> None:
    """The tracks most like a track.

    Args:
        track: Its id.
        n: How many.
        json: One JSON document on one line, as the API answers.
    """
    refuse_beyond("-n", n, MAX_LIMIT)
    checked_id(track, "a track's id")
    with opened_reader(Settings.from_environment()) as reader:
        try:
            answer = reader.library().similar(track, n)
        except UnknownTrack as error:
            raise CommandFailed(str(error)) from error
    if json:
        emit(answer)
        return
    if answer.reason:
        notice(answer.reason)
    rows = [(like.title or like.track_id, like.artist, like.score, like.track_id) for like in answer.items]
    console().print(table(f"like {answer.track_id}", ["track", "artist", "cosine", "id"], rows))
