"""The patterns of a download, held against the hub client's own filter."""

from pathlib import Path

from huggingface_hub.utils._paths import filter_repo_objects
from hypothesis import given
from hypothesis import strategies as st

from explorer.hub.disk import download_folder, free_bytes
from explorer.inspection.launching import patterns_for

NAMES = st.lists(
    st.text("ab-01*?[].josnfm/", min_size=1, max_size=8).filter(lambda name: name[-1] != "/"),
    min_size=1, max_size=20, unique=True,
)  # fmt: skip


@given(NAMES, st.data())
def test_exactly_the_wanted_files_are_fetched(files: list[str], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(files), min_size=1, unique=True))
    patterns = patterns_for(wanted, files)
    assert set(filter_repo_objects(files, allow_patterns=list(patterns))) == set(wanted)


def test_shards_and_small_files_are_patterns() -> None:
    shards = [f"model-{number:05}-of-00016.safetensors" for number in range(1, 17)]
    files = [*shards, "config.json", "tokenizer.json", "README.md", "original/consolidated.pth"]
    wanted = [*shards, "config.json", "tokenizer.json"]
    assert patterns_for(wanted, files) == ("*.json", "model-*-of-00016.safetensors")
    # a pattern that would take more than is wanted is not used
    more = [*files, "onnx/config.json"]
    assert patterns_for(wanted, more) == (
        "model-*-of-00016.safetensors", "config.json", "tokenizer.json",
    )  # fmt: skip


def test_the_disk_is_that_of_the_hubs_cache(tmp_path: Path) -> None:
    assert download_folder({"HF_HUB_CACHE": str(tmp_path)}) == tmp_path
    assert download_folder({"HF_HOME": str(tmp_path)}) == tmp_path / "hub"
    assert download_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "huggingface" / "hub"
    free = free_bytes(tmp_path / "not" / "there" / "yet")
    assert free is not None
    assert free > 0
