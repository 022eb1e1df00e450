"""The loopback hub is one that the hub's own client takes for real."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from huggingface_hub import HfApi, close_session, constants
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo, RepoFile, RepoFolder

from tests.hub import Account, HubFile, HubServer, RateLimits
from tests.hub.builder import (
    generate_listing,
    gguf_repo,
    llama_like,
    many_tensors,
    mixture_like,
    real_files,
)

LLAMA = llama_like("acme/Llama", downloads=50, card={"language": "en", "base_model": "acme/Base"})
SHARDED = mixture_like("acme/Sharded", shards=4, downloads=70, likes=3)
GATED = llama_like("acme/Gated", gated="manual")
PRIVATE = llama_like("acme/Private", private=True)
DISABLED = llama_like("acme/Disabled", disabled=True)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    """Over TLS, since the client tells missing models from other refusals on https only."""
    repos = [LLAMA, SHARDED, GATED, PRIVATE, DISABLED]
    accounts = [Account("hf_good", "bob", sees=("acme/Private",)), Account("hf_acme", "acme")]
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with HubServer(repos, accounts=accounts, tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        close_session()
        yield server
    close_session()


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=False)


def test_listing_gives_what_was_asked_to_expand(api: HfApi) -> None:
    (row,) = api.list_models(
        search="SHARD",
        expand=["safetensors", "config", "downloads", "createdAt", "gated", "author"],
    )
    assert (row.id, row.downloads, row.author, row.gated) == ("acme/Sharded", 70, "acme", False)
    assert row.safetensors is not None
    assert row.safetensors.total == sum(row.safetensors.parameters.values())
    assert row.config == {"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe"}
    assert row.created_at == datetime(2025, 1, 1, tzinfo=UTC)
    assert row.likes is None


def test_listing_filters_and_sorts(api: HfApi) -> None:
    def ids(rows: Iterable[ModelInfo]) -> list[str]:
        return [row.id for row in rows]

    assert ids(api.list_models(sort="downloads"))[:2] == ["acme/Sharded", "acme/Llama"]
    assert ids(api.list_models(sort="likes", limit=1)) == ["acme/Sharded"]
    tagged = api.list_models(author="acme", filter=["qwen3_moe", "license:apache-2.0"])
    assert ids(tagged) == ["acme/Sharded"]
    assert ids(api.list_models(filter="base_model:acme/Base")) == ["acme/Llama"]
    assert ids(api.list_models(gated=True)) == ["acme/Gated"]
    assert ids(api.list_models(pipeline_tag="text-to-image")) == []
    assert ids(api.list_models(author="nobody")) == []


def test_listing_is_followed_from_page_to_page(api: HfApi, hub: HubServer) -> None:
    for repo in generate_listing(2500):
        hub.catalog.add(repo)
    rows = [row.id for row in api.list_models(expand=["downloads"], sort="downloads")]
    assert len(rows) == len(set(rows)) == 2504
    assert hub.traffic.requests(kind="list") == 3


def test_model_info_lists_files_with_sizes_and_hashes(api: HfApi) -> None:
    info = api.model_info("acme/Llama", files_metadata=True)
    assert info.siblings is not None
    sizes = {file.rfilename: file.size for file in info.siblings}
    assert sizes == {file.path: file.content.size for file in LLAMA.files}
    (weights,) = (file for file in info.siblings if file.lfs)
    assert weights.lfs is not None
    assert weights.lfs.sha256 == weights.lfs["sha256"] == LLAMA.files[-1].content.sha256
    assert info.sha == LLAMA.commits["main"]
    assert info.tags is not None
    assert {"license:apache-2.0", "en", "base_model:acme/Base"} <= set(info.tags)


def test_tree_paths_and_refs(api: HfApi, hub: HubServer) -> None:
    files = {
        "config.json": b"{}",
        "unet/config.json": b"{}",
        "unet/deep/model.safetensors": b"x" * 9,
    }
    hub.catalog.add(real_files("acme/Folders", files))
    top = list(api.list_repo_tree("acme/Folders"))
    assert [(type(item), item.path) for item in top] == [
        (RepoFile, "config.json"),
        (RepoFolder, "unet"),
    ]
    everything = api.list_repo_tree("acme/Folders", recursive=True)
    assert {item.path for item in everything} == files.keys() | {"unet", "unet/deep"}
    below = api.list_repo_tree("acme/Folders", "unet/deep")
    assert [item.path for item in below] == ["unet/deep/model.safetensors"]
    (found,) = api.get_paths_info("acme/Folders", ["unet/deep/model.safetensors", "nowhere"])
    assert isinstance(found, RepoFile)
    assert (found.size, found.lfs is not None) == (9, True)
    assert [branch.name for branch in api.list_repo_refs("acme/Folders").branches] == ["main"]
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree("acme/Folders", "nowhere"))


def test_a_long_tree_comes_in_pages(api: HfApi, hub: HubServer) -> None:
    hub.catalog.add(real_files("acme/Long", {f"{i:04d}.txt": b"" for i in range(2100)}))
    assert len(list(api.list_repo_tree("acme/Long"))) == 2100
    assert hub.traffic.requests(kind="tree") == 3


def test_a_small_file_is_downloaded_from_the_hubs_own_cache(api: HfApi, hub: HubServer) -> None:
    path = api.hf_hub_download("acme/Llama", "config.json")
    assert json.loads(Path(path).read_text())["num_hidden_layers"] == 2
    assert hub.traffic.requests(kind="cache") > 0
    assert hub.traffic.requests(origin="cdn") == 0


def test_a_large_file_comes_from_the_other_origin_which_never_sees_the_token(
    hub: HubServer,
) -> None:
    api = HfApi(endpoint=hub.endpoint, token="hf_good")
    path = api.hf_hub_download("acme/Llama", "model.safetensors")
    weights = LLAMA.files[-1].content
    assert Path(path).read_bytes() == weights.read(0, weights.size)
    assert hub.traffic.saw_token(origin="hub")
    assert not hub.traffic.saw_token(origin="cdn")
    assert hub.traffic.sent_bytes(origin="cdn") == weights.size


def test_headers_by_range_and_in_one_request_are_the_same(api: HfApi, hub: HubServer) -> None:
    ranged = api.get_safetensors_metadata("acme/Sharded")
    shards = hub.traffic.requests(kind="file")
    at_once = api.get_sharded_safetensors_metadata("acme/Sharded")
    assert shards == 4
    assert hub.traffic.requests(kind="headers") == 1
    assert ranged.files_metadata == at_once.files_metadata
    attention, norms, experts = 4096 + 2048 + 2048 + 4096, 16 + 16 + 64 + 64, 8 * 3 * 32 * 64
    layer = attention + norms + 8 * 64 + experts
    total = 2 * 256 * 64 + 2 * layer + 64
    assert ranged.parameter_count == at_once.parameter_count == {"BF16": total}
    hub.api.headers_endpoint = False
    with pytest.raises(HfHubHTTPError, match="404"):
        api.get_sharded_safetensors_metadata("acme/Sharded")


def test_a_model_far_larger_than_memory_is_no_trouble(api: HfApi, hub: HubServer) -> None:
    huge = many_tensors("acme/Huge", shards=16, per_shard=100)
    hub.catalog.add(huge)
    metadata = api.get_safetensors_metadata("acme/Huge")
    assert metadata.parameter_count == {"BF16": 1600 * 2048 * 7168}
    assert sum(file.content.size for file in huge.files) > 46_000_000_000


def test_a_missing_and_a_private_model_look_the_same_without_a_token(api: HfApi) -> None:
    for name in ("acme/Nothing", "acme/Private"):
        with pytest.raises(RepositoryNotFoundError, match="401"):
            api.model_info(name)
        with pytest.raises(RepositoryNotFoundError):
            api.hf_hub_download(name, "config.json")


def test_a_token_opens_what_it_may_and_a_wrong_one_nothing(hub: HubServer) -> None:
    good = HfApi(endpoint=hub.endpoint, token="hf_good")
    assert good.whoami()["name"] == "bob"
    assert good.model_info("acme/Private").private
    assert "acme/Private" in {row.id for row in good.list_models()}
    with pytest.raises(RepositoryNotFoundError, match="404"):
        good.model_info("acme/Nothing")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials in Authorization header"):
        HfApi(endpoint=hub.endpoint, token="hf_wrong").model_info("acme/Llama")


def test_a_gated_model_shows_all_but_its_files(api: HfApi, hub: HubServer) -> None:
    assert api.model_info("acme/Gated").gated == "manual"
    assert len(list(api.list_repo_tree("acme/Gated"))) == 3
    with pytest.raises(GatedRepoError, match="401"):
        api.get_safetensors_metadata("acme/Gated")
    with pytest.raises(GatedRepoError, match="403"):
        HfApi(endpoint=hub.endpoint, token="hf_good").hf_hub_download("acme/Gated", "config.json")
    owner = HfApi(endpoint=hub.endpoint, token="hf_acme")
    assert owner.get_safetensors_metadata("acme/Gated").sharded is False


def test_what_is_not_there_has_the_hubs_own_error(api: HfApi) -> None:
    with pytest.raises(RevisionNotFoundError):
        api.model_info("acme/Llama", revision="v9")
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download("acme/Llama", "nothing.json")
    with pytest.raises(DisabledRepoError):
        api.model_info("acme/Disabled")


def test_another_branch_has_its_own_commit_and_files(api: HfApi, hub: HubServer) -> None:
    repo = real_files("acme/Branches", {"a.txt": b"main"})
    other = [HubFile.of_text("a.txt", "other")]
    hub.catalog.add(type(repo)(repo.id, repo.files, branches={"refs/pr/1": other}))
    info = api.model_info("acme/Branches", revision="refs/pr/1")
    assert info.sha != api.model_info("acme/Branches").sha
    path = api.hf_hub_download("acme/Branches", "a.txt", revision="refs/pr/1")
    assert Path(path).read_text() == "other"


def test_an_old_name_and_another_case_lead_to_the_model(api: HfApi, hub: HubServer) -> None:
    hub.catalog.rename("oldcorp/Llama", "acme/Llama")
    assert api.model_info("oldcorp/Llama").id == "acme/Llama"
    assert api.model_info("ACME/llama").id == "acme/Llama"


def test_an_empty_bucket_is_429_with_the_time_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer([LLAMA], limits=RateLimits(api=2), clock=lambda: 1000.0) as hub:
        close_session()
        api = HfApi(endpoint=hub.endpoint, token=False)
        api.model_info("acme/Llama")
        api.model_info("acme/Llama")
        with pytest.raises(HfHubHTTPError, match="Retry after 300 seconds \\(0/2 requests"):
            api.model_info("acme/Llama")
    close_session()


def test_gguf_repositories_show_their_quantizations_by_size(api: HfApi, hub: HubServer) -> None:
    sizes = {"m-Q4_K_M.gguf": 4_920_734_272, "m-Q8_0.gguf": 8_540_771_648}
    hub.catalog.add(gguf_repo("acme/M-GGUF", sizes=sizes))
    listed = api.get_paths_info("acme/M-GGUF", list(sizes))
    assert {file.path: file.size for file in listed if isinstance(file, RepoFile)} == sizes
