"""The built-in sample: a product catalogue from a seeded generator, without a download."""

from __future__ import annotations

import re
from random import Random
from typing import NamedTuple

import pandas as pd

__all__ = ["generate"]

LEAST_ROWS = 100
REPEATED_SHARE = 0.05
RELABELLED_SHARE_OF_REPEATS = 0.1
WRONG_LABEL_SHARE = 0.02
# Whether a row has a title and a description, with weights in percent.
TEXTS_PRESENT = ((True, True), (True, False), (False, True), (False, False))
TEXTS_PRESENT_WEIGHTS = (79, 12, 8, 1)
SENTENCE_COUNTS = (1, 1, 1, 2, 2, 3)
UPPER_CASE_SHARE = 0.05
ORDER_DECIDES_SHARE = 0.34
NAMED_AGAIN_SHARE = 0.25


class Product(NamedTuple):
    """One row of the catalogue."""

    title: str
    description: str
    category: str


class Category(NamedTuple):
    """A category: nouns for its products, nouns for what goes with them, and phrases with both."""

    name: str
    weight: int
    heads: tuple[str, ...]
    others: tuple[str, ...]
    phrases: tuple[str, ...]


def split_at_commas(words: str) -> tuple[str, ...]:
    return tuple(words.split(","))


# In both lists "with", "for", "plus", "fits", "suits" and "including" occur next to either noun, so
# that neither single words nor bigrams reveal the category, only the structure of the phrase.
DEVICE_PHRASES = (
    "{head} with {other} for {occasion}",
    "{head} for {occasion} with {other} and {part}",
    "{head} plus {part} and {other} for {occasion}",
    "{head} including {part} and {other}, suits {occasion}",
    "{head} fits {occasion}, with {part} plus {other}",
    "{head} with {part} for {other}",
    "{head} suits {occasion}, including {other} and {part}",
    "for {occasion}: {head} with {other}",
    "with {other} for {occasion}: {head}",
)
COMPANION_PHRASES = (
    "{head} for {other} with {part}",
    "{head} with {part} for {occasion} and {other}",
    "{head} plus {part} for {occasion}, fits {other}",
    "{head} including {part}, suits {other}",
    "{head} for {occasion} with {other}",
    "{head} and {part} for {occasion} with {other}",
    "{head} suits {occasion}, plus {part} for {other}",
    "for {occasion}: {head} with {part} for {other}",
    "for {other} with {part}: {head}",
)
PLAIN_PHRASES = (
    "{head} with {part} for {occasion}",
    "{head} for {occasion}",
    "{head} for {occasion} including {part}",
    "{head} plus {part}, suits {occasion}",
    "{head} fits {occasion}",
    "for {occasion}: {head} with {part}",
)
SENTENCES = (
    "Delivery within {number} days to your door.",
    "{number} months warranty on every order.",
    "A {adjective} gift for {occasion} and for every day.",
    "Also available in {colour}, {colour} or {colour}.",
    "Comes in a {colour} box with {part}.",
    "Weight {number} g, size {number} x {number} mm.",
    "Our customers say: {adjective}, {adjective} and worth the price!",
    "Made for {occasion}; {adjective} quality from {brand}.",
    "The {adjective} choice of {number} customers, also with {part}.",
    "Item no. {number}, sold by {brand} since {number}.",
    "Please note that the {colour} colour may differ from the picture.",
    "Questions? {brand} answers within {number} hours.",
    "More at http://shop.example/{brand}/{number}",
)
OPENINGS = ("New from {brand}", "Now {number} in stock", "Our {adjective} offer", "{brand} has it")

PHONES = split_at_commas("phone,smartphone,mobile phone,handset")
PHONE_COMPANIONS = split_at_commas("case,charger,holder,flip cover,power bank")
CAMERAS = split_at_commas("camera,camcorder,system camera,action cam")
CAMERA_COMPANIONS = split_at_commas("tripod,lens,shoulder bag,flash,memory card")
COFFEE_MACHINES = split_at_commas("coffee machine,espresso maker,coffee maker,brewer")
COFFEES = split_at_commas("capsules,coffee beans,ground coffee,pods,espresso roast")
CATEGORIES = (
    Category("Phones", 24, PHONES, PHONE_COMPANIONS, DEVICE_PHRASES),
    Category("Phone Accessories", 20, PHONE_COMPANIONS, PHONES, COMPANION_PHRASES),
    Category("Cameras", 16, CAMERAS, CAMERA_COMPANIONS, DEVICE_PHRASES),
    Category("Camera Accessories", 14, CAMERA_COMPANIONS, CAMERAS, COMPANION_PHRASES),
    Category("Coffee Machines", 15, COFFEE_MACHINES, COFFEES, DEVICE_PHRASES),
    Category("Coffee", 11, COFFEES, COFFEE_MACHINES, COMPANION_PHRASES),
)
SLOT_WORDS = {
    "adjective": split_at_commas(
        "slim,robust,elegant,compact,light,premium,classic,modern,stylish,handy,original,durable,"
        "practical,smart,popular,genuine,exclusive,fine,strong,quality,quiet,sturdy"
    ),
    "colour": split_at_commas("black,white,red,blue,green,silver,gold,grey,brown,pink,teal,beige"),
    "part": split_at_commas(
        "strap,pouch,cable,cleaning cloth,manual,adapter,gift box,stand,clip,spare battery,"
        "sticker set,carry bag,measuring spoon,screws"
    ),
    "occasion": split_at_commas(
        "travel,home,office,work,holidays,students,beginners,families,outdoor use,birthdays,"
        "professionals,camping,small kitchens,weekends,everyday use,kids"
    ),
}
SYLLABLES = split_at_commas("va,lo,mi,ren,tor,ka,zu,bel,no,dri,pha,su,lex,or,quin,ta")
MODEL_SERIES = split_at_commas("B-,D,G ,K-,M,P ,R-,S,T ,X-")
NOUN_TEMPLATES = (
    "{brand} {model} {noun} {colour}",
    "{brand} {noun} {model}",
    "{adjective} {colour} {noun} {model} by {brand}",
    "{adjective} {brand} {noun} {model} in {colour}",
    "{colour} {noun} {brand} {model}",
    "{adjective} {noun} {brand} {model}",
    "{brand} {noun}",
    "{colour} {noun} {model}",
)
SLOT = re.compile(r"\{(\w+)\}")


def generate(rows: int = 6000, seed: int = 0) -> pd.DataFrame:
    """Return a catalogue of products, the same for the same `rows` and `seed`.

    The columns `title`, `description` and `category` hold strings, "" where a text is missing; the
    index runs from 0. In a third of the rows only the word order distinguishes a device from its
    accessory ("phone with case", "case for phone").

    The data is noisy on purpose: 2 % of the labels are wrong; 5 % of the rows duplicate another
    row, exactly or except for case and punctuation, and a tenth of these have a different label;
    1 % have no text, 12 % only a title and 8 % only a description; 5 % of the titles are in upper
    case, and some descriptions contain a link.

    Args:
        rows: number of rows, at least 100.
        seed: random seed.

    Raises:
        ValueError: `rows` is less than 100.

    >>> generate(rows=100).columns.tolist()
    ['title', 'description', 'category']

    """
    if rows < LEAST_ROWS:
        raise ValueError(f"sample rows must be at least {LEAST_ROWS} but got {rows}")
    chance = Random(seed)
    repeats = round(rows * REPEATED_SHARE)
    products = [invent_a_product(chance) for _ in range(rows - repeats)]
    products += [repeat_a_product(chance, product) for product in chance.sample(products, repeats)]
    chance.shuffle(products)
    return pd.DataFrame(products, columns=list(Product._fields), dtype=str)


def invent_a_product(chance: Random) -> Product:
    category = chance.choices(CATEGORIES, [category.weight for category in CATEGORIES])[0]
    is_mislabelled = chance.random() < WRONG_LABEL_SHARE
    label = pick_another_label(chance, category.name) if is_mislabelled else category.name
    return Product(*write_the_texts(chance, category), label)


def repeat_a_product(chance: Random, product: Product) -> Product:
    change = chance.choice((str, str.upper, str.lower, punctuate_differently))
    is_relabelled = chance.random() < RELABELLED_SHARE_OF_REPEATS
    label = pick_another_label(chance, product.category) if is_relabelled else product.category
    return Product(change(product.title), change(product.description), label)


def punctuate_differently(text: str) -> str:
    return text.replace(", ", " - ").replace(". ", " ! ")


def pick_another_label(chance: Random, label: str) -> str:
    return chance.choice([category.name for category in CATEGORIES if category.name != label])


def write_the_texts(chance: Random, category: Category) -> tuple[str, str]:
    phrases = category.phrases if chance.random() < ORDER_DECIDES_SHARE else PLAIN_PHRASES
    names = {
        "head": chance.choice(category.heads),
        "other": chance.choice(category.others),
        "brand": "".join(chance.choices(SYLLABLES, k=2)).title(),
    }
    has_title, has_description = chance.choices(TEXTS_PRESENT, TEXTS_PRESENT_WEIGHTS)[0]
    title = write_a_title(chance, phrases, names) if has_title else ""
    if not has_description:
        return title, ""
    is_product_named = not has_title or chance.random() < NAMED_AGAIN_SHARE
    return title, write_a_description(chance, phrases if is_product_named else (), names)


def write_a_title(chance: Random, phrases: tuple[str, ...], names: dict[str, str]) -> str:
    title = fill_the_slots(chance, chance.choice(phrases), names)
    return title.upper() if chance.random() < UPPER_CASE_SHARE else title


def write_a_description(chance: Random, phrases: tuple[str, ...], names: dict[str, str]) -> str:
    sentences = chance.sample(SENTENCES, chance.choice(SENTENCE_COUNTS))
    if phrases:
        sentences.insert(0, f"{chance.choice(OPENINGS)}: {chance.choice(phrases)}.")
    return fill_the_slots(chance, " ".join(sentences), names)


def fill_the_slots(chance: Random, text: str, names: dict[str, str]) -> str:
    def find_words_for(slot: re.Match[str]) -> str:
        match slot[1]:
            case "head" | "other" as noun:
                filled = chance.choice(NOUN_TEMPLATES).replace("{noun}", names[noun])
                return fill_the_slots(chance, filled, names)
            case "brand":
                return names["brand"]
            case "number":
                return str(chance.randint(2, 99))
            case "model":
                return f"{chance.choice(MODEL_SERIES)}{chance.randint(100, 999)}"
            case kind:
                return chance.choice(SLOT_WORDS[kind])

    return SLOT.sub(find_words_for, text)
