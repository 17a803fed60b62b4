"""The certificate that both ports show."""

import ssl
from pathlib import Path


class CertificateError(Exception):
    """The certificate or its key can not be used. The text says which, and why."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS with a certificate (chain) and its key, both in PEM files.

    Raises:
        CertificateError: a file is missing or no PEM, the key has a passphrase, or the two
            do not belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    for file in (certificate, key):
        _check_readable(file)
    try:
        context.load_cert_chain(certificate, key, password=lambda: _refuse_passphrase(key))
    except ssl.SSLError as error:
        raise CertificateError(_sentence(error, certificate, key)) from error
    return context


def _check_readable(file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise CertificateError(f"{file} can not be read: {error.strerror}") from error


def _refuse_passphrase(key: Path) -> str:
    # Without this, OpenSSL asks at the terminal, and waits.
    raise CertificateError(f"{key} asks for a passphrase; give a key without one")


def _sentence(error: ssl.SSLError, certificate: Path, key: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{key} is not the key of the certificate in {certificate}"
    return (
        f"{certificate} and {key} are not a certificate and its key in PEM format "
        f"({error.reason or error})"
    )
