"""The glossary's view: opened at a term, a topic, or what was searched for; hostile addresses are words; links lead on."""

from cnn_core.lessons.glossary import TOPICS, glossary


def texts(at):
    return "\n".join(markdown.value for markdown in at.markdown)


def titles(at):
    return [markdown.value.splitlines()[0].lstrip("# ") for markdown in at.markdown if markdown.value.startswith("##")]


def test_every_term_can_be_opened_by_its_address_through_its_topic(trained, open_page):
    at = open_page("learn", view="Glossary", topic=TOPICS[0])
    seen = set(titles(at))
    for topic in TOPICS[1:]:
        at.button_group[-1].set_value(topic).run()
        seen |= set(titles(at))
        assert not at.exception
    assert seen == {term.title for term in glossary().values()}


def test_a_term_that_the_address_names_stands_first_with_its_formula_its_source_and_its_range(trained, open_page):
    at = open_page("learn", view="Glossary", term="dropout")
    assert titles(at)[0] == "Dropout" and titles(at).count("Dropout") == 1
    assert "$1 / (1 - p)$" in texts(at) and "Srivastava" in texts(at) and "Regularisation · 0 to 0.9" in texts(at)
    assert at.button_group[-1].value == "Regularisation"
    assert not at.exception


def test_a_term_that_there_is_not_is_a_sentence(trained, open_page):
    at = open_page("learn", view="Glossary", term="[x](http://192.0.2.1)" * 99, topic="no such topic")
    (warning,) = at.warning
    assert r"\[x\]" in warning.value and len(warning.value) < 250 and titles(at)
    assert not at.exception


def test_words_are_searched_in_titles_and_texts(trained, open_page):
    at = open_page("learn", view="Glossary")
    at.text_input(key="glossary-words").set_value("mirror image").run()
    assert "Predict from both mirrorings" in titles(at)
    at.text_input(key="glossary-words").set_value("![x](y)").run()
    assert at.info[0].value.startswith(r"No term has “!\[x\]")
    assert not at.exception


def test_a_term_is_chosen_from_all_of_them(trained, open_page):
    at = open_page("learn", view="Glossary")
    at.selectbox(key="glossary-term").set_value("optimizer-muon").run()
    assert titles(at)[0] == "Muon"
    assert at.button_group[-1].value == "Training"
