"""The cache of computed results: computed once for a version, replaced by a new one, bounded, and shared by the sessions or not."""

from collections.abc import Generator

import pytest
from streamlit.testing.v1 import AppTest

from cnn_core.events import Progress
from pages.shared import cache
from pages.shared.cache import Kind


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of its own for every test, shared by all sessions."""
    return Kind(request.node.name, 2)


def test_a_result_is_computed_once_for_a_version_and_anew_for_another(kind: Kind) -> None:
    begun: list[str] = []

    def compute(version: str) -> str:
        def steps() -> Generator[Progress, None, str]:
            begun.append(version)
            return f"result {version}"
            yield

        return cache.compute_once(kind, "name", version, steps)

    assert [compute("a"), compute("a"), compute("b"), compute("a")] == ["result a", "result a", "result b", "result a"]
    assert begun == ["a", "b", "a"], "only the newest version is kept"


def test_beyond_the_limit_the_entry_used_least_recently_is_removed(kind: Kind) -> None:
    for name in ("first", "second"):
        cache.store(kind, name, 1, name)
    assert cache.load(kind, "first", 1) == "first"  # now used more recently than the second
    cache.store(kind, "third", 1, "third")
    assert [cache.is_stored(kind, name, 1) for name in ("first", "second", "third")] == [True, False, True]


def test_a_result_of_another_version_is_not_given_and_a_removed_one_neither(kind: Kind) -> None:
    cache.store(kind, "name", 1, "value")
    assert cache.load(kind, "name", 2) is None and cache.load(kind, "name", 1) == "value"
    cache.remove(kind, "name")
    assert cache.load(kind, "name", 1) is None


def script(scope: str, is_writer: bool) -> None:
    import streamlit as st

    from pages.shared import cache

    kind = cache.Kind(f"scope-{scope}", 1, scope)
    if is_writer:
        cache.store(kind, "name", 1, "value")
    st.text(str(cache.load(kind, "name", 1)))


@pytest.mark.parametrize("scope, seen", [("session", "None"), ("server", "value")])
def test_other_sessions_see_only_the_results_of_the_server(scope: str, seen: str) -> None:
    writer = AppTest.from_function(script, args=(scope, True)).run()
    reader = AppTest.from_function(script, args=(scope, False)).run()
    assert [at.text[0].value for at in (writer, reader)] == ["value", seen]
