"""A person at the dashboard, wherever the name comes from: a sign-in, a nickname in a class, or the only user of a machine.

In: nothing. Out: `Person` values. What belongs to a person is stored with the person's id as its owner.
"""

from dataclasses import dataclass
from typing import Literal

Role = Literal["local", "member", "teacher", "stranger"]


@dataclass(frozen=True)
class Person:
    """One person.

    id: permanent; the e-mail address of a sign-in, a random id in a class, "" for the only user of a machine. name: for display. role: "local"
    for the only user of a machine, "member" and "teacher" on a server that people share, "stranger" for whoever has not been admitted.
    """

    id: str
    name: str
    role: Role

    @property
    def may_do_all(self) -> bool:
        """Whether the person may change what belongs to others or to nobody."""
        return self.role in ("local", "teacher")

    def may_change(self, owner: str) -> bool:
        """Whether the person may change what belongs to the person with the id `owner`; "" for what belongs to nobody."""
        return self.may_do_all or (self.role == "member" and self.id != "" and self.id == owner)


LOCAL = Person("", "", "local")
STRANGER = Person("", "", "stranger")
