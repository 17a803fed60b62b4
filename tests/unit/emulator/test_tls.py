"""The certificate files: what can be wrong with them, and how that is told."""

from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from speechmq_emulator.tls import CertificateError, server_context


@pytest.fixture(scope="module")
def issuer() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, issuer: trustme.CA) -> tuple[Path, Path]:
    """A certificate and its key."""
    return write(tmp_path, issuer, "own")


def write(folder: Path, issuer: trustme.CA, name: str) -> tuple[Path, Path]:
    issued = issuer.issue_cert("localhost")
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    for blob in issued.cert_chain_pems:
        blob.write_to_path(certificate, append=True)
    issued.private_key_pem.write_to_path(key)
    return certificate, key


def complaint(certificate: Path, key: Path) -> str:
    with pytest.raises(CertificateError) as refused:
        server_context(certificate, key)
    return str(refused.value)


def test_certificate_and_its_key_are_taken(files: tuple[Path, Path]) -> None:
    server_context(*files)


def test_missing_file_is_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    told = f"{missing} can not be read: No such file or directory"
    assert complaint(missing, files[1]) == told
    assert complaint(files[0], missing) == told


def test_folder_is_no_certificate(files: tuple[Path, Path], tmp_path: Path) -> None:
    assert complaint(tmp_path, files[1]) == f"{tmp_path} can not be read: Is a directory"


def test_key_of_another_certificate_is_told(
    files: tuple[Path, Path], tmp_path: Path, issuer: trustme.CA
) -> None:
    _, other = write(tmp_path, issuer, "other")
    told = f"{other} is not the key of the certificate in {files[0]}"
    assert complaint(files[0], other) == told


@pytest.mark.parametrize("content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nxx\n"])
def test_file_that_is_no_pem_is_told(
    files: tuple[Path, Path], tmp_path: Path, content: str
) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text(content)
    for certificate, key in ((rubbish, files[1]), (files[0], rubbish)):
        assert complaint(certificate, key).startswith(
            f"{certificate} and {key} are not a certificate and its key in PEM format ("
        )


def test_key_with_a_passphrase_is_refused_and_not_asked_for(files: tuple[Path, Path]) -> None:
    certificate, key = files
    private = load_pem_private_key(key.read_bytes(), None)
    locked = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    key.write_bytes(locked)
    told = f"{key} asks for a passphrase; give a key without one"
    assert complaint(certificate, key) == told
