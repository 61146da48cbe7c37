"""The glossary view: opened at a term, at a topic or with a search; links of the address are shown as text; terms link to others."""

from cnn_core.lessons.glossary import FORM_TOPICS, TOPICS, read_glossary
from pages.shared.text import plain
from pages.views.learn.glossary import QUERY, TERM, describe_place

HOSTILE = "[x](http://192.0.2.1)"


def texts(at):
    return "\n".join(markdown.value for markdown in at.markdown)


def titles(at):
    return [markdown.value.splitlines()[0].lstrip("# ") for markdown in at.markdown if markdown.value.startswith("##")]


def test_every_term_can_be_opened_through_its_topic(trained, open_page):
    at = open_page("learn", view="Glossary", topic=TOPICS[0])
    seen = set(titles(at))
    for topic in TOPICS[1:]:
        at.button_group[-1].set_value(topic).run()
        seen |= set(titles(at))
        assert not at.exception
    assert seen == {term.title for term in read_glossary().values()}


def test_the_term_in_the_address_is_shown_first_with_its_formula_its_source_and_its_range(trained, open_page):
    term = read_glossary()["dropout"]
    at = open_page("learn", view="Glossary", term=term.name)
    assert titles(at)[0] == term.title and titles(at).count(term.title) == 1
    assert term.text in texts(at) and "$" in term.text and term.source in texts(at)
    assert describe_place(term) in texts(at) and "0 to 0.9" in describe_place(term)
    assert at.button_group[-1].value == term.topic and term.topic in FORM_TOPICS
    assert not at.exception


def test_terms_link_to_related_terms_and_settings_to_the_form(trained, open_page):
    term = read_glossary()["optimizer-muon"]
    links = [link.proto for link in open_page("learn", view="Glossary", term=term.name).get("page_link")]
    related = [(read_glossary()[name].title, f"view=Glossary&term={name}") for name in term.see_also]
    assert [(link.label, link.query_string) for link in links[: len(related)]] == related
    assert links[len(related)].query_string == "optimizer=muon" and links[len(related)].page == "configure"


def test_an_unknown_term_and_topic_give_a_warning_without_links(trained, open_page):
    at = open_page("learn", view="Glossary", term=HOSTILE * 99, topic="no such topic")
    (warning,) = at.warning
    assert plain(HOSTILE) in warning.value and HOSTILE not in warning.value and len(warning.value) < 250 and titles(at)
    assert not at.exception


def test_a_search_finds_words_in_titles_and_texts(trained, open_page):
    at = open_page("learn", view="Glossary")
    at.text_input(key=QUERY).set_value("mirror image").run()
    assert read_glossary()["mirror"].title in titles(at) and "mirror image" not in read_glossary()["mirror"].title.casefold()
    at.text_input(key=QUERY).set_value("![x](y)").run()
    assert plain("![x](y)") in at.info[0].value and "![x](y)" not in at.info[0].value and titles(at) == []
    assert not at.exception


def test_a_term_is_chosen_from_all_terms(trained, open_page):
    term = read_glossary()["optimizer-muon"]
    at = open_page("learn", view="Glossary")
    at.selectbox(key=TERM).set_value(term.name).run()
    assert titles(at)[0] == term.title and at.button_group[-1].value == term.topic
