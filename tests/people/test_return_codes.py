"""Return codes of a class: a person comes back in another browser, and nobody else does."""

import sqlite3

import pytest

from cnn_core.errors import StudioError
from cnn_core.home import Home
from cnn_core.people import classroom as module
from cnn_core.people.classroom import ClassCodes, Classroom
from cnn_core.people.person import STRANGER, Person
from cnn_core.people.return_code import LETTERS, make_return_code
from cnn_core.people.tries import PER_ADDRESS
from tests.helpers import is_a_sentence

CODES = ClassCodes("otter-42", "owl-of-the-night")


@pytest.fixture
def room(home: Home) -> Classroom:
    return Classroom(home, CODES)


def refusal(room: Classroom, nickname: str, return_code: str, code: str = CODES.student, address: str = "") -> str:
    with pytest.raises(StudioError) as refused:
        room.enter(nickname, code, return_code=return_code, address=address)
    return str(refused.value)


@pytest.mark.parametrize("nickname", ["Ann Lee", " ann  lee "])
def test_a_person_comes_back_with_a_new_token_and_the_earlier_browser_is_forgotten(room: Classroom, home: Home, nickname: str):
    token = room.enter("Ann Lee", CODES.student)
    ann = room.person_of(token)
    code = room.create_return_code(ann.id)
    again = room.enter(nickname, CODES.student, return_code=code.upper().replace("-", " "))
    assert again != token and room.person_of(again) == ann
    assert room.person_of(token) == STRANGER == Classroom(home, CODES).person_of(token)
    assert room.person_of(room.enter(nickname, CODES.student, return_code=code)) == ann  # it is good for more than once


def test_the_role_follows_from_the_code_of_the_class_and_not_from_the_return_code(room: Classroom):
    ada = room.person_of(room.enter("Ada", CODES.teacher))
    code = room.create_return_code(ada.id)
    assert room.person_of(room.enter("Ada", CODES.student, return_code=code)) == Person(ada.id, "Ada", "member")
    assert room.person_of(room.enter("Ada", CODES.teacher, return_code=code)) == ada


def test_only_the_last_code_of_the_person_with_the_class_code_is_good(room: Classroom):
    ids = {name: room.person_of(room.enter(name, CODES.student)).id for name in ("Ann", "Ben", "Cleo")}
    old, other = (room.create_return_code(ids[name]) for name in ("Ann", "Ben"))
    code = room.create_return_code(ids["Ann"])
    wrong = [("Ann", old), ("Ann", other), ("Ann", code[:-1]), ("Ann", "-"), ("Cleo", code), ("Nobody", code), ("", code)]
    assert {refusal(room, name, typed) for name, typed in wrong} == {module.WRONG_RETURN_CODE}
    assert is_a_sentence(module.WRONG_RETURN_CODE)
    assert refusal(room, "Ann", code, code="wrong") == module.WRONG_CODE
    assert room.directory.names() == {id: name for name, id in ids.items()}  # nobody was added


def test_wrong_return_codes_are_limited_like_wrong_class_codes(room: Classroom):
    ann = room.person_of(room.enter("Ann", CODES.student))
    code = room.create_return_code(ann.id)
    assert {refusal(room, "Ann", "wrong", address="10.0.0.6") for _ in range(PER_ADDRESS)} == {module.WRONG_RETURN_CODE}
    assert refusal(room, "Ann", code, address="10.0.0.6") == module.TOO_MANY_TRIES
    assert room.person_of(room.enter("Ann", CODES.student, return_code=code, address="10.0.0.7")) == ann


def test_what_is_stored_says_no_code(room: Classroom, home: Home):
    ann = room.person_of(room.enter("Ann", CODES.student))
    code = room.create_return_code(ann.id)
    with sqlite3.connect(home.root / "people.db") as db:
        ((id, stored),) = db.execute("select * from return_codes")
    assert id == ann.id and refusal(room, "Ann", stored) == module.WRONG_RETURN_CODE
    content = (home.root / "people.db").read_bytes()
    assert code.encode() not in content and code.replace("-", "").encode() not in content


def test_codes_are_random_and_have_no_letters_that_look_alike():
    codes = {make_return_code() for _ in range(200)}
    assert len(codes) == 200 and set("".join(codes)) - {"-"} == set(LETTERS) and not set("01ilo") & set(LETTERS)
    assert {len(code.replace("-", "")) for code in codes} == {12}


def test_a_class_of_an_earlier_version_has_no_codes_yet(room: Classroom, home: Home):
    token = room.enter("Ann", CODES.student)
    with sqlite3.connect(home.root / "people.db") as db:
        db.execute("drop table return_codes")
    later = Classroom(home, CODES)
    assert later.person_of(token).name == "Ann" and refusal(later, "Ann", "k7mp") == module.WRONG_RETURN_CODE
