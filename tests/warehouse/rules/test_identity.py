from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.rules.identity import folded, isrc_of, mbid_of, name_key


@pytest.mark.parametrize("told", ["Beyoncé ", "BEYONCE", "beyonce\u0301", "  Beyonce!", "Bey'oncé"])
def test_case_accents_punctuation_and_space_do_not_matter(told: str) -> None:
    assert folded(told) == "beyonce"


@pytest.mark.parametrize(
    ("told", "kept"),
    [("!!!", "!!!"), ("AC/DC", "ac dc"), ("AC DC", "ac dc"), ("東京事変", "東京事変"), ("", ""), ("  ", "")],
)
def test_a_name_keeps_what_tells_it_apart(told: str, kept: str) -> None:
    assert folded(told) == kept


@given(st.text())
def test_folding_again_changes_nothing(name: str) -> None:
    assert folded(folded(name)) == folded(name)


@given(st.text())
def test_a_name_folds_alike_however_its_accents_are_written(name: str) -> None:
    assert folded(unicodedata.normalize("NFC", name)) == folded(unicodedata.normalize("NFD", name))


@given(st.text(), st.sampled_from(["", " ", "\t", "\u00a0", "\u200a"]))
def test_space_around_a_name_does_not_matter(name: str, space: str) -> None:
    assert folded(f"{space}{name}{space}") == folded(name)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_a_name_with_a_letter_or_a_digit_never_folds_to_nothing(name: str) -> None:
    assert folded(name)


def test_artist_and_title_do_not_run_into_each_other() -> None:
    assert name_key("ab", "c") != name_key("a", "bc")


def test_a_track_told_by_differently_written_names_is_one() -> None:
    assert name_key("Sigur Rós", "Svefn-g-englar") == name_key("SIGUR ROS", "svefn g englar")
    assert str(name_key("Sigur Rós", "Svefn-g-englar")).startswith("name:")


@pytest.mark.parametrize(("artist", "title"), [(None, "t"), ("a", None), ("", "t"), ("a", "  ")])
def test_a_track_without_artist_or_title_has_no_name_key(artist: str | None, title: str | None) -> None:
    assert name_key(artist, title) is None


@pytest.mark.parametrize(
    ("told", "isrc"),
    [
        ("US-RC1-76-07839", "USRC17607839"),
        (" usrc17607839 ", "USRC17607839"),
        ("USRC1760783", None),
        ("USRC1760783X", None),
        ("", None),
        (None, None),
    ],
)
def test_an_isrc_is_told_with_or_without_hyphens(told: str | None, isrc: str | None) -> None:
    assert isrc_of(told) == isrc


@pytest.mark.parametrize(
    ("told", "mbid"),
    [
        (" 8F3471B5-7E6A-48DA-86A9-C1C07A0F47AE", "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"),
        ("8f3471b57e6a48da86a9c1c07a0f47ae", None),
        ("", None),
        (None, None),
    ],
)
def test_a_musicbrainz_id_is_told_in_any_case(told: str | None, mbid: str | None) -> None:
    assert mbid_of(told) == mbid
