"""Return codes: with one, its nickname and the class code a person of a class comes back in another browser, or after its cookie was lost.

In: nothing, or a code as typed. Out: a new code (59 random bits), and what is stored of it: its scrypt hash (C. Percival, 2009), salted
with the id of the person, so neither the file nor a backup of it says a code.
"""

import hashlib
import secrets

LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"  # without those that look like others
GROUPS, GROUP_LENGTH = 3, 4
COST, BLOCK_SIZE = 2**14, 8  # 16 MB and about 50 ms for each try


def make_return_code() -> str:
    """Return a new code: "k7mp-2xqf-9dhw"."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))


def hash_return_code(code: str, id: str) -> str:
    """Return what is stored of the code of the person with this id. Capitals, spaces and hyphens of the code make no difference."""
    compared = "".join(letter for letter in code.casefold() if letter.isalnum())
    return hashlib.scrypt(compared.encode(), salt=id.encode(), n=COST, r=BLOCK_SIZE, p=1).hex()
