"""The languages that `text.language` may name, and which cleaning steps exist for each."""

# Languages of the Snowball stemmers in NLTK.
STEMMED = (
    *("arabic", "danish", "dutch", "english", "finnish", "french", "german", "hungarian"),
    *("italian", "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish"),
)
# Languages with a list of stop words in the package stop-words.
WITH_STOP_WORDS = (
    *("arabic", "bulgarian", "catalan", "chinese", "czech", "danish", "dutch", "english"),
    *("finnish", "french", "german", "greek", "gujarati", "hebrew", "hindi", "hungarian"),
    *("indonesian", "italian", "japanese", "korean", "malaysian", "norwegian", "persian", "polish"),
    *("portuguese", "romanian", "russian", "slovak", "spanish", "swedish", "turkish", "ukrainian"),
    "vietnamese",
)
# Languages in which "I" has no dot, in lower case too.
DOTLESS = ("azeri", "turkish")
LANGUAGES = tuple(sorted({*STEMMED, *WITH_STOP_WORDS, *DOTLESS}))
