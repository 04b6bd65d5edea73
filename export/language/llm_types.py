"""What `--llm-type` can name. Knows no library, so that a command line can list it at once."""

from __future__ import annotations

WRITTEN = ("f32", "bf16", "f16")  # written as they are read
# Made from one of those by llama.cpp's own quantiser: name -> its llama_ftype (llama.h). Those that need statistics
# of real prompts (iq1, iq2, iq3_xxs) are not offered.
QUANTISED = {
    "q8_0": 7,
    "q6_k": 18,
    "q5_k_m": 17,
    "q5_k_s": 16,
    "q5_1": 9,
    "q5_0": 8,
    "q4_k_m": 15,
    "q4_k_s": 14,
    "iq4_nl": 25,
    "iq4_xs": 30,
    "q4_1": 3,
    "q4_0": 2,
    "q3_k_l": 13,
    "q3_k_m": 12,
    "q3_k_s": 11,
    "q2_k": 10,
}
LLM_TYPES = (*WRITTEN, *QUANTISED)
