"""Who may see what, and the hub's words for no."""

from collections.abc import Iterable, Mapping

from tests.hub.messages import Answer, Request, redirect, refusal
from tests.hub.repositories import Account, HubFile, HubRepo

_BAD_TOKEN = "Invalid credentials in Authorization header"
_LOG_IN = "You must have access to it and be authenticated to access it. Please log in."
_NOBODY = "Invalid username or password."


class Catalog:
    """Repositories by name, with their former names and the accounts that look at them."""

    def __init__(self, repos: Iterable[HubRepo], accounts: Iterable[Account]) -> None:
        self._repos: dict[str, HubRepo] = {repo.id: repo for repo in repos}
        self._folded = {name.lower(): name for name in self._repos}
        self._accounts: Mapping[str, Account] = {account.token: account for account in accounts}
        self._renamed: dict[str, str] = {}
        self.version = 0
        """Grows with every change, so that sorted listings can be kept."""

    def add(self, repo: HubRepo) -> None:
        """Publish a repository, or a new state of it."""
        self._repos[repo.id] = repo
        self._folded[repo.id.lower()] = repo.id
        self.version += 1

    def rename(self, old: str, new: str) -> None:
        """From now on ``old`` redirects to ``new``."""
        self._renamed[old] = new

    def account(self, request: Request) -> Account | None:
        """Who asks; None without a token, or with one that is not known."""
        return self._accounts.get(request.token or "")

    def refuse_token(self, request: Request) -> Answer | None:
        """The refusal of a token that nobody has."""
        if request.token and self.account(request) is None:
            return refusal(401, _BAD_TOKEN)
        return None

    def visible(self, request: Request) -> list[HubRepo]:
        """Repositories that a listing shows to whoever asks."""
        account = self.account(request)
        return [repo for repo in self._repos.values() if not repo.private or _sees(account, repo)]

    def find(self, request: Request, name: str) -> HubRepo | Answer:
        """The repository, a redirect to its present name, or the hub's refusal.

        The hub does not tell a missing repository from a private one.
        """
        repo = self._repos.get(name)
        if repo is None:
            present = self._renamed.get(name) or self._folded.get(name.lower())
            if present is not None:
                return redirect(307, request.target.replace(name, present, 1))
        account = self.account(request)
        if repo is None or (repo.private and not _sees(account, repo)):
            if account is not None:
                return refusal(404, "Repository not found", "RepoNotFound")
            return refusal(401, _NOBODY, www_authenticate='Bearer realm="Authentication required"')
        if repo.disabled:
            return refusal(403, "Access to this resource is disabled.")
        return repo

    def refuse_files(self, request: Request, repo: HubRepo) -> Answer | None:
        """The refusal of a gated repository's files, None if they may be read."""
        if repo.gated is None:
            return None
        account = self.account(request)
        if account is None:
            return refusal(401, f"Access to model {repo.id} is restricted. {_LOG_IN}", "GatedRepo")
        if repo.id in account.accepted or account.name == repo.author:
            return None
        message = (
            f"Access to model {repo.id} is restricted and you are not in the authorized list. "
            f"Visit https://huggingface.co/{repo.id} to ask for access."
        )
        return refusal(403, message, "GatedRepo")


def find_file(repo: HubRepo, revision: str, path: str) -> tuple[str, HubFile] | Answer:
    """Commit and file, or the refusal for a missing revision or entry."""
    tree = repo.files_at(revision)
    if tree is None:
        return refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    commit, files = tree
    for file in files:
        if file.path == path:
            return commit, file
    return refusal(404, "Entry not found", "EntryNotFound")


def _sees(account: Account | None, repo: HubRepo) -> bool:
    return account is not None and (account.name == repo.author or repo.id in account.sees)
