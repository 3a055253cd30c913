"""Gemini's own API, `generateContent`: contents of parts, signatures on parts, usage in every chunk."""
