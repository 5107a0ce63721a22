"""The listener's own certificate."""

import ssl
from pathlib import Path

from fer_edge.settings import WebSettings
from fer_edge.settings.secrets import credential_path, read_secret
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.named_files import require_file


def make_context(settings: WebSettings) -> ssl.SSLContext | None:
    """Read certificate and key; None where nothing is encrypted.

    Raises:
        SettingsError: They cannot be read, or do not belong together.
    """
    if not settings.certificate:
        if settings.key:
            raise SettingsError(
                "web.key is set, but web.certificate is not",
                expected="a certificate that the key belongs to",
                fix="name it as web.certificate, or leave both out",
            )
        return None
    certificate, key = (
        name and credential_path(name) for name in (settings.certificate, settings.key)
    )
    named = [name for name in (certificate, key) if name]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        for name in named:
            require_file(Path(name))
        context.load_cert_chain(
            certificate, key or None, password=lambda: read_secret("web-key-password")
        )
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the web's certificate or key ({', '.join(named)}) cannot be used"
            f" ({error.strerror if isinstance(error, OSError) else error})",
            expected="readable PEM files that belong together",
            fix="check web.certificate and web.key",
        ) from error
    return context
