"""The words of twokey's sentences, and how strongly each one praises or blames."""

from collections.abc import Mapping
from types import MappingProxyType

ADJECTIVES: tuple[Mapping[str, float], ...] = (
    MappingProxyType(
        {
            "poor": 0.9,
            "bad": 1.2,
            "boring": 1.2,
            "unpleasant": 1.3,
            "disappointing": 1.4,
            "nasty": 1.6,
            "dismal": 1.7,
            "grim": 1.7,
            "lousy": 1.7,
            "miserable": 1.9,
            "awful": 2.1,
            "dreadful": 2.1,
            "terrible": 2.3,
            "horrible": 2.3,
            "appalling": 2.4,
            "disgusting": 2.5,
        }
    ),
    MappingProxyType(
        dict.fromkeys(
            [
                "normal",
                "average",
                "typical",
                "standard",
                "regular",
                "usual",
                "common",
                "ordinary",
                "simple",
                "basic",
                "routine",
                "familiar",
                "customary",
                "long",
                "recent",
                "local",
            ],
            0.0,
        )
    ),
    MappingProxyType(
        {
            "decent": 0.9,
            "pleasant": 1.0,
            "nice": 1.0,
            "good": 1.2,
            "enjoyable": 1.4,
            "lovely": 1.6,
            "great": 1.8,
            "delightful": 1.9,
            "beautiful": 1.9,
            "excellent": 2.1,
            "wonderful": 2.2,
            "brilliant": 2.2,
            "superb": 2.3,
            "fantastic": 2.3,
            "marvellous": 2.4,
            "perfect": 2.5,
        }
    ),
)
"""By valence: negative, neutral, positive; the strength is between 0 and 2.5."""

VERBS: tuple[Mapping[str, float], ...] = (
    MappingProxyType(
        {
            "disliked": 1.1,
            "criticised": 1.1,
            "regretted": 1.3,
            "resented": 1.5,
            "dreaded": 1.7,
            "despised": 2.2,
            "hated": 2.3,
            "loathed": 2.5,
        }
    ),
    MappingProxyType(
        dict.fromkeys(
            [
                "mentioned",
                "described",
                "noticed",
                "remembered",
                "reviewed",
                "discussed",
                "filmed",
                "sketched",
            ],
            0.0,
        )
    ),
    MappingProxyType(
        {
            "liked": 1.1,
            "praised": 1.3,
            "enjoyed": 1.5,
            "admired": 1.6,
            "cherished": 1.9,
            "treasured": 2.0,
            "loved": 2.3,
            "adored": 2.5,
        }
    ),
)
"""By valence, as ADJECTIVES."""

THINGS = (
    "meal",
    "soup",
    "hotel",
    "room",
    "garden",
    "film",
    "concert",
    "lecture",
    "lesson",
    "journey",
    "trip",
    "weekend",
    "party",
    "meeting",
    "dinner",
    "breakfast",
    "lunch",
    "book",
    "story",
    "play",
    "match",
    "game",
    "speech",
    "letter",
    "gift",
    "holiday",
    "walk",
    "flight",
    "song",
    "show",
    "report",
    "house",
    "beach",
    "market",
    "museum",
    "course",
    "interview",
    "picnic",
    "tour",
    "view",
    "cake",
    "poem",
    "painting",
    "ceremony",
    "wedding",
    "festival",
    "dance",
    "parade",
)
"""What is spoken of."""

PEOPLE = (
    "Anna",
    "Peter",
    "Maria",
    "Thomas",
    "Lucy",
    "Martin",
    "Helen",
    "Robert",
    "Nora",
    "Simon",
    "Clara",
    "Victor",
    "Emma",
    "Daniel",
    "Julia",
    "Henry",
)
"""Who else is spoken of."""

TIMES = (
    "today",
    "yesterday",
    "last night",
    "last week",
    "this morning",
    "on Monday",
    "on Friday",
    "in April",
    "in winter",
    "at noon",
)
"""When it was."""

TEMPLATES = (
    "The {thing} was {adjective} {time}.",
    "We had {an_adjective} {thing} {time}.",
    "{person} said the {thing} was {adjective}.",
    "{person} {verb} the {thing} {time}.",
    "They {verb} the {thing} by {person}.",
    "We {verb} the {adjective} {thing}.",
    "{person} {verb} the {adjective} {thing}.",
    "They {verb} {an_adjective} {thing} {time}.",
)
"""One frame for all valences: only adjectives and verbs tell them apart. Where a sentence has both
they agree, so that a language model can find out which words go together."""
