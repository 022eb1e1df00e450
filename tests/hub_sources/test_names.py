"""What may be typed for MODEL."""

from pathlib import Path

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import ModelNotFound, UsageError
from explorer.hub.names import ModelName, parse_name
from explorer.hub.source import ModelRef


@pytest.mark.parametrize(
    ("text", "name", "revision"),
    [
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B", None),
        (" gpt2 ", "gpt2", None),
        ("org/name@v1.0", "org/name", "v1.0"),
        ("org/name@refs/pr/3", "org/name", "refs/pr/3"),
        ("hf://org/name", "org/name", None),
        ("hf://org/name@dev", "org/name", "dev"),
        ("https://huggingface.co/org/name", "org/name", None),
        ("https://huggingface.co/org/name/", "org/name", None),
        ("http://hf.co/org/name?library=transformers#usage", "org/name", None),
        ("huggingface.co/org/name", "org/name", None),
        ("https://huggingface.co/gpt2", "gpt2", None),
        ("https://huggingface.co/gpt2/tree/main", "gpt2", "main"),
        ("https://huggingface.co/org/name/tree/main", "org/name", "main"),
        ("https://huggingface.co/org/name/tree/feature%2Fx/sub/dir", "org/name", "feature/x"),
        ("https://huggingface.co/org/name/tree/refs%2Fpr%2F7", "org/name", "refs/pr/7"),
        ("https://huggingface.co/org/name/tree/refs/pr/7", "org/name", "refs/pr/7"),
        ("https://huggingface.co/org/name/discussions/12", "org/name", None),
        ("https://huggingface.co/org/name/commit/" + "a" * 40, "org/name", "a" * 40),
        ("https://huggingface.co/api/models/org/name", "org/name", None),
    ],
)
def test_a_model_of_the_hub(text: str, name: str, revision: str | None) -> None:
    assert parse_name(text) == ModelName(ModelRef(name, revision))


@pytest.mark.parametrize("verb", ["blob", "resolve", "raw"])
def test_an_address_of_a_file_keeps_the_file(verb: str) -> None:
    address = f"https://huggingface.co/org/name/{verb}/main/sub/model%20q4.gguf?download=true"
    assert parse_name(address) == ModelName(ModelRef("org/name", "main"), file="sub/model q4.gguf")


def test_the_address_of_another_hub_is_known_when_the_environment_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:8000")
    assert parse_name("http://127.0.0.1:8000/org/name").ref.id == "org/name"
    with pytest.raises(UsageError, match="not the hub"):
        parse_name("http://127.0.0.1:8001/org/name")


def test_paths_are_told_from_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "model.gguf").touch()
    (tmp_path / "plain").mkdir()

    assert parse_name("model.gguf") == ModelName(ModelRef(str(tmp_path / "model.gguf")), local=True)
    assert parse_name("plain").local
    assert parse_name("./org/name").ref.id == str(tmp_path / "org/name")
    assert parse_name(str(tmp_path)).local
    assert parse_name(f"file://{tmp_path}/model.gguf").local
    assert not parse_name("org/name").local, "a folder of that name does not hide the model"
    assert not parse_name("hf://plain").local


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "a b/c", "org/na--me", "org/name/x/y", "org/..", "org/name.git", "@main",
        "org/name@", "org/name@a b", "org/name@a..b", "org/name:Q4_K_M", "org/na\u202eme",
        "org/na\x1b[31mme",
        "~nobody-of-this-name/x", "https://example.com/org/name", "https://huggingface.co/",
        "https://huggingface.co/datasets/org/name", "https://huggingface.co/spaces/org/name",
        "http://[::1", "https://x:99999999/a/b", "ftp://huggingface.co/org/name",
        "x" * 5000, "org/" + "x" * 100, "🤗/model",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_name(text)
    assert len(str(refusal.value)) < 1_000


@pytest.mark.parametrize("text", ["./missing.gguf", "missing.safetensors", "/no/such/folder"])
def test_a_path_that_leads_nowhere_is_not_found(text: str) -> None:
    with pytest.raises(ModelNotFound, match="No such file") as missing:
        parse_name(text)
    assert "hf://" in missing.value.hint


@given(st.text(max_size=200))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        name = parse_name(text)
    except (ModelNotFound, UsageError):
        return
    assert name.ref.id


@given(st.from_regex(r"[A-Za-z0-9._/-]{1,40}", fullmatch=True))
def test_names_of_models_follow_the_hub_clients_rule(text: str) -> None:
    try:
        name = parse_name(f"hf://{text}")
    except UsageError:
        with pytest.raises(HFValidationError):
            validate_repo_id(text.strip("/").removeprefix("models/"))
        return
    validate_repo_id(name.ref.id)
