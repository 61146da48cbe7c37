"""A class on one server: each browser enters once, has its own view, and changes only what is its own; the teacher sees and may do all."""

import asyncio
import time

import pytest
from pandas import DataFrame
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from streamlit.testing.v1 import AppTest

from cnn_core.config.defaults import make_config
from cnn_core.data.owners import owner_of, write_owner
from cnn_core.events import Epoch
from cnn_core.lessons.attempts import list_attempts, read_runs, start_attempt
from cnn_core.lessons.exercises import EXERCISES
from cnn_core.people.classroom import TOO_MANY_TRIES, WRONG_CODE, WRONG_RETURN_CODE
from cnn_core.people.tries import IN_ALL
from cnn_core.runs.store import Store
from cnn_core.search.plan import SearchPlan
from cnn_core.search.search_store import SearchStore
from cnn_core.search.space import parse_space
from pages.shared import class_token
from pages.shared.guard import guard_routes
from pages.shared.mine import ALL, MINE, NONE_OF_MINE
from pages.shared.people import OWNED_BY_NOBODY, OWNED_BY_OTHER
from pages.shared.server import get_classroom, get_directory
from pages.shared.sign_in import AS_TEACHER
from pages.views.learn.attempt import SHARED
from pages.views.people.outcomes import OUTCOMES, TRAINING
from pages.views.train.controls import USED_BY_OTHERS
from tests.pages.class_room import CODE, TEACHERS_CODE, enter, open_with, who
from tests.pages.people import Opener, buttons, page_text


def ask(route: Route, *, cookie: str = "", body: bytes = b"", method: str = "GET", scheme: str = "http") -> Response:
    """Send a request to one of our own routes."""

    async def receive() -> dict:
        return {"type": "http.request", "body": body}

    headers = [(b"content-length", str(len(body)).encode())]
    headers += [(b"cookie", f"{class_token.COOKIE}={cookie}".encode())] if cookie else []
    scope = {"type": "http", "method": method, "headers": headers, "scheme": scheme, "path": route.path, "server": ("a", 80)}
    return asyncio.run(route.endpoint(Request(scope, receive)))


def table(at: AppTest, column: str) -> DataFrame:
    """Return the table on the page that has this column."""
    return next(frame.value for frame in at.dataframe if column in frame.value)


def test_a_new_browser_is_asked_for_a_nickname_and_the_code_once(classroom: Store):
    at = open_with("", "start")
    assert not at.sidebar.text and at.button[0].key == "class-enter"
    at.text_input(key="nickname").set_value("Ann")
    at.text_input(key="class-code").set_value("otter-43")
    at.button(key="class-enter").click().run()
    assert [error.value for error in at.error] == [WRONG_CODE]
    at.text_input(key="class-code").set_value(CODE)
    at.button(key="class-enter").click().run()
    assert "train-digits" in buttons(at) and [text.value for text in at.sidebar.text] == ["Ann"]
    assert CODE not in str(at.query_params) and who(at.session_state[class_token.TOKEN]).role == "member"


def test_an_open_page_shows_nothing_to_a_browser_that_has_not_entered(classroom: Store):
    run = classroom.create(make_config(), owner=who(enter("Ann")).id)
    for token in ("", "Ann", who(enter("Ben")).id):
        for page in ("train", "runs", "people", "learn"):
            at = open_with(token, page, run=run)
            assert buttons(at) == {"class-enter"} and run not in page_text(at)


def test_after_many_wrong_codes_the_entrance_closes_for_a_while(classroom: Store):
    at = open_with("", "start")
    at.text_input(key="nickname").set_value("Eve")
    for number in range(IN_ALL):
        at.text_input(key="class-code").set_value(f"wrong-{number}")
        if number in (0, IN_ALL - 1):
            at.button(key="class-enter").click().run()
        else:
            get_classroom()._tries.add_wrong("")
    at.text_input(key="class-code").set_value(CODE)
    at.button(key="class-enter").click().run()
    assert [error.value for error in at.error] == [TOO_MANY_TRIES]


def test_who_leaves_is_asked_again_and_the_browser_forgets_the_token(classroom: Store):
    token = enter("Ann")
    at = open_with(token, "start")
    at.button(key="class-leave").click().run()
    assert buttons(at) == {"class-enter"} and at.session_state[class_token.TOKEN] == ""
    (route,) = class_token.routes
    answer = ask(route, body=at.session_state[class_token.TICKET].encode(), method="POST")
    assert answer.status_code == 204 and "Max-Age=0" in answer.headers["set-cookie"]


def test_a_student_comes_back_with_a_code_of_their_own_or_of_the_teacher(classroom: Store):
    token, ada, ben = enter("Ann"), enter("Ada", TEACHERS_CODE), enter("Ben")
    ann, shown = who(token), []
    at = open_with(token, "start")
    assert not at.sidebar.code
    at.button(key="class-create-return-code").click().run()
    shown.append(at.sidebar.code[0].value)
    at = open_with(ada, "people")
    assert not at.main.code and "return-code" not in page_text(open_with(token, "people"))
    at.selectbox(key="return-person").set_value(ann.id).run()
    at.button(key="people-create-return-code").click().run()
    shown.append(at.main.code[0].value)
    assert "Ada" not in at.selectbox(key="return-person").options, "the teacher's own code"
    at.selectbox(key="return-person").set_value(who(ben).id).run()
    assert not at.main.code and not at.exception  # the code belongs to the person that it was created for
    for code, is_good in zip(shown, (False, True), strict=True):  # the second one has replaced the first
        at = open_with("", "start")
        for key, value in (("nickname", "Ann"), ("class-code", CODE), ("return-code", code)):
            at.text_input(key=key).set_value(value)
        at.button(key="class-enter").click().run()
        assert [error.value for error in at.error] == ([] if is_good else [WRONG_RETURN_CODE])
    assert who(at.session_state[class_token.TOKEN]) == ann and who(token).role == "stranger"
    assert code not in str(at.query_params) and "train-digits" in buttons(at)


def test_the_cookie_comes_for_a_ticket_that_is_good_once_and_for_a_minute(classroom: Store, monkeypatch: pytest.MonkeyPatch):
    (route,) = class_token.routes
    ticket = class_token._issue("secret").encode()
    answer = ask(route, body=ticket, method="POST")
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 204 and f"{class_token.COOKIE}=secret" in cookie
    assert "httponly" in cookie and "samesite=strict" in cookie and "secure;" not in cookie
    assert ask(route, body=ticket, method="POST").status_code == 403
    assert [ask(route, body=body, method="POST").status_code for body in (b"", b"x" * 101, b"unknown", b"\xff")] == [
        400,
        400,
        403,
        403,
    ]
    late = class_token._issue("secret").encode()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + class_token.TICKET_SECONDS + 1)
    assert ask(route, body=late, method="POST").status_code == 403
    again = ask(route, body=class_token._issue("secret").encode(), method="POST", scheme="https")
    assert "secure" in again.headers["set-cookie"].lower()


def test_own_routes_are_open_to_those_who_entered_only(classroom: Store):
    async def hello(request: Request) -> Response:
        return PlainTextResponse("hello")

    (route,) = guard_routes([Route("/api/hello", hello)], "")
    token = enter("Ann")
    cookies = ["", "Ann", who(token).id, token[:-1], token]
    assert [ask(route, cookie=cookie).status_code for cookie in cookies] == [401, 401, 401, 401, 200]


def test_a_run_is_changed_by_its_owner_and_the_teacher_and_used_by_all(classroom: Store):
    ann, ben, ada = enter("Ann"), enter("Ben"), enter("Ada", TEACHERS_CODE)
    run = classroom.create(make_config(), owner=who(ann).id)
    at = open_with(ben, "train", run=run, person=who(ann).id, owner=who(ann).id)
    assert "stop" not in buttons(at) and OWNED_BY_OTHER.format(owner="Ann") in page_text(at)
    for token in (ann, ada):
        assert "stop" in buttons(open_with(token, "train", run=run))
    assert AS_TEACHER.format(person="Ada") in [text.value for text in open_with(ada, "start").sidebar.text]


def test_lists_show_ones_own_runs_at_first_and_all_on_request(classroom: Store):
    ann, ben, ada = enter("Ann"), enter("Ben"), enter("Ada", TEACHERS_CODE)
    own, other = (classroom.create(make_config(), "finished", owner=who(token).id) for token in (ann, ben))
    at = open_with(ann, "runs")
    assert list(at.dataframe[0].value["Run"]) == [own] and at.segmented_control(key="runs-owner").value == MINE
    at.segmented_control(key="runs-owner").set_value(ALL).run()
    assert list(at.dataframe[0].value["Owner"]) == ["Ben", "Ann"]
    assert list(open_with(ada, "runs").dataframe[0].value["Run"]) == [other, own]
    assert NONE_OF_MINE in page_text(open_with(enter("Cleo"), "runs"))
    labels = [link.proto.label for link in open_with(ann, "start").get("page_link")]
    assert any(own in label for label in labels) and not any(other in label for label in labels)
    assert open_with(ann, "train").selectbox[0].value == own


def test_searches_of_others_are_listed_on_request_with_their_owner(classroom: Store):
    ann, ben = enter("Ann"), enter("Ben")
    SearchStore(classroom.home).create(SearchPlan("rates", make_config(), parse_space(["depth=1..2"]), owner=who(ann).id))
    assert "rates · Ann" in open_with(ann, "search").selectbox(key="search").options
    at = open_with(ben, "search")
    assert "rates · Ann" not in [option for box in at.selectbox if box.key == "search" for option in box.options]
    at.segmented_control(key="search-owner").set_value(ALL).run()
    assert "rates · Ann" in at.selectbox(key="search").options


def test_a_common_data_set_is_copied_and_the_copy_is_corrected(classroom: Store):
    ann, ben = enter("Ann"), enter("Ben")
    at = open_with(ann, "data", set="digits")
    assert OWNED_BY_NOBODY in page_text(at) and "data-exclude" not in buttons(at)
    at.button(key="data-own-copy").click().run()
    copy = classroom.home.set_folder("digits-ann")
    assert owner_of(copy) == who(ann).id and owner_of(classroom.home.set_folder("digits")) == ""
    at = open_with(ann, "data", set="digits-ann")
    assert "data-own-copy" not in buttons(at) and "data-remove" in buttons(at)
    boxes = [option for token in (ann, ben) for option in open_with(token, "data").selectbox[0].options]
    assert sum(option.startswith("digits-ann") for option in boxes) == 1


def attempt_of(store: Store, token: str, prediction: str, *, finished: bool) -> None:
    attempt = start_attempt(store, "dropout", "digits", prediction, who(token).id, pairs=2)
    for run in read_runs(store, attempt).runs if finished else ():
        accuracy = 0.9 if "/A" in run.origin else 0.95
        store.log.append(run.id, [Epoch(1, 10, 0.2, 0.99, 0.3, accuracy, True, 1.0, 1.0)])
        store.set_status(run.id, "finished")


def test_predictions_are_sent_to_the_person_and_the_teacher_sees_the_outcomes(classroom: Store):
    ann, ben, ada = enter("Ann"), enter("Ben"), enter("Ada", TEACHERS_CODE)
    for token in (ann, ben, ada):
        open_with(token, "start")
    attempt_of(classroom, ann, "lower", finished=True)
    assert list_attempts(classroom, who(ben).id) == []
    at = open_with(ben, "learn", lesson="dropout")
    assert at.radio(key="prediction-dropout").value is None and at.button(key="train-dropout").disabled
    assert EXERCISES["dropout"].explanation not in page_text(at)
    attempt_of(classroom, ben, "higher", finished=False)
    assert SHARED.format(runs="4 runs") in page_text(open_with(ben, "learn", lesson="dropout"))
    outcomes = table(open_with(ada, "people"), EXERCISES["dropout"].title)
    assert dict(zip(outcomes["Person"], outcomes[EXERCISES["dropout"].title], strict=True)) == {
        "Ann": OUTCOMES["confirmed"],
        "Ben": OUTCOMES["different"],
    }


def test_the_teacher_sees_who_is_where_and_ends_runs_of_all(classroom: Store):
    ann, ada = enter("Ann"), enter("Ada", TEACHERS_CODE)
    open_with(ann, "gallery")
    attempt_of(classroom, ann, "lower", finished=False)
    at = open_with(ada, "people")
    visits = table(at, "Last page")
    row = {name: list(visits[name])[list(visits["Person"]).index("Ann")] for name in visits}
    assert (row["Last page"], row["Runs"], row["Waiting"], row["Exercises"]) == ("Gallery", 4, 4, 0)
    outcomes = table(at, EXERCISES["dropout"].title)
    assert list(outcomes[EXERCISES["dropout"].title]) == [TRAINING]
    first = classroom.queue.waiting()[0]
    at.button(key=f"people-stop-{first}").click().run()
    assert classroom.run(first).status == "stopped"
    assert [visit.name for visit in get_directory().visits()][0] == "Ada"


def test_students_have_no_people_page(classroom: Store):
    at = open_with(enter("Ann"), "people")
    assert not at.dataframe and [title.value for title in at.title] != ["People"]


def test_a_run_that_exercises_of_others_use_is_stopped_by_the_teacher_only(classroom: Store):
    ann, ben, ada = enter("Ann"), enter("Ben"), enter("Ada", TEACHERS_CODE)
    for token in (ann, ben):
        attempt_of(classroom, token, "lower", finished=False)
    run = classroom.queue.waiting()[0]
    at = open_with(ann, "train", run=run)
    assert "stop" not in buttons(at) and USED_BY_OTHERS in page_text(at)
    assert "stop" in buttons(open_with(ada, "train", run=run))


def test_without_a_code_nothing_is_asked_and_nobody_is_named(empty: Store, open_page: Opener):
    at = open_page("runs")
    assert not at.sidebar.text and "class-enter" not in buttons(at) and not at.segmented_control


def test_a_set_of_another_student_is_not_corrected(classroom: Store):
    ann, ben = enter("Ann"), enter("Ben")
    open_with(ann, "data", set="digits")
    write_owner(classroom.home.set_folder("digits"), who(ann).id)
    at = open_with(ben, "data", set="digits")
    assert OWNED_BY_OTHER.format(owner="Ann") in page_text(at) and "data-own-copy" in buttons(at)
    assert "data-own-copy" not in buttons(open_with(ann, "data", set="digits"))
