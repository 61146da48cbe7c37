"""A class without accounts: a person enters once with a nickname and the class code, and the browser keeps a secret token from then on.

    CNN_STUDIO_CLASS_CODE     people need it to enter
    CNN_STUDIO_TEACHER_CODE   entered in its place, it makes a person a teacher

nickname and code --(enter)--> token --(person_of)--> Person
nickname, code and return code --(enter)--> a new token of the same person

The token (256 random bits) is the only proof of who a person is: neither the nickname nor the id helps to act as someone else. The role follows
from the code with which the person entered: stored is its HMAC under the token, which says nothing to those who do not have the token. When the
server is started with another code, people enter the new one and stay who they are.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cnn_core.errors import StudioError
from cnn_core.home import Home
from cnn_core.people.directory import Directory, Entry
from cnn_core.people.person import STRANGER, Person
from cnn_core.people.return_code import hash_return_code, make_return_code
from cnn_core.people.tries import PERIOD_SECONDS, Tries

CLASS_CODE, TEACHER_CODE = "CNN_STUDIO_CLASS_CODE", "CNN_STUDIO_TEACHER_CODE"
MIN_CLASS_CODE, MIN_TEACHER_CODE = 6, 8  # characters
SHORT_CODE = "{name} has fewer than {count} characters. Choose a longer code."
SAME_CODES = f"{CLASS_CODE} and {TEACHER_CODE} are the same. Choose two different codes."
NO_CLASS_CODE = f"{TEACHER_CODE} is set, but {CLASS_CODE} is not. Set both."
NO_CODE = "Type the class code. Your teacher tells it to you."
WRONG_CODE = "This is not the class code. Check it and type it again."
WRONG_RETURN_CODE = "This is not the return code of this nickname. Check both, or ask your teacher for a new return code."
TOO_MANY_TRIES = f"Too many wrong codes were typed. Wait {PERIOD_SECONDS / 60:.0f} minutes and try again."


@dataclass(frozen=True)
class ClassCodes:
    """The codes of a class; neither is shown where the value is printed. teacher: "" where there is none."""

    student: str = field(repr=False)
    teacher: str = field(default="", repr=False)


def read_codes(environment: Mapping[str, str]) -> ClassCodes | None:
    """Return the codes in the environment of a server, None where it serves no class. Raises StudioError, whose message contains no code."""
    student, teacher = (_as_compared(environment.get(name, "")) for name in (CLASS_CODE, TEACHER_CODE))
    if not student:
        if teacher:
            raise StudioError(NO_CLASS_CODE)
        return None
    if len(student) < MIN_CLASS_CODE:
        raise StudioError(SHORT_CODE.format(name=CLASS_CODE, count=MIN_CLASS_CODE))
    if teacher and len(teacher) < MIN_TEACHER_CODE:
        raise StudioError(SHORT_CODE.format(name=TEACHER_CODE, count=MIN_TEACHER_CODE))
    if student == teacher:
        raise StudioError(SAME_CODES)
    return ClassCodes(student, teacher)


class Classroom:
    """Admits people to the class of one studio home. May be shared between threads."""

    def __init__(self, home: Home, codes: ClassCodes, tries: Tries | None = None) -> None:
        self.directory = Directory(home)
        self._codes, self._tries = codes, tries or Tries()
        self._entries: dict[str, Entry] = {}  # by the hash of the token; what is stored changes only here

    def enter(self, nickname: str, code: str, *, token: str = "", address: str = "", return_code: str = "") -> str:
        """Admit a person and return the token that the browser must keep.

        token: of a browser that entered earlier; the person stays the same and keeps the nickname. address: of the browser, "" if unknown.
        return_code: of a person who comes back in another browser; the token of the earlier one is no longer valid. Raises StudioError for a
        missing or wrong code, after too many of them, and for a nickname that is taken or cannot be used.
        """
        if not self._tries.are_left(address):
            raise StudioError(TOO_MANY_TRIES)
        code = _as_compared(code)
        if not code:  # no guess
            raise StudioError(NO_CODE)
        if not self._is_a_code(code):
            self._tries.add_wrong(address)
            raise StudioError(WRONG_CODE)
        if known := self.find(token):
            self.directory.set_proof(known.id, _prove(token, code))
            self._entries.pop(_hash(token), None)
            return token
        token = secrets.token_urlsafe(32)
        if return_code.strip():
            self._let_return(nickname, return_code, token, code, address)
            return token
        self.directory.add(f"person-{secrets.token_hex(8)}", nickname, _hash(token), _prove(token, code))
        return token

    def create_return_code(self, id: str) -> str:
        """Create the return code of a person in place of an earlier one, and return it; only its hash is stored."""
        code = make_return_code()
        self.directory.set_return_code(id, hash_return_code(code, id))
        return code

    def _let_return(self, nickname: str, return_code: str, token: str, code: str, address: str) -> None:
        """Give the person with this nickname a new token. Raises StudioError for a wrong return code."""
        id, stored = self.directory.return_code_of(nickname) or ("", "")
        if not hmac.compare_digest(stored, hash_return_code(return_code, id)):
            self._tries.add_wrong(address)
            raise StudioError(WRONG_RETURN_CODE)
        self.directory.set_token(id, _hash(token), _prove(token, code))
        for known in [known for known, entry in list(self._entries.items()) if entry.id == id]:
            self._entries.pop(known, None)

    def find(self, token: str) -> Entry | None:
        """Return the person with this token, also one who has not entered the present code; None where there is none."""
        if not token:
            return None
        key = _hash(token)
        entry = self._entries.get(key) or self.directory.find(key)
        if entry:
            self._entries[key] = entry
        return entry

    def person_of(self, token: str) -> Person:
        """Return the person whose browser sent `token`, STRANGER where there is none or the person has not entered the present code."""
        entry = self.find(token)
        if entry is None:
            return STRANGER
        if self._codes.teacher and hmac.compare_digest(entry.proof, _prove(token, self._codes.teacher)):
            return Person(entry.id, entry.name, "teacher")
        if hmac.compare_digest(entry.proof, _prove(token, self._codes.student)):
            return Person(entry.id, entry.name, "member")
        return STRANGER

    def _is_a_code(self, code: str) -> bool:
        """Whether it is one of the codes. Both are always compared, each in constant time."""
        matches = [
            hmac.compare_digest(_hash(code), _hash(known)) for known in (self._codes.student, self._codes.teacher) if known
        ]
        return any(matches)


def _as_compared(code: str) -> str:
    """Return a code as it is compared: without spaces around it and without capitals, which telephones add by themselves."""
    return code.strip().casefold()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _prove(token: str, code: str) -> str:
    return hmac.new(token.encode(), code.encode(), hashlib.sha256).hexdigest()
