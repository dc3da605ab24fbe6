"""A signature that came with a model: what was signed, by which key."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

SHA256 = r"^[0-9a-f]{64}$"


class Statement(BaseModel):
    """What is signed. ``files``: name to SHA-256 of every file of the version but the signature. ``signer`` is what the
    signer calls himself; who it is is known by the key alone.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    format: int = Field(1, ge=1, le=1)
    model: str = Field(max_length=96)
    version: int = Field(ge=1)
    files: dict[str, str] = Field(max_length=64)
    signer: str = Field("", max_length=100)
    signed_at: float = Field(ge=0, le=1e11)


class Seal(BaseModel):
    """``signature.json``: an Ed25519 signature. ``statement`` is the very text that was signed, a `Statement` as JSON.

    ``key``: the public key, ``signature``: 32 and 64 bytes in hexadecimal digits.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    format: int = Field(1, ge=1, le=1)
    statement: str = Field(max_length=64_000)
    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")

    @property
    def said(self) -> Statement:
        """What was signed. Raises ``ValidationError``."""
        return Statement.model_validate_json(self.statement)
