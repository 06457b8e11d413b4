"""A real IMAP server for tests: Debian's dovecot on free ports of this machine, with a configuration of its own."""

import datetime
import getpass
import imaplib
import ipaddress
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "open-sesame"
STARTS_WITHIN_SECONDS = 20

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login {mechanisms}
auth_failure_delay = 0
mail_location = maildir:{folder}/mail/%u
mail_max_userip_connections = 100
default_internal_user = {internal_user}
default_login_user = {login_user}
default_internal_group = {group}
{capability}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox "Sent Things" {{
    auto = create
    special_use = \\Sent
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
{oauth}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
"""
OAUTH = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {folder}/oauth2.conf
}}
"""


def program() -> str:
    """Where dovecot is; '' when it is not installed."""
    return shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin") or ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Dovecot:
    """Every user name is a mailbox of its own, made when somebody logs in to it."""

    def __init__(self, *, capability: str = "", introspection_url: str = "") -> None:
        # Not in pytest's own folder: started as root, dovecot reads the mail as another user, who may not enter that one.
        self.folder = folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        folder.chmod(0o755)
        self.port, self.tls_port = free_port(), free_port()
        self.certificate = folder / "certificate.pem"
        _write_certificate(folder)
        is_root = os.getuid() == 0
        me = getpass.getuser()
        owner = pwd.getpwnam("nobody" if is_root else me)
        mail = folder / "mail"
        mail.mkdir()
        if is_root:
            os.chown(mail, owner.pw_uid, owner.pw_gid)
        if introspection_url:
            (folder / "oauth2.conf").write_text(
                f"introspection_mode = post\nintrospection_url = {introspection_url}\n"
                "username_attribute = username\nactive_attribute = active\nactive_value = true\n"
            )
        (folder / "dovecot.conf").write_text(
            CONFIGURATION.format(
                folder=folder,
                port=self.port,
                tls_port=self.tls_port,
                password=PASSWORD,
                mechanisms="xoauth2" if introspection_url else "",
                oauth=OAUTH.format(folder=folder) if introspection_url else "",
                capability=f"imap_capability = {capability}" if capability else "",
                internal_user="dovecot" if is_root else me,
                login_user="dovenull" if is_root else me,
                group="dovecot" if is_root else _group_of(me),
                uid=owner.pw_uid,
                gid=owner.pw_gid,
            )
        )
        self._process = subprocess.Popen(  # noqa: S603 - what Debian installed
            [program(), "-F", "-c", str(folder / "dovecot.conf")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as probe:
                if probe.recv(4) == b"* OK":
                    return
            time.sleep(0.1)
        said = (self.folder / "dovecot.log").read_text() if (self.folder / "dovecot.log").exists() else "nothing"
        raise RuntimeError(f"dovecot did not start; it said: {said}")

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def client(self, user: str) -> Iterator[imaplib.IMAP4]:
        """A client of its own, as a person's mail program would be."""
        with imaplib.IMAP4("127.0.0.1", self.port, timeout=20) as client:
            client.login(user, PASSWORD)
            yield client

    def deliver(
        self, user: str, *mails: bytes, folder: str = "INBOX", at: datetime.datetime | None = None, flags: str = ""
    ) -> None:
        with self.client(user) as client:
            for raw in mails:
                moment = imaplib.Time2Internaldate(at or datetime.datetime.now(datetime.UTC))
                kind, data = client.append(f'"{folder}"', flags, moment, raw)
                assert kind == "OK", data

    def flags(self, user: str, folder: str = "INBOX") -> list[bytes]:
        """The flags of all messages of a folder, in their order."""
        with self.client(user) as client:
            kind, data = client.select(f'"{folder}"', readonly=True)
            found = client.fetch("1:*", "(FLAGS)")[1] if kind == "OK" and data[0] != b"0" else []
        return [item for item in found if isinstance(item, bytes)]


class Cutting:
    """Stands between client and server, and cuts every connection after so many bytes from the server."""

    def __init__(self, port: int) -> None:
        self.cuts_after_bytes: int | None = None
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                threading.Thread(target=self._pass, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, self.cuts_after_bytes), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, at_most: int | None) -> None:
        passed = 0
        with suppress(OSError):
            while chunk := source.recv(4096):
                if at_most is not None and passed + len(chunk) > at_most:
                    target.sendall(chunk[: at_most - passed])
                    break
                target.sendall(chunk)
                passed += len(chunk)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _group_of(user: str) -> str:
    import grp

    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def _write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
