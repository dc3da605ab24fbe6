"""The text a small model learns from: written by this code, from nothing but a seed."""

from .documents import Document, make_documents

__all__ = ["Document", "make_documents"]
