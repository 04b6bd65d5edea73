"""A small byte-level BPE tokenizer in the shape of Qwen's or Llama 3's: real special tokens, few merges."""

from __future__ import annotations

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from magno.export.language.pretokenizer import LLAMA3_SPLIT, QWEN2_SPLIT

WORDS = (
    "You are a helpful assistant.",
    "Which way is the red square moving? It is moving to the left, then to the right.",
    "What does the camera see at 3.5 s? A person walks past two bicycles and a blue car.",
)
MERGED = 400  # tokens before the special ones
CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SPECIALS = {
    "qwen2": CHATML,
    "qwen3": (*CHATML, "<think>", "</think>"),
    "llama": (
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
    ),
}


def random_tokenizer(kind: str) -> str:
    """tokenizer.json of a model type in SPECIALS; the same every time."""
    model = models.BPE(ignore_merges=True) if kind == "llama" else models.BPE()
    tokenizer = Tokenizer(model)
    split = LLAMA3_SPLIT if kind == "llama" else QWEN2_SPLIT
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=MERGED, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(WORDS, trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in SPECIALS[kind]])
    text: str = tokenizer.to_str()
    return text
