"""The loopback hub on the wire: ranges, redirects, both versions of HTTP, and things going wrong."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.hub import Account, Fault, FileOnDisk, HubFile, HubRepo, HubServer, ZeroFilled
from tests.hub.builder import generate_listing, llama_like

SIZE = 65_000_000_000
REPO = HubRepo(
    "acme/Big",
    [
        HubFile("big.safetensors", ZeroFilled(b"\x08\0\0\0\0\0\0\0{}      ", SIZE)),
        HubFile("small.bin", ZeroFilled(b"abcdefghij", 1000)),
        HubFile.of_text("config.json", "{}"),
    ],
)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer([REPO], accounts=[Account("hf_good", "acme")]) as server:
        yield server


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client() as opened:
        yield opened


def link(hub: HubServer, client: httpx2.Client, path: str = "small.bin") -> str:
    """Where a large file is redirected to."""
    answer = client.head(f"{hub.endpoint}/acme/Big/resolve/main/{path}")
    assert answer.status_code == 302
    return answer.headers["location"]


def fetch(client: httpx2.Client, url: str, span: str) -> httpx2.Response:
    return client.get(url, headers={"range": f"bytes={span}"})


def test_a_large_file_is_a_signed_link_to_the_other_origin(
    hub: HubServer, client: httpx2.Client
) -> None:
    answer = client.head(f"{hub.endpoint}/acme/Big/resolve/main/big.safetensors")
    assert answer.status_code == 302
    assert answer.headers["x-linked-size"] == str(SIZE)
    assert answer.headers["x-linked-etag"] == f'"{REPO.files[0].content.sha256}"'
    assert answer.headers["x-repo-commit"] == REPO.commits["main"]
    target = urlsplit(answer.headers["location"])
    assert f"{target.scheme}://{target.netloc}" == hub.cdn_endpoint != hub.endpoint
    assert "Signature=" in target.query


@pytest.mark.parametrize(
    ("span", "status", "content_range", "body"),
    [
        ("0-3", 206, "bytes 0-3/1000", b"abcd"),
        ("8-11", 206, "bytes 8-11/1000", b"ij\0\0"),
        ("998-5000", 206, "bytes 998-999/1000", b"\0\0"),
        ("999-", 206, "bytes 999-999/1000", b"\0"),
        ("-1", 206, "bytes 999-999/1000", b"\0"),
        ("1000-1001", 416, "bytes */1000", None),
        ("5-2", 416, "bytes */1000", None),
    ],
)
def test_ranges(
    hub: HubServer,
    client: httpx2.Client,
    span: str,
    status: int,
    content_range: str,
    body: bytes | None,
) -> None:
    answer = fetch(client, link(hub, client), span)
    assert answer.status_code == status
    assert answer.headers["content-range"] == content_range
    assert body in {None, answer.content}


def test_a_range_at_the_end_of_65_gb_costs_two_bytes(hub: HubServer, client: httpx2.Client) -> None:
    answer = fetch(client, link(hub, client, "big.safetensors"), f"{SIZE - 2}-{SIZE - 1}")
    assert answer.content == b"\0\0"
    assert hub.traffic.sent_bytes(origin="cdn") == 2
    assert hub.traffic.ranges(origin="cdn") == [f"bytes={SIZE - 2}-{SIZE - 1}"]


def test_a_small_file_is_a_relative_redirect_on_the_same_origin(
    hub: HubServer, client: httpx2.Client
) -> None:
    answer = client.get(f"{hub.endpoint}/acme/Big/resolve/main/config.json")
    assert answer.status_code == 307
    assert answer.headers["location"].startswith("/api/resolve-cache/models/acme/Big/")
    followed = client.get(answer.url.join(answer.headers["location"]))
    assert (followed.status_code, followed.text) == (200, "{}")


def test_raw_gives_the_pointer_of_a_large_file(hub: HubServer, client: httpx2.Client) -> None:
    text = client.get(f"{hub.endpoint}/acme/Big/raw/main/big.safetensors").text
    assert text.startswith("version https://git-lfs.github.com/spec/v1\noid sha256:")
    assert text.endswith(f"size {SIZE}\n")


def test_a_link_lapses_and_a_forged_one_was_never_good(
    hub: HubServer, client: httpx2.Client
) -> None:
    url = link(hub, client)
    assert fetch(client, url, "0-0").status_code == 206
    assert fetch(client, url.replace("Signature=", "Signature=0"), "0-0").status_code == 403
    hub.links.expire_all()
    assert fetch(client, url, "0-0").status_code == 403
    assert fetch(client, link(hub, client), "0-0").status_code == 206


def test_links_expire_with_time(client: httpx2.Client) -> None:
    now = [1000.0]
    with HubServer([REPO], clock=lambda: now[0]) as hub:
        url = link(hub, client)
        now[0] += hub.links.lifetime_seconds - 1
        assert fetch(client, url, "0-0").status_code == 206
        now[0] += 1
        assert fetch(client, url, "0-0").status_code == 403


def test_rate_limit_headers_are_on_every_answer(hub: HubServer, client: httpx2.Client) -> None:
    for path, bucket in (
        ("/api/models", "api"),
        ("/api/models/acme/None", "api"),
        ("/acme/Big/resolve/main/config.json", "resolvers"),
        ("/acme/Big/resolve/main/none", "resolvers"),
    ):
        headers = client.get(hub.endpoint + path).headers
        assert headers["ratelimit"].startswith(f'"{bucket}";r=')
        assert headers["ratelimit-policy"] == f'"fixed window";"{bucket}";q=100000;w=300'


@pytest.mark.parametrize(
    ("fault", "status", "size"),
    [
        (Fault(ignore_range=True), 200, 1000),
        (Fault(status=500), 500, None),
        (Fault(status=404), 404, None),
        (Fault(body=b"not what you wanted"), 206, 19),
    ],
)
def test_faults_that_answer(
    hub: HubServer, client: httpx2.Client, fault: Fault, status: int, size: int | None
) -> None:
    url = link(hub, client)
    hub.inject(fault)
    answer = fetch(client, url, "0-99")
    assert answer.status_code == status
    assert size in {None, len(answer.content)}
    hub.heal()
    assert fetch(client, url, "0-99").status_code == 206


@pytest.mark.parametrize("query", ["expand=weights", "sort=size", "limit=all", "cursor=x"])
def test_what_a_listing_cannot_do_is_a_bad_request(
    hub: HubServer, client: httpx2.Client, query: str
) -> None:
    answer = client.get(f"{hub.endpoint}/api/models?{query}")
    assert answer.status_code == 400
    assert answer.headers["x-error-message"].startswith("Invalid")


def test_a_fault_strikes_so_often_after_so_many(hub: HubServer, client: httpx2.Client) -> None:
    url = link(hub, client)
    hub.inject(Fault(path="*/small.bin", origin="cdn", skip=1, times=2, status=503))
    assert [fetch(client, url, "0-0").status_code for _ in range(5)] == [206, 503, 503, 206, 206]


def test_a_429_says_when_to_come_back(hub: HubServer, client: httpx2.Client) -> None:
    hub.inject(Fault(kind="list", status=429, retry_after_seconds=7))
    answer = client.get(f"{hub.endpoint}/api/models")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert "ratelimit" in answer.headers


def test_a_content_range_can_lie(hub: HubServer, client: httpx2.Client) -> None:
    url = link(hub, client)
    hub.inject(Fault(headers={"content-range": "bytes 7-9/1000"}))
    assert fetch(client, url, "0-2").headers["content-range"] == "bytes 7-9/1000"


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("cut", [0, 10])
def test_a_connection_is_cut_where_it_should_be(hub: HubServer, cut: int, http2: bool) -> None:
    with httpx2.Client(http1=not http2, http2=http2) as client:
        url = link(hub, client)
        hub.inject(Fault(kind="file", drop_after_bytes=cut, times=1))
        with pytest.raises(httpx2.TransportError):
            fetch(client, url, "0-99")
        assert hub.traffic.sent_bytes(kind="file") == cut
        assert len(fetch(client, url, "0-99").content) == 100


def test_a_body_comes_slowly(hub: HubServer, client: httpx2.Client) -> None:
    url = link(hub, client)
    hub.inject(Fault(kind="file", bytes_per_second=2000))
    with client.stream("GET", url, headers={"range": "bytes=0-199"}) as answer:
        pieces = [len(piece) for piece in answer.iter_raw()]
    assert sum(pieces) == 200
    assert len(pieces) > 1


@pytest.mark.parametrize("tls", [False, True])
async def test_many_ranges_share_a_connection_over_http2(tls: bool) -> None:
    with HubServer([REPO], tls=tls, latency_seconds=0.05) as hub:
        verify = hub.client_tls if tls else True
        async with httpx2.AsyncClient(http1=tls, http2=True, verify=verify) as client:
            redirect = await client.head(f"{hub.endpoint}/acme/Big/resolve/main/big.safetensors")
            url = redirect.headers["location"]
            spans = [f"bytes={start}-{start + 49_999}" for start in range(0, 64 * 50_000, 50_000)]
            answers = await asyncio.gather(*(client.get(url, headers={"range": s}) for s in spans))
        assert {(a.http_version, a.status_code, len(a.content)) for a in answers} == {
            ("HTTP/2", 206, 50_000)
        }
        assert {exchange.protocol for exchange in hub.traffic.exchanges} == {"2"}
        assert hub.traffic.connections["cdn"] <= 2
        assert hub.traffic.peak_in_flight > 1
        assert hub.traffic.sent_bytes(origin="cdn") == 64 * 50_000


def test_a_connection_is_kept_for_further_requests(hub: HubServer, client: httpx2.Client) -> None:
    for _ in range(20):
        client.get(f"{hub.endpoint}/api/models")
    assert hub.traffic.connections["hub"] == 1
    hub.traffic.clear()
    assert hub.traffic.requests() == 0


def test_a_whole_file_flows_through_a_small_window(hub: HubServer) -> None:
    hub.catalog.add(HubRepo("acme/M", [HubFile("m.bin", ZeroFilled(b"\1", 3_000_000))]))
    with httpx2.Client(http1=False, http2=True, follow_redirects=True) as client:
        body = client.get(f"{hub.endpoint}/acme/M/resolve/main/m.bin").content
    assert len(body) == 3_000_000


def test_real_files_can_be_mounted(hub: HubServer, client: httpx2.Client, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"real bytes")
    file = HubFile("model.safetensors", FileOnDisk(tmp_path / "model.safetensors"))
    hub.catalog.add(HubRepo("acme/Real", [file]))
    answer = client.get(f"{hub.endpoint}/acme/Real/resolve/main/model.safetensors")
    assert fetch(client, answer.headers["location"], "5-9").content == b"bytes"


def test_a_long_listing_is_searched_and_paged(hub: HubServer, client: httpx2.Client) -> None:
    for repo in generate_listing(30_000):
        hub.catalog.add(repo)
    answer = client.get(f"{hub.endpoint}/api/models?search=model-29999&sort=downloads&limit=5")
    assert [row["id"] for row in answer.json()] == ["org-89/Model-29999-14B"]
    first = client.get(f"{hub.endpoint}/api/models?limit=100&expand[]=safetensors&sort=likes")
    assert len(first.json()) == 100
    assert "cursor=" in first.links["next"]["url"]


def test_the_same_repository_has_the_same_commit_every_time() -> None:
    assert llama_like().commits == llama_like().commits
    assert llama_like().commits != llama_like(layers=3).commits


@pytest.mark.parametrize("http2", [False, True])
def test_a_request_that_is_none_ends_its_connection_and_no_other(
    hub: HubServer, client: httpx2.Client, http2: bool
) -> None:
    url = f"{hub.endpoint}/api/models/acme/Big/paths-info/main"
    headers = {"content-type": "application/json"}
    with httpx2.Client(http1=not http2, http2=http2) as other:
        with pytest.raises(httpx2.TransportError):
            other.post(url, headers=headers, content="{")
        assert client.get(f"{hub.endpoint}/api/models").status_code == 200


def test_it_starts_by_hand() -> None:
    command = [sys.executable, "-m", "tests.hub", "--rows", "10", "--latency", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip().removeprefix("HF_ENDPOINT=")
        rows = httpx2.get(f"{endpoint}/api/models?search=acme").json()
        process.terminate()
    assert "acme/Mixture-30B-A3B" in {row["id"] for row in rows}
    assert process.returncode == 0


def test_a_port_that_is_taken_is_an_error_at_once(hub: HubServer) -> None:
    port = urlsplit(hub.endpoint).port or 0
    with pytest.raises(OSError, match="address"), HubServer(ports=(port, 0)):
        pytest.fail("two servers on one port")
