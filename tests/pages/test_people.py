"""Who may do what on a server that many share: everybody looks at everything, and changes what is theirs. One person alone sees nothing of it."""

import asyncio
from pathlib import Path

import pytest
import streamlit.config
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from streamlit.runtime.secrets import secrets_singleton

from cnn_core.config.defaults import make_config
from cnn_core.errors import RunError
from cnn_core.home import EVALUATIONS, WEIGHTS, cached_results, saved_epochs
from cnn_core.runs.limits import ALLOWED_PEOPLE
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.store import Store
from cnn_core.search.plan import SearchPlan
from cnn_core.search.search_store import SearchStore
from cnn_core.search.space import parse_space
from pages.shared import server
from pages.shared.data_and_model import FOLDER_TITLE
from pages.shared.guard import guard_routes
from pages.shared.identity import claims_of, is_sign_in_on
from pages.shared.mine import ALL
from pages.shared.people import ONLY_TEACHERS, OWNED_BY_OTHER
from pages.shared.sign_in import DISK_SPACE
from pages.shared.text import plain
from pages.views.configure.previews import FIND
from pages.views.data.add import PATH
from pages.views.data.mode import IMPORT_IMAGES, MODE
from pages.views.runs.disk_space import FREES_EPOCHS, FREES_RESULTS
from pages.views.search.status import NEXT_TRIAL, OWNER_WAITS, WAITING
from tests.helpers import is_a_sentence
from tests.pages.people import ANN, BEN, TEACHER, Opener, buttons, page_text, signed, start


def waiting_refused() -> str:
    """Why the server refuses another run of ANN, who has as many waiting as she may."""
    with pytest.raises(RunError) as refused:
        server.get_store().quota.check_queue(ANN)
    assert "2" in str(refused.value)
    return str(refused.value)


def test_without_sign_in_there_is_no_name_no_quota_and_no_owner(empty: Store, open_page: Opener):
    at = open_page("start")
    at.button[0].click().run()
    (run,) = empty.runs()
    assert run.owner == "" and not at.sidebar.button and not at.sidebar.caption and not at.sidebar.get("progress")
    assert "stop" in buttons(open_page("train", run=run.id))


def test_a_stranger_sees_only_the_sign_in_page(shared: Store, open_as: Opener):
    run = start(shared, ANN)
    for name in ("start", "train", "runs"):
        at = open_as("", name, run=run)
        assert buttons(at) == {"sign-in-default"}
        assert run not in page_text(at)


def test_a_person_who_is_not_on_the_list_gets_a_message_and_sees_no_page(
    shared: Store, open_as: Opener, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(ALLOWED_PEOPLE, "@school.example")
    server._store.cache_clear()  # a server reads its limits once
    at = open_as("eve@mail.example", "runs")
    assert buttons(at) == {"sign-out"} and "eve@mail.example" in page_text(at)
    assert "sign-out" in buttons(open_as(ANN, "runs")) and [title.value for title in open_as(ANN, "runs").title] == ["Runs"]


def test_a_run_belongs_to_its_starter_and_the_sidebar_names_the_person(shared: Store, open_as: Opener):
    at = open_as(ANN, "start")
    assert ANN in [text.value for text in at.sidebar.text] and "sign-out" in buttons(at)
    at.button(key="train-digits").click().run()
    (run,) = shared.runs()
    assert run.owner == ANN


def test_a_run_of_another_person_is_stopped_only_by_its_owner_or_a_teacher(shared: Store, open_as: Opener):
    run = start(shared, ANN)
    at = open_as(BEN, "train", run=run)
    assert not buttons(at) & {"stop", "pause", "resume"} and OWNED_BY_OTHER.format(owner=ANN) in page_text(at)
    for person in (ANN, TEACHER):
        assert "stop" in buttons(open_as(person, "train", run=run))
    at = open_as(TEACHER, "train", run=run)
    at.button(key=f"stop-{run}").click().run()
    assert shared.run(run).status == "stopped"


def test_a_run_without_an_owner_belongs_to_teachers(shared: Store, open_as: Opener):
    run = start(shared, "")
    assert "stop" not in buttons(open_as(ANN, "train", run=run)) and "stop" in buttons(open_as(TEACHER, "train", run=run))


def test_runs_of_others_are_listed_with_their_owner_and_cannot_be_moved_or_restored(shared: Store, open_as: Opener):
    mine, other, theirs, binned = start(shared, ANN), start(shared, ANN), start(shared, BEN), start(shared, BEN, "finished")
    RunOrganizer(shared).remove(binned)
    at = open_as(ANN, "runs")
    assert set(at.dataframe[0].value["Owner"]) == {ANN}
    at.segmented_control(key="runs-owner").set_value(ALL).run()
    assert set(at.dataframe[0].value["Owner"]) == {ANN, BEN}
    moved = {button.key for button in at.button if str(button.key).startswith(("Earlier-", "Later-"))}
    assert moved == {f"{way}-{run}" for way in ("Earlier", "Later") for run in (mine, other)}
    assert not {"empty-bin", f"back-{binned}"} & {button.key for button in at.button}
    assert f"back-{binned}" in {button.key for button in open_as(BEN, "runs").button}
    at.button(f"Earlier-{other}").click().run()
    assert shared.queue.waiting() == [other, theirs, mine]


def test_the_bin_that_a_person_empties_is_their_own(shared: Store, open_as: Opener):
    runs = [start(shared, owner, "finished") for owner in (ANN, BEN)]
    for run in runs:
        RunOrganizer(shared).remove(run)
    next(button for button in open_as(ANN, "runs").button if button.key == "empty-bin").click().run()
    assert [run.id for run in RunOrganizer(shared).removed()] == [runs[1]]
    next(button for button in open_as(TEACHER, "runs").button if button.key == "empty-bin").click().run()
    assert RunOrganizer(shared).removed() == []


def test_one_run_too_many_in_the_queue_is_refused_with_a_message(shared: Store, open_as: Opener):
    runs = [start(shared, ANN) for _ in range(2)]
    at = open_as(ANN, "start")
    at.button(key="train-digits").click().run()
    assert [run.id for run in shared.runs()] == runs[::-1]
    (error,) = at.error
    assert error.value.endswith(plain(waiting_refused())) and is_a_sentence(error.value)


def test_an_exceeded_disk_quota_is_shown_and_refuses_a_run(shared: Store, open_as: Opener):
    run = start(shared, ANN, "finished")
    (shared.home.run_folder(run) / "weights.bin").write_bytes(bytes(11 * 10**6))
    at = open_as(ANN, "start")
    assert DISK_SPACE.format(used="11 MB", quota="10 MB") in [caption.value for caption in at.sidebar.caption]
    at.button(key="train-digits").click().run()
    (error,) = at.error
    assert run in error.value and len(shared.runs()) == 1
    assert not open_as(BEN, "start").error


def test_only_teachers_may_use_files_of_the_server(shared: Store, open_as: Opener):
    def ways(person: str) -> str:
        at = open_as(person, "data")
        return str(at.segmented_control(key=MODE).set_value(IMPORT_IMAGES).run())

    assert PATH in ways(TEACHER) and PATH not in ways(ANN)
    boxes = {person: open_as(person, "configure").selectbox(key="data").options for person in (TEACHER, ANN)}
    assert set(boxes[TEACHER]) - set(boxes[ANN]) == {FOLDER_TITLE}


def test_a_link_to_a_folder_of_the_server_opens_only_for_teachers(shared: Store, open_as: Opener, image_folder: Path):
    at = open_as(ANN, "configure", data=str(image_folder))
    assert str(image_folder) not in str(at.text_input) and at.selectbox(key="data").value == "digits"
    assert at.session_state["data"] == "digits"


def test_a_file_of_weights_is_opened_only_for_teachers(shared: Store, open_as: Opener):
    link = {"model": "mobilenet", "weights": "/srv/exam.safetensors"}
    at = open_as(ANN, "configure", **link)
    assert ONLY_TEACHERS in page_text(at) and FIND not in [button.label for button in at.button]
    assert FIND in [button.label for button in open_as(TEACHER, "configure", **link).button]


def test_a_search_whose_owner_has_enough_runs_waiting_says_so(shared: Store, open_as: Opener):
    SearchStore(shared.home).create(SearchPlan("rates", make_config(), parse_space(["depth=1..2"]), owner=ANN))
    assert NEXT_TRIAL in page_text(open_as(ANN, "search", search="rates"))
    for _ in range(2):
        start(shared, ANN)
    assert plain(WAITING.format(reason=waiting_refused())) in page_text(open_as(ANN, "search", search="rates"))
    assert OWNER_WAITS in page_text(open_as(BEN, "search", search="rates"))


def test_a_corrupted_file_of_secrets_does_not_open_a_running_server(secrets: Path, shared: Store, open_as: Opener):
    assert buttons(open_as("", "runs")) == {"sign-in-default"}
    secrets.write_text("[auth")
    secrets_singleton._reset()
    assert not open_as("", "runs").dataframe and is_sign_in_on() and claims_of({}) == {}


def test_added_routes_are_below_the_base_path_and_need_a_sign_in_if_there_is_one(shared: Store, monkeypatch: pytest.MonkeyPatch):
    async def hello(request: Request) -> Response:
        return PlainTextResponse("hello")

    def ask(cookies: dict[str, str]) -> int:
        (route,) = guard_routes([Route("/api/hello", hello)], "")
        header = "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()
        return asyncio.run(route.endpoint(Request({"type": "http", "headers": [(b"cookie", header)]}))).status_code

    assert [guard_routes([Route("/api/hello", hello)], base)[0].path for base in ("", "studio", "/studio/")] == [
        "/api/hello",
        "/studio/api/hello",
        "/studio/api/hello",
    ]
    cookies = signed({"email": ANN})
    assert [ask(given) for given in (cookies, {}, signed({"email": ANN}, origin="https://b.example"))] == [200, 401, 401]
    monkeypatch.setenv(ALLOWED_PEOPLE, "@elsewhere.example")
    server._store.cache_clear()
    assert ask(cookies) == 401
    is_sign_in_on.cache_clear()
    streamlit.config.set_option("secrets.files", [])
    secrets_singleton._reset()
    assert ask({}) == 200


def test_only_own_runs_can_be_deleted_to_free_space(shared: Store, open_as: Opener):
    mine, theirs = start(shared, ANN, "finished"), start(shared, BEN, "finished")
    for run in (mine, theirs):
        states = shared.home.run_folder(run) / "epochs"
        states.mkdir()
        for epoch in (1, 2, 3):
            (states / f"{epoch:04d}.bin").write_bytes(bytes(3 * 10**6))
        shared.set_status(run, "finished", summary={"best_epoch": 2})
        (shared.home.run_folder(run) / WEIGHTS).touch()
        (shared.home.run_folder(run) / EVALUATIONS).mkdir()
        (shared.home.run_folder(run) / EVALUATIONS / "best-test-0.npy").write_bytes(bytes(10**6))
    at = open_as(ANN, "runs")
    assert FREES_EPOCHS.format(epochs="1 saved epoch", runs="1 run", size="3.0 MB") in page_text(at)
    assert FREES_RESULTS.format(runs="1 run", size="1.0 MB") in page_text(at)
    at.button(key="free-space").click().run()
    assert [len(cached_results(shared.home.run_folder(run))) for run in (mine, theirs)] == [0, 1]
    assert [saved_epochs(shared.home.run_folder(run)) for run in (mine, theirs)] == [[2, 3], [1, 2, 3]]
    assert "free-space" not in buttons(at) and not at.exception
