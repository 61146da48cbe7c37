"""What one person may take of a shared server: read from its environment, refused in words where it cannot be meant."""

import pytest

from cnn_core.errors import StudioError
from cnn_core.runs.limits import ALLOWED_PEOPLE, DISK_QUOTA, QUEUE_LIMIT, TEACHERS, UNLIMITED, Limits, read_limits
from tests.helpers import is_a_sentence


def test_one_person_alone_has_no_limits():
    assert read_limits({}, is_shared=False) == UNLIMITED == Limits(None, None, frozenset(), frozenset())


def test_where_people_sign_in_each_may_have_twenty_waiting_runs_and_two_gigabytes():
    limits = read_limits({}, is_shared=True)
    assert (limits.queue_limit, limits.disk_quota) == (20, 2_000_000_000)


@pytest.mark.parametrize(
    ("text", "quota"),
    [("500 MB", 500 * 10**6), ("1.5GB", 1_500_000_000), (" 2 tb ", 2 * 10**12), ("none", None), ("", 2 * 10**9)],
)
def test_a_quota_is_a_size_or_none(text: str, quota: int | None):
    assert read_limits({DISK_QUOTA: text}, is_shared=True).disk_quota == quota


def test_what_is_set_holds_where_nobody_signs_in_too():
    limits = read_limits({QUEUE_LIMIT: "3", DISK_QUOTA: "1 GB"}, is_shared=False)
    assert (limits.queue_limit, limits.disk_quota) == (3, 10**9)
    assert read_limits({QUEUE_LIMIT: "None"}, is_shared=True).queue_limit is None


@pytest.mark.parametrize(
    "given",
    [
        {QUEUE_LIMIT: "0"},
        {QUEUE_LIMIT: "-1"},
        {QUEUE_LIMIT: "many"},
        {DISK_QUOTA: "2"},
        {DISK_QUOTA: "0 GB"},
        {DISK_QUOTA: "x GB"},
    ],
)
def test_what_cannot_be_meant_is_refused_by_the_name_of_the_setting(given: dict[str, str]):
    with pytest.raises(StudioError, match=next(iter(given))) as refusal:
        read_limits(given, is_shared=True)
    assert is_a_sentence(refusal.value)


def test_teachers_are_listed_by_address_in_whatever_letters():
    limits = read_limits({TEACHERS: " Ada@School.example,, bob@school.example "}, is_shared=True)
    assert limits.is_teacher("ada@school.example") and limits.is_teacher("bob@school.example")
    assert not limits.is_teacher("") and not limits.is_teacher("eve@school.example")


def test_a_list_of_people_lets_in_addresses_domains_and_teachers_and_nobody_else():
    limits = read_limits({ALLOWED_PEOPLE: "@school.example, guest@mail.example", TEACHERS: "ada@home.example"}, is_shared=True)
    for person in ("eve@school.example", "guest@mail.example", "ada@home.example"):
        assert limits.is_allowed(person)
    for person in ("other@mail.example", "eve@evil-school.example", "@school.example@mail.example", "110169484474386276334"):
        assert not limits.is_allowed(person)
    assert UNLIMITED.is_allowed("anybody@mail.example")
