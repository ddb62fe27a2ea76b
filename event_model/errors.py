"""The one tree of errors.

OvertError
├── FormatError             bytes or text that are not what they claim to be
│   ├── PositionError       a position that lies outside its document
│   ├── SegmentError        a segment that can't be decoded
│   ├── EnvelopeError       an envelope that can't be parsed
│   ├── ManifestError       a study manifest that is incomplete or contradicts itself
│   └── RecordError         a consent record that is malformed
├── CryptoError
│   ├── SignatureError      a signature that does not belong to these bytes and this key
│   ├── DecryptError        a ciphertext that this key does not open
│   └── KeyUnavailable      a key that is missing, locked or of the wrong kind
├── FilterUnavailable       the privacy filter, or an engine chosen for it, can't be loaded
├── ConsentError            an act that the person's consent does not cover, or no such study
├── StoreError
│   ├── StoreUnwritable     the store can't be written: full, read-only, locked
│   ├── StoreDamaged        the store, or a part of it, failed its check
│   └── StoreConflict       two writers disagreed about what is next
├── UploadError             the receiver could not be reached, or gave an answer that is no receipt
├── ReceiverError           the receiver refuses a request; carries the HTTP status
├── AuditError              a study's audit log that was rewritten, or a proof or statement that does not hold
└── DatasetError            a dataset can't be built or checked

Every error has a stable ``code`` for scripts and a ``hint`` that says what the person can do.
"""

from __future__ import annotations

from typing import ClassVar


class OvertError(Exception):
    """The root of all errors raised on purpose.

    ``code`` is stable across versions; ``hint`` is one sentence that says what to do.
    """

    code: str = "error"
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.hint = self.default_hint if hint is None else hint


class FormatError(OvertError):
    """Bytes or text that are not what they claim to be."""

    code = "malformed"


class PositionError(FormatError):
    """A position that lies outside its document."""

    code = "position-invalid"


class SegmentError(FormatError):
    """A segment that can't be decoded."""

    code = "segment-malformed"
    default_hint = "Run `overt verify`; a damaged segment is set aside and the others stay readable."


class EnvelopeError(FormatError):
    """An envelope that can't be parsed."""

    code = "envelope-malformed"


class ManifestError(FormatError):
    """A study manifest that is incomplete or contradicts itself."""

    code = "manifest-invalid"
    default_hint = "Ask the study's owner for a corrected manifest; `overt study check` names what is wrong."


class RecordError(FormatError):
    """A consent record that is malformed."""

    code = "consent-malformed"


class CryptoError(OvertError):
    """The root of what goes wrong with keys, signatures and ciphertexts."""

    code = "crypto"


class SignatureError(CryptoError):
    """A signature that does not belong to these bytes and this key."""

    code = "signature-invalid"


class DecryptError(CryptoError):
    """A ciphertext that this key does not open."""

    code = "decrypt-failed"


class KeyUnavailable(CryptoError):
    """A key that is missing, locked or of the wrong kind."""

    code = "key-unavailable"
    default_hint = "Unlock your keyring; `overt keys restore FILE` brings lost keys back from a backup."


class FilterUnavailable(OvertError):
    """The privacy filter, or an engine that was chosen for it, can't be loaded: nothing is captured without it."""

    code = "filter-unavailable"


class ConsentError(OvertError):
    """An act that the person's consent does not cover, or a study that is not known."""

    code = "no-consent"
    default_hint = "`overt studies` lists what you have joined."


class StoreError(OvertError):
    """The root of what goes wrong with the local store."""

    code = "store"


class StoreUnwritable(StoreError):
    """The store can't be written: full, read-only, locked by another program."""

    code = "store-unwritable"
    default_hint = "Free some disk space or mend the permissions; `overt forget` and `overt leave` still work."


class StoreDamaged(StoreError):
    """The store, or a part of it, failed its check."""

    code = "store-damaged"
    default_hint = "Run `overt verify` to see what is damaged; everything else stays readable."


class StoreConflict(StoreError):
    """Two writers disagreed about what is next."""

    code = "store-conflict"


class UploadError(OvertError):
    """The receiver could not be reached, or gave an answer that is no receipt."""

    code = "upload-failed"
    default_hint = "Nothing is lost: `overt sync` tries again."


class ReceiverError(OvertError):
    """The receiver refuses a request."""

    code = "refused"

    def __init__(self, message: str, *, status: int, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status


class AuditError(OvertError):
    """A study's audit log that was rewritten or forked, or a proof or statement that does not hold."""

    code = "log-invalid"
    default_hint = "Keep what `overt audit` shows, and ask the study's contact and the other participants."


class DatasetError(OvertError):
    """A dataset can't be built or checked."""

    code = "dataset"
