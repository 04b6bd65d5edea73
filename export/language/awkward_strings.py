"""Texts on which tokenizers disagree: scripts, joiners, digits, code, white space, control characters, look-alikes."""

from __future__ import annotations

AWKWARD = (
    # white space
    "",
    " ",
    "   leading and trailing   ",
    "\n\n\n",
    "a\r\nb\r\n\r\nc\rd",
    "tab\tand\u00a0no-break\u2003em\u3000ideographic",
    "line\u2028paragraph\u2029next\u0085line",
    "one  two   three    four     five",
    "\n \n  \n\t\n end",
    "trailing newline \n",
    # words and contractions
    "Which way is the red square moving?",
    "don't DON'T we'Ll I'D they've' 'S ſ'ſ rock'n'roll",
    "naïve café — “quoted” … ‘single’",
    "CamelCase snake_case kebab-case SCREAMING",
    "Supercalifragilisticexpialidocious",
    "x" * 300,
    # digits
    "1234567890 3.14 1,000,000 0x1F 1e-9 ½ ² ٣ १२३ Ⅻ ①",
    "2024-02-29T23:59:60Z +49 (0)30 1234-5678",
    "1234567890123456789012345678901234567890",
    # scripts
    "日本語のテキスト、中文。한국어 텍스트",
    "Ελληνικά العربية עִבְרִית हिन्दी ไทย বাংলা தமிழ் ქართული Հայերեն አማርኛ",
    "Русский Українська Ђђ Ѣѣ",
    "Tiếng Việt: đường phố, người, nghiêng",
    "ﷺ ﬁ ﬀ ǅ ß ẞ İ ı ŉ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𓀀 𠮷 🀄",
    "ᚠᚢᚦ ⠓⠑⠇⠇⠕ ꙮ",
    # composed and decomposed
    "e\u0301 decomposed, \u00e9 composed",
    "A\u030a \u00c5 \u212b, q\u0323\u0307 q\u0307\u0323",
    "가각 \u1100\u1161\u1100\u1161\u11a8",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘",
    "\u0301leading mark",
    # pictures
    "👩‍🚀🚗🏳️‍🌈👨‍👩‍👧‍👦🇩🇪👍🏽",
    "☎️ ☎ ♥︎ ♥️ ©️ ™",
    "smile:) :-( ¯\\_(ツ)_/¯ (╯°□°)╯︵ ┻━┻",
    # control and invisible characters
    "\x00\x01\x07\x1b[31mred\x1b[0m\x7f",
    "\ufeffbom \u200bzero\u200cwidth\u200djoiner \u202ereversed\u202c \u00adsoft",
    "\ue000private\uf8ff \ufffd \ufffe\uffff \U0010ffff",
    "\U000e0041\U000e007f tags",
    # code
    "def f(x: int = 0) -> str:\n    return f\"{x!r}\"  # note\n\n\nif __name__ == '__main__':\n\tf(1)",
    '{"a": [1, 2.5, null], "b": {"c": "\\u00e9\\n"}}',
    "<div class='x'>&amp;&#169;</div><!-- --><br/>",
    "SELECT * FROM t WHERE a='b'; DROP TABLE t;--",
    "https://user:pass@example.org:8080/a%20b?q=1&r=ä#frag",
    "C:\\Users\\x\\y.txt ../../etc /dev/null ~/.bashrc",
    "$E=mc^2$ \\frac{1}{2} ∑_{i=0}^∞ αᵢ ≤ √2 ≠ π",
    "```python\nprint('hi')\n```\n- [ ] todo\n| a | b |\n|---|---|",
    "!!!??? ... --- ### *** ===\n  indented",
    "''''\"\"\"``` '' 's't're",
    # what looks like a special token
    "<|im_start|> as text <|im_end|>",
    "<|im_start",
    "|im_end|>",
    "<|endoftext|><|begin_of_text|><|eot_id|>",
    "</s><s><unk><pad>[INST] [/INST] <<SYS>>",
    "<think>no</think><tool_call>{}</tool_call><image>",
    "[PAD5] <0x0A> ▁under Ġspace Ċ",
    "<|im_ end|> <｜im_end｜> <|IM_END|>",
)
