"""The glossary to read: a term that the address names (`?term=`), found by its first letters, by words, or by its place in the form.

In: the address. Out: terms with their source, links to related ones, and a way to the form. A field of the form leads here by `term_link`.
"""

import streamlit as st

from cnn_core.config.schema import GROUPS, range_in_words
from cnn_core.lessons.glossary import FIRST, TOPICS, Term, find_terms, glossary
from pages.shared.address import follow_address, tell_address
from pages.shared.links import glossary_query, page_file
from pages.shared.text import plain

MOST = 20  # terms that a search shows
FORM = (FIRST, *GROUPS)
TERM, TOPIC = "glossary-term", "glossary-topic"


def show_glossary() -> None:
    """The view."""
    st.caption("Every word of the form and of the charts, in a few sentences, with where it comes from.")
    left, right = st.columns(2)
    with left:
        words = st.text_input(
            "Search", placeholder="learning rate", max_chars=100, key="glossary-words", help="Looks into titles and texts."
        )
    with right:
        _choose_from_all()
    if words.strip():
        _show_found(words)
        return
    named = _named()
    if named:
        _show_term(named, is_named=True)
    topic = _choose_topic(named)
    _show_terms([term for term in glossary().values() if term.topic == topic and term != named])


def _named() -> Term | None:
    """The term that the address names; a sentence where there is no such term."""
    name = st.query_params.get("term", "")
    if name and name not in glossary():
        st.warning(
            f"The glossary has no term “{plain(name[:80])}”. Search for it, or choose a topic.", icon=":material/search_off:"
        )
    return glossary().get(name)


def _choose_from_all() -> None:
    """A box of all terms from A to Z; what is chosen in it goes into the address."""
    names = sorted(glossary(), key=lambda name: glossary()[name].title.casefold())
    st.session_state[TERM] = None  # it is a way to a term, and the address says where one is

    st.selectbox(
        "All terms, A to Z",
        names,
        index=None,
        placeholder=f"{len(names)} terms",
        format_func=lambda name: glossary()[name].title,
        key=TERM,
        on_change=_open_chosen,
    )


def _open_chosen() -> None:
    if name := st.session_state[TERM]:
        st.session_state["glossary-words"] = ""
        _open(name)


def _open(name: str) -> None:
    st.query_params["term"] = name
    st.query_params.pop("topic", None)


def _choose_topic(named: Term | None) -> str:
    """What the terms below are about: of the named one its own topic, else what the address says (`?topic=`)."""
    if named:  # the address names one of the two: one step of the way back is one term
        st.session_state[TOPIC] = named.topic
    else:
        follow_address("topic", TOPIC, TOPICS)
    topic = st.pills(
        "Topic", TOPICS, key=TOPIC, required=True, on_change=_leave_term, help="The first ones are the groups of the form."
    )
    if not named:
        tell_address("topic", TOPIC, topic)
    return topic


def _leave_term() -> None:
    st.query_params.pop("term", None)
    st.query_params["topic"] = st.session_state[TOPIC]


def _show_found(words: str) -> None:
    found = find_terms(words)
    if not found:
        st.info(f"No term has “{plain(words)}”. Try another word, or choose from all terms.", icon=":material/search_off:")
        return
    shown = f", the first {MOST} of them here" if len(found) > MOST else ""
    st.caption(f"{len(found)} {'term' if len(found) == 1 else 'terms'}{shown}.")
    _show_terms(found[:MOST])


def _show_terms(terms: list[Term]) -> None:
    places = st.grid(2, min_column_width=330)
    for term in terms:
        with places.container(height="stretch"):
            _show_term(term)


def _show_term(term: Term, *, is_named: bool = False) -> None:
    """One term: `is_named` where it is the one that was asked for, which stands above the others."""
    size = "##" if is_named else "###"
    with st.container(border=True, key=f"term-{term.name}{'-named' if is_named else ''}", height="stretch"):
        st.markdown(
            f"{size} {term.title}\n{_place(term)}\n\n{term.text}" + (f"\n\n:small[:gray[{term.source}]]" if term.source else "")
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for other in term.see_also:
                st.page_link(
                    page_file("learn"), label=glossary()[other].title, query_params=glossary_query(other), width="content"
                )
            if term.setting:
                _link_to_form(term)


def _place(term: Term) -> str:
    """Where the form has it, with its range: one small line; nothing for a word."""
    if not term.setting:
        return f":small[:gray[{term.topic}]]"
    is_setting = term.name == term.setting
    limits = range_in_words(term.setting) if is_setting else ""
    return f":small[:gray[{'Setting' if is_setting else 'Choice'} · {term.topic}{f' · {limits}' if limits else ''}]]"


def _link_to_form(term: Term) -> None:
    """To the form; for a choice, to the form with it chosen."""
    value = term.name.removeprefix(f"{term.setting}-") if term.name != term.setting else ""
    st.page_link(
        page_file("configure"),
        label="Try it in Configure" if value else "Set it in Configure",
        icon=":material/tune:",
        query_params={term.setting: value} if value else None,
        width="content",
    )
