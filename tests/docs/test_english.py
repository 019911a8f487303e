"""The English of the project stays plain: word orders of a translation, once repaired, do not come back.

A pattern is here because it was found many times; CONTRIBUTING.md has what to write instead.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_START = r"(?:^|[.:;] +)"
# `What` and `Who` may begin a question, and `What it is` a heading; `Whoever` begins neither.
PATTERNS = {
    "a sentence that begins with a free relative: name the thing": rf"{_START}(?:Whoever|Whatever|Who|What (?:can"
    r"|cannot|comes|does|follows|goes|has|keeps|stands|waits|would))\b(?!.*\?)",
    "any more: no longer": r"\bany more\b(?! than\b| \w+s\b)",
    "is no <noun>: is not a <noun>": r"(?<!there )(?<!There )\b(?:is|are) no (?:address|bare|browser|certificate|client"
    r"|component|domain|element|error|factory|failure|file|folder|forgery|handler|header|JID|key|limit|message|mistake"
    r"|name|network|number|part|proof|request|secret|server|stanza|stream|terminal|text|TOML|URI|UTF-8|XML|word)s?\b",
    "so many: this many, or the number": r"\bso many\b",
    "told: logged, reported, said": r"\b(?:is|are|was|were|be|been) told\b(?= by| in| with| once| at| here|[.,;])",
    "stands: is, is up, is open": r"\b(?:connection|stream|key|line|name|value|tag|mistake|it|that) stands?\b(?! for)",
    "he, his: it, they": r"\b(?:he|his|him|himself)\b",
    "by whoever: by the one that": r"\bby whoever\b",
    "anew, afresh: again": r"\b(?:anew|afresh)\b",
    "all the same: anyway": r"\ball the same\b",
    "whoever: anybody who, the party that": r"\b[Ww]hoever\b",
    "who, as a free relative: a sender that": r"\b(?:by|for|from|of|to) who\b(?!\?)",
    "hears of: is called with, gets, is logged": r"\bhears? (?:of|that|when)\b",
    "what becomes of: what happens to": r"\b[Ww]hat (?:becomes|became|(?:has|had|will) become) of\b",
    "only who: only those that": r"\b[Oo]nly who\b",
    "letters, of any text: characters": r"\b(?:at least|least|most|\d+)(?: \S+)? letters\b",
    "the one from before: the previous one": r"\b(?:certificate|configuration|file|key|one|version)s? from before\b",
    "it fails since: it has failed since, failing since": r"\b(?:fails|is down|waits|works) since\b",
    "takes long: takes a long time, is slow": r"\btakes? (?:so |very )?long\b",
    "of its own accord: on its own initiative": r"\bof (?:its|their) own accord\b",
    "nothing of the kind is there: `if there is none`": r"\bwhere (?:it|one|that) is none\b",
    "without a word: silently": r"\bwithout a word\b",
    "as X has it: as X says": r"\bas (?:[A-Z]\w+|it) ha(?:s|ve) it\b",
    "a domain of ours: one of our domains": r"\b(?:an?|each|every|no|any|another) (?!one\b)\w+ of (?:ours|theirs)\b",
    "a file of its own: its own file, a separate file": r"\ban? \w+ of (?:its|their|our) own(?=[.,;:(]|$| and\b)",
    "says of: says about": r"\bsa(?:ys?|id|ying) of (?:an?|the|itself|each|one)\b",
    "the moment since which: since when": r"\bsince which\b",
    "in vain: without success, for nothing": r"\bin vain\b",
    "of late: recently": r"\bof late\b",
    "at hand: available": r"\bat hand\b",
    "see that it runs: check that it runs": r"(?:^|[:;,.(\"'] ?)[Ss]ee that\b",
    "cannot be had: cannot be obtained": r"\b(?:can|could|may)(?:not| not)? be had\b",
    "of no use: useless": r"\b(?:is|are|be) of no use\b",
    "still stands, where it stood: is still up, where it was": r"\bstill stands\b|\bwhere it stood\b",
    "hears nothing: gets no answer": r"\bhea(?:rs|rd) nothing\b",
    "tells of, tells whether: says": r"\b(?:docstring|field|file|log|message|page|table|value)s? tells?\b",
}
# Ten times as fast as the tokenizer, which has to name all the rest as well.
COMMENT_OR_STRING = re.compile(
    r"#[^\n]*|(?:\b[rbfuRBFU]{1,2})?"
    r"""(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""",
    re.DOTALL,
)
ANY = re.compile("|".join(PATTERNS.values()))
# The docstring of a function begins with a verb or a noun phrase, not with a clause.
CLAUSE = re.compile(
    r"(?:All that|As much|Hears|How|If|Nobody|None (?:if|when|where)|Nothing|So many|That|There|Until|What|When|Where"
    r"|Whether|Which|Who|Whom|Whose|Why)\b"
)
STRING_WITH_CLAUSE = re.compile(rf"[\"'](?:\\\n|\s)*{CLAUSE.pattern}")
# Files that may have a pattern, with the reason.
EXCEPTIONS = {
    "CONTRIBUTING.md": "it shows what to avoid",
    "tests/docs/test_english.py": "it has the patterns, and a sentence for each",
    "tests/interop/test_pairs.py": "it quotes a play",
}


def _sources() -> Iterator[Path]:
    yield ROOT / "README.md"
    yield ROOT / "SECURITY.md"
    yield ROOT / "CHANGELOG.md"
    yield ROOT / "RELEASING.md"
    folders = (
        ("gateway", ("py", "js", "html", "sql")),
        ("benchmarks", ("py",)),
        ("docs", ("md",)),
        ("etc", ("*",)),
        ("newsfragments", ("md",)),
        ("tests", ("py",)),
    )
    for folder, kinds in folders:
        for kind in kinds:
            yield from (file for file in sorted((ROOT / folder).rglob(f"*.{kind}")) if file.is_file())


def prose_of(file: Path) -> str:
    """Return the text of a file that people read: for Python the comments and strings, else everything."""
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix != ".py":
        return text
    return "\n".join(each[0].lstrip("# \"'rfb") for each in COMMENT_OR_STRING.finditer(text))


def faults_in(text: str) -> list[str]:
    """Return each place in a text where a pattern matches, with what to do about it."""
    return [
        f"{' '.join(line.split())[:100]!r}: {advice}"
        for line in text.splitlines()
        if ANY.search(line)
        for advice, pattern in PATTERNS.items()
        if re.search(pattern, line)
    ]


def test_no_translated_word_order() -> None:
    found = {
        name: faults
        for file in _sources()
        if (name := str(file.relative_to(ROOT))) not in EXCEPTIONS and (faults := faults_in(prose_of(file)))
    }
    assert found == {}


def clauses_in(text: str) -> list[str]:
    """Return the first line of each docstring of a function that begins with a clause."""
    if not STRING_WITH_CLAUSE.search(text):  # as in almost every file, which need not be parsed then
        return []
    functions = (each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    said = (ast.get_docstring(each) or "" for each in functions)
    return [each.splitlines()[0] for each in said if CLAUSE.match(each)]


def test_a_docstring_begins_with_a_verb_or_a_noun_phrase() -> None:
    found = {
        str(file.relative_to(ROOT)): clauses
        for file in _sources()
        if file.suffix == ".py" and (clauses := clauses_in(file.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_the_prose_of_python_is_its_comments_and_strings(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text('x = f"one # {y}"  # two "\nz = """three \'\n""" + r\'fo\\\'ur\' + b""\n')
    assert prose_of(file) == 'one # {y}"\ntwo "\nthree \'\n"""\no\\\'ur\'\n'


def test_the_patterns_find_what_they_are_for() -> None:
    bad = [
        "a stanza is given to whoever asks for it",
        "the observer hears of each change",
        "what becomes of a stanza now",
        "a feature that acts of its own accord",
        "dropped without a word",
        "as RFC 7622 says, or as Prosody has it",
        "What became of each batch",
        "at least 20 letters",
        "the one from before is still in use",
        "it fails since yesterday",
        "a key of a domain of ours",
        "kept in a file of its own",
        "what the DNS says of a domain",
        "with the moment since which it is known",
        "it waits in vain",
        "the failures of late",
        "a list that is not at hand",
        "the line where it stood",
        "its sender heard nothing",
    ]
    assert [text for text in bad if not faults_in(text)] == []
    assert clauses_in('def f():\n    """Whether it is so."""\n') == ["Whether it is so."]
    assert clauses_in('def f():\n    """Return whether it is so."""\n') == []
