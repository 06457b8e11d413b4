"""Reads the environment: one place that knows which variables there are and what an unset one means."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
INSECURE_SECRETS = frozenset({"", "secret", "change-me", "changeme", "insecure"})


def state_dir() -> Path:
    """The folder for everything that this installation writes: database, mail folders, logs, generated secrets.

    Raises ImproperlyConfigured when it cannot be made.
    """
    folder = Path(env.str("HANDYCONNECT_VAR", default="") or BASE_DIR / "var").expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The state folder {folder} cannot be made ({error.strerror}). Choose another one: HANDYCONNECT_VAR=/some/folder"
        ) from error
    return folder


def required_secret(name: str) -> str:
    """A secret that has to be configured. Raises ImproperlyConfigured, saying which one is missing and what to do."""
    value: str = env.str(name, default="").strip()
    if value.lower() in INSECURE_SECRETS:
        raise ImproperlyConfigured(
            f"{name} is missing or is a placeholder. With DATABASE_URL set, HandyConnect starts only with a secret of "
            f"its own: set {name} to a long random value (for example the output of `openssl rand -base64 48`)."
        )
    return value


def generated_secret(name: str, *, folder: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(48)) -> str:
    """The secret from the environment, or one made once and kept in `folder` with mode 0600.

    Several processes may start at the same moment: the first to create the file wins, all others read it.
    """
    value: str = env.str(name, default="")
    if value:
        return value
    path = folder / name.lower()
    draft = folder / f".{name.lower()}.{os.getpid()}"
    try:
        if not path.exists():
            draft.touch(mode=0o600)
            draft.write_text(make())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name} cannot be kept in the state folder {folder} ({error.strerror}). "
            f"Choose another one, HANDYCONNECT_VAR=/some/folder, or set {name}."
        ) from error
