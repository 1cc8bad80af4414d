"""Where settings come from, in which order, and how mistakes are answered."""

import re
from pathlib import Path

import pytest

from scimsrv import assets
from scimsrv.settings import SECRETS, Settings, SettingsError, load_settings, to_environment


def _file(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_precedence(tmp_path: Path) -> None:
    """A flag overrides the environment, which overrides the file, which overrides the default."""
    config = _file(tmp_path, "port = 1\nworkers = 2\npool_size = 3\n")
    found = load_settings({"port": 9, "workers": None}, {"SCIMSRV_PORT": "8", "SCIMSRV_WORKERS": "7"}, config)
    assert (found.port, found.workers, found.pool_size, found.max_page) == (9, 7, 3, 1000)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"SCIMSRV_PROT": "1"}, "SCIMSRV_PROT in the environment. Did you mean SCIMSRV_PORT?"),
        ({"SCIMSRV_PORT_FILE": "x"}, "SCIMSRV_PORT_FILE"),
        ({"SCIMSRV_PORT": "many"}, "Setting port: "),
        ({"SCIMSRV_PORT": "65536"}, "Setting port: "),
        ({"SCIMSRV_WORKERS": "0"}, "Setting workers: "),
        ({"SCIMSRV_PUBLIC_URL": "scim.example.com"}, "must look like https://scim.example.com"),
        ({"SCIMSRV_ADMIN_URL": "https://root:secret@scim.example.com"}, "must hold no user and password"),
        ({"SCIMSRV_TRUSTED_PROXIES": "10.0.0.0/8, nonsense"}, "Setting trusted_proxies"),
        ({"SCIMSRV_JWKS_HOSTS": "*"}, "Setting jwks_hosts: "),
        ({"SCIMSRV_BADGE_ISSUER_HOSTS": "*.example.com, *.*"}, "Setting badge_issuer_hosts: "),
        ({"SCIMSRV_TLS_CERT": "c.pem"}, "tls_cert and tls_key belong together"),
        ({"SCIMSRV_SECRET_KEY": "a", "SCIMSRV_SECRET_KEY_FILE": "b"}, "exclude each other"),
        ({"SCIMSRV_DEFAULT_PAGE": "2000"}, "default_page must not exceed max_page"),
        ({"SCIMSRV_DATABASE_URL_FILE": "/nowhere/url"}, "/nowhere/url that SCIMSRV_DATABASE_URL_FILE names cannot be read"),
    ],
)
def test_mistakes_in_the_environment(environ: dict[str, str], message: str) -> None:
    """An unknown name is answered with the nearest known one, a bad value with the setting's name."""
    with pytest.raises(SettingsError) as caught:
        load_settings({}, environ)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("prot = 1", "Unknown setting prot in .*Did you mean port?"), ("port = ", "cannot be read"), ("[port]\na = 1", "Setting port")],
)
def test_mistakes_in_the_file(tmp_path: Path, text: str, message: str) -> None:
    """The same goes for a configuration file, which is named."""
    with pytest.raises(SettingsError, match=message):
        load_settings({}, {}, _file(tmp_path, text))


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """A secret may be in a file that a variable names; the line's end is not part of it."""
    path = tmp_path / "url"
    path.write_text("postgresql://db.example.com/scim\n")
    assert load_settings({}, {"SCIMSRV_DATABASE_URL_FILE": str(path)}).database_url == "postgresql://db.example.com/scim"


def test_secrets_are_not_shown_in_errors() -> None:
    """An error about the settings does not repeat the values given."""
    with pytest.raises(SettingsError) as caught:
        load_settings({}, {"SCIMSRV_DATABASE_URL": "postgresql://u:hunter2@h/d", "SCIMSRV_PORT": "hunter3"})
    assert "hunter" not in str(caught.value)
    assert set(Settings.model_fields) >= SECRETS


def test_other_processes_read_the_same() -> None:
    """What is handed to server processes in the environment reads back as the same settings."""
    settings = Settings(
        database_url="postgresql://db.example.com/scim?host=/a b", port=1, data_dir=Path("d"), trusted_proxies=("10.0.0.0/8", "::1/128"),
        allow_plain_http=True, secret_key_file=Path("k"),
        jwks_hosts=("a.example.com", "*.b.example.com"), badge_status_hosts=("c.example.com",),
        badge_issuer_hosts=("*",),
    )  # fmt: skip
    assert load_settings({}, to_environment(settings)) == settings
    assert to_environment(Settings()) == {}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "::1", "port": 1}, "http://[::1]:1"),
        ({"tls_cert": "c", "tls_key": "k"}, "https://127.0.0.1:8080"),
        ({"public_url": "https://scim.example.com/base/"}, "https://scim.example.com/base"),
    ],
)
def test_base_url(given: dict[str, object], expected: str) -> None:
    """Clients are told the public URL, or else the address listened on."""
    assert Settings.model_validate(given).base_url == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("scim.example.com", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    """Only addresses of this machine count as loopback; a wildcard address does not."""
    assert Settings(host=host).loopback is expected


def test_every_setting_is_documented() -> None:
    """The table in docs/configuration.md names each setting with its variable and meaning, and no other."""
    text = Path(str(assets.ROOT), "docs", "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \| `(SCIMSRV_[A-Z_]+)`.* \| .* \| (.*) \|$", text, re.MULTILINE)
    assert rows == [(name, f"SCIMSRV_{name.upper()}", field.description) for name, field in Settings.model_fields.items()]
