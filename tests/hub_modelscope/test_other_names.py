"""Names of models that live elsewhere than on Hugging Face."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import ExplorerError, UsageError
from explorer.hub.names import ModelName, parse_name
from explorer.hub.other_names import INTERNATIONAL_MODELSCOPE, parse_ollama
from explorer.hub.source import ModelRef

CN = "https://modelscope.cn"


def at_modelscope(
    name: str, revision: str | None = None, file: str | None = None, site: str = CN
) -> ModelName:
    return ModelName(ModelRef(name, revision), file=file, hub="modelscope", endpoint=site)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"{CN}/models/Qwen/Qwen3-8B", at_modelscope("Qwen/Qwen3-8B")),
        ("www.modelscope.cn/models/Qwen/Qwen3-8B/files", at_modelscope("Qwen/Qwen3-8B")),
        ("https://www.modelscope.cn/models/iic/x/summary", at_modelscope("iic/x")),
        (
            "https://modelscope.cn/models/iic/x/file/view/master/a/config.json?status=1",
            at_modelscope("iic/x", "master", "a/config.json"),
        ),
        (f"{CN}/models/iic/x/resolve/v1.0/m.gguf", at_modelscope("iic/x", "v1.0", "m.gguf")),
        (
            "https://www.modelscope.ai/models/iic/x",
            at_modelscope("iic/x", site=INTERNATIONAL_MODELSCOPE),
        ),
    ],
)
def test_a_pasted_address_of_modelscope(text: str, name: ModelName) -> None:
    assert parse_name(text) == name


def test_a_scheme_names_the_hub() -> None:
    name = parse_name("modelscope://Qwen/Qwen3-8B@v1")
    assert name == ModelName(ModelRef("Qwen/Qwen3-8B", "v1"), hub="modelscope")


def test_a_site_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "https://scope.lab:8443")
    name = parse_name("https://scope.lab:8443/models/a/b")
    assert name == at_modelscope("a/b", site="https://scope.lab:8443")


@pytest.mark.parametrize(
    ("text", "canonical", "path", "tag"),
    [
        ("ollama:llama3.2", "ollama:llama3.2:latest", "library/llama3.2", "latest"),
        ("ollama:llama3.2:1b", "ollama:llama3.2:1b", "library/llama3.2", "1b"),
        ("ollama:library/llama3.2:1b", "ollama:llama3.2:1b", "library/llama3.2", "1b"),
        ("ollama:acme/tiny:q4_K_M", "ollama:acme/tiny:q4_K_M", "acme/tiny", "q4_K_M"),
        ("ollama://llama3.2", "ollama:llama3.2:latest", "library/llama3.2", "latest"),
        ("ollama:registry.ollama.ai/acme/tiny:1b", "ollama:acme/tiny:1b", "acme/tiny", "1b"),
        ("ollama:Registry.Ollama.ai/library/a", "ollama:a:latest", "library/a", "latest"),
    ],
)
def test_a_name_of_ollama(text: str, canonical: str, path: str, tag: str) -> None:
    name = parse_ollama(text)
    assert (str(name), name.path, name.tag) == (canonical, path, tag)
    assert parse_name(text) == ModelName(ModelRef(canonical), hub="ollama")
    assert parse_ollama(canonical) == name


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("https://ollama.com/library/llama3.2:1b", "ollama:llama3.2:1b"),
        ("ollama.com/acme/tiny", "ollama:acme/tiny:latest"),
    ],
)
def test_a_pasted_address_of_ollama(text: str, canonical: str) -> None:
    assert parse_name(text) == ModelName(ModelRef(canonical), hub="ollama")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ollama:", "Not a name"),
        ("ollama:a/b/c", "Not a name"),
        ("ollama:a:", "Not a name"),
        ("ollama:../x", "not Ollama's registry"),
        ("ollama:x:../../y", "Not a name"),
        ("ollama:hf.co/org/name:Q4_K_M", "not Ollama's registry"),
        (f"{CN}/datasets/a/b", "no model of ModelScope"),
        (f"{CN}/models", "no model of ModelScope"),
        (f"{CN}/models/a/..", "Not a model's name"),
    ],
)
def test_what_is_no_name_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        parse_name(text)
    assert raised.value.hint


def test_names_without_a_place_stay_without_one() -> None:
    assert parse_name("Qwen/Qwen3-8B").hub is None
    assert parse_name("https://huggingface.co/Qwen/Qwen3-8B").hub is None


@given(
    head=st.sampled_from(["ollama:", "ollama.com/", "modelscope://", f"{CN}/models/", f"{CN}/"]),
    rest=st.text(alphabet="ab/.:@%2F-_~?#[]", max_size=24),
)
def test_any_text_is_a_name_or_refused(head: str, rest: str) -> None:
    with contextlib.suppress(ExplorerError):
        name = parse_name(head + rest)
        assert name.hub in {"ollama", "modelscope"}
        assert ".." not in name.ref.id
