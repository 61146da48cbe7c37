"""A class without accounts: who has the code enters, and nobody can act as another person."""

import re
import sqlite3

import pytest

from cnn_core.errors import StudioError
from cnn_core.home import Home
from cnn_core.people import classroom as module
from cnn_core.people.classroom import CLASS_CODE, TEACHER_CODE, ClassCodes, Classroom, read_codes
from cnn_core.people.directory import BAD_NAME, MAX_NAME_LENGTH, NAME_TAKEN
from cnn_core.people.person import LOCAL, STRANGER, Person
from cnn_core.people.tries import IN_ALL, PER_ADDRESS, PERIOD_SECONDS, Tries
from tests.helpers import is_a_sentence

CODES = ClassCodes("otter-42", "owl-of-the-night")


@pytest.fixture
def room(home: Home) -> Classroom:
    return Classroom(home, CODES)


def test_the_code_decides_the_role_and_every_person_has_an_id_of_their_own(room: Classroom):
    ann, ben, ada = (
        room.person_of(room.enter(name, code))
        for name, code in (("Ann", CODES.student), ("Ben", CODES.student), ("Ada", CODES.teacher))
    )
    assert (ann.name, ann.role, ben.role, ada.role) == ("Ann", "member", "member", "teacher")
    assert len({ann.id, ben.id, ada.id}) == 3 and "ann" not in ann.id.lower()
    assert ann.may_change(ann.id) and not ann.may_change(ben.id) and not ann.may_change("") and ada.may_change(ann.id)
    assert ada.may_change("") and LOCAL.may_change("") and not STRANGER.may_change("")


def test_a_code_is_compared_without_capitals_and_spaces_which_telephones_add(room: Classroom):
    assert room.person_of(room.enter("Ann", " Otter-42 ")).role == "member"


@pytest.mark.parametrize("code", ["otter-4", "otter-422", "Ann", "öffnen"])
def test_without_the_code_nobody_enters(room: Classroom, code: str):
    with pytest.raises(StudioError) as refused:
        room.enter("Ann", code)
    assert str(refused.value) == module.WRONG_CODE and is_a_sentence(module.WRONG_CODE)
    assert room.person_of("") == STRANGER


def test_a_missing_code_is_asked_for_and_is_no_wrong_try(room: Classroom):
    for code in ["", "  "] * PER_ADDRESS:
        with pytest.raises(StudioError, match=re.escape(module.NO_CODE)):
            room.enter("Ann", code, address="10.0.0.7")
    assert is_a_sentence(module.NO_CODE) and room.person_of(room.enter("Ann", CODES.student, address="10.0.0.7")).name == "Ann"


def test_neither_the_nickname_nor_the_id_nor_what_is_stored_makes_a_person(room: Classroom, home: Home):
    token = room.enter("Ann", CODES.student)
    ann = room.person_of(token)
    with sqlite3.connect(home.root / "people.db") as db:
        stored = [str(value) for table in ("people", "visits") for row in db.execute(f"select * from {table}") for value in row]
    assert ann.id in stored and token not in " ".join(stored)
    for tried in ("Ann", ann.id, token[:-1], token + "x", *stored):
        assert room.person_of(tried) == STRANGER
    content = (home.root / "people.db").read_bytes()
    assert CODES.student.encode() not in content and CODES.teacher.encode() not in content


def test_a_person_is_known_again_after_a_restart(room: Classroom, home: Home):
    token = room.enter("Ann", CODES.student)
    assert Classroom(home, CODES).person_of(token) == room.person_of(token)


def test_a_new_code_is_asked_for_once_and_the_person_stays_the_same(room: Classroom, home: Home):
    token = room.enter("Ann", CODES.teacher)
    before, later = room.person_of(token), Classroom(home, ClassCodes("badger-17"))
    assert later.person_of(token) == STRANGER
    assert later.enter("ignored", "badger-17", token=token) == token
    assert later.person_of(token) == Person(before.id, "Ann", "member")


@pytest.mark.parametrize("name", ["ann", " ANN ", "Ａnn", "Ann"])
def test_a_nickname_that_looks_like_another_is_refused(room: Classroom, name: str):
    room.enter("Ann", CODES.student)
    with pytest.raises(StudioError) as refused:
        room.enter(name, CODES.student)
    assert str(refused.value).startswith(NAME_TAKEN.partition("{")[0])


@pytest.mark.parametrize("name", ["", "  ", "a" * (MAX_NAME_LENGTH + 1), "A\u202enn", "A\u200bnn", "A\x00nn"])
def test_a_nickname_that_cannot_be_seen_is_refused(room: Classroom, name: str):
    with pytest.raises(StudioError) as refused:
        room.enter(name, CODES.student)
    assert str(refused.value) == BAD_NAME


@pytest.mark.parametrize("name", ["Zoë", "小明", "أمينة", "🦊", "Ann 2"])
def test_nicknames_of_all_scripts_are_kept(room: Classroom, name: str):
    assert room.person_of(room.enter(name, CODES.student)).name == name


def test_whoever_types_many_wrong_codes_has_to_wait_and_others_do_not(home: Home):
    now = [0.0]
    room = Classroom(home, CODES, Tries(lambda: now[0]))

    def enter(name: str, code: str, address: str) -> str:
        try:
            room.enter(name, code, address=address)
        except StudioError as error:
            return str(error)
        return ""

    assert {enter("Eve", "wrong", "10.0.0.6") for _ in range(PER_ADDRESS)} == {module.WRONG_CODE}
    assert enter("Eve", CODES.student, "10.0.0.6") == module.TOO_MANY_TRIES and is_a_sentence(module.TOO_MANY_TRIES)
    assert enter("Ann", CODES.student, "10.0.0.7") == ""
    now[0] += PERIOD_SECONDS + 1
    assert enter("Eve", CODES.student, "10.0.0.6") == ""


def test_tries_from_many_addresses_are_limited_together():
    now = [0.0]
    tries = Tries(lambda: now[0])
    for number in range(IN_ALL):
        assert tries.are_left(f"10.0.{number}.1")
        tries.add_wrong(f"10.0.{number}.1")
    assert not tries.are_left("10.1.0.1") and not tries.are_left("")
    now[0] += PERIOD_SECONDS + 1
    assert tries.are_left("10.1.0.1")


@pytest.mark.parametrize(
    "environment",
    [
        {CLASS_CODE: "short"},
        {CLASS_CODE: "otter-42", TEACHER_CODE: "brief-1"},
        {CLASS_CODE: "otter-42", TEACHER_CODE: " OTTER-42"},
        {TEACHER_CODE: "owl-of-the-night"},
    ],
)
def test_codes_that_do_not_protect_are_refused_at_the_start_without_naming_them(environment: dict[str, str]):
    with pytest.raises(StudioError) as refused:
        read_codes(environment)
    assert not any(re.search(re.escape(code.strip()), str(refused.value), re.IGNORECASE) for code in environment.values())


def test_a_server_without_a_code_serves_no_class_and_codes_are_not_printed():
    assert read_codes({}) is None and read_codes({CLASS_CODE: " "}) is None
    codes = read_codes({CLASS_CODE: "Otter-42", TEACHER_CODE: "owl-of-the-night"})
    assert codes == CODES and "otter" not in repr(codes) and "owl" not in repr(codes)


def test_visits_say_where_each_person_was_last(room: Classroom):
    directory = room.directory
    directory.note_visit("a", "Ann", "Start")
    directory.note_visit("b", "Ben", "Learn")
    directory.note_visit("a", "Ann", "Runs")
    assert [(visit.name, visit.page) for visit in directory.visits()] == [("Ann", "Runs"), ("Ben", "Learn")]
    ann = room.person_of(room.enter("Ann", CODES.student))
    assert directory.name_of(ann.id) == "Ann" and directory.name_of("unknown") == "unknown"
