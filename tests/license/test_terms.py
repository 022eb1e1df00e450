import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import explorer.license
from explorer.license.classify import known, terms_for
from explorer.license.terms import UNKNOWN_CAVEAT, Permission, Terms, questions, strictest

YES, CONDITIONS, UNKNOWN, NO = Permission

READ = """
llama2                                | conditions | conditions | no
llama3                                | conditions | conditions | no
llama3.1                              | conditions | conditions | conditions
llama3.2                              | conditions | conditions | conditions
llama3.3                              | conditions | conditions | conditions
llama4                                | conditions | conditions | conditions
gemma                                 | yes        | conditions | conditions
tongyi-qianwen                        | conditions | conditions | no
tongyi-qianwen-research               | no         | no         | unknown
qwen                                  | conditions | conditions | conditions
qwen-research                         | no         | no         | unknown
qwen-community-1.0                    | conditions | no         | unknown
qwen3.8-max                           | conditions | conditions | unknown
deepseek                              | yes        | yes        | conditions
mrl                                   | no         | no         | conditions
mnpl                                  | no         | no         | unknown
cc-by-nc-4.0                          | no         | no         | unknown
openrail++                            | yes        | conditions | conditions
bigcode-openrail-m                    | yes        | conditions | unknown
bigscience-bloom-rail-1.0             | yes        | conditions | unknown
modified-mit (kimi-k2)                | conditions | conditions | yes
kimi-k3                               | conditions | conditions | unknown
modified-mit (minimax-m2)             | conditions | conditions | yes
minimax-community                     | conditions | unknown    | unknown
other (MiniMax-M2.7)                  | no         | no         | unknown
tencent-hunyuan-community             | conditions | conditions | no
falcon-llm-license                    | unknown    | unknown    | unknown
exaone                                | no         | no         | no
nvidia-open-model-license             | yes        | yes        | yes
nvidia-nemotron-open-model-license    | yes        | unknown    | unknown
nvidia-license                        | no         | no         | unknown
lfm1.0                                | conditions | unknown    | unknown
stabilityai-ai-community              | conditions | conditions | no
flux-1-dev-non-commercial-license     | no         | no         | no
glm-5.3                               | yes        | conditions | unknown
glm-4                                 | conditions | unknown    | unknown
health-ai-developer-foundations       | yes        | unknown    | conditions
hyperclovax-seed                      | conditions | conditions | unknown
ltx-2-community-license-agreement     | conditions | unknown    | unknown
swift-open-license-1.0                | conditions | unknown    | unknown
fair-ai-public-license-1.0-sd         | conditions | conditions | unknown
openmdw-1.1                           | yes        | yes        | unknown
"""
"""License | commercial use | offering it as a service | training on outputs.

Read by a person from the data's sentences: a rule above a threshold or an attached duty is a condition;
"no separate rule" means that the commercial terms hold; nothing found is unknown, except that a service is
commercial use where that is forbidden, and that plainly permissive licenses permit a service.
"""

ROWS = [[cell.strip() for cell in line.split("|")] for line in READ.strip().splitlines()]


@pytest.mark.parametrize(("license_id", "commercial", "hosting", "outputs"), ROWS)
def test_permissions(license_id: str, commercial: str, hosting: str, outputs: str) -> None:
    (terms,) = [terms for terms in known() if terms.id == license_id]
    assert (terms.commercial, terms.hosting, terms.train_on_outputs) == (
        commercial,
        hosting,
        outputs,
    )


def test_the_table_and_the_data_hold_the_same_licenses_beside_the_common_ones() -> None:
    common = {terms.id for terms in known() if terms.source.startswith("the public text")}
    assert len(ROWS) == 42
    assert {row[0] for row in ROWS} == {terms.id for terms in known()} - common


@pytest.mark.parametrize("terms", known(), ids=lambda terms: terms.id)
def test_every_license_says_where_it_was_read_and_how_far(terms: Terms) -> None:
    assert terms.name
    assert len(terms.name) <= 24
    assert terms.title
    assert terms.source
    assert terms.confidence


@pytest.mark.parametrize("terms", known(), ids=lambda terms: terms.id)
def test_a_service_is_never_freer_than_commercial_use(terms: Terms) -> None:
    order = list(Permission)
    if terms.commercial is NO:
        assert terms.hosting is NO
    assert order.index(terms.hosting) >= order.index(terms.commercial) or terms.id.startswith(
        ("gpl", "lgpl", "mpl", "epl")  # copyleft that a service does not trigger
    )


def test_ids_are_unique_and_lead_to_their_license() -> None:
    ids = [terms.id for terms in known()]
    assert len(ids) == len(set(ids))
    for license_id in ids:
        if " (" not in license_id:
            assert terms_for(license_id).id == license_id


def test_the_data_names_its_provenance() -> None:
    path = Path(explorer.license.__path__[0], "terms.json")
    data = json.loads(path.read_text(encoding="utf-8"))
    assert "not legal advice" in data["note"]
    assert data["provenance"]


@pytest.mark.parametrize(
    ("license_id", "name"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("Apache-2.0", "Apache-2.0"),
        ("mit", "MIT"),
        ("llama3.1", "Llama 3.1"),
        ("gemma", "Gemma"),
        ("tongyi-qianwen-license-agreement", "Tongyi Qianwen"),
        ("deepseek-license", "DeepSeek"),
    ],
)
def test_short_names(license_id: str, name: str) -> None:
    assert terms_for(license_id).name == name


def test_a_license_of_its_own_is_known_by_its_name() -> None:
    assert terms_for("other", "NVIDIA Open Model License").id == "nvidia-open-model-license"
    assert terms_for("other", "qwen-research").commercial is NO
    assert terms_for("other", "Flux 1 dev non-commercial license").id == (
        "flux-1-dev-non-commercial-license"
    )


def test_a_tag_that_two_licenses_share_is_told_apart_by_the_organisation() -> None:
    kimi = terms_for("other", "modified-mit", "LICENSE", "moonshotai/Kimi-K2-Thinking")
    assert "Kimi K2" in kimi.attribution
    assert kimi.id == "other"
    assert kimi.link == "https://huggingface.co/moonshotai/Kimi-K2-Thinking/blob/main/LICENSE"
    assert "MiniMax M2" in terms_for("modified-mit", model_id="MiniMaxAI/MiniMax-M2").attribution
    assert terms_for("modified-mit", model_id="someone/else").caveat == UNKNOWN_CAVEAT


def test_a_model_the_data_names_is_known_though_its_card_says_other() -> None:
    assert terms_for("other", model_id="MiniMaxAI/MiniMax-M2.7").commercial is NO


def test_what_is_not_known_is_said_to_be_unknown_with_the_link() -> None:
    terms = terms_for("other", "kanana", "https://example.org/LICENSE")
    assert (terms.name, terms.caveat) == ("kanana", "unknown: read it yourself")
    assert {answer.verdict for answer in questions(terms)} == {UNKNOWN}
    assert all("https://example.org/LICENSE" in answer.sentence for answer in questions(terms))


def test_no_license_at_all() -> None:
    terms = terms_for(None)
    assert (terms.id, terms.name) == ("", "unknown")
    assert "names no license" in terms.caveat


def test_a_link_that_is_no_web_address_is_not_shown() -> None:
    assert terms_for("mit", license_link="javascript:alert(1)", model_id="a/b").link == ""


def test_the_three_questions() -> None:
    work, service, distil = questions(terms_for("llama3.1"))
    assert [work.verdict, service.verdict, distil.verdict] == [CONDITIONS] * 3
    assert work.sentence == (
        "Under conditions: >700M MAU needs a Meta licence; use restrictions: AUP."
    )
    assert service.sentence == "Under conditions: >700M MAU needs a Meta licence."
    assert "beginning with" in distil.sentence
    assert questions(terms_for("cc-by-nc-4.0"))[0].sentence == "No."
    assert questions(terms_for("mit"))[2].sentence == "Yes: no clause on outputs."
    assert questions(terms_for("lfm1.0"))[0].sentence.startswith(
        "Under conditions: if annual revenue < US$10M"
    )


@pytest.mark.parametrize("terms", known(), ids=lambda terms: terms.id)
def test_every_answer_is_one_sentence_that_begins_with_its_verdict(terms: Terms) -> None:
    openings = {YES: "Yes", CONDITIONS: "Under conditions", UNKNOWN: "Unknown", NO: "No"}
    for answer in questions(terms):
        assert answer.sentence.startswith(openings[answer.verdict])
        assert answer.sentence.endswith(".")
        assert answer.verdict is not UNKNOWN or "yourself" in answer.sentence
        assert answer.verdict is not CONDITIONS or ":" in answer.sentence or "(" in answer.sentence


def test_a_derivative_inherits_the_strictest_and_says_from_where() -> None:
    terms = strictest(
        terms_for("mit", model_id="me/tuned"),
        terms_for("llama3.1", model_id="meta-llama/Llama-3.1-8B"),
        terms_for("cc-by-nc-4.0", model_id="data/adapter"),
    )
    assert terms.id == "mit"
    assert (terms.commercial, terms.hosting, terms.train_on_outputs) == (NO, NO, UNKNOWN)
    assert [(one.what, one.license, one.model_id) for one in terms.imposed_by] == [
        ("commercial", "CC-BY-NC-4.0", "data/adapter"),
        ("hosting", "CC-BY-NC-4.0", "data/adapter"),
        ("train_on_outputs", "CC-BY-NC-4.0", "data/adapter"),
    ]
    assert "because of CC-BY-NC-4.0 (data/adapter)" in questions(terms)[0].sentence
    assert "Llama 3.1: >700M MAU" in terms.thresholds


def test_a_lineage_of_one_license_stays_itself() -> None:
    own = terms_for("apache-2.0", model_id="me/tuned")
    assert strictest(own, terms_for("apache-2.0", model_id="base/model")) == own


def test_two_licenses_in_one_tag_both_hold() -> None:
    terms = terms_for("llama3.3,gemma")
    assert terms.name == "Llama 3.3 + Gemma"
    assert terms.commercial is CONDITIONS


def test_an_empty_lineage_has_no_terms() -> None:
    with pytest.raises(ValueError, match="no terms"):
        strictest()


@given(st.lists(st.sampled_from(known()), min_size=1, max_size=5))
def test_no_ancestor_is_stricter_than_the_whole(lineage: list[Terms]) -> None:
    order = list(Permission)
    whole = strictest(*lineage)
    for terms in lineage:
        assert order.index(terms.commercial) <= order.index(whole.commercial)
        assert order.index(terms.hosting) <= order.index(whole.hosting)
        assert order.index(terms.train_on_outputs) <= order.index(whole.train_on_outputs)


TEXT = st.none() | st.text(max_size=300)


@given(TEXT, TEXT, TEXT, TEXT)
def test_any_card_has_terms_that_can_be_shown(
    license_id: str | None, name: str | None, link: str | None, model: str | None
) -> None:
    terms = terms_for(license_id, name, link, model)
    assert terms.name
    assert terms.name.isprintable()
    assert all(answer.sentence.isprintable() for answer in questions(terms))
