"""The form of a new search: varied settings, method, budget, the expected duration, and Start."""

import re
from collections.abc import Sequence
from itertools import count
from typing import get_args

import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.config.settings_link import settings_without_defaults
from cnn_core.errors import SettingError, StudioError
from cnn_core.runs.run import Run
from cnn_core.search.plan import DEFAULT_TRIALS, MAX_TRIALS, SAMPLERS, Sampler, SearchPlan
from cnn_core.search.space import Space, space_size
from cnn_core.text import counted, format_duration
from pages.shared.data_and_model import DataAndModel, choose_data_and_model
from pages.shared.forms import settings_tabs
from pages.shared.people import check_paths, person
from pages.shared.recommendation import show_recommendation
from pages.shared.refusal import NOTHING_STARTED, show_refusal
from pages.shared.removed_set import show_data_error
from pages.shared.server import get_searches, get_store
from pages.shared.text import plain
from pages.shared.trial_times import trial_seconds
from pages.views.search.space_form import choose_settings, space_rows

INFINITELY_MANY = "Infinitely many combinations"
EXTENT = "{combinations}; {trials}."
DURATION = "A trial takes about {trial}, all trials about {trials}{less}."
ABOUT = (
    "A search trains the same model many times with different settings and finds those with the best validation accuracy. Its trials are ordinary "
    "runs. The test set is not used to compare them."
)
METHOD_NAMES = {"tpe": "TPE", "random": "random", "grid": "grid"}


def new_search_form() -> str | None:
    """Show the form; return the name of a search that was just started."""
    st.caption(ABOUT)
    if task := choose_data_and_model():
        return _show_form(task)
    return None


def _show_form(task: DataAndModel) -> str | None:
    st.subheader("Search space")
    top, rows = st.container(), st.container(gap="small")
    st.subheader("Shared settings")
    with st.expander("Settings of all trials", icon=":material/tune:"):
        st.caption("The values of settings in the search space are chosen by the search, not here.")
        chosen, _, places = settings_tabs(task.data, task.model)
    try:
        base = make_config(**settings_without_defaults(chosen))
    except StudioError as error:
        show_refusal(error, places)
        return None
    show_recommendation(task.places["model"], base, task.info)
    try:
        with top:
            names = choose_settings(base)
            sampler = _choose_method()
        with rows:
            space = space_rows(names, base, is_grid=sampler == "grid")
        return _offer_start(base, space, sampler)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
    return None


def _choose_method() -> Sampler:
    """Show the choice of a sampler."""
    method: Sampler | None = st.segmented_control(
        "Method",
        get_args(Sampler),
        default="tpe",
        required=True,
        key="search-method",
        format_func=lambda name: METHOD_NAMES[name],
        help="How the values of each trial are chosen. TPE: tree-structured Parzen estimator (Bergstra and others, 2011).",
    )
    assert method is not None, "a segmented control with required=True has a value"
    st.caption(SAMPLERS[method])
    return method


def _offer_start(base: TrainConfig, space: Space, sampler: Sampler) -> str | None:
    """Show the budget, the name, the expected duration, and the button; return the name of a started search."""
    size = space_size(base, space)
    st.subheader("Budget")
    columns = st.columns(4, vertical_alignment="bottom")
    default = size if sampler == "grid" and size else DEFAULT_TRIALS
    with columns[0]:
        trials = st.number_input(
            "Trials",
            value=min(default, MAX_TRIALS),
            step=1,
            key=f"search-trials-{sampler}-{default}",
            help=f"Number of runs, 1 to {MAX_TRIALS:,}. Start with about ten for each varied setting.",
        )
    with columns[1]:
        seed = st.number_input("Seed", value=0, step=1, key="search-seed", help="Seed of the method that chooses the values.")
    with columns[2]:
        default_name = _default_name(base.data)
        name = st.text_input(
            "Name", value=default_name, key=f"search-name-{default_name}", help="Up to 60 characters.", max_chars=60
        )
    with columns[3]:
        prune = st.toggle(
            "Stop poor trials early (pruning)",
            value=True,
            key="search-prune",
            wrap=True,
            help="Stops a trial whose accuracy is among the lowest after the same number of epochs. This saves time, but may stop a trial that improves late.",
        )
    plan = SearchPlan(name.strip(), base, space, int(trials), sampler, prune, int(seed), owner=person())
    _show_estimate(plan, size, get_store().runs())
    if st.button("Start search", key="start-search", type="primary", icon=":material/manage_search:"):
        return _start(plan)
    return None


def _show_estimate(plan: SearchPlan, size: int | None, runs: Sequence[Run]) -> None:
    """Show the number of combinations and trials, and the expected duration where it is known."""
    combinations = INFINITELY_MANY if size is None else counted(size, "combination")
    trials = counted(plan.total_trials, "trial")
    seconds = trial_seconds(plan.base, runs)
    if seconds is None:
        duration = "The duration is unknown until a run with this data set and model has ended."
    else:
        less = ", less with pruning" if plan.prune else ""
        total = plan.total_trials * seconds
        duration = DURATION.format(trial=format_duration(seconds), trials=format_duration(total), less=less)
    st.caption(f"{EXTENT.format(combinations=combinations, trials=trials)} {duration}")


def _start(plan: SearchPlan) -> str | None:
    """Create the search and return its name; a second press of the same button creates no second one."""
    searches = get_searches()
    try:
        with st.spinner("Checking the settings…"):
            from cnn_core.runs.submit import check_can_start

            for config in plan.configs_to_check():
                check_paths(config)
                check_can_start(config, get_store(), plan.varied)
            return searches.create(plan)
    except SettingError as error:
        if error.field == "name" and plan.name in searches.names() and searches.plan(plan.name) == plan:
            return plan.name
        show_data_error(error, NOTHING_STARTED)
    except StudioError as error:
        show_data_error(error, NOTHING_STARTED)
    return None


def _default_name(data: str) -> str:
    """Return the data set's name with the first free number."""
    word = re.sub(r"[^\w]+", " ", data.rpartition("/")[2].partition(".")[0]).strip()[:40] or "images"
    taken = set(get_searches().names())
    return next(name for number in count(1) if (name := f"{word} {number}") not in taken)
