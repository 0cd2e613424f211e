"""The encoding of names in zip files that do not say which one they have.

A name without the UTF-8 flag is, by the standard, in the code page of the first PC. In truth it is in that of
the computer on which it was packed. Short names are few bytes, so all names of an archive are looked at
together: each code page is tried, and that counts whose characters are most like those of a language.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vitcore.errors import SettingsError
from vitcore.messages import Message, message

__all__ = ["ENCODINGS", "NameEncoding", "guess_encoding"]

ENCODINGS: Mapping[str, Message] = {
    "utf-8": message("Unicode (UTF-8)"),
    "cp437": message("English, old (code page 437)"),
    "cp1252": message("Western European (Windows-1252)"),
    "cp850": message("Western European, old (code page 850)"),
    "cp1250": message("Central European (Windows-1250)"),
    "cp852": message("Central European, old (code page 852)"),
    "cp866": message("Cyrillic, old (code page 866)"),
    "cp1251": message("Cyrillic (Windows-1251)"),
    "gb18030": message("Chinese, simplified (GBK)"),
    "big5": message("Chinese, traditional (Big5)"),
    "cp932": message("Japanese (Shift JIS)"),
    "cp949": message("Korean (EUC-KR)"),
}
"""The code pages that are tried, and what they are called; of equal ones the first counts."""

_MOST_NAMES = 3000  # different ones that are looked at
_MOST_CHARACTERS = 200  # of each
_EXAMPLES = 3

_WESTERN = frozenset("äöüßéèêëàâáãåíìîïóòôõøúùûñçœæ" + "ÄÖÜÉÈÊÀÂÁÃÅÍÓÔÕØÚÑÇŒÆ")
_RUSSIAN = frozenset(map(chr, (*range(0x430, 0x450), 0x451)))
_CENTRAL = frozenset("ąćęłńśźżčďěňřšťůžőűľĺŕťșțăđ" + "ĄĆĘŁŃŚŹŻČĎĚŇŘŠŤŮŽŐŰĽĹŔȘȚĂĐ" + "áéíóúýäöüôÁÉÍÓÚÝÄÖÜÔ")
# The most frequent characters of Chinese and Korean texts.
_HANZI = frozenset(
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后"
    "多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合"
    "还因由其些然前外天政四日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只"
    "没结解问意建月公无系军很情者最立代想已通并提直题程展五果料象员位入常文总次品式活设及管特件长求老头基资边流路级"
    "少图山统接知较将组见计别手角期根论运农指几九区强放决西被干做必先回则任取据处队南给色光门即保治北造百规热领七海"
    "口东导器压志世金增争济油思术极交受联什认六共收证改清己美再采转更单风切打白教速花带安场身车例真务具万每目至达走"
    "积示议声报完类八离名确才科张信马节话米整空元今集温传土许步群广石记需段研界林观装影算低持音书布复容儿商非验连断"
    "深难近千周素技备半办青省列习响约支般史感便团往历市克何除消构府称太准精值号率族维划选标写存候毛亲快效院查江型眼"
    "王按格养易置派层片始专状育识适属圆包火住调满局照参红细引听铁价严猫狗鸟鱼树叶草虫衣服裤鞋帽裙病苹桃梨菜照片图像"
)
_HANGUL = frozenset(
    "이다는가의에을를은한하고사지기로리아대자어인도그나수시서전해일들정과라스만부여마상장보원제성구조게우유동소주신선"
    "안연위경무관모생음용공화개국강고양개새꽃나무말소돼닭바지모옷신발치마진"
)
_LEVEL_ONE = {  # first bytes of the characters that such a code page counts among the usual ones
    "gb18030": (0xB0, 0xD7),
    "big5": (0xA4, 0xC6),
    "cp932": (0x88, 0x97),
}
_BAD, _ODD, _FINE, _USUAL_SIGN = -1.0, 0.1, 0.8, 1.0


@dataclass(frozen=True)
class NameEncoding:
    """The encoding in which the names of an archive are read that do not say theirs.

    Attributes:
        encoding: One of `ENCODINGS`.
        others: What else is possible, the likeliest first.
        examples: Some of these names, as read.
    """

    encoding: str
    others: tuple[str, ...]
    examples: tuple[str, ...]


def guess_encoding(names: Iterable[bytes], chosen: str = "") -> NameEncoding | None:
    """Find out the encoding of names, all of them together; None if they are plain ASCII.

    Args:
        names: Paths that do not say what encoding they have.
        chosen: The encoding that a person has chosen, if one has.

    Raises:
        SettingsError: `chosen` is none of `ENCODINGS`.
    """
    if chosen and chosen not in ENCODINGS:
        raise SettingsError(
            "There is no encoding '{encoding}' for names; give {encodings:or}.",
            encoding=chosen[:40],
            encodings=tuple(ENCODINGS),
        )
    parts: dict[bytes, None] = {}
    for name in names:
        if not name.isascii():
            parts.update((part[:_MOST_CHARACTERS], None) for part in name.split(b"/") if not part.isascii())
        if len(parts) >= _MOST_NAMES:
            break
    if not parts:
        return None
    scores = {encoding: _score(list(parts), encoding) for encoding in ENCODINGS}
    order = sorted(
        (name for name, score in scores.items() if score is not None), key=lambda name: -(scores[name] or 0.0)
    )
    best = chosen or ("utf-8" if "utf-8" in order else order[0])
    examples = tuple(part.decode(best, "replace") for part in list(parts)[:_EXAMPLES])
    return NameEncoding(best, tuple(name for name in order if name != best), examples)


def _score(parts: Sequence[bytes], encoding: str) -> float | None:
    """Return how much names are like words in an encoding, about 1 at most; None if they cannot be read."""
    total = count = 0.0
    for part in parts:
        try:
            text = part.decode(encoding)
        except UnicodeDecodeError:
            return None
        for place, sign in enumerate(text):
            if not sign.isascii():
                total += _worth(text, place, encoding)
                count += 1
    return total / max(count, 1)


def _worth(text: str, place: int, encoding: str) -> float:
    """Return how likely a character is in a name that is read in an encoding."""
    sign = text[place]
    script = unicodedata.name(sign, "").partition(" ")[0]
    if script == "CJK":
        return _worth_of_chinese(sign, encoding)
    if script == "HANGUL":
        return _USUAL_SIGN if sign in _HANGUL else 0.6
    if script in {"HIRAGANA", "KATAKANA"}:
        return 1.1
    if script == "CYRILLIC":
        return _worth_in_word(text, place, _USUAL_SIGN if sign.lower() in _RUSSIAN else _ODD)
    if script == "LATIN":
        usual = _CENTRAL if encoding in {"cp1250", "cp852"} else _WESTERN
        return _worth_in_word(text, place, _USUAL_SIGN if sign in usual else _ODD)
    return _BAD


def _worth_of_chinese(sign: str, encoding: str) -> float:
    if encoding == "gb18030" and sign in _HANZI:
        return _USUAL_SIGN
    if encoding in _LEVEL_ONE:
        first, last = _LEVEL_ONE[encoding]
        code = sign.encode(encoding)
        return _FINE if len(code) == 2 and first <= code[0] <= last else _ODD
    return _ODD


def _worth_in_word(text: str, place: int, worth: float) -> float:
    """Return the worth of a letter by those beside it: one script, and capitals at the beginning only."""
    sign = text[place]
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    for other in (before, after):
        if other.isalpha() and (ord(other) >= 0x400) != (ord(sign) >= 0x400):
            return _BAD
        if "\x80" < other < "\u0250" and worth > _ODD:
            worth = 0.5  # accents seldom stand side by side
    if sign.isupper() and before.isalpha() and before.islower():
        return _BAD
    if sign.islower() and after.isupper():
        return _BAD
    return worth
