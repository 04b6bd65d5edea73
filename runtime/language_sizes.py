"""How an engine's configuration sizes its language model."""

from __future__ import annotations

from magno.runtime.config import EngineConfig
from magno.runtime.language import LanguageConfig


def language_config(config: EngineConfig) -> LanguageConfig:
    """As an engine of this configuration works its language model; every size told (EngineConfig.sized)."""
    return LanguageConfig(
        context_tokens=config.context_tokens,
        max_sequences=config.max_cameras + config.max_queries,
        threads=config.threads,
        batch_tokens=config.max_step_tokens,
    )
