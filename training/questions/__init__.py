"""What may be asked about a scene and what is true: facts, families, balance. Knows nothing of rendering or codecs.

Truth (scenes/truth.py) -> moment.py -> FAMILIES (families.py) -> Asked -> balance.py
"""
