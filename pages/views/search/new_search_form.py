"""A search before it begins: what is varied, how often and in which way; what that means; and Start."""

import re
from collections.abc import Sequence
from itertools import count

import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.errors import SettingError, StudioError
from cnn_core.runs.run import Run
from cnn_core.search.plan import MOST_TRIALS, SAMPLERS, USUAL_TRIALS, Plan
from cnn_core.search.space import Space, space_size
from pages.shared.data_and_model import choose_data_and_model
from pages.shared.forms import settings_tabs
from pages.shared.people import check_paths, person
from pages.shared.server import get_searches, get_store
from pages.shared.text import plain
from pages.shared.trial_times import in_words, trial_seconds
from pages.views.search.space_form import choose_settings, space_rows

WAYS = {"tpe": "TPE", "random": "random", "grid": "grid"}


def ask_for_search() -> str | None:
    """The form of a new search; gives the name of one that was started just now."""
    st.caption(
        "A search trains the same network again and again with other settings and finds those with the best validation accuracy."
        " Its trials are ordinary runs in the one queue. Test images choose nothing."
    )
    if task := choose_data_and_model():
        return _ask(*task[:2])
    return None


def _ask(data: str, model: str) -> str | None:
    st.subheader("What is searched")
    top, rows = st.container(), st.container(gap="small")
    st.subheader("What all trials share")
    with st.expander("Settings of every trial", icon=":material/tune:"):
        st.caption("A setting that is searched takes its values from above, not from here.")
        chosen, _ = settings_tabs(data, model)
    try:
        base = make_config(**chosen)
        with top:
            names = choose_settings(base)
            sampler = _choose_way()
        with rows:
            space = space_rows(names, base, is_grid=sampler == "grid")
        return _offer_start(base, space, sampler)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
    return None


def _choose_way() -> str:
    way = st.segmented_control(
        "Way of searching",
        list(SAMPLERS),
        default="tpe",
        required=True,
        key="search-way",
        format_func=lambda name: WAYS[name],
        help="TPE: tree-structured Parzen estimator (Bergstra and others, 2011).",
    )
    st.caption(SAMPLERS[way])
    return way


def _offer_start(base: TrainConfig, space: Space, sampler: str) -> str | None:
    """How many trials, under which name, what that will take, and the button."""
    size = space_size(base, space)
    st.subheader("How much")
    columns = st.columns(4, vertical_alignment="bottom")
    most = size if sampler == "grid" and size else USUAL_TRIALS
    with columns[0]:
        trials = st.number_input(
            f"Trials (runs, 1 to {MOST_TRIALS:,})",
            value=min(most, MOST_TRIALS),
            step=1,
            key=f"search-trials-{sampler}-{most}",
            help="How many settings are tried. About ten for each setting that is searched is a good start.",
        )
    with columns[1]:
        seed = st.number_input(
            "Seed of the search (whole number)", value=0, step=1, key="search-seed", help="Starts the draws of the settings."
        )
    with columns[2]:
        usual = _usual_name(base.data)
        name = st.text_input(
            "Name of the search", value=usual, key=f"search-name-{usual}", help="Up to 60 letters.", max_chars=60
        )
    with columns[3]:
        prune = st.toggle(
            "End hopeless trials early",
            value=True,
            key="search-prune",
            wrap=True,
            help="A trial that is clearly behind the others after as many epochs is ended (pruning). It saves time, and now and then costs a late bloomer.",
        )
    plan = Plan(name.strip(), base, space, int(trials), sampler, prune, int(seed), owner=person())
    _say_what_it_means(plan, size, get_store().runs())
    if st.button("Start the search", type="primary", icon=":material/manage_search:"):
        return _start(plan)
    return None


def _say_what_it_means(plan: Plan, size: int | None, runs: Sequence[Run]) -> None:
    """How many combinations there are, how many of them are tried, and for how long where that is known."""
    there = "There is no end of combinations" if size is None else f"There are {size:,} combinations"
    tried = f"{plan.goal:,} {'is' if plan.goal == 1 else 'are'} tried"
    seconds = trial_seconds(plan.base, runs)
    if seconds is None:
        time = "How long a trial takes is known once one with this data and model has ended."
    else:
        time = f"A trial takes about {in_words(seconds)}, all of them {in_words(plan.goal * seconds)}{', less with early ends' if plan.prune else ''}."
    st.caption(f"{there}; {tried}. {time}")


def _start(plan: Plan) -> str | None:
    """Put the search among those that are worked off; a second press of the same button finds it there."""
    studies = get_searches()
    try:
        with st.spinner("Checking the settings…"):
            from cnn_core.runs.submit import check

            for config in plan.starts():
                check_paths(config)
                check(config, get_store())
            return studies.create(plan)
    except SettingError as error:
        if error.field == "name" and plan.name in studies.names() and studies.plan(plan.name) == plan:
            return plan.name
        st.error(f"Nothing was started. {plain(error)}", icon=":material/error:")
    except StudioError as error:
        st.error(f"Nothing was started. {plain(error)}", icon=":material/error:")
    return None


def _usual_name(data: str) -> str:
    """The data's name with the first number that is free."""
    word = re.sub(r"[^\w]+", " ", data.rpartition("/")[2].partition(".")[0]).strip()[:40] or "images"
    taken = set(get_searches().names())
    return next(name for number in count(1) if (name := f"{word} {number}") not in taken)
