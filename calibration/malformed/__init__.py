"""Malformed files through every loader: `magno bench malformed`.

`damage_*` make them, each exact by its number; `kinds` says which file becomes which; `loaders` are the production
ones; `worker` shows them one file after another, `runs` watches it, `judge` says what must not be.
"""
