//! Local models: GGUF files that candle loads, their tokenizers, chat templates and generation.
