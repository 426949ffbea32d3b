"""What every adapter of the rows port does. An adapter's test class inherits it and gives the `rows` fixture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from warehouse.stores.rows import Move, RowRefused, Rows


class RowsContract:
    longest_value = 8 << 20  # bytes

    def test_a_row_is_read_as_it_was_written(self, rows: Rows) -> None:
        assert rows.put("t", "ada", b"\x00\xff", version=1)
        assert rows.get("t", "ada") == b"\x00\xff"
        assert rows.version_of("t", "ada") == 1

    def test_an_absent_row_is_none(self, rows: Rows) -> None:
        assert rows.get("t", "nobody") is None
        assert rows.version_of("t", "nobody") is None
        assert rows.get_many("t", ["nobody"]) == {}

    def test_an_empty_value_is_a_row(self, rows: Rows) -> None:
        rows.put("t", "ada", b"", version=0)
        assert rows.get("t", "ada") == b""
        assert dict(rows.scan("t")) == {"ada": b""}

    @pytest.mark.parametrize(("version", "kept"), [(4, b"old"), (5, b"old"), (6, b"new"), (2**53 - 1, b"new")])
    def test_a_write_only_moves_a_row_forward(self, rows: Rows, version: int, kept: bytes) -> None:
        rows.put("t", "ada", b"old", version=5)
        assert rows.put("t", "ada", b"new", version=version) == (kept == b"new")
        assert rows.get("t", "ada") == kept
        assert rows.version_of("t", "ada") == max(version, 5)

    def test_versions_compare_as_numbers(self, rows: Rows) -> None:
        rows.put("t", "ada", b"nine", version=9)
        assert rows.put("t", "ada", b"ten", version=10)
        assert not rows.put("t", "ada", b"two", version=2)

    def test_many_writes_skip_only_the_rows_that_are_ahead(self, rows: Rows) -> None:
        rows.put("t", "ahead", b"old", version=7)
        rows.put("t", "behind", b"old", version=6)
        assert rows.put_many("t", {"ahead": b"new", "behind": b"new", "fresh": b"new"}, version=7) == 2
        assert rows.get_many("t", ["ahead", "behind", "fresh"]) == {"ahead": b"old", "behind": b"new", "fresh": b"new"}

    def test_thousands_of_rows_are_written_and_read_at_once(self, rows: Rows) -> None:
        told = {f"key-{number:05}": str(number).encode() for number in range(2_500)}
        assert rows.put_many("t", told, version=1) == 2_500
        assert rows.get_many("t", told) == told
        assert list(rows.scan("t")) == list(told.items())

    def test_nothing_to_write_writes_nothing(self, rows: Rows) -> None:
        assert rows.put_many("t", {}, version=1) == 0
        assert list(rows.scan("t")) == []

    def test_a_row_moves_on_from_the_version_that_was_read_and_from_no_other(self, rows: Rows) -> None:
        for key in ("ahead", "level", "behind"):
            rows.put("t", key, b"old", version={"ahead": 9, "level": 5, "behind": 4}[key])
        moves = {
            "ahead": Move(5, 10, b"new"),
            "level": Move(5, 2**53 - 1, b"new"),
            "behind": Move(5, 6, b"new"),
            "gone": Move(5, 6, b"new"),
            "fresh": Move(0, 1, b""),
        }
        assert rows.move("t", moves) == {"ahead", "behind", "gone"}
        assert dict(rows.scan("t")) == {"ahead": b"old", "behind": b"old", "fresh": b"", "level": b"new"}
        assert [rows.version_of("t", key) for key in moves] == [9, 2**53 - 1, 4, None, 1]

    def test_a_row_at_version_0_moves_like_one_that_is_absent(self, rows: Rows) -> None:
        rows.put("t", "ada", b"old", version=0)
        assert rows.move("t", {"ada": Move(0, 3, b"new")}) == frozenset()
        assert (rows.get("t", "ada"), rows.version_of("t", "ada")) == (b"new", 3)

    def test_a_higher_version_that_rests_on_another_row_is_refused(self, rows: Rows) -> None:
        rows.put("t", "ada", b"one", version=1)
        rows.move("t", {"ada": Move(1, 5, b"heir")})
        assert rows.move("t", {"ada": Move(1, 20, b"zombie")}) == {"ada"}
        assert rows.get("t", "ada") == b"heir"

    def test_a_move_told_again_is_refused_whole(self, rows: Rows) -> None:
        moves = {f"{n:04}": Move(0, n + 1, b"%d" % n) for n in range(1_500)}
        assert rows.move("t", moves) == frozenset()
        assert rows.move("t", moves) == moves.keys()
        assert rows.get_many("t", moves) == {key: move.value for key, move in moves.items()}

    def test_moving_nothing_moves_nothing(self, rows: Rows) -> None:
        assert rows.move("t", {}) == frozenset()
        assert list(rows.scan("t")) == []

    def test_a_deleted_row_may_be_moved_anew(self, rows: Rows) -> None:
        rows.move("t", {"ada": Move(0, 9, b"old")})
        rows.delete("t", ["ada"])
        assert rows.move("t", {"ada": Move(9, 10, b"from before")}) == {"ada"}
        assert rows.move("t", {"ada": Move(0, 1, b"new")}) == frozenset()
        assert (rows.get("t", "ada"), list(rows.scan("t"))) == (b"new", [("ada", b"new")])

    @pytest.mark.parametrize(
        ("key", "move"),
        [
            ("", Move(0, 1, b"")),
            ("\ud800", Move(0, 1, b"")),
            ("ada", Move(-1, 1, b"")),
            ("ada", Move(0, 2**53, b"")),
            ("ada", Move(3, 3, b"")),
            ("ada", Move(0, 1, b"v" * ((8 << 20) + 1))),
        ],
    )
    def test_of_a_move_with_a_row_out_of_bounds_nothing_is_written(self, rows: Rows, key: str, move: Move) -> None:
        with pytest.raises(RowRefused):
            rows.move("t", {"fine": Move(0, 1, b""), key: move})
        assert list(rows.scan("t")) == []

    def test_rows_of_megabytes_move_together(self, rows: Rows) -> None:
        moves = {f"{n}": Move(0, 1, bytes([n]) * self.longest_value) for n in range(4)}
        assert rows.move("t", moves) == frozenset()
        assert all(rows.get("t", key) == move.value for key, move in moves.items())

    @pytest.mark.parametrize("versions", [(1, 1, 1, 1, 1, 1), (3, 1, 5, 2, 4, 6)])
    def test_of_moves_from_one_row_at_once_one_is_written_and_the_others_know(
        self, rows: Rows, versions: tuple[int, ...]
    ) -> None:
        keys = [f"{n:02}" for n in range(50)]
        writers = range(len(versions))

        def refused(writer: int) -> frozenset[str]:
            move = Move(0, versions[writer], b"%d" % writer)
            return rows.move("t", dict.fromkeys(keys[writer:] + keys[:writer], move))

        with ThreadPoolExecutor(len(writers)) as pool:
            lost = list(pool.map(refused, writers))
        won = {key: [b"%d" % writer for writer in writers if key not in lost[writer]] for key in keys}
        assert {key: [value] for key, value in rows.scan("t")} == won

    def test_tables_are_apart(self, rows: Rows) -> None:
        rows.put("one.table", "ada", b"1", version=1)
        rows.put("two.table", "ada", b"2", version=1)
        rows.delete("one.table", ["ada"])
        assert rows.get("one.table", "ada") is None
        assert rows.get("two.table", "ada") == b"2"

    def test_a_deleted_row_is_gone_and_may_begin_anew(self, rows: Rows) -> None:
        rows.put("t", "ada", b"old", version=9)
        rows.delete("t", ["ada", "never there"])
        assert rows.version_of("t", "ada") is None
        assert rows.put("t", "ada", b"new", version=1)

    @pytest.mark.parametrize("version", [0, 9, 2**53 - 1])
    def test_a_row_is_deleted_at_the_version_that_was_read_and_at_no_other(self, rows: Rows, version: int) -> None:
        rows.put("t", "ada", b"value", version=version)
        rows.put("t", "bob", b"value", version=version)
        assert not rows.delete_at("t", "ada", version=8)
        assert rows.get("t", "ada") == b"value"
        assert rows.delete_at("t", "ada", version=version)
        assert not rows.delete_at("t", "ada", version=version)
        assert dict(rows.scan("t")) == {"bob": b"value"}

    def test_a_row_that_is_not_there_is_deleted_at_no_version(self, rows: Rows) -> None:
        assert not rows.delete_at("t", "nobody", version=0)
        assert rows.put("t", "nobody", b"new", version=1)

    def test_a_scan_gives_one_prefix_in_byte_order(self, rows: Rows) -> None:
        for key in ("b", "a/\U0001f3b5", "a/\uffff", "a/é", "a/z", "a", "a/", "a0"):
            rows.put("t", key, key.encode(), version=1)
        assert [key for key, _ in rows.scan("t", "a/")] == ["a/", "a/z", "a/é", "a/\uffff", "a/\U0001f3b5"]
        assert [key for key, _ in rows.scan("t")] == ["a", "a/", "a/z", "a/é", "a/\uffff", "a/\U0001f3b5", "a0", "b"]
        assert [key for key, _ in rows.scan("t", "a/\U0001f3b5")] == ["a/\U0001f3b5"]

    @pytest.mark.parametrize("key", ["", "k" * 1_025, "\ud800"])
    def test_a_key_out_of_bounds_is_refused(self, rows: Rows, key: str) -> None:
        with pytest.raises(RowRefused, match="key"):
            rows.put("t", key, b"", version=1)
        with pytest.raises(RowRefused, match="key"):
            rows.get("t", key)

    def test_the_longest_key_and_value_fit(self, rows: Rows) -> None:
        key, value = "\U0001f3b5" * 1_024, b"v" * self.longest_value
        rows.put("t", key, value, version=1)
        assert rows.get("t", key) == value

    def test_a_value_too_long_is_refused(self, rows: Rows) -> None:
        with pytest.raises(RowRefused, match="8,388,609 bytes; wanted at most 8,388,608"):
            rows.put_many("t", {"ada": b"v" * ((8 << 20) + 1)}, version=1)
        assert rows.get("t", "ada") is None

    @pytest.mark.parametrize("version", [-1, 2**53])
    def test_a_version_out_of_bounds_is_refused(self, rows: Rows, version: int) -> None:
        with pytest.raises(RowRefused, match="version"):
            rows.put("t", "ada", b"", version=version)

    @pytest.mark.parametrize("table", ["", "no spaces", ".first", "t" * 51])
    def test_a_table_name_out_of_bounds_is_refused(self, rows: Rows, table: str) -> None:
        with pytest.raises(RowRefused, match="table"):
            rows.get(table, "ada")

    def test_of_writers_at_once_the_highest_version_stays(self, rows: Rows) -> None:
        def write(version: int) -> bool:
            return rows.put("t", "ada", str(version).encode(), version=version)

        with ThreadPoolExecutor(8) as pool:
            written = list(pool.map(write, [(17 * n) % 40 for n in range(40)]))
        assert any(written)
        assert rows.get("t", "ada") == b"39"
        assert rows.version_of("t", "ada") == 39

    def test_closing_twice_does_nothing(self, rows: Rows) -> None:
        rows.close()
        rows.close()
