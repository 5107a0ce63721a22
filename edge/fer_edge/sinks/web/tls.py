"""The listener's own certificate."""

import ssl

from fer_edge.settings import WebSettings
from fer_edge.settings.pem_files import usable_pem
from fer_edge.settings.secrets import credential_path, read_secret
from fer_edge.shared.errors import SettingsError


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
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    fix = "check web.certificate and web.key"
    with usable_pem(certificate, key, what="the web's certificate or key", fix=fix):
        context.load_cert_chain(
            certificate, key or None, password=lambda: read_secret("web-key-password")
        )
    return context
