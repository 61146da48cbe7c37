"""The glossary view: the term in the address (`?term=`), a search, a list of all terms from A to Z, and the terms of a topic.

Each term has its source, links to related terms and, for a setting, a link to the form. The fields of the form link here with `term_link`.
"""

import streamlit as st

from cnn_core.config.schema import format_range
from cnn_core.lessons.glossary import TOPICS, Term, find_terms, read_glossary
from cnn_core.text import counted
from pages.shared.address import read_address, show_parameter, write_address
from pages.shared.links import glossary_query, page_file
from pages.shared.text import plain

MAX_RESULTS = 20  # terms that a search shows
QUERY, TERM, TOPIC = "glossary-words", "glossary-term", "glossary-topic"  # keys of the fields
OPEN_SETTING, TRY_CHOICE = "Set in Configure", "Try in Configure"  # labels of the link to the form


def show_glossary() -> None:
    """Show the view."""
    st.caption("Short explanations of all settings and of the terms used in the program, with sources.")
    left, right = st.columns(2)
    with left:
        query = st.text_input(
            "Search",
            placeholder="learning rate",
            max_chars=100,
            key=QUERY,
            help="Searches the titles and the texts of all terms.",
        )
    with right:
        _choose_from_all()
    if query.strip():
        _show_results(query)
        return
    named = _named_term()
    if named:
        show_parameter("term", named.name)
        _show_term(named, is_named=True)
    topic = _choose_topic(named)
    _show_terms([term for term in read_glossary().values() if term.topic == topic and term != named])


def _named_term() -> Term | None:
    """Return the term that the address names; show a warning if it does not exist."""
    name = st.query_params.get("term", "")
    if name and name not in read_glossary():
        st.warning(
            f"The glossary has no term “{plain(name[:80])}”. Search for it, or choose a topic.", icon=":material/search_off:"
        )
    return read_glossary().get(name)


def _choose_from_all() -> None:
    """Show a box with all terms from A to Z. The chosen term is written to the address."""
    names = sorted(read_glossary(), key=lambda name: read_glossary()[name].title.casefold())
    st.session_state[TERM] = None  # the box only opens a term; the address stores it
    st.selectbox(
        "All terms, A to Z",
        names,
        index=None,
        placeholder=f"{len(names)} terms",
        format_func=lambda name: read_glossary()[name].title,
        key=TERM,
        on_change=_open_chosen,
    )


def _open_chosen() -> None:
    if name := st.session_state[TERM]:
        st.session_state[QUERY] = ""
        st.query_params["term"] = name
        st.query_params.pop("topic", None)


def _choose_topic(named: Term | None) -> str:
    """Return the chosen topic: that of the named term, or that of the address (`?topic=`)."""
    if named:  # the address has either a term or a topic, so that the browser's back button goes back by one term
        st.session_state[TOPIC] = named.topic
    else:
        read_address("topic", TOPIC, TOPICS)
    topic = st.pills(
        "Topic", TOPICS, key=TOPIC, required=True, on_change=_open_topic, help="The first topics are the groups of the form."
    )
    assert topic is not None  # because one is required
    if not named:
        write_address("topic", TOPIC, topic)
    return topic


def _open_topic() -> None:
    st.query_params.pop("term", None)
    st.query_params["topic"] = st.session_state[TOPIC]


def _show_results(query: str) -> None:
    found = find_terms(query)
    if not found:
        st.info(f"No term matches “{plain(query)}”. Try other words, or choose from all terms.", icon=":material/search_off:")
        return
    limit = f" The first {MAX_RESULTS} are shown." if len(found) > MAX_RESULTS else ""
    st.caption(f"{counted(len(found), 'term')} found.{limit}")
    _show_terms(found[:MAX_RESULTS])


def _show_terms(terms: list[Term]) -> None:
    grid = st.grid(2, min_column_width=330)
    for term in terms:
        with grid.container(height="stretch"):
            _show_term(term)


def _show_term(term: Term, *, is_named: bool = False) -> None:
    """Show one term. is_named: whether it is the term in the address, which is shown first."""
    source = f"\n\n:small[:gray[{term.source}]]" if term.source else ""
    with st.container(border=True, key=f"term-{term.name}{'-named' if is_named else ''}", height="stretch"):
        st.markdown(f"## {term.title}\n:small[:gray[{describe_place(term)}]]\n\n{term.text}{source}")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for other in term.see_also:
                st.page_link(
                    page_file("learn"), label=read_glossary()[other].title, query_params=glossary_query(other), width="content"
                )
            if term.setting:
                _show_form_link(term)


def describe_place(term: Term) -> str:
    """Return the topic of a term; for a setting or a choice also its kind, and for a setting its range."""
    if not term.setting:
        return term.topic
    if term.name != term.setting:
        return f"Choice · {term.topic}"
    limits = format_range(term.setting)
    return f"Setting · {term.topic} · {limits}" if limits else f"Setting · {term.topic}"


def _show_form_link(term: Term) -> None:
    """Show a link to the form, with the choice selected if the term is a choice."""
    choice = term.name.removeprefix(f"{term.setting}-") if term.name != term.setting else ""
    st.page_link(
        page_file("configure"),
        label=TRY_CHOICE if choice else OPEN_SETTING,
        icon=":material/tune:",
        query_params={term.setting: choice} if choice else None,
        width="content",
    )
